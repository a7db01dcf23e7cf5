"""What a step has found out, and the one update it becomes. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from secumail import telemetry
from secumail.contracts.events import NAMESPACE, Event
from secumail.spool.record import Recipient, Record, Stage, State, Verdict, Vote, stored_events
from secumail.store.blobs import BlobRef

KEPT_AFTER = timedelta(days=30)
"""How long a finished mail's record (states and steps, no content) can be asked for."""

SEALED = ("mime", "envelope", "cover", "body", "meta")
"""A record's fields that hold the mail; none is left once it is done."""


@dataclass(frozen=True)
class Part:
    """One child of a split: some of the recipients, with a verdict of their own."""

    recipients: tuple[Recipient, ...]
    stage: Stage
    verdict: Verdict
    step: str
    event: Event

    @staticmethod
    def id(parent: UUID, indexes: Collection[int]) -> UUID:
        """Known before the child exists, since its event must name it."""
        return uuid5(NAMESPACE, f"{parent}/part/{','.join(map(str, sorted(indexes)))}")


@dataclass(frozen=True)
class Advance:
    """What a step has found out; written in one update. None leaves a field as it is."""

    stage: Stage
    step: str
    events: tuple[Event, ...]
    recipients: tuple[Recipient, ...] | None = None
    verdict: Verdict | None = None
    generation: int | None = None
    mime: BlobRef | None = None
    body: BlobRef | None = None
    meta: bytes | None = None
    split: tuple[Part, ...] = ()
    actor: str | None = None
    vote: Vote | None = None

    def update(self, record: Record, now: datetime, service: str) -> dict[str, Any]:
        """As MongoDB's update operators."""
        return {
            "$set": self._fresh(record, now, service),
            "$unset": self._gone(),
            "$push": {
                "steps": step(now, self.actor or service, self.step),
                **({"votes": self.vote.document()} if self.vote is not None else {}),
            },
        }

    def stale(self, record: Record) -> list[BlobRef | None]:
        """The blobs nobody needs after the step. A body that was filed belongs to the mailboxes now."""
        if self.stage is not Stage.DONE:
            if self.body is not None:
                return [record.mime, record.cover]
            return [record.mime] if self.mime is not None else []
        filed = any(r.state is State.DELIVERED for r in self.recipients or ())
        return [record.mime, record.envelope, record.cover, *([] if filed else [record.body])]

    def _fresh(self, record: Record, now: datetime, service: str) -> dict[str, Any]:
        fresh: dict[str, Any] = {
            "stage": self.stage.value,
            "moved": now,
            "unsealed": True,
            "out": stored_events(self.events),
            "keys": [e.claim.key for e in self.events if e.claim is not None],
            "recipients": None if self.recipients is None else [r.document() for r in self.recipients],
            "verdict": self.verdict.document() if self.verdict is not None else None,
            "generation": self.generation,
            "mime": self.mime.document() if self.mime is not None else None,
            "body": self.body.document() if self.body is not None else None,
            "meta": self.meta,
        }
        if self.split:
            fresh["split"] = [_plan(record, part, now, service) for part in self.split]
            fresh["children"] = [p["_id"] for p in fresh["split"]]
        if self.stage is Stage.DONE:
            fresh["expires"] = now + KEPT_AFTER
        elif self.stage is not Stage.HELD:
            fresh["open"] = True
        return {name: value for name, value in fresh.items() if value is not None}

    def _gone(self) -> dict[str, str]:
        """The fields that end with the step: marks of trouble always, the transit form once the mailboxes' form
        is there, everything sealed with the last step."""
        names = ["driven", "stuck"]
        if self.stage is Stage.DONE:
            names += ["open", *SEALED]
        elif self.stage is Stage.HELD:
            names.append("open")
        elif self.body is not None:
            names += ["mime", "cover"]
        return dict.fromkeys(names, "")


def step(at: datetime, actor: str, words: str) -> dict[str, Any]:
    """One step as it is stored: the audit trail's source. `actor`: a service, or an account's id."""
    return {"at": at, "actor": actor, "step": words, "span": telemetry.span_id()}


def _plan(record: Record, part: Part, now: datetime, service: str) -> dict[str, Any]:
    """A child as its parent names it, before it exists."""
    claim = part.event.claim
    return {
        "_id": Part.id(record.id, [r.index for r in part.recipients]),
        "stage": part.stage.value,
        "recipients": [r.document() for r in part.recipients],
        "verdict": part.verdict.document(),
        "out": stored_events((part.event,)),
        "keys": [claim.key] if claim else [],
        "steps": [step(now, service, part.step)],
    }
