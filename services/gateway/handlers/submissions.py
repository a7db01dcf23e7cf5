"""Sending: /messages (POST), and what became of it: /submissions."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response, status
from pydantic import BaseModel
from starlette.datastructures import UploadFile

from secumail.apart import apart
from secumail.errors import Refused
from secumail.mailbox import entry as mailbox
from secumail.mailbox.entry import Entry, Meta, entry_id
from secumail.reasons import hiding_warnings, reason
from secumail.spool.record import TERMINAL, Envelope, Record, State
from secumail.spool.spool import NewMail
from services.gateway import pickup
from services.gateway.handlers import covers, pickups
from services.gateway.handlers.door import Asking, Behind, Door
from services.gateway.handlers.form_data import parsed, text
from services.gateway.handlers.forms import Wish
from services.gateway.handlers.pickups import PickupRow
from services.gateway.sessions import Session
from services.gateway.submission import Taken, take

router = APIRouter()

_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")
MAX_WAIT = 30.0
MAX_WHY = 500
_TOLD = ("warned", "encrypted-only", "stripped", "reason-needed")
"""dlp's codes with a sentence for the sender that says more than the recipient's state."""
_KNOWN = ("clean", "justified", *_TOLD)
"""dlp's codes of mail that passes, of which its sender may know. What is noted in silence looks like what is clean."""


class Accepted(BaseModel):
    """The mail is kept; what becomes of it: GET /submissions/{id}. `pickups`: the link of each recipient who is to open
    it with your password; hand it over yourself. `warnings`: what to mind of a mail hidden in pictures."""

    id: UUID
    state: str = "accepted"
    recipients: int
    pickups: dict[str, str] = {}
    warnings: list[str] = []


class RecipientState(BaseModel):
    """One recipient: `form` is how the mail was protected for it; `reason` a stable code, `words` say it."""

    address: str
    state: State
    form: str | None = None
    reason: str | None = None
    words: str | None = None


class Submission(BaseModel):
    """What became of a sent mail. `stuck` names the fault that keeps it from moving on, if any."""

    id: UUID
    accepted: datetime
    settled: bool
    stuck: str | None
    recipients: list[RecipientState]
    pickups: list[PickupRow] = []


class TraceStep(BaseModel):
    """One step on the way: `after_ms` since acceptance."""

    at: datetime
    after_ms: int
    actor: str
    step: str
    mail: UUID


class Trace(BaseModel):
    """The way of a mail, without any tracing back end; `trace` is its id where there is one."""

    id: UUID
    trace: str
    steps: list[TraceStep]


