"""The audit trail: needs no tracing back end, and can't be changed unnoticed.

A mail's steps are stored in the same write as the state they changed; other acts (a log-in, an edited list) in
`acts`. One sealer (in delivery) gathers both into batches, chains each batch to the one before by SHA-256, and
signs it. `verify` walks the chain, and compares what the spool still holds with what was sealed.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
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
    """Chains steps in batches. Several may run: the batch number is unique, so one of them wins each turn.

    The chain says what is sealed; the marks on mails and acts follow it. A batch is only added to one whose marks
    are made: so nobody who is killed in between, or looks in between, seals a step twice.
    """

    def __init__(self, database: Database, scope: Scope) -> None:
        self._spool = database["spool"]
        self._acts = database["acts"]
        self._chain = database["audit"]
        self._scope = scope
        self._marked = -1

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
        last = await self._chain.find_one(sort=[("_id", -1)])
        if last is not None:
            await self._mark(last)
        query = {"unsealed": True, "$or": [{"stage": Stage.DONE.value}, {"moved": {"$lt": now - _QUIET}}]}
        mails = await self._spool.find(query, {"steps": 1, "sealed": 1}).limit(BATCH).to_list(BATCH)
        acts = await self._acts.find({"unsealed": True}).sort("at", 1).limit(BATCH).to_list(BATCH)
        steps = [s for mail in mails for s in _steps(mail)[mail.get("sealed", 0) :]] + [_act(a) for a in acts]
        if not steps:
            return 0
        batch = await self._batch(last, steps, now) | {"acts": [a["_id"] for a in acts]}
        try:
            await self._chain.insert_one(batch)
        except DuplicateKeyError:
            return 0
        await self._mark(batch)
        return len(steps)

    async def _batch(self, last: Document | None, steps: Sequence[Step], now: datetime) -> Document:
        number = last["_id"] + 1 if last else 0
        previous = last["digest"] if last else _GENESIS
        rows = [s.row() for s in steps]
        digest = _digest(number, previous, rows)
        return {
            "_id": number,
            "at": now,
            "previous": previous,
            "rows": rows,
            "digest": digest,
            "signature": await self._scope.sign(digest.encode()),
        }

    async def _mark(self, batch: Document) -> None:
        if batch["_id"] <= self._marked:
            return
        sealed = {UUID(subject): number + 1 for subject, number, *_ in batch["rows"] if number >= 0}
        by_count: dict[int, list[UUID]] = {}
        for mail, count in sealed.items():
            by_count.setdefault(count, []).append(mail)
        for count, ids in by_count.items():
            # A mail that moved on meanwhile keeps its mark: it has steps that are not sealed yet.
            more = {"$gt": [{"$size": "$steps"}, count]}
            mark = {"sealed": count, "unsealed": {"$cond": [more, True, "$$REMOVE"]}}
            behind = {"_id": {"$in": ids}, "sealed": {"$not": {"$gte": count}}}
            await self._spool.update_many(behind, [{"$set": mark}])
        if batch.get("acts"):
            await self._acts.delete_many({"_id": {"$in": batch["acts"]}})
        self._marked = batch["_id"]


async def verify(database: Database, identities: Identities) -> Finding:
    """Walk the whole chain; compare sealed steps with those the spool still holds."""
    walk = _Walk(identities)
    await walk.on(database["audit"])
    doubtful = [
        step
        async for mail in database["spool"].find({"sealed": {"$exists": True}}, {"steps": 1, "sealed": 1})
        for step in _steps(mail)[: mail["sealed"]]
        if not walk.has(step)
    ]
    # The sealer does not wait for us: what it sealed meanwhile is in batches we have not seen.
    await walk.on(database["audit"])
    changed = [
        f"step {step.number} of mail {step.subject} differs from what was sealed"
        for step in doubtful
        if not walk.has(step)
    ]
    return Finding(walk.number + 1, walk.count, walk.previous, (*walk.faults, *changed))


class _Walk:
    """The chain, as far as it has been read."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._sealed: dict[tuple[str, int], list[Any]] = {}
        self.faults: list[str] = []
        self.previous = _GENESIS
        self.number = -1
        self.count = 0

    async def on(self, chain: Collection) -> None:
        """Read on to its end."""
        async for batch in chain.find({"_id": {"$gt": self.number}}).sort("_id", 1):
            self._check(batch)

    def has(self, step: Step) -> bool:
        """Whether this very step was sealed."""
        return self._sealed.get((step.subject, step.number)) == step.row()

    def _check(self, batch: Document) -> None:
        self.number += 1
        if batch["_id"] != self.number:
            self.faults.append(f"batch {self.number} is missing")
            self.number = batch["_id"]
        if batch["previous"] != self.previous:
            self.faults.append(f"batch {self.number} does not follow the one before it")
        if _digest(self.number, batch["previous"], batch["rows"]) != batch["digest"]:
            self.faults.append(f"batch {self.number} was changed")
        try:
            self._identities.check(AUDIT, batch["signature"], batch["digest"].encode())
        except Forged:
            self.faults.append(f"batch {self.number} is not signed by this installation's sealer")
        self.previous = batch["digest"]
        self.count += len(batch["rows"])
        self._sealed |= {(row[0], row[1]): row for row in batch["rows"] if row[1] >= 0}


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
