"""Commands: a question that waits for its answer, with a deadline. They travel sealed (secumail.sealing.letters).

`PRIVILEGED` commands are acts of a person: their letter carries that person's signature, and the service that
answers checks it against the signed directory. So a gateway can't act for people who are not logged in to it.
"""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from secumail.contracts.claims import SealedClaim

Role = Literal["member", "reviewer", "administrator"]


class Reply(BaseModel):
    """Root of all answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Done(Reply):
    """The act was done; there is nothing else to say."""

    done: int = 1


class Command(BaseModel):
    """Root of all questions. `name` is `<service>.<verb>`; `reply` the model of the answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: ClassVar[str]
    reply: ClassVar[type[Reply]] = Done
    version: Literal[1] = 1


# --- auth -------------------------------------------------------------------------------------------------


class LoggedIn(Reply):
    """`bundle`: base64 of the account's private keys (secumail.sealing.accounts), for the session alone."""

    account: UUID
    address: str
    display_name: str
    roles: tuple[Role, ...]
    bundle: str


class LogIn(Command):
    """Address and password for the account's keys. A wrong one and an unknown one look the same."""

    name: ClassVar[str] = "auth.log-in"
    reply: ClassVar[type[Reply]] = LoggedIn
    address: str
    password: str


class Registered(Reply):
    """The new account's opaque id."""

    account: UUID


class Register(Command):
    """Open an account. An administrator's act."""

    name: ClassVar[str] = "auth.register"
    reply: ClassVar[type[Reply]] = Registered
    address: str
    display_name: str
    password: str
    roles: tuple[Role, ...] = ("member",)


class AccountRow(BaseModel):
    """One account as an administrator sees it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    account: UUID
    address: str
    display_name: str
    roles: tuple[Role, ...]
    status: Literal["active", "suspended"]


class AccountList(Reply):
    """All accounts, in order of registration."""

    accounts: tuple[AccountRow, ...]


class ListAccounts(Command):
    """The accounts of the organisation. An administrator's act."""

    name: ClassVar[str] = "auth.list-accounts"
    reply: ClassVar[type[Reply]] = AccountList


class SetRoles(Command):
    """Give an account its roles. An administrator's act; reviewers also need `Grant`, for the group's key."""

    name: ClassVar[str] = "auth.set-roles"
    account: UUID
    roles: tuple[Role, ...]


class SetStatus(Command):
    """Suspend or reinstate an account. An administrator's act."""

    name: ClassVar[str] = "auth.set-status"
    account: UUID
    status: Literal["active", "suspended"]


class Grant(Command):
    """Add a member to a group: `wrap` is the group's private key sealed to the member, made in a member's session."""

    name: ClassVar[str] = "auth.grant"
    group: str
    account: UUID
    wrap: str


# --- dlp --------------------------------------------------------------------------------------------------


class ListsReply(Reply):
    """The lists as JSON (services.dlp.lists) and their version."""

    lists: str


class GetLists(Command):
    """The current word and hash lists. A reviewer's or administrator's act: the lists are secrets."""

    name: ClassVar[str] = "dlp.get-lists"
    reply: ClassVar[type[Reply]] = ListsReply


class PutLists(Command):
    """Replace the lists; refused where `expects` is not the current version (somebody else edited them)."""

    name: ClassVar[str] = "dlp.put-lists"
    reply: ClassVar[type[Reply]] = ListsReply
    lists: str
    expects: int


class Release(Command):
    """Let a held mail go: `claim` is its key bundle, sealed to crypto and signed in the reviewer's session."""

    name: ClassVar[str] = "dlp.release"
    mail: UUID
    generation: int
    claim: SealedClaim


class Reject(Command):
    """Refuse a held mail for good."""

    name: ClassVar[str] = "dlp.reject"
    mail: UUID
    generation: int


# --- crypto -----------------------------------------------------------------------------------------------


class SignatureVerdict(Reply):
    """What a signature is worth, in a closed vocabulary (`state`) and in words."""

    state: str
    words: str
    signer: str | None = None
    issuer: str | None = None
    serial: str | None = None


class VerifySignature(Command):
    """Check a detached S/MIME signature by the digest of what it signs: the mail itself stays where it is."""

    name: ClassVar[str] = "crypto.verify-signature"
    reply: ClassVar[type[Reply]] = SignatureVerdict
    signature: str
    sha256: str
    sender: str


class AuthorityReply(Reply):
    """The organisation's mail authority: PEM of root and issuing certificates."""

    pem: str


class GetAuthority(Command):
    """The certificates others need to check our signatures. Public."""

    name: ClassVar[str] = "crypto.get-authority"
    reply: ClassVar[type[Reply]] = AuthorityReply


# --- stego ------------------------------------------------------------------------------------------------


class Revealed(Reply):
    """base64 of what was hidden."""

    payload: str


class Reveal(Command):
    """Take the hidden mail out of an image. `image` is base64."""

    name: ClassVar[str] = "stego.reveal"
    reply: ClassVar[type[Reply]] = Revealed
    image: str
    key: str


PRIVILEGED: frozenset[str] = frozenset(
    c.name for c in (Register, ListAccounts, SetRoles, SetStatus, Grant, GetLists, PutLists, Release, Reject)
)

COMMANDS: tuple[type[Command], ...] = (
    LogIn, Register, ListAccounts, SetRoles, SetStatus, Grant,
    GetLists, PutLists, Release, Reject,
    VerifySignature, GetAuthority,
    Reveal,
)  # fmt: skip
