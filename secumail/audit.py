"""The audit trail: needs no tracing back end, and can't be changed unnoticed.

A mail's steps are stored in the same write as the state they changed; other acts (a log-in, an edited list) in
`acts`. One sealer (in delivery) gathers both into batches, chains each batch to the one before by SHA-256, and
signs it. `verify` walks the chain, and compares what the spool still holds with what was sealed.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from secumail import telemetry
from secumail.sealing.identities import AUDIT, Forged, Identities
from secumail.sealing.kms import Scope
from secumail.spool.record import Stage
from secumail.store.client import Collection, Database, Document, DuplicateKeyError, PyMongoError

log = logging.getLogger(__name__)

EVERY = 1.0
BATCH = 500
_QUIET = timedelta(seconds=10)
_GENESIS = "0" * 64


class Acts:
    """Records what people do besides sending mail. Ids only."""

    def __init__(self, collection: Collection) -> None:
        self._acts = collection

    async def record(self, actor: UUID | str | None, step: str, subject: UUID | str) -> None:
        """Keep one act; the sealer chains it within seconds."""
        await self._acts.insert_one(
            {
                "_id": uuid4(),
                "subject": str(subject),
                "at": datetime.now(UTC),
                "actor": str(actor) if actor is not None else "",
                "step": step,
                "span": telemetry.span_id(),
                "unsealed": True,
            }
        )


@dataclass(frozen=True)
class Step:
    """One line of the trail. `number`: its place among its mail's steps; -1 for an act."""

    subject: str
    number: int
    at: str
    actor: str
    step: str

    def row(self) -> list[Any]:
        """As chained."""
        return [self.subject, self.number, self.at, self.actor, self.step]


@dataclass(frozen=True)
class Finding:
    """What `verify` found: how many batches and steps hold, the chain's head, and every fault in words."""

    batches: int
    steps: int
    head: str
    faults: tuple[str, ...]


class Sealer:
    """Chains steps in batches. Several may run: the batch number is unique, so one of them wins each turn."""

    def __init__(self, database: Database, scope: Scope) -> None:
        self._spool = database["spool"]
        self._acts = database["acts"]
        self._chain = database["audit"]
        self._scope = scope

    async def run(self) -> None:
        """For ever, every second."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                while await self.turn() >= BATCH:
                    continue
            except (PyMongoError, OSError) as error:
                log.warning("audit not sealed", extra={"cause": type(error).__name__})

    async def turn(self, now: datetime | None = None) -> int:
        """Seal one batch; how many steps it holds. A mail is taken once it has ended or has been quiet a while."""
        now = now or datetime.now(UTC)
        query = {"unsealed": True, "$or": [{"stage": Stage.DONE.value}, {"moved": {"$lt": now - _QUIET}}]}
        mails = await self._spool.find(query, {"steps": 1, "sealed": 1}).limit(BATCH).to_list(BATCH)
        acts = await self._acts.find({"unsealed": True}).sort("at", 1).limit(BATCH).to_list(BATCH)
        steps = [s for mail in mails for s in _steps(mail)[mail.get("sealed", 0) :]] + [_act(a) for a in acts]
        if steps and not await self._append(steps, now):
            return 0
        by_count: dict[int, list[UUID]] = {}
        for mail in mails:
            by_count.setdefault(len(mail["steps"]), []).append(mail["_id"])
        for count, ids in by_count.items():
            # A mail that moved on meanwhile keeps its mark: it has steps that are not sealed yet.
            more = {"$gt": [{"$size": "$steps"}, count]}
            mark = {"sealed": count, "unsealed": {"$cond": [more, True, "$$REMOVE"]}}
            await self._spool.update_many({"_id": {"$in": ids}}, [{"$set": mark}])
        if acts:
            await self._acts.delete_many({"_id": {"$in": [a["_id"] for a in acts]}})
        return len(steps)

    async def _append(self, steps: Sequence[Step], now: datetime) -> bool:
        last = await self._chain.find_one(sort=[("_id", -1)])
        number = last["_id"] + 1 if last else 0
        previous = last["digest"] if last else _GENESIS
        rows = [s.row() for s in steps]
        digest = _digest(number, previous, rows)
        signature = await self._scope.sign(digest.encode())
        try:
            await self._chain.insert_one(
                {
                    "_id": number,
                    "at": now,
                    "previous": previous,
                    "rows": rows,
                    "digest": digest,
                    "signature": signature,
                }
            )
        except DuplicateKeyError:
            return False
        return True


async def verify(database: Database, identities: Identities) -> Finding:
    """Walk the whole chain; compare sealed steps with those the spool still holds."""
    faults: list[str] = []
    previous, number, count = _GENESIS, -1, 0
    sealed: dict[tuple[str, int], list[Any]] = {}
    async for batch in _batches(database["audit"]):
        number += 1
        if batch["_id"] != number:
            faults.append(f"batch {number} is missing")
            number = batch["_id"]
        if batch["previous"] != previous:
            faults.append(f"batch {number} does not follow the one before it")
        if _digest(number, batch["previous"], batch["rows"]) != batch["digest"]:
            faults.append(f"batch {number} was changed")
        try:
            identities.check(AUDIT, batch["signature"], batch["digest"].encode())
        except Forged:
            faults.append(f"batch {number} is not signed by this installation's sealer")
        previous = batch["digest"]
        count += len(batch["rows"])
        sealed |= {(row[0], row[1]): row for row in batch["rows"] if row[1] >= 0}
    async for mail in database["spool"].find({"sealed": {"$exists": True}}, {"steps": 1, "sealed": 1}):
        for step in _steps(mail)[: mail["sealed"]]:
            if sealed.get((step.subject, step.number)) != step.row():
                faults.append(f"step {step.number} of mail {step.subject} differs from what was sealed")
    return Finding(number + 1, count, previous, tuple(faults))


async def _batches(chain: Collection) -> AsyncIterator[Document]:
    async for batch in chain.find().sort("_id", 1):
        yield batch


def _steps(mail: Mapping[str, Any]) -> list[Step]:
    return [
        Step(str(mail["_id"]), number, _iso(s["at"]), s["actor"], s["step"]) for number, s in enumerate(mail["steps"])
    ]


def _act(act: Mapping[str, Any]) -> Step:
    return Step(act["subject"], -1, _iso(act["at"]), act["actor"], act["step"])


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def _digest(number: int, previous: str, rows: list[list[Any]]) -> str:
    text = json.dumps([number, previous, rows], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
