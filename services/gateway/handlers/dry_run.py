"""What lists would do before they count: with held mail, opened in the reviewer's session, and with the sent log."""

import asyncio
import base64
import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from secumail.contracts.commands.dlp import HandedMail, LoggedMail, TriedReply, TryLists, WordsAct, WordsForm
from secumail.contracts.packing import pack
from secumail.directory import REVIEWERS
from secumail.mailbox.entry import Entry, Meta
from services.gateway.handlers.door import Asking, Behind, Door
from services.gateway.handlers.messages import opened_with
from services.gateway.sessions import Session

router = APIRouter()

MOST_HELD, MOST_SENT = 100, 2000
MOST_BYTES = 8 * 2**20
"""Of held mail that is handed to dlp for one dry run."""


class Trial(BaseModel):
    """Lists that are the current ones but for these fields and words.

    `words` is CSV (term,threshold,scope) or text (a term a line) and replaces the words, is added to them, or removed.
    Looked at are the newest held mails that nobody has decided on, up to 8 MB, and the newest of the sent log.
    """

    model_config = ConfigDict(extra="forbid")

    lists: dict[str, Any] = Field(default_factory=dict)
    words: str | None = None
    form: WordsForm = "csv"
    act: WordsAct = "replace"
    held: Annotated[int, Field(ge=0, le=MOST_HELD)] = 50
    sent: Annotated[int, Field(ge=0, le=MOST_SENT)] = 500


class TriedHeld(BaseModel):
    """A held mail: what is decided by the lists that count, and by those tried; an action and a code for each part of
    its recipients."""

    id: UUID
    subject: str
    sender: str
    now: list[str]
    then: list[str]


class TriedWord(BaseModel):
    """A word, and how many of the mails sent it would have held."""

    term: str
    mails: int


class Tried(BaseModel):
    """`held`: the held mails that were looked at, in full. `sent`: so many lines of the sent log were, and so many of
    these mails would have been held by words, which are counted; a word that was on no list then is not known of."""

    held: list[TriedHeld]
    sent: int
    sent_held: int
    words: list[TriedWord]


@router.post("/lists/dry-run", operation_id="tryLists")
async def try_lists(door: Behind, session: Asking, given: Trial) -> Tried:
    """What would lists do that do not count yet? Nothing is changed. For reviewers."""
    session.require("reviewer")
    held = await _held(door, session, given.held)
    logged = await _logged(door, session, given.sent)
    command = TryLists(
        fields=pack(json.dumps(given.lists)),
        words=await asyncio.to_thread(pack, given.words) if given.words is not None else None,
        form=given.form,
        act=given.act,
        held=tuple(_opened(entry, meta, raw) for entry, meta, raw in held),
        logged=logged,
    )
    reply = await door.ask(command, TriedReply, session.actor)
    tried = {mail.id: mail for mail in reply.held}
    return Tried(
        held=[
            TriedHeld(
                id=entry.id,
                subject=meta.subject,
                sender=meta.extra["envelope"]["sender"],
                now=list(tried[entry.id].now),
                then=list(tried[entry.id].then),
            )
            for entry, meta, _ in held
        ],
        sent=len(logged),
        sent_held=len(reply.sent),
        words=[TriedWord(term=word.term, mails=word.mails) for word in reply.terms],
    )


async def _held(door: Door, session: Session, most: int) -> list[tuple[Entry, Meta, bytes]]:
    account, key = await door.sessions.group(session, REVIEWERS)
    found, size = [], 0
    for entry in await door.mailboxes.page(account, "quarantine", most, None) if most else ():
        size += entry.size if entry.decision is None else 0
        if entry.decision is None and size <= MOST_BYTES:
            found.append(await opened_with(door, account, key, entry.id))
    return found


async def _logged(door: Door, session: Session, most: int) -> tuple[LoggedMail, ...]:
    account, key = await door.sessions.group(session, REVIEWERS)
    entries = await door.mailboxes.page(account, "sent-log", most, None) if most else ()

    def read() -> tuple[LoggedMail, ...]:
        metas = ((entry, entry.open_meta(entry.open_key(key)).extra) for entry in entries)
        return tuple(
            LoggedMail(id=entry.id, recipients=extra["envelope"]["recipients"], terms=extra.get("terms", {}))
            for entry, extra in metas
        )

    return await asyncio.to_thread(read)


def _opened(entry: Entry, meta: Meta, raw: bytes) -> HandedMail:
    envelope = meta.extra["envelope"]
    return HandedMail(
        id=entry.id,
        mail=base64.b64encode(raw).decode(),
        sender=envelope["sender"],
        recipients=tuple(envelope["recipients"]),
    )
