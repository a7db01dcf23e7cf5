"""Mailboxes in MongoDB. Every query carries the account: it is the owner's boundary and the future shard key."""

import asyncio
from collections.abc import Collection as Several
from datetime import UTC, datetime
from uuid import UUID

from secumail.mailbox.entry import Entry, Folder
from secumail.store.blobs import BlobRef, Blobs
from secumail.store.client import Collection
from secumail.store.grouped import Grouped


class Mailboxes:
    """All mailboxes; the account in each call says whose."""

    def __init__(self, entries: Collection, blobs: Blobs, spool: Collection) -> None:
        self._entries = entries
        self._grouped = Grouped(entries)
        self._blobs = blobs
        self._spool = spool

    # --- filing -----------------------------------------------------------------------------------------

    async def file(self, entries: Several[Entry]) -> None:
        """File each entry once: one that is there already, or was there and was deleted, is left alone."""
        await asyncio.gather(*(self._grouped.insert(e.document()) for e in entries))

    # --- reading ----------------------------------------------------------------------------------------

    async def page(
        self, account: UUID, folder: Folder, limit: int, before: tuple[datetime, UUID] | None = None
    ) -> list[Entry]:
        """The newest entries of a folder, without bodies; `before` continues behind the last one seen."""
        return await self._newest({"account": account, "folder": folder}, limit, before)

    async def decided(
        self, account: UUID, folder: Folder, limit: int, before: tuple[datetime, UUID] | None = None
    ) -> list[Entry]:
        """The newest held mails that were decided on and put away in this folder; like `page`."""
        query: dict[str, object] = {"account": account, "decision": {"$exists": True}, "folder": folder}
        return await self._newest(query, limit, before)

    async def _newest(self, query: dict[str, object], limit: int, before: tuple[datetime, UUID] | None) -> list[Entry]:
        if before is not None:
            at, id_ = before
            # The bound on `at` alone lets the index begin there; the alternative only parts those of one moment.
            query |= {"at": {"$lte": at}, "$or": [{"at": {"$lt": at}}, {"_id": {"$lt": id_}}]}
        cursor = self._entries.find(query, {"body": 0}).sort([("at", -1), ("_id", -1)]).limit(limit)
        return [Entry.read(d) async for d in cursor]

    async def find(self, account: UUID, id_: UUID) -> Entry | None:
        """One entry; None for another's, a deleted or an unknown one."""
        found = await self._entries.find_one({"_id": id_, "account": account, "gone": {"$exists": False}})
        return Entry.read(found) if found else None

    async def body(self, entry: Entry) -> bytes:
        """The sealed body."""
        return await self._blobs.get(entry.body) if entry.body is not None else b""

    async def counts(self, account: UUID) -> dict[str, tuple[int, int]]:
        """Per folder: how many mails, and how many of them unseen."""
        cursor = self._entries.aggregate(
            [
                {"$match": {"account": account, "folder": {"$exists": True}}},
                {
                    "$group": {
                        "_id": "$folder",
                        "all": {"$sum": 1},
                        "seen": {"$sum": {"$cond": [{"$in": ["seen", "$flags"]}, 1, 0]}},
                    }
                },
            ]
        )
        return {row["_id"]: (row["all"], row["all"] - row["seen"]) async for row in cursor}

    # --- changing ---------------------------------------------------------------------------------------

    async def change(
        self,
        account: UUID,
        ids: Several[UUID],
        add: Several[str] = (),
        remove: Several[str] = (),
        folder: Folder | None = None,
    ) -> int:
        """Set and clear flags, move to a folder; how many entries it reached."""
        query = {"_id": {"$in": list(ids)}, "account": account, "gone": {"$exists": False}}
        matched = 0
        if add or folder is not None:
            update: dict[str, object] = {}
            if add:
                update["$addToSet"] = {"flags": {"$each": list(add)}}
            if folder is not None:
                update["$set"] = {"folder": folder}
            matched = (await self._entries.update_many(query, update)).matched_count
        if remove:
            matched = (
                await self._entries.update_many(query, {"$pull": {"flags": {"$in": list(remove)}}})
            ).matched_count
        return matched

    async def decide(self, entry: Entry, folder: Folder, decision: bytes) -> None:
        """Put a held mail away, with what was decided."""
        update = {"$set": {"folder": folder, "decision": decision}, "$addToSet": {"flags": "seen"}}
        await self._entries.update_one({"_id": entry.id, "account": entry.account}, update)

    async def vote(self, entry: Entry, decision: bytes) -> None:
        """Keep one reviewer's vote beside a mail that needs two."""
        await self._entries.update_one({"_id": entry.id, "account": entry.account}, {"$push": {"votes": decision}})

    async def appeal(self, entry: Entry, appeal: bytes) -> bool:
        """Keep what the sender says to the reviewers; False where the sender has said something already."""
        query = {"_id": entry.id, "account": entry.account, "appeal": {"$exists": False}}
        return (await self._entries.update_one(query, {"$set": {"appeal": appeal}})).matched_count == 1

    async def delete(self, account: UUID, id_: UUID) -> bool:
        """Forget a mail for good. What stays is a mark without content, so that no redelivery brings it back."""
        found = await self._entries.find_one_and_update(
            {"_id": id_, "account": account, "gone": {"$exists": False}},
            {
                "$set": {"gone": datetime.now(UTC)},
                "$unset": dict.fromkeys(
                    ("folder", "flags", "key", "meta", "body", "size", "at", "decision", "votes", "appeal"), ""
                ),
            },
        )
        if found is None:
            return False
        body = BlobRef.read(found.get("body") or {})
        if body.id is not None and not await self._named(body):
            await self._blobs.remove(body)
        return True

    async def _named(self, body: BlobRef) -> bool:
        """Whether another mailbox, or a mail still being delivered, needs a shared body."""
        query, only_id = {"body.id": body.id}, {"_id": 1}
        return bool(await self._entries.find_one(query, only_id) or await self._spool.find_one(query, only_id))
