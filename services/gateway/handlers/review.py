"""What reviewers do with held mail: /quarantine. The sent log is in sent_log, the lists are in filter_lists."""

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from secumail.contracts.commands import Done
from secumail.contracts.commands.dlp import Reject, Release, ReleaseReply
from secumail.directory import REVIEWERS
from secumail.errors import Refused
from secumail.mailbox import entry as mailbox
from secumail.mailbox.entry import Act, Entry, Folder, Meta
from secumail.sealing.claims import Step, TransitKeys
from secumail.sealing.hpke import PublicKey
from services.gateway import held
from services.gateway.handlers.door import Asking, Behind, Door
from services.gateway.handlers.messages import Row, cursor_at, opened_with, position, row
from services.gateway.handlers.showing import Mail, shown
from services.gateway.sessions import Session

router = APIRouter()

AT_ONCE = 200
Deed = Callable[[Door, Session, Meta], Awaitable[Act]]
"""Carries a reviewer's decision to dlp; what it came to."""

LOOKED_AT = 2000
"""Held mails that one request looks through in search of those that are asked for: they have to be opened for it."""
_BATCH = 200
_DECIDED: Mapping[held.State, Folder] = {"released": "sent-log", "rejected": "archive"}
"""Where a mail that was decided on is put away."""


class Decision(BaseModel):
    """What was decided, by whom, and the note they left. Only reviewers can read it."""

    by: str
    at: datetime
    act: str
    note: str


class Appeal(BaseModel):
    """What the sender has to say to the reviewers."""

    at: datetime
    text: str


class HeldMail(BaseModel):
    """A held mail: why, by which findings, what was decided, and the mail itself.

    `state` is null for a line of the sent log. `reviewers`: how many people have to release it; `votes`: who has.
    `why`: the reason the sender gave when sending it.
    """

    id: UUID
    mail: UUID
    code: str
    reason: str
    findings: list[dict[str, Any]]
    sender: str
    recipients: list[str]
    state: held.State | None
    why: str
    reviewers: int
    votes: list[Decision]
    decision: Decision | None
    appeal: Appeal | None
    message: Mail


class HeldRow(Row):
    """One held mail in the list: `code` is what holds it, `recipients` for whom. `missing`: how many people have to
    release it yet, where it waits; `appealed`: its sender has something to say."""

    code: str
    recipients: list[str]
    state: held.State
    missing: int
    appealed: bool


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


class DecideRelease(Decide):
    """The same; `encrypted`: on condition that it leaves encrypted only. Who has no key gets nothing then."""

    encrypted: bool = False


