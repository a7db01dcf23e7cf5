"""The lock a client shows: which form each recipient will get, asked before sending."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from secumail.contracts.commands.protection import ChooseForms, Forms
from services.gateway.handlers.door import Asking, Behind

router = APIRouter()

Wish = Literal["auto", "signed", "smime", "openpgp"]


class Question(BaseModel):
    """Who a mail is to go to, and how the sender wishes it. `password`: one comes with it, for those outside."""

    model_config = ConfigDict(extra="forbid")

    to: Annotated[list[Annotated[str, Field(max_length=320)]], Field(min_length=1, max_length=1000)]
    form: Wish = "auto"
    password: bool = False


class Lock(BaseModel):
    """One recipient. `form` is null where nothing can be sent: then `reason` is a stable code. `words` say which."""

    address: str
    form: str | None
    because: Literal["wish", "policy", "readable"]
    reason: str | None
    words: str


@router.post("/forms", operation_id="chooseForms")
async def choose_forms(door: Behind, session: Asking, question: Question) -> list[Lock]:
    """How a mail would be protected for each recipient now. Sending acts on the same answer."""
    forms = await door.ask(
        ChooseForms(
            account=session.account, recipients=tuple(question.to), form=question.form, guests=question.password
        ),
        Forms,
    )
    return [Lock(address=address, **row.model_dump()) for address, row in zip(question.to, forms.rows, strict=True)]
