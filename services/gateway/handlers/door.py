"""What every path shares: the parts it works with, and who is asking."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from secumail.contracts.commands.auth import LoggedIn, LogIn
from secumail.directory import Directory
from secumail.errors import Refused
from secumail.mailbox.mailbox import Mailboxes
from secumail.sealing.claims import Claims
from secumail.spool.spool import Spool
from services.gateway.adapters.decryption import DecryptionKeys
from services.gateway.adapters.pickups import Pickups
from services.gateway.adapters.renewal import Renewal
from services.gateway.adapters.sessions import Sessions
from services.gateway.adapters.waiting import News
from services.gateway.ports import Ask
from services.gateway.sessions import Session
from services.gateway.settings import Settings


@dataclass(frozen=True)
class Door:
    """Everything behind the door."""

    settings: Settings
    sessions: Sessions
    spool: Spool
    mailboxes: Mailboxes
    directory: Directory
    claims: Claims
    ask: Ask
    news: News
    decryption: DecryptionKeys
    pickups: Pickups
    renewal: Renewal

    async def ask_again(self, session: Session, password: str) -> None:
        """Refused unless the person is there: a session's token alone gets no key and destroys none."""
        person = await self.ask(LogIn(address=session.address, password=password), LoggedIn)
        if person.account != session.account:
            raise Refused("not-you", "This is another account's password.", "Give the one you log in with.", 403)


async def _door(request: Request) -> Door:
    return cast(Door, request.app.state.door)


# A coroutine although it waits for nothing: a plain function would cost a change of threads for each request.
Behind = Annotated[Door, Depends(_door)]

_bearer = HTTPBearer(auto_error=False, description="The token of a session: POST /api/v1/sessions.")


async def _session(door: Behind, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Session:
    if given is None:
        raise Refused("not-logged-in", "The request has no session.", "Log in, and send the token as Bearer.", 401)
    return await door.sessions.open(given.credentials)


Asking = Annotated[Session, Depends(_session)]