class Decided(BaseModel):
    """What became of each: `done`, or the fault in words. `missing`: so many others have to release it as well."""

    id: UUID
    done: bool
    missing: int = 0
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
    state: Annotated[held.State, Query(description="Where it stands; expired: nobody decided in time.")] = "waiting",
) -> HeldPage:
    """Held mails, newest first; those that match all that is asked for. For reviewers."""
    session.require("reviewer")
    account, key = await door.sessions.group(session, REVIEWERS)
    wanted = tuple(part.strip().lower() for part in (sender, recipient, reason))
    rows: list[HeldRow] = []
    behind = position(cursor)
    for _ in range(LOOKED_AT // _BATCH):
        batch = await _batch(door, account, key.public, state, behind)
        for entry, stands in batch:
            behind = entry.at, entry.id
            if stands != state:
                continue
            meta = entry.open_meta(entry.open_key(key))
            if _matches(meta, *wanted):
                rows.append(_held_row(entry, meta, state))
            if len(rows) == limit:
                more = len(batch) == _BATCH or entry is not batch[-1][0]
                return HeldPage(data=rows, next_cursor=cursor_at(entry) if more else None)
        if len(batch) < _BATCH:
            return HeldPage(data=rows, next_cursor=None)
    return HeldPage(data=rows, next_cursor=cursor_at(batch[-1][0]))


@router.get("/quarantine/{id}", operation_id="showHeldMail")
async def show_held(door: Behind, session: Asking, id: UUID) -> HeldMail:
    """One held mail with its reason. For reviewers."""
    entry, meta, raw = await _held(door, session, id)
    _, key = await door.sessions.group(session, REVIEWERS)
    decided, said = mailbox.Decision.open(entry, key), mailbox.Appeal.open(entry, key)
    is_held = entry.role == "held"
    return HeldMail(
        id=entry.id,
        mail=entry.mail,
        code=meta.extra["code"],
        reason=meta.extra["reason"],
        findings=meta.extra["findings"],
        sender=meta.extra["envelope"]["sender"],
        recipients=meta.extra["envelope"]["recipients"],
        state=held.state(entry, await door.spool.find(entry.mail)) if is_held else None,
        why=meta.extra.get("why", ""),
        reviewers=meta.extra.get("reviewers", 1),
        votes=[Decision(**asdict(vote)) for vote in mailbox.Decision.votes(entry, key)],
        decision=Decision(**asdict(decided)) if decided is not None else None,
        appeal=Appeal(**asdict(said)) if said is not None else None,
        message=await shown(door, session, entry, meta, raw),
    )


@router.get("/quarantine/{id}/raw", operation_id="rawHeldMail", response_class=Response)
async def raw_held(door: Behind, session: Asking, id: UUID) -> Response:
    """The held mail, byte for byte. For reviewers."""
    _, _, raw = await _held(door, session, id)
    return Response(raw, media_type="message/rfc822")


@router.post("/quarantine/release", operation_id="releaseMails")
async def release(door: Behind, session: Asking, given: DecideRelease) -> list[Decided]:
    """Let held mails go, in your name; from then on they stand in the sent log. For reviewers.

    Where two people are needed, the first release is a vote: `missing` says that another reviewer has to follow."""
    session.require("reviewer")
    deed = _release_encrypted if given.encrypted else _release
    return [await _decide(door, session, id_, given.note, deed) for id_ in given.ids]


@router.post("/quarantine/reject", operation_id="rejectMails")
async def reject(door: Behind, session: Asking, given: Decide) -> list[Decided]:
    """Refuse held mails for good. One reviewer is enough for that. For reviewers."""
    session.require("reviewer")
    return [await _decide(door, session, id_, given.note, _reject) for id_ in given.ids]


# --- shared -------------------------------------------------------------------------------------------------


def _matches(meta: Meta, sender: str, recipient: str, reason: str) -> bool:
    envelope = meta.extra["envelope"]
    return (
        sender in envelope["sender"].lower()
        and any(recipient in address.lower() for address in envelope["recipients"])
        and (reason in meta.extra["code"] or reason in meta.extra["reason"].lower())
    )


def _held_row(entry: Entry, meta: Meta, state: held.State) -> HeldRow:
    missing = meta.extra.get("reviewers", 1) - len(entry.votes) if state == "waiting" else 0
    return HeldRow(
        **row(entry, meta).model_dump(),
        code=meta.extra["code"],
        recipients=meta.extra["envelope"]["recipients"],
        state=state,
        missing=max(missing, 1) if state == "waiting" else 0,
        appealed=entry.appeal is not None,
    )


async def _batch(
    door: Door, account: UUID, owner: PublicKey, state: held.State, behind: tuple[datetime, UUID] | None
) -> list[tuple[Entry, held.State]]:
    """The next entries in which those of this state are to be found, with where each stands.

    One that was decided by a gateway that ended before it put the mail away is put away now, while its record still
    says by whom.
    """
    if state in _DECIDED:
        decided = await door.mailboxes.decided(account, _DECIDED[state], _BATCH, behind)
        return [(entry, held.state(entry, None)) for entry in decided]
    entries = await door.mailboxes.page(account, "quarantine", _BATCH, behind)
    records = await door.spool.standing([entry.mail for entry in entries])
    standing = [(entry, held.state(entry, records.get(entry.mail))) for entry in entries]
    for entry, stands in standing:
        if stands in _DECIDED and entry.mail in records:
            decision = held.decided(records[entry.mail], stands)
            await door.mailboxes.decide(entry, _DECIDED[stands], decision.seal(entry, owner))
    return standing


async def _held(door: Door, session: Session, id_: UUID) -> tuple[Entry, Meta, bytes]:
    session.require("reviewer")
    account, key = await door.sessions.group(session, REVIEWERS)
    return await opened_with(door, account, key, id_)


async def _decide(door: Door, session: Session, id_: UUID, note: str, deed: Deed) -> Decided:
    try:
        entry, meta, _ = await _held(door, session, id_)
        if entry.folder != "quarantine":
            raise Refused("decided-already", "This mail is decided already.", "Look at the quarantine again.", 409)
        act = await deed(door, session, meta)
        _, key = await door.sessions.group(session, REVIEWERS)
        sealed = mailbox.Decision(session.address, datetime.now(UTC), act, note).seal(entry, key.public)
        if act in ("voted", "voted-encrypted"):
            if all((vote.by, vote.act) != (session.address, act) for vote in mailbox.Decision.votes(entry, key)):
                await door.mailboxes.vote(entry, sealed)
            return Decided(id=id_, done=True, missing=1)
        await door.mailboxes.decide(entry, _DECIDED["rejected" if act == "rejected" else "released"], sealed)
    except Refused as refused:
        return Decided(id=id_, done=False, code=refused.code, words=refused.words)
    return Decided(id=id_, done=True)


async def _release(door: Door, session: Session, meta: Meta) -> Act:
    if meta.extra.get("encrypted"):  # so says a rule, whoever releases it
        return await _release_encrypted(door, session, meta)
    return "voted" if await _released(door, session, meta, "released") else "released"


async def _release_encrypted(door: Door, session: Session, meta: Meta) -> Act:
    return "voted-encrypted" if await _released(door, session, meta, "released-encrypted") else "released-encrypted"


async def _released(door: Door, session: Session, meta: Meta, says: str) -> int:
    """Make the mail's keys out to crypto, signed by the reviewer: no service can release a mail by itself.

    How many others have to do the same.
    """
    mail, generation = UUID(meta.extra["mail"]), int(meta.extra["generation"])
    keys = TransitKeys.decode(base64.b64decode(meta.extra["transit"]))
    claim = await door.claims.seal_as_person(
        Step("mail.filtered", mail, generation + 1),
        "crypto",
        keys,
        says,
        session.account,
        session.keys.signer,
    )
    command = Release(mail=mail, generation=generation, claim=claim)
    return (await door.ask(command, ReleaseReply, session.actor)).missing


async def _reject(door: Door, session: Session, meta: Meta) -> Act:
    command = Reject(mail=UUID(meta.extra["mail"]), generation=int(meta.extra["generation"]))
    await door.ask(command, Done, session.actor)
    return "rejected"
