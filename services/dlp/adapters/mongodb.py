"""The lists in MongoDB, sealed: who has the database does not learn what the organisation keeps secret. Held mails, by
age."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from secumail.contracts.commands.dlp import ListsVersion
from secumail.sealing import stream
from secumail.sealing.kms import Scope
from secumail.spool.record import Stage
from secumail.store.blobs import BlobRef, Blobs
from secumail.store.client import Collection, Document, DuplicateKeyError
from services.dlp.lists import Lists

_HISTORY = 1000


class StoredLists:
    """Collection `lists`: {_id: version, key: wrapped, lists: blob, actor, at}."""

    def __init__(self, collection: Collection, blobs: Blobs, scope: Scope) -> None:
        self._lists = collection
        self._blobs = blobs
        self._scope = scope

    async def newest(self, known: int) -> Lists | None:
        found = await self._lists.find_one({"_id": {"$gt": known}}, sort=[("_id", -1)])
        return await self._open(found) if found is not None else None

    async def one(self, number: int) -> Lists | None:
        found = await self._lists.find_one({"_id": number})
        return await self._open(found) if found is not None else None

    async def history(self) -> list[ListsVersion]:
        found = self._lists.find({}, {"at": 1, "actor": 1}, sort=[("_id", -1)], limit=_HISTORY)
        return [ListsVersion(number=d["_id"], at=d["at"], actor=_account(d["actor"])) async for d in found]

    async def _open(self, found: Document) -> Lists:
        context = f"lists/{found['_id']}"
        key = await self._scope.unwrap(found["key"], context)
        sealed = await self._blobs.get(BlobRef.read(found["lists"]))
        return await asyncio.to_thread(lambda: Lists.model_validate_json(stream.open_sealed(sealed, key, context)))

    async def add(self, lists: Lists, actor: UUID | None) -> bool:
        context = f"lists/{lists.version}"
        key = stream.new_key()
        sealed = await asyncio.to_thread(lambda: stream.seal(lists.model_dump_json().encode(), key, context))
        ref = await self._blobs.put(sealed)
        try:
            await self._lists.insert_one(
                {
                    "_id": lists.version,
                    "key": await self._scope.wrap(key, context),
                    "lists": ref.document(),
                    "actor": str(actor),
                    "at": datetime.now(UTC),
                }
            )
        except DuplicateKeyError:
            await self._blobs.remove(ref)
            return False
        return True


class HeldMails:
    """The spool's held mails, by age."""

    def __init__(self, spool: Collection) -> None:
        self._spool = spool

    async def since(self, before: datetime) -> list[UUID]:
        found = self._spool.find({"stage": Stage.HELD.value, "moved": {"$lt": before}}, {"_id": 1})
        return [d["_id"] async for d in found]


def _account(stored: str) -> UUID | None:
    return UUID(stored) if stored not in ("", "None") else None
