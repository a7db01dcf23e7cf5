"""What reviewers do: /quarantine, /sent-log. The lists are in filter_lists."""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from secumail.contracts.commands import Done
from secumail.contracts.commands.dlp import Reject, Release
from secumail.directory import REVIEWERS
from secumail.errors import Refused
from secumail.mailbox import entry as mailbox
from secumail.mailbox.entry import Entry, Folder, Meta
from secumail.sealing.claims import Step, TransitKeys
from services.gateway.handlers.door import Asking, Behind, Door
from services.gateway.handlers.messages import Page, Row, cursor_at, opened_with, page, position, row
from services.gateway.handlers.showing import Mail, shown
from services.gateway.sessions import Session

router = APIRouter()

AT_ONCE = 200
Act = Callable[[Door, Session, Meta], Awaitable[None]]

LOOKED_AT = 2000
"""Held mails that one request looks through in search of those that are asked for: they have to be opened for it."""


class Decision(BaseModel):
    """What was decided, by whom, and the note they left. Only reviewers can read it."""

    by: str
    at: datetime
    act: str
    note: str


class HeldMail(BaseModel):
    """A held mail: why, by which findings, what was decided, and the mail itself."""

    id: UUID
    mail: UUID
    code: str
    reason: str
    findings: list[dict[str, Any]]
    sender: str
    recipients: list[str]
    decision: Decision | None
    message: Mail


class HeldRow(Row):
    """One held mail in the list: `code` is what holds it, `recipients` for whom."""

    code: str
    recipients: list[str]


class HeldPage(BaseModel):
    """A page of the quarantine; `next_cursor` is null on the last one. A search may bring fewer than were asked for, or
    none, and go on."""

    data: list[HeldRow]
    next_cursor: str | None


class Decide(BaseModel):
    """Held mails to decide on (entry ids), with a note for the other reviewers."""

    model_config = ConfigDict(extra="forbid")

    ids: list[UUID] = Field(min_length=1, max_length=AT_ONCE)
    note: str = Field(default="", max_length=500)


class Decided(BaseModel):
    """What became of each: `done`, or the fault in words."""

    id: UUID
    done: bool
    code: str | None = None
    words: str | None = None


@router.get("/quarantine", operation_id="listQuarantine")
async def list_quarantine(
    door: Behind,
    session: Asking,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: str | None = None,
    sender: Annotated[str, Query(max_length=320, description="Part of the sender's address.")] = "",
    recipient: Annotated[str, Query(max_length=320, description="Part of a recipient's address.")] = "",
    reason: Annotated[str, Query(max_length=100, description="The code that holds it, or a word of the reason.")] = "",
) -> HeldPage:
    """Held mails, newest first; those that match all that is asked for. For reviewers."""
    session.require("reviewer")
    account, key = await door.sessions.group(session, REVIEWERS)
    wanted = tuple(part.strip().lower() for part in (sender, recipient, reason))
    entries = await door.mailboxes.page(
        account, "quarantine", (LOOKED_AT if any(wanted) else limit) + 1, position(cursor)
    )
    rows: list[HeldRow] = []
    for at, entry in enumerate(entries[:-1] if len(entries) > (LOOKED_AT if any(wanted) else limit) else entries):
        meta = entry.open_meta(entry.open_key(key))
        if _matches(meta, *wanted):
            rows.append(_held_row(entry, meta))
        if len(rows) == limit:
            more = at + 1 < len(entries)
            return HeldPage(data=rows, next_cursor=cursor_at(entry) if more else None)
    more = len(entries) > LOOKED_AT
    return HeldPage(data=rows, next_cursor=cursor_at(entries[-2]) if more else None)


@router.get("/quarantine/{id}", operation_id="showHeldMail")
async def show_held(door: Behind, session: Asking, id: UUID) -> HeldMail:
    """One held mail with its reason. For reviewers."""
    entry, meta, raw = await _held(door, session, id)
    _, key = await door.sessions.group(session, REVIEWERS)
    decided = mailbox.Decision.open(entry, key)
    return HeldMail(
        id=entry.id,
        mail=entry.mail,
        code=meta.extra["code"],
        reason=meta.extra["reason"],
        findings=meta.extra["findings"],
        sender=meta.extra["envelope"]["sender"],
        recipients=meta.extra["envelope"]["recipients"],
        decision=Decision(**asdict(decided)) if decided is not None else None,
        message=await shown(door, session, entry, meta, raw),
    )