@router.post(
    "/messages",
    status_code=status.HTTP_202_ACCEPTED,
    operation_id="sendMail",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "message/rfc822": {"schema": {"type": "string", "format": "binary"}},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["message"],
                        "properties": {
                            "message": {"type": "string", "format": "binary"},
                            "cover": {
                                "type": "array",
                                "maxItems": covers.MOST,
                                "items": {"type": "string", "format": "binary"},
                                "description": "Photographs to hide the mail in, in the order they are to be shown",
                            },
                            "conceal": {
                                "type": "boolean",
                                "default": False,
                                "description": "Hide it; without a cover, in the organisation's pictures",
                            },
                            "cover_text": {"type": "string"},
                            "reason": {
                                "type": "string",
                                "maxLength": MAX_WHY,
                                "description": "Why it is sent, where it came back with reason-needed; reviewers"
                                " can read that",
                            },
                            "rate": {"type": "string", "enum": ["careful", "normal", "maximum"], "default": "normal"},
                            "password": {
                                "type": "string",
                                "minLength": pickup.MIN_PASSWORD,
                                "description": "For recipients outside, who open the mail with it and a link",
                            },
                            "hint": {"type": "string", "maxLength": pickup.MAX_HINT},
                            "expires_days": {"type": "integer", "minimum": 1, "default": 28},
                        },
                    }
                },
            },
        }
    },
)
async def send(
    door: Behind,
    session: Asking,
    request: Request,
    response: Response,
    idempotency_key: Annotated[str | None, Header(description="A new one for each mail; repeat it to retry.")] = None,
    to: Annotated[list[str] | None, Query(description="Envelope recipients, instead of To, Cc and Bcc.")] = None,
    form: Annotated[
        Wish,
        Query(description="How to protect it; auto: as policy and each recipient's keys say (POST /forms tells)."),
    ] = "auto",
) -> Accepted:
    """Send a raw mail (RFC 5322). Accepted means kept."""
    if idempotency_key is None or not _KEY.match(idempotency_key):
        raise Refused(
            "idempotency-key-missing", "The request has no Idempotency-Key of 1 to 255 visible characters.",
            "Send a fresh random one with each mail, and the same one when you retry.", 400,
        )  # fmt: skip
    given = await _body(door, request)
    raw, hiding = given.raw, given.hiding
    pictures = hiding.files if hiding is not None else ()
    key = f"rest/{session.account}/{idempotency_key}".encode()
    # The id follows from the key alone: needed before the mail is complete, for its Message-ID.
    mail = NewMail(key, "submission", session.account, Envelope("", ()), b"").id
    now = datetime.now(UTC)
    most = door.settings.max_recipients
    taken = await apart(len(raw), take, raw, session.address, to or (), most, now, mail)
    invited = await pickups.invite(door, session, mail, taken.recipients, given.pickups, now)
    envelope = Envelope(
        session.address, taken.recipients, taken.summary.__dict__, form=form, why=given.why,
        guests={index: one.guest() for index, one in invited.items()},
    )  # fmt: skip
    if hiding is not None:
        sizes = tuple((name, len(picture)) for name, picture in pictures)
        envelope = replace(envelope, conceal=True, covers=sizes, cover_text=hiding.text, rate=hiding.rate)
    cover = b"".join(picture for _, picture in pictures) or None
    new = NewMail(key, "submission", session.account, envelope, taken.raw, cover, given=raw)
    accepted = await door.spool.submit(new)
    if not accepted.same:
        raise Refused(
            "idempotency-key-reused", "This Idempotency-Key was used before for a different mail.",
            "Take a fresh key for each mail.",
        )  # fmt: skip
    if not accepted.replayed or await _own(door, session, mail) is None:
        await _keep_own_copy(door, session, new, taken, now)
    await door.spool.announce(accepted)
    response.headers["Location"] = f"/api/v1/submissions/{mail}"
    if accepted.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    links = pickups.rows(door, session, request, list(invited.values()))
    warnings = hiding_warnings(hiding.rate) if hiding is not None else []
    handed = {row.recipient: row.link for row in links}
    return Accepted(id=mail, recipients=len(taken.recipients), pickups=handed, warnings=warnings)


@router.get("/submissions/{id}", operation_id="getSubmission")
async def get_submission(
    door: Behind, session: Asking, request: Request, id: UUID, wait: Annotated[float, Query(ge=0, le=MAX_WAIT)] = 0
) -> Submission:
    """What became of a mail you sent. `wait`: seconds to wait until every recipient is settled (or held)."""
    deadline = time.monotonic() + wait
    meta = await _own(door, session, id)
    while True:
        records = await own_records(door, session, id)
        submission = _submission(id, records, meta)
        left = deadline - time.monotonic()
        if submission.settled or left <= 0:
            if meta is not None and meta.extra.get("pickups"):
                kept = await door.pickups.of_mail(session.account, id)
                submission.pickups = pickups.rows(door, session, request, kept)
            return submission
        await door.news.wait(id, min(left, 1.0))


@router.get("/submissions/{id}/trace", operation_id="getTrace")
async def get_trace(door: Behind, session: Asking, id: UUID) -> Trace:
    """The steps a mail took. For its sender, reviewers and administrators."""
    records = await own_records(door, session, id, others=True)
    top = records[0]
    steps = [
        TraceStep(
            at=s["at"],
            after_ms=round((s["at"] - top.accepted).total_seconds() * 1000),
            actor=s["actor"],
            step=s["step"] if _may_see(session) else _discreet(s["step"]),
            mail=record.id,
        )
        for record in records
        for s in record.steps
    ]
    parts = top.trace.split("-")
    return Trace(id=id, trace=parts[1] if len(parts) == 4 else "", steps=sorted(steps, key=lambda s: s.at))


def _may_see(session: Session) -> bool:
    return not {"reviewer", "administrator"}.isdisjoint(session.roles)


def _discreet(step: str) -> str:
    act, _, code = step.partition(":")
    return f"{act}:clean" if act == "passed" and code not in _KNOWN else step


@dataclass(frozen=True)
class _Given:
    """What a client sends: the mail, pictures to hide it in, a password for those outside."""

    raw: bytes
    hiding: covers.Pictures | None = None
    why: str = ""
    pickups: pickup.Wish | None = None

    def __repr__(self) -> str:
        return "_Given(...)"


