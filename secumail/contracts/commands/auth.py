"""What auth answers: log-in, accounts, groups."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from secumail.contracts.commands.base import Command, Reply, Role


class LoggedIn(Reply):
    """`bundle`: base64 of the account's private keys (secumail.sealing.accounts), for the session alone.

    `renewed`: since when the newest of them is the current one, where there are others besides.
    """

    account: UUID
    address: str
    display_name: str
    roles: tuple[Role, ...]
    bundle: str
    renewed: datetime | None = None


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
    status: Literal["active", "suspended", "shredded"]


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


COMMANDS: tuple[type[Command], ...] = (LogIn, Register, ListAccounts, SetRoles, SetStatus, Grant)
PRIVILEGED: tuple[type[Command], ...] = (Register, ListAccounts, SetRoles, SetStatus, Grant)
