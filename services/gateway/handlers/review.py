"""What reviewers do: /quarantine, /sent-log, /lists."""

import base64
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from secumail.contracts.commands import Done
from secumail.contracts.commands.dlp import GetLists, ListsReply, PutLists, Reject, Release
from secumail.directory import REVIEWERS
from secumail.errors import Refused
from secumail.mailbox import entry as mailbox
from secumail.mailbox.entry import Entry, Folder, Meta
from secumail.sealing.claims import Step, TransitKeys
from services.gateway.handlers.door import Asking, Behind, Door
from services.gateway.handlers.messages import Page, opened_with, page
from services.gateway.handlers.showing import Mail, shown
from services.gateway.sessions import Session

router = APIRouter()

AT_ONCE = 200
Act = Callable[[Door, Session, Meta], Awaitable[None]]

_ETAG = re.compile(r'"([0-9]{1,9})"\Z')


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
) -> Page:
    """Held mails, newest first. For reviewers."""
    session.require("reviewer")
    account, key = await door.sessions.group(session, REVIEWERS)
    return await page(door, account, key, "quarantine", limit, cursor)


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


@router.get("/lists", operation_id="getLists")
async def get_lists(door: Behind, session: Asking, response: Response) -> dict[str, Any]:
    """White and black lists, exempt senders. For reviewers and administrators."""
    session.require("reviewer", "administrator")
    lists: dict[str, Any] = json.loads((await door.ask(GetLists(), ListsReply, session.actor)).lists)
    response.headers["ETag"] = f'"{lists["version"]}"'
    return lists


@router.put("/lists", operation_id="putLists")
async def put_lists(
    door: Behind,
    session: Asking,
    response: Response,
    given: dict[str, Any],
    if_match: Annotated[str | None, Header(description="The version you changed: the ETag of GET.")] = None,
) -> dict[str, Any]:
    """Replace the lists. For reviewers and administrators."""
    session.require("reviewer", "administrator")
    version = _ETAG.match(if_match or "")
    if version is None:
        raise Refused("if-match-missing", "The request has no If-Match.", "Send the ETag that GET gave you.", 428)
    command = PutLists(lists=json.dumps(given), expects=int(version[1]))
    lists: dict[str, Any] = json.loads((await door.ask(command, ListsReply, session.actor)).lists)
    response.headers["ETag"] = f'"{lists["version"]}"'
    return lists


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