@router.get("/quarantine/{id}/raw", operation_id="rawHeldMail", response_class=Response)
async def raw_held(door: Behind, session: Asking, id: UUID) -> Response:
    """The held mail, byte for byte. For reviewers."""
    _, _, raw = await _held(door, session, id)
    return Response(raw, media_type="message/rfc822")


@router.post("/quarantine/release", operation_id="releaseMails")
async def release(door: Behind, session: Asking, given: Decide) -> list[Decided]:
    """Let held mails go, in your name; from then on they stand in the sent log. For reviewers."""
    session.require("reviewer")
    return [await _decide(door, session, id_, given.note, _release, "released", "sent-log") for id_ in given.ids]


@router.post("/quarantine/reject", operation_id="rejectMails")
async def reject(door: Behind, session: Asking, given: Decide) -> list[Decided]:
    """Refuse held mails for good. For reviewers."""
    session.require("reviewer")
    return [await _decide(door, session, id_, given.note, _reject, "rejected", "archive") for id_ in given.ids]


@router.get("/sent-log", operation_id="listSentLog")
async def list_sent_log(
    door: Behind,
    session: Asking,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: str | None = None,
) -> Page:
    """Mails that passed, for analysis. For reviewers."""
    session.require("reviewer")
    account, key = await door.sessions.group(session, REVIEWERS)
    return await page(door, account, key, "sent-log", limit, cursor)


# --- shared -------------------------------------------------------------------------------------------------


def _matches(meta: Meta, sender: str, recipient: str, reason: str) -> bool:
    envelope = meta.extra["envelope"]
    return (
        sender in envelope["sender"].lower()
        and any(recipient in address.lower() for address in envelope["recipients"])
        and (reason in meta.extra["code"] or reason in meta.extra["reason"].lower())
    )


def _held_row(entry: Entry, meta: Meta) -> HeldRow:
    shown = row(entry, meta)
    return HeldRow(**shown.model_dump(), code=meta.extra["code"], recipients=meta.extra["envelope"]["recipients"])


async def _held(door: Door, session: Session, id_: UUID) -> tuple[Entry, Meta, bytes]:
    session.require("reviewer")
    account, key = await door.sessions.group(session, REVIEWERS)
    return await opened_with(door, account, key, id_)


async def _decide(
    door: Door, session: Session, id_: UUID, note: str, act: Act, words: Literal["released", "rejected"], to: Folder
) -> Decided:
    try:
        entry, meta, _ = await _held(door, session, id_)
        if entry.folder != "quarantine":
            raise Refused("decided-already", "This mail is decided already.", "Look at the quarantine again.", 409)
        await act(door, session, meta)
        _, key = await door.sessions.group(session, REVIEWERS)
        decision = mailbox.Decision(session.address, datetime.now(UTC), words, note)
        await door.mailboxes.decide(entry, to, decision.seal(entry, key.public))
    except Refused as refused:
        return Decided(id=id_, done=False, code=refused.code, words=refused.words)
    return Decided(id=id_, done=True)


async def _release(door: Door, session: Session, meta: Meta) -> None:
    """Make the mail's keys out to crypto, signed by the reviewer: no service can release a mail by itself."""
    mail, generation = UUID(meta.extra["mail"]), int(meta.extra["generation"])
    keys = TransitKeys.decode(base64.b64decode(meta.extra["transit"]))
    claim = await door.claims.seal_as_person(
        Step("mail.filtered", mail, generation + 1),
        "crypto",
        keys,
        "released",
        session.account,
        session.keys.signer,
    )
    command = Release(mail=mail, generation=generation, claim=claim)
    await door.ask(command, Done, session.actor)


async def _reject(door: Door, session: Session, meta: Meta) -> None:
    command = Reject(mail=UUID(meta.extra["mail"]), generation=int(meta.extra["generation"]))
    await door.ask(command, Done, session.actor)
