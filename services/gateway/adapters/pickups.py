"""Pickups and their guests' visits in MongoDB."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from secumail.audit import Acts
from secumail.errors import Permanent
from secumail.mailbox.entry import entry_id
from secumail.mailbox.mailbox import Mailboxes
from secumail.sealing.identities import Forged
from secumail.sealing.stream import Tampered
from secumail.sealing.transport import Transport
from secumail.store.client import Collection, DuplicateKeyError, ReturnDocument
from services.gateway.pickup import REPLIES, Inside, Pickup, Stretching, Visit, digest, resume

log = logging.getLogger(__name__)

_SWEEP_EVERY = 60.0
_AT_ONCE = 100
_OPENINGS = 50
"""So many of the newest openings are remembered."""


class Pickups:
    """Collections `pickups` and (for visits) `sessions`."""

    def __init__(
        self,
        pickups: Collection,
        sessions: Collection,
        mailboxes: Mailboxes,
        acts: Acts,
        transport: Transport,
        stretching: Stretching,
    ) -> None:
        self._pickups = pickups
        self._sessions = sessions
        self._mailboxes = mailboxes
        self._acts = acts
        self._transport = transport
        self.stretching = stretching

    # --- for the sender ---------------------------------------------------------------------------------

    async def add(self, made: Sequence[Pickup]) -> list[Pickup]:
        """Keep new pickups. One that is there already stays, and is returned instead."""
        return list(await asyncio.gather(*(self._add(pickup) for pickup in made)))

    async def _add(self, pickup: Pickup) -> Pickup:
        # Signed, because a mail will be sealed to what is read here when a submission is repeated.
        signature = await self._transport.sign(pickup.signed())
        try:
            await self._pickups.insert_one({**pickup.document(), "signature": signature})
        except DuplicateKeyError:
            return await self._kept(pickup.id)
        await self._acts.record(pickup.account, "pickup-made", pickup.id)
        return pickup

    async def _kept(self, id_: UUID) -> Pickup:
        found = await self._pickups.find_one({"_id": id_})
        if found is None:
            raise Permanent("pickup-gone")
        try:
            self._transport.check(self._transport.service, found["signature"], Pickup.read(found).signed())
        except Forged as error:
            raise Permanent("pickup-forged") from error
        return Pickup.read(found)

    async def of_mail(self, account: UUID, mail: UUID) -> list[Pickup]:
        """The pickups of one mail, in the order of its recipients."""
        found = self._pickups.find({"account": account, "mail": mail})
        return sorted([Pickup.read(d) async for d in found], key=lambda p: p.index)

    async def newest(self, account: UUID, limit: int) -> list[Pickup]:
        """A sender's pickups, newest first."""
        found = self._pickups.find({"account": account}).sort([("created", -1)]).limit(limit)
        return [Pickup.read(d) async for d in found]

    async def revoke(self, account: UUID, id_: UUID, now: datetime) -> bool:
        """End a pickup: its keys, its guest's visits and its mail go at once. False where there is none to end."""
        found = await self._pickups.find_one_and_update(
            {"_id": id_, "account": account, "revoked": {"$exists": False}, "ends": {"$gt": now}},
            {"$set": {"revoked": now}, "$unset": {"sealed": ""}},
        )
        if found is None:
            return False
        await self._clear(Pickup.read(found))
        await self._acts.record(account, "pickup-revoked", id_)
        return True

    # --- for the guest ----------------------------------------------------------------------------------

    async def find(self, token: str) -> Pickup | None:
        """The pickup of a link."""
        found = await self._pickups.find_one({"token": digest(token)})
        return Pickup.read(found) if found else None

    async def attempt(self, id_: UUID, now: datetime) -> Pickup | None:
        """Take one attempt, before a password is tried: guesses that race each other count each. None: there is none
        left, or the pickup has ended."""
        found = await self._pickups.find_one_and_update(
            {
                "_id": id_,
                "attempts": {"$gt": 0},
                "ends": {"$gt": now},
                "sealed": {"$exists": True},
                "revoked": {"$exists": False},
            },
            {"$inc": {"attempts": -1}},
            return_document=ReturnDocument.AFTER,
        )
        return Pickup.read(found) if found else None

    async def failed(self, pickup: Pickup) -> None:
        """The password was wrong."""
        await self._acts.record(pickup.id, "pickup-locked" if pickup.attempts <= 0 else "pickup-refused", pickup.id)

    async def give_back(self, pickup: Pickup) -> None:
        """The password was right: only wrong ones count."""
        await self._pickups.update_one({"_id": pickup.id}, {"$inc": {"attempts": 1}})

    async def opened(self, pickup: Pickup, now: datetime) -> None:
        """The guest was given the mail."""
        noted = {"$each": [now], "$slice": -_OPENINGS}
        await self._pickups.update_one({"_id": pickup.id}, {"$push": {"opened": noted}})
        await self._acts.record(pickup.id, "pickup-opened", pickup.id)

    async def visit(self, visit: Visit) -> None:
        """Let a guest in for a while."""
        await self._sessions.insert_one(
            {
                "_id": visit.id,
                "account": visit.guest,
                "sealed": visit.sealed,
                "created": visit.created,
                "ends": visit.ends,
            }
        )

    async def resume(self, pickup: Pickup, cookie: str, now: datetime) -> Inside | None:
        """What a visit's cookie opens; None where the visit, or the pickup, is over."""
        if pickup.state(now) in ("revoked", "expired"):
            return None
        found = await self._sessions.find_one({"_id": digest(cookie)})
        if found is None or found["account"] != pickup.id or found["ends"] <= now:
            return None
        visit = Visit(found["_id"], pickup.id, found["sealed"], found["created"], found["ends"])
        try:
            return resume(visit, cookie)
        except Tampered:
            return None

    async def leave(self, pickup: Pickup) -> None:
        """End the guest's visits."""
        await self._sessions.delete_many({"account": pickup.id})

    async def answer(self, id_: UUID, form: str, now: datetime) -> bool:
        """Take one of the replies for a form; a form that is sent again takes no second one. False: all are used."""
        room: dict[str, object] = {f"replies.{REPLIES - 1}": {"$exists": False}}
        taken = await self._pickups.update_one(
            {"_id": id_, "ends": {"$gt": now}, "revoked": {"$exists": False}, "$or": [room, {"replies": form}]},
            {"$addToSet": {"replies": form}},
        )
        return bool(taken.matched_count)

    # --- the end ----------------------------------------------------------------------------------------

    async def sweep(self, now: datetime) -> int:
        """Take the keys and the mail of pickups that have expired; how many, a hundred at most."""
        due = await self._pickups.find({"due": {"$lte": now}}).limit(_AT_ONCE).to_list(None)
        for pickup in map(Pickup.read, due):
            await self._clear(pickup)
            await self._pickups.update_one({"_id": pickup.id}, {"$unset": {"sealed": "", "due": ""}})
        return len(due)

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            try:
                while await self.sweep(datetime.now(UTC)) == _AT_ONCE:
                    pass
            except Exception as error:  # a fault must not end the sweeping: what is due stays due
                log.warning("pickups not swept", extra={"cause": type(error).__name__})
            await asyncio.sleep(_SWEEP_EVERY)

    async def _clear(self, pickup: Pickup) -> None:
        await self.leave(pickup)
        await self._mailboxes.delete(pickup.id, entry_id(pickup.id, pickup.mail, "received"))
