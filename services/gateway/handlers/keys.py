"""Keys of accounts: /accounts/{account}/renew, /accounts/{account}/shred."""

from uuid import UUID

from fastapi import APIRouter, status
from pydantic import BaseModel, ConfigDict, Field

from secumail.contracts.commands import Done
from secumail.contracts.commands.keys import RenewAccount, ShredAccount, ShredKeys
from services.gateway.handlers.door import Asking, Behind

router = APIRouter()


class Confirmed(BaseModel):
    """Who asks, once more: a session alone does not do what nobody can undo."""

    model_config = ConfigDict(extra="forbid")

    login_password: str = Field(max_length=1024, description="The one you log in with.")

    def __repr__(self) -> str:
        return "Confirmed(...)"


@router.post("/accounts/{account}/renew", status_code=status.HTTP_204_NO_CONTENT, operation_id="renewAccount")
async def renew_account(door: Behind, session: Asking, account: UUID) -> None:
    """A new key for one's account, or for administrators anybody's, at its next log-in. Its other sessions end then."""
    await door.ask(RenewAccount(account=account), Done, session.actor)


@router.post("/accounts/{account}/shred", status_code=status.HTTP_204_NO_CONTENT, operation_id="shredAccount")
async def shred_account(door: Behind, session: Asking, account: UUID, given: Confirmed) -> None:
    """Destroy an account's keys: all its mail is unreadable for ever, for everybody. For administrators."""
    session.require("administrator")
    await door.ask_again(session, given.login_password)
    await door.ask(ShredAccount(account=account), Done, session.actor)
    await door.sessions.end_all(account)
    await door.ask(ShredKeys(account=account), Done, session.actor)
