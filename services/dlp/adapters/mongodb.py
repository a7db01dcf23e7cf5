"""The lists in MongoDB, sealed: who has the database does not learn what the organisation keeps secret. Held mails, by
age."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from secumail.contracts.commands.dlp import ListsVersion
from secumail.errors import Permanent
from secumail.sealing import stream
from secumail.sealing.kms import Scope
from secumail.spool.record import Stage
from secumail.store.blobs import BlobRef, Blobs
from secumail.store.client import Collection, Document, DuplicateKeyError
from services.dlp.black_words import NO_WORDS, Words
from services.dlp.lists import Lists

_HISTORY = 1000


class StoredLists:
    """Collection `lists`: {_id: version, key: wrapped, lists: blob, words_of?: version, words?: blob, actor, at}.

    The words are kept apart, once for all versions that have the same: those of version `words_of`.
    """

    def __init__(self, collection: Collection, blobs: Blobs, scope: Scope) -> None:
        self._lists = collection
        self._blobs = blobs
        self._scope = scope
        self._words: tuple[int, Words] = 0, NO_WORDS
        """Those of the newest version, and since which: whoever has them is given the very same again."""

    async def newest(self, known: int) -> Lists | None:
        found = await self._lists.find_one({"_id": {"$gt": known}}, sort=[("_id", -1)])
        if found is None:
            return None
        lists = await self._open(found)
        self._words = found.get("words_of", 0), lists.words
        return lists

    async def one(self, number: int) -> Lists | None:
        found = await self._lists.find_one({"_id": number})
        return await self._open(found) if found is not None else None

    async def history(self) -> list[ListsVersion]:
        found = self._lists.find({}, {"at": 1, "actor": 1}, sort=[("_id", -1)], limit=_HISTORY)
        return [ListsVersion(number=d["_id"], at=d["at"], actor=_account(d["actor"])) async for d in found]

    async def secret(self) -> bytes:
        return await self._scope.derive("term-ids")

    async def _open(self, found: Document) -> Lists:
        context = f"lists/{found['_id']}"
        opened = await self._opened(found, "lists", context)
        lists = await asyncio.to_thread(Lists.model_validate_json, opened)
        return (
            lists.model_copy(update={"words": await self._words_of(found["words_of"])})
            if "words_of" in found
            else lists
        )

    async def _words_of(self, number: int) -> Words:
        since, words = self._words
        if since == number:
            return words
        found = await self._lists.find_one({"_id": number})
        if found is None:
            raise Permanent("words-gone")
        return await asyncio.to_thread(Words.from_bytes, await self._opened(found, "words", f"lists/{number}/words"))

    async def _opened(self, found: Document, field: str, context: str) -> bytes:
        key = await self._scope.unwrap(found["key"], f"lists/{found['_id']}")
        sealed = await self._blobs.get(BlobRef.read(found[field]))
        return await asyncio.to_thread(stream.open_sealed, sealed, key, context)

    async def add(self, lists: Lists, actor: UUID | None) -> bool:
        context, key = f"lists/{lists.version}", stream.new_key()
        data = await asyncio.to_thread(lambda: lists.model_dump_json(exclude={"words"}).encode())
        kept = {"lists": await self._kept(data, key, context)}
        since, words = self._words
        if since and lists.words is words:
            words_of = since
        elif lists.words:
            words_of = lists.version
            data = await asyncio.to_thread(lists.words.to_bytes)
            kept["words"] = await self._kept(data, key, f"{context}/words")
        else:
            words_of = 0
        try:
            await self._lists.insert_one(
                {
                    "_id": lists.version,
                    "key": await self._scope.wrap(key, context),
                    **{field: ref.document() for field, ref in kept.items()},
                    **({"words_of": words_of} if words_of else {}),
                    "actor": str(actor),
                    "at": datetime.now(UTC),
                }
            )
        except DuplicateKeyError:
            for ref in kept.values():
                await self._blobs.remove(ref)
            return False
        self._words = words_of, lists.words
        return True

    async def _kept(self, data: bytes, key: bytes, context: str) -> BlobRef:
        return await self._blobs.put(await asyncio.to_thread(stream.seal, data, key, context))


class HeldMails:
    """The spool's held mails, by age."""

    def __init__(self, spool: Collection) -> None:
        self._spool = spool

    async def since(self, before: datetime) -> list[UUID]:
        found = self._spool.find({"stage": Stage.HELD.value, "moved": {"$lt": before}}, {"_id": 1})
        return [d["_id"] async for d in found]


def _account(stored: str) -> UUID | None:
    return UUID(stored) if stored not in ("", "None") else None
