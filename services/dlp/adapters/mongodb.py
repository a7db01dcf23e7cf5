"""The lists in MongoDB, sealed: who has the database does not learn what the organisation keeps secret."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from secumail.sealing import stream
from secumail.sealing.kms import Scope
from secumail.store.blobs import BlobRef, Blobs
from secumail.store.client import Collection, DuplicateKeyError
from services.dlp.lists import Lists


class StoredLists:
    """Collection `lists`: {_id: version, key: wrapped, lists: blob, actor, at}."""

    def __init__(self, collection: Collection, blobs: Blobs, scope: Scope) -> None:
        self._lists = collection
        self._blobs = blobs
        self._scope = scope

    async def newest(self, known: int) -> Lists | None:
        found = await self._lists.find_one({"_id": {"$gt": known}}, sort=[("_id", -1)])
        if found is None:
            return None
        version: int = found["_id"]
        key = await self._scope.unwrap(found["key"], f"lists/{version}")
        sealed = await self._blobs.get(BlobRef.read(found["lists"]))
        raw = stream.open_sealed(sealed, key, f"lists/{version}")
        return await asyncio.to_thread(Lists.model_validate_json, raw)

    async def add(self, lists: Lists, actor: UUID | None) -> bool:
        context = f"lists/{lists.version}"
        key = stream.new_key()
        ref = await self._blobs.put(stream.seal(lists.model_dump_json().encode(), key, context))
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
