"""Sessions and accounts: /sessions, /accounts, /groups."""

import base64
from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, status
from pydantic import BaseModel, ConfigDict, Field

from secumail.contracts.commands import Done, Role
from secumail.contracts.commands.auth import (
    AccountList,
    AccountRow,
    Grant,
    ListAccounts,
    LoggedIn,
    LogIn,
    Register,
    Registered,
    SetRoles,
    SetStatus,
)
from secumail.directory import REVIEWERS, group_context
from secumail.errors import Refused
from services.gateway import sessions
from services.gateway.handlers.door import Asking, Behind, Door
from services.gateway.sessions import Session

router = APIRouter()


class Credentials(BaseModel):
    """What a person logs in with."""

    model_config = ConfigDict(extra="forbid")

    address: str = Field(max_length=320)
    password: str = Field(max_length=1024)


class SessionBegun(BaseModel):
    """A session: send `token` as `Authorization: Bearer`. It ends after `idle_seconds` without a request."""

    token: str
    account: UUID
    address: str
    display_name: str
    roles: tuple[Role, ...]
    idle_seconds: int


class Myself(BaseModel):
    """Who is logged in."""

    account: UUID
    address: str
    display_name: str
    roles: tuple[Role, ...]


class NewAccount(BaseModel):
    """An account to open."""

    model_config = ConfigDict(extra="forbid")

    address: str = Field(max_length=320)
    display_name: str = Field(default="", max_length=100)
    password: str = Field(max_length=1024)
    roles: tuple[Role, ...] = ("member",)


class AccountChange(BaseModel):
    """What to change of an account."""

    model_config = ConfigDict(extra="forbid")

    roles: tuple[Role, ...] | None = None
    status: str | None = Field(default=None, pattern="^(active|suspended)$")


@router.post("/sessions", status_code=status.HTTP_201_CREATED, operation_id="logIn")
async def log_in(door: Behind, given: Credentials) -> SessionBegun:
    """Log in."""
    person = await door.ask(LogIn(address=given.address, password=given.password), LoggedIn)
    token, stored = sessions.begin(person, datetime.now(UTC), door.settings.session_idle)
    await door.sessions.add(stored)
    if person.renewed is not None:
        door.renewal.begin(sessions.unseal(stored, token), person.renewed)
    return SessionBegun(
        token=token,
        account=person.account,
        address=person.address,
        display_name=person.display_name,
        roles=person.roles,
        idle_seconds=int(door.settings.session_idle.total_seconds()),
    )


@router.get("/sessions/current", operation_id="whoAmI")
async def who_am_i(session: Asking) -> Myself:
    """Who is logged in."""
    return Myself(
        account=session.account,
        address=session.address,
        display_name=session.display_name,
        roles=session.roles,
    )


@router.delete("/sessions/current", status_code=status.HTTP_204_NO_CONTENT, operation_id="logOut")
async def log_out(door: Behind, session: Asking) -> None:
    """Log out: the session's key is gone at once."""
    await door.sessions.end(session)


@router.get("/accounts", operation_id="listAccounts")
async def list_accounts(door: Behind, session: Asking) -> list[AccountRow]:
    """All accounts. For administrators."""
    session.require("administrator")
    return list((await door.ask(ListAccounts(), AccountList, session.actor)).accounts)


@router.post("/accounts", status_code=status.HTTP_201_CREATED, operation_id="openAccount")
async def open_account(door: Behind, session: Asking, given: NewAccount) -> Registered:
    """Open an account. For administrators; a reviewer is also given the key of the reviewers' mailbox."""
    session.require("administrator")
    if "reviewer" in given.roles:
        session.require("reviewer")
    registered = await door.ask(
        Register(address=given.address, display_name=given.display_name, password=given.password, roles=given.roles),
        Registered,
        session.actor,
    )
    if "reviewer" in given.roles:
        await _grant(door, session, registered.account)
    return registered


@router.patch("/accounts/{account}", status_code=status.HTTP_204_NO_CONTENT, operation_id="changeAccount")
async def change_account(door: Behind, session: Asking, account: UUID, given: AccountChange) -> None:
    """Change roles or status. For administrators."""
    session.require("administrator")
    if given.roles is not None:
        if "reviewer" in given.roles:
            session.require("reviewer")
            await _grant(door, session, account)
        await door.ask(SetRoles(account=account, roles=given.roles), Done, session.actor)
    if given.status is not None:
        change = SetStatus.model_validate({"account": account, "status": given.status})
        await door.ask(change, Done, session.actor)
        if given.status == "suspended":
            await door.sessions.end_all(account)


async def _grant(door: Door, session: Session, account: UUID) -> None:
    """Seal the reviewers' key to a new member: only a member's session can."""
    _, key = await door.sessions.group(session, REVIEWERS)
    door.directory.forget(account)
    entry = await door.directory.account(account)
    if entry is None:
        raise Refused("no-such-account", "There is no such account.", "Look at the list of accounts.", 404)
    wrap = base64.b64encode(entry.key.seal(key.raw, group_context(REVIEWERS, account))).decode()
    await door.ask(Grant(group=REVIEWERS, account=account, wrap=wrap), Done, session.actor)
