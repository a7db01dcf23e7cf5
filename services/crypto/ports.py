"""What crypto needs from outside."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from services.crypto.forms import Kind
from services.crypto.peers import PeerKey, Source


@dataclass(frozen=True)
class Signer:
    """A mail address's signing key and certificate."""

    key: EllipticCurvePrivateKey
    certificate: x509.Certificate

    def __repr__(self) -> str:
        return "Signer(...)"


@dataclass(frozen=True)
class OpenPGPKeys:
    """An address's OpenPGP certificate (binary), and the part in custody that signs for it."""

    certificate: bytes
    signer: bytes

    def __repr__(self) -> str:
        return "OpenPGPKeys(...)"


@dataclass(frozen=True)
class PeerKeys:
    """The keys mail to somebody outside can be encrypted to now. `gcm`: reads AuthEnvelopedData."""

    smime: x509.Certificate | None
    openpgp: bytes | None
    gcm: bool


class Custody(Protocol):
    """Where signing keys are kept: the sender may be logged out when a mail is signed."""

    async def signer(self, account: UUID | None, address: str) -> Signer:
        """The key of an account (None: the mail system itself) for one of its addresses; issued when missing."""


class Peers(Protocol):
    """What is known of people outside the organisation."""

    async def reads(self, account: UUID, address: str) -> tuple[frozenset[Kind], bool]:
        """Which kinds of keys `account` has for the peer, and whether the peer reads AuthEnvelopedData."""

    async def keys(self, account: UUID, address: str) -> PeerKeys:
        """The keys themselves."""

    async def learn(
        self, owner: UUID | Literal["everyone"], address: str, key: PeerKey, source: Source, gcm: bool | None = None
    ) -> object:
        """Pin a key that was seen, or note that another one was."""


class OpenPGPCustody(Protocol):
    """Where people's OpenPGP keys are: what signs in custody, what opens sealed to the account key."""

    async def of(self, account: UUID, address: str) -> OpenPGPKeys:
        """The key of one of an account's addresses; made when it is missing, also while its owner is logged out."""

    async def certificates(self, address: str) -> tuple[bytes, ...]:
        """All certificates one of our addresses ever had, to check signatures with."""


class EncryptionKeys(Protocol):
    """Where people's S/MIME encryption keys are: their private halves are opened in a session alone."""

    async def encryption(self, account: UUID, address: str) -> x509.Certificate:
        """The certificate to encrypt to one of an account's addresses with; the key is made when it is missing."""

    async def certificates(self, account: UUID) -> Mapping[str, x509.Certificate]:
        """The certificates of all keys the account ever had, by the key's id in `decryption_keys`."""
