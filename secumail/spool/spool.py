"""The spool's one rule: a step does its work into fresh blobs, then writes state, verdict and outgoing event in
ONE conditional update, then publishes with confirm; the message is acked after that. A rerun that finds the step
done publishes the stored event again, and nothing else.
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Protocol
from uuid import UUID, uuid5

from secumail import telemetry
from secumail.contracts.events import NAMESPACE, Event, MailSubmitted
from secumail.errors import Permanent
from secumail.sealing import stream
from secumail.sealing.claims import Claims, Step, TransitKeys
from secumail.sealing.transport import Transport
from secumail.spool.advance import KEPT_AFTER, SEALED, Advance, step
from secumail.spool.record import (
    Envelope,
    Origin,
    Recipient,
    Record,
    Stage,
    authorship,
    stored_events,
)
from secumail.store.blobs import BlobRef, Blobs
from secumail.store.client import Collection as Documents
from secumail.store.client import DuplicateKeyError
from secumail.store.grouped import Change, Grouped
from secumail.topology import PUBLISHES

log = logging.getLogger(__name__)

_AT_REST = (Stage.HELD.value, Stage.DONE.value)

_SHOWN = {"mime": 0, "cover": 0, "envelope": 0, "body": 0, "meta": 0, "recipients.wrap": 0}

IN_FLIGHT_BYTES = 64 * 2**20
"""Mail that one process works on at once, in bytes of raw mail: bounds its memory whatever the prefetch."""


class Publish(Protocol):
    """The bus, as the spool needs it."""

    async def __call__(self, event: Event, trace: str | None = None) -> None:
        """Publish with confirm. `trace`: go on in this trace instead of the current one."""


@dataclass(frozen=True)
class NewMail:
    """A mail to take in. `key` makes the submission recognisable: the same key is the same mail.

    `given`: the mail as the client gave it, where `raw` has something of the moment in it (a Date of ours).
    """

    key: bytes
    origin: Origin
    account: UUID | None
    envelope: Envelope
    raw: bytes
    cover: bytes | None = None
    given: bytes | None = None

    @cached_property
    def id(self) -> UUID:
        """From the key: a client that retries after a lost answer names the same mail."""
        return uuid5(NAMESPACE, self.key.hex())

    def fingerprint(self) -> bytes:
        """Tells whether a repeated key comes with the same mail."""
        # Left out: the summary says nothing that the mail does not, and repeats the moment's Date; guests' keys are
        # random, so that a repeated submission comes with others until it finds those of the first.
        digest = hashlib.sha256(replace(self.envelope, summary={}, guests={}).encode())
        digest.update(hashlib.sha256(self.raw if self.given is None else self.given).digest())
        digest.update(hashlib.sha256(self.cover or b"").digest())
        return digest.digest()


@dataclass(frozen=True)
class Accepted:
    """A mail the spool has. `same` is False where the key was used before for a different mail."""

    id: UUID
    replayed: bool
    same: bool
    event: Event | None


Work = Callable[[Record], Awaitable[Advance]]


@dataclass
class _Room:
    """Bounds the bytes in work at once."""

    free: int = IN_FLIGHT_BYTES
    condition: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def take(self, size: int) -> AsyncIterator[None]:
        size = min(size, IN_FLIGHT_BYTES)
        async with self.condition:
            await self.condition.wait_for(lambda: self.free >= size)
            self.free -= size
        try:
            yield
        finally:
            async with self.condition:
                self.free += size
                self.condition.notify_all()


class Spool:
    """The spool as one service uses it."""

    def __init__(self, documents: Documents, blobs: Blobs, transport: Transport, publish: Publish) -> None:
        self._documents = documents
        self._grouped = Grouped(documents)
        self._blobs = blobs
        self._transport = transport
        self._claims = Claims(transport)
        self._publish = publish
        self._room = _Room()
        self.service = transport.service

    # --- taking in --------------------------------------------------------------------------------------

    async def submit(self, mail: NewMail) -> Accepted:
        """Take a mail in: one majority write, and from here it is kept. `announce` what it returns."""
        id_ = mail.id
        keys = TransitKeys.generate()
        envelope = stream.seal(mail.envelope.encode(), keys.envelope, f"envelope/{id_}")
        mime = stream.seal(mail.raw, keys.content, f"mime/{id_}")
        cover = stream.seal(mail.cover, keys.content, f"cover/{id_}") if mail.cover is not None else None
        digests = hashlib.sha256(envelope).digest(), hashlib.sha256(mime).digest()
        signature = await self._transport.sign(authorship(id_, mail.origin, mail.account, *digests))
        claim = await self._claims.seal(Step("mail.submitted", id_, 0), "dlp", keys, mail.origin)
        event = MailSubmitted(mail=id_, size=len(mail.raw), recipients=len(mail.envelope.recipients), claim=claim)
        refs = [await self._blobs.put(part) for part in (envelope, mime)]
        cover_ref = await self._blobs.put(cover) if cover is not None else None
        now = datetime.now(UTC)
        document = {
            "_id": id_,
            "root": id_,
            "origin": mail.origin,
            "stage": Stage.SUBMITTED.value,
            "generation": 0,
            "size": len(mail.raw),
            "fingerprint": await self._keyed(mail.fingerprint()),
            "recipients": [Recipient(i).document() for i in range(len(mail.envelope.recipients))],
            "envelope": refs[0].document(),
            "mime": refs[1].document(),
            "authorship": [self.service, signature],
            "out": stored_events((event,)),
            "keys": [claim.key],
            "trace": telemetry.traceparent(),
            "accepted": now,
            "moved": now,
            "steps": [step(now, self.service, "accepted")],
            "open": True,
            "unsealed": True,
        }
        if mail.account is not None:
            document["account"] = mail.account
        if cover_ref is not None:
            document["cover"] = cover_ref.document()
        if not await self._grouped.insert(document):
            for ref in (*refs, cover_ref):
                await self._blobs.remove(ref)
            return await self._known(mail)
        return Accepted(id_, replayed=False, same=True, event=event)

    async def announce(self, accepted: Accepted) -> None:
        """Publish a taken mail's event. A failure is no loss: the re-driver publishes it later."""
        if accepted.event is None:
            return
        try:
            await self._publish(accepted.event)
        except Exception as error:  # the mail is kept; whatever the broker's trouble, the answer stays "accepted"
            log.warning("announce put off", extra={"mail": str(accepted.id), "cause": type(error).__name__})

    async def _known(self, mail: NewMail) -> Accepted:
        found = await self._documents.find_one({"_id": mail.id})
        if found is None:
            raise Permanent("record-gone")
        same = found["fingerprint"] == await self._keyed(mail.fingerprint())
        record = Record.read(found)
        event = record.out[0] if record.stage is Stage.SUBMITTED and record.out else None
        return Accepted(mail.id, replayed=True, same=same, event=event)

    async def _keyed(self, fingerprint: bytes) -> bytes:
        return await self._transport.keyed(b"fingerprint/" + fingerprint)

    # --- moving on --------------------------------------------------------------------------------------

    async def step(self, event: Event, expects: Stage, produces: Collection[Stage], work: Work) -> None:
        """One hop. `work` runs where the mail stands at `expects`; where this hop is done already, what it
        published is published again; where the mail is further on, nothing happens."""
        async with self._room.take(getattr(event, "size", 0)):
            record = await self.find(event.mail)
            if record is None:
                raise Permanent("no-such-mail")
            if record.generation == event.generation and record.stage is expects:
                if await self.advance(record, await work(record)):
                    return
                record = await self.find(event.mail)
            await self._again(record, event, expects, produces)

    async def _again(self, record: Record | None, event: Event, expects: Stage, produces: Collection[Stage]) -> None:
        if record is None:
            raise Permanent("no-such-mail")
        if record.generation > event.generation:
            return
        if record.generation < event.generation:
            raise Permanent("generation-unknown")
        if record.stage is Stage.SPLIT:
            await self._finish_split(record.id)
        elif record.stage in produces:
            # An end of the mail may be another hop's: that one tells of it.
            await self._send([one for one in record.out if one.routing_key in PUBLISHES[self.service]])
        elif record.stage is expects:
            raise Permanent("stage-contested")

    async def advance(self, record: Record, change: Advance) -> bool:
        """Write a step's outcome if the mail still stands where it stood, then publish. False: it had moved."""
        update = change.update(record, datetime.now(UTC), self.service)
        turn = secrets.token_bytes(8)  # tells this write from a racer's
        written = await self._grouped.update(
            Change(
                {"_id": record.id, "stage": record.stage.value, "generation": record.generation},
                {**update, "$set": {**update["$set"], "turn": turn}},
                {"_id": record.id, "turn": turn},
            )
        )
        if not written:
            return False
        try:
            if change.split:
                await self._finish_split(record.id)
            else:
                await self._send(change.events)
        finally:
            # The record names them no longer, whether or not the broker took the event.
            await self._remove(record, change.stale(record))
        return True

    async def _send(self, events: Sequence[Event]) -> None:
        for event in events:
            await self._publish(event)

    async def stuck(self, mail: UUID, code: str) -> None:
        """Note that a mail's event became a dead letter: it is shown as stuck, and not driven again by itself."""
        await self._documents.update_one(
            {"_id": mail, "open": True},
            {
                "$set": {"stuck": code, "unsealed": True},
                "$push": {"steps": step(datetime.now(UTC), self.service, f"stuck:{code}")},
            },
        )

    async def note(self, mail: UUID, words: str, actor: UUID) -> None:
        """Note in a mail's steps what somebody did about it that moves it nowhere."""
        now = datetime.now(UTC)
        update = {"$set": {"unsealed": True}, "$push": {"steps": step(now, str(actor), words)}}
        await self._documents.update_one({"_id": mail}, update)

    async def find(self, mail: UUID) -> Record | None:
        """A mail's record."""
        found = await self._grouped.find(mail)
        return Record.read(found) if found else None

    async def read(self, ref: BlobRef | None) -> bytes:
        """A blob of a record; Permanent where it is gone."""
        if ref is None:
            raise Permanent("blob-gone")
        return await self._blobs.get(ref)

    async def keep(self, data: bytes, share: int = 1) -> BlobRef:
        """Put a fresh sealed blob, for `Advance`."""
        return await self._blobs.put(data, share)

    async def status(self, mail: UUID) -> list[Record]:
        """A mail and, where it was split, its parts: what a sender is shown. Empty: unknown."""
        records: list[Record] = []
        wanted = [mail]
        while wanted:
            found = [Record.read(d) async for d in self._documents.find({"_id": {"$in": wanted}}, _SHOWN)]
            records += found
            wanted = [child for record in found for child in record.children]
        return records

    async def standing(self, mails: Collection[UUID]) -> dict[UUID, Record]:
        """The records of several mails, those that are still kept, without what is sealed in them."""
        found = self._documents.find({"_id": {"$in": list(mails)}}, _SHOWN)
        return {record.id: record async for record in (Record.read(d) async for d in found)}

    # --- splitting --------------------------------------------------------------------------------------

    async def _finish_split(self, parent: UUID) -> None:
        """Make the children that the parent's plan names (those made already stay), send them on their way."""
        found = await self._documents.find_one({"_id": parent})
        if found is None or "split" not in found:
            return
        shared = ("root", "origin", "account", "size", "fingerprint", "envelope", "mime", "cover", "authorship",
                  "trace", "accepted", "moved")  # fmt: skip
        children = []
        for plan in found["split"]:
            child = {**{k: found[k] for k in shared if k in found}, **plan, "parent": parent, "generation": 0}
            child |= {"unsealed": True} | ({"open": True} if plan["stage"] not in _AT_REST else {})
            if plan["stage"] == Stage.DONE.value:  # refused at once: nothing of it is needed any more
                child = {k: v for k, v in child.items() if k not in SEALED} | {
                    "expires": datetime.now(UTC) + KEPT_AFTER
                }
            children.append(child)
            with suppress(DuplicateKeyError):
                await self._documents.insert_one(child)
        for child in children:
            for event in Record.read(child).out:
                await self._publish(event)
        await self._documents.update_one(
            {"_id": parent, "stage": Stage.SPLIT.value},
            {
                "$set": {
                    "stage": Stage.DONE.value,
                    "recipients": [],
                    "out": [],
                    "expires": datetime.now(UTC) + KEPT_AFTER,
                },
                "$unset": dict.fromkeys(("open", "split", "mime", "envelope", "cover"), ""),
            },
        )
        # The last child may have ended before: then nobody else removes what they shared.
        whole = Record.read(found)
        await self._remove(whole, (whole.mime, whole.envelope, whole.cover))

    async def _remove(self, record: Record, stale: Sequence[BlobRef | None]) -> None:
        """Remove blobs that the record names no longer; those a split mail's kin still names stay for them."""
        stored = [ref for ref in stale if ref is not None and ref.id is not None]
        kin = await self._kin(record) if stored else []
        for ref in stored:
            named = {"$or": [{f"{name}.id": ref.id} for name in ("mime", "envelope", "cover")]}
            if not kin or await self._documents.find_one({"_id": {"$in": kin}, **named}, {"_id": 1}) is None:
                await self._blobs.remove(ref)

    async def _kin(self, record: Record) -> list[UUID]:
        """All that a mail was split into, itself left out: any of them may name the same blobs (a parent too, whose
        children are not made yet)."""
        if record.parent is None and not record.children:
            return []
        kin: list[UUID] = []
        wanted = [record.root]
        while wanted:
            kin += wanted
            found = self._documents.find({"_id": {"$in": wanted}}, {"children": 1})
            wanted = [child async for d in found for child in d.get("children", [])]
        return [id_ for id_ in kin if id_ != record.id]
