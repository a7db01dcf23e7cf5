"""A person's keys: what a session holds, and nothing at rest holds in the open."""

from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from secumail.sealing.hpke import PRIVATE_BYTES, PrivateKey


@dataclass(frozen=True)
class AccountKeys:
    """The account key (opens mail) and the signing key (signs acts), 96 + 32 bytes when encoded.

    The signing key is for acts inside SecuMail (a release, an administrator's order), not for S/MIME.
    """

    raw: bytes

    def __repr__(self) -> str:
        return "AccountKeys(...)"

    @classmethod
    def generate(cls) -> "AccountKeys":
        """New ones, for a new account or epoch."""
        return cls(PrivateKey.generate().raw + Ed25519PrivateKey.generate().private_bytes_raw())

    @cached_property
    def private(self) -> PrivateKey:
        """Opens what is sealed to the account."""
        return PrivateKey(self.raw[:PRIVATE_BYTES])

    @cached_property
    def signer(self) -> Ed25519PrivateKey:
        """Signs the person's acts."""
        return Ed25519PrivateKey.from_private_bytes(self.raw[PRIVATE_BYTES:])
