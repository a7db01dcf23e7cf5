"""What crypto answers about signatures and its authority."""

from typing import ClassVar
from uuid import UUID

from secumail.contracts.commands.base import Command, Reply


class SignatureVerdict(Reply):
    """What a signature is worth, in a closed vocabulary (`state`) and in words."""

    state: str
    words: str
    signer: str | None = None
    issuer: str | None = None
    serial: str | None = None


class VerifySignature(Command):
    """Check a detached S/MIME signature by digests of what it signs: the mail itself stays where it is.

    `account` is who reads it: from good signatures of people outside is learned what these can read.
    """

    name: ClassVar[str] = "crypto.verify-signature"
    reply: ClassVar[type[Reply]] = SignatureVerdict
    signature: str
    sha256: str
    sha384: str = ""
    sha512: str = ""
    sender: str
    account: UUID | None = None


class AuthorityReply(Reply):
    """The organisation's mail authority: PEM of root and issuing certificates."""

    pem: str


class GetAuthority(Command):
    """The certificates others need to check our signatures. Public."""

    name: ClassVar[str] = "crypto.get-authority"
    reply: ClassVar[type[Reply]] = AuthorityReply


COMMANDS: tuple[type[Command], ...] = (VerifySignature, GetAuthority)
PRIVILEGED: tuple[type[Command], ...] = ()