async def _body(door: Door, request: Request) -> _Given:
    most = door.settings.max_mail_bytes
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "message/rfc822":
        return _Given(await _limited(request, most))
    if kind == "multipart/form-data":
        return await _form(door, request, most)
    raise Refused(
        "media-type", "The body is neither message/rfc822 nor multipart/form-data.",
        "Send the raw mail with Content-Type: message/rfc822.", 415,
    )  # fmt: skip


async def _form(door: Door, request: Request, most: int) -> _Given:
    """A mail, and what goes with it."""
    form = await parsed(request, most + covers.MOST_BYTES, 1 + covers.MOST)
    message = form.get("message")
    if not isinstance(message, UploadFile):
        raise Refused("malformed-request", "message is no file.", "Send it as a file of the form.", 400)
    settings = door.settings
    wish = pickup.wish(
        text(form, "password") if "password" in form else None, text(form, "hint"), text(form, "expires_days"),
        settings.pickup_days, settings.max_pickup_days,
    )  # fmt: skip
    raw = await message.read()
    if len(raw) > most:
        raise _too_large(most)
    hiding = await covers.wished(form)
    if hiding is not None and wish is not None:
        raise Refused(
            "pickup-with-cover", "A mail can't be hidden in a picture and wait behind a password as well.",
            "Leave the pictures or the password out.",
        )  # fmt: skip
    why = text(form, "reason").strip()
    if len(why) > MAX_WHY:
        raise Refused(
            "malformed-request", f"The reason has {len(why)} characters.", f"Say it in {MAX_WHY} at most.", 422
        )
    return _Given(raw, hiding, why, wish)


async def _limited(request: Request, most: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(most: int) -> Refused:
    return Refused(
        "mail-too-large",
        f"The mail is larger than {most // 2**20} MB.",
        "Send less, or share the file another way.",
        413,
    )


async def _keep_own_copy(door: Door, session: Session, mail: NewMail, taken: Taken, now: datetime) -> None:
    """The sender's Sent, with Bcc, sealed to the sender. Filed once, also when the client retries."""
    extra = {"recipients": taken.recipients, **({"pickups": True} if mail.envelope.guests else {})}
    meta = Meta(**{**taken.summary.__dict__, "extra": extra})
    sealed = mailbox.seal(mail.id, taken.own, meta)
    wrap = sealed.wrap(mail.id, session.account, session.keys.private.public)
    body = await door.spool.keep(sealed.body)
    entry = Entry.new(session.account, mail.id, "sent", "sent", now, len(taken.own), wrap, sealed.meta, body, ("seen",))
    await door.mailboxes.file([entry])


async def _own(door: Door, session: Session, id_: UUID) -> Meta | None:
    """The sender's own copy says who the recipients are; None once it was deleted."""
    entry = await door.mailboxes.find(session.account, entry_id(session.account, id_, "sent"))
    return entry.open_meta(entry.open_key(session.keys.private)) if entry is not None else None


async def own_records(door: Door, session: Session, id_: UUID, others: bool = False) -> list[Record]:
    """The records of a mail and its parts; Refused where it is another's (`others`: unless one may see others')."""
    records = await door.spool.status(id_)
    allowed = others and _may_see(session)
    if not records or (records[0].account != session.account and not allowed):
        raise Refused("no-such-mail", "You have sent no such mail.", "Look at your sent mail.", 404)
    return records


def _submission(id_: UUID, records: Sequence[Record], meta: Meta | None) -> Submission:
    addresses = meta.extra.get("recipients", []) if meta is not None else []
    rows: dict[int, RecipientState] = {}
    for record in records:
        for r in record.recipients:
            told = record.verdict is not None and (r.state is State.HELD or record.verdict.code in _TOLD)
            notice = record.verdict.notice if record.verdict is not None and told else None
            rows[r.index] = RecipientState(
                address=addresses[r.index] if r.index < len(addresses) else f"recipient {r.index + 1}",
                state=r.state,
                form=r.form,
                reason=r.reason,
                words=notice or (reason(r.reason).words if r.reason else None),
            )
    recipients = [rows[index] for index in sorted(rows)]
    settled = all(r.state in TERMINAL or r.state is State.HELD for r in recipients) and bool(recipients)
    stuck = next((r.stuck for r in records if r.stuck), None)
    return Submission(id=id_, accepted=records[0].accepted, settled=settled, stuck=stuck, recipients=recipients)
