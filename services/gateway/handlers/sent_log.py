"""The sent log, for the reviewers' analysis: /sent-log."""

import asyncio
from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from secumail.directory import REVIEWERS
from secumail.mailbox.entry import Entry, Meta
from secumail.sealing.hpke import PrivateKey
from services.gateway.handlers.door import Asking, Behind
from services.gateway.handlers.messages import Row, cursor_at, position, row
from services.gateway.sent_log import RELEASED, Sums

router = APIRouter()

LOOKED_AT = 5000
"""Lines that one request adds up: they have to be opened for it."""
_BATCH = 200


class SentRow(Row):
    """One mail that passed: `code` says how, `rule` which rule said so, `why` is the reason the sender gave."""

    code: str
    rule: str | None
    why: str
    recipients: list[str]


class SentPage(BaseModel):
    """A page of the sent log, newest first; `next_cursor` is null on the last one."""

    data: list[SentRow]
    next_cursor: str | None


class SentSummary(BaseModel):
    """How many mails passed, and how they spread. Where `next_cursor` is not null there are older ones to add."""

    mails: int
    codes: dict[str, int]
    rules: dict[str, int]
    senders: dict[str, int]
    recipients: dict[str, int]
    days: dict[str, int]
    next_cursor: str | None


@router.get("/sent-log", operation_id="listSentLog")
async def list_sent_log(
    door: Behind,
    session: Asking,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: str | None = None,
) -> SentPage:
    """Mails that passed, for analysis. For reviewers."""
    session.require("reviewer")
    account, key = await door.sessions.group(session, REVIEWERS)
    entries = await door.mailboxes.page(account, "sent-log", limit + 1, position(cursor))
    rows = [_row(entry, entry.open_meta(entry.open_key(key))) for entry in entries[:limit]]
    return SentPage(data=rows, next_cursor=cursor_at(entries[limit - 1]) if len(entries) > limit else None)


@router.get("/sent-log/summary", operation_id="summarizeSentLog")
async def summarize(
    door: Behind,
    session: Asking,
    since: Annotated[date | None, Query(description="The first day (UTC) that counts.")] = None,
    cursor: str | None = None,
) -> SentSummary:
    """Mails that passed, counted by code, rule, domain and day. For reviewers."""
    session.require("reviewer")
    account, key = await door.sessions.group(session, REVIEWERS)
    begin = datetime.combine(since or date.min, datetime.min.time(), UTC)
    sums, behind, left = Sums(), position(cursor), LOOKED_AT
    while left > 0:
        batch = await door.mailboxes.page(account, "sent-log", min(_BATCH, left), behind)
        wanted = [entry for entry in batch if entry.at >= begin]
        # Opening them takes a while, in which others are to be served.
        sums.add(await asyncio.to_thread(_opened, wanted, key))
        left -= len(batch)
        if len(wanted) < len(batch) or len(batch) < _BATCH:
            return SentSummary(**vars(sums), next_cursor=None)
        behind = batch[-1].at, batch[-1].id
    return SentSummary(**vars(sums), next_cursor=cursor_at(batch[-1]))


def _opened(entries: list[Entry], key: PrivateKey) -> list[tuple[datetime, bool, Meta]]:
    return [(entry.at, entry.role == "held", entry.open_meta(entry.open_key(key))) for entry in entries]


def _row(entry: Entry, meta: Meta) -> SentRow:
    extra = meta.extra
    return SentRow(
        **row(entry, meta).model_dump(),
        code=RELEASED if entry.role == "held" else extra["code"],
        rule=extra.get("rule"),
        why=extra.get("why", ""),
        recipients=extra["envelope"]["recipients"],
    )
