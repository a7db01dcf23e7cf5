"""What crypto needs from outside."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey


@dataclass(frozen=True)
class Signer:
    """A mail address's signing key and certificate."""

    key: EllipticCurvePrivateKey
    certificate: x509.Certificate

    def __repr__(self) -> str:
        return "Signer(...)"


class Custody(Protocol):
    """Where signing keys are kept: the sender may be logged out when a mail is signed."""

    async def signer(self, account: UUID | None, address: str) -> Signer:
        """The key of an account (None: the mail system itself) for one of its addresses; issued when missing."""
