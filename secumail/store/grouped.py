"""Group commit: operations on one collection that are asked for at the same time travel as one command.

While one command is under way the next operations gather; so an idle service answers as fast as without, and a
busy one pays the price of a round trip, a journal flush and a thread change once for many mails. Each caller gets
the outcome of its own operation; what is written, and its write concern, stay the same.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from pymongo import InsertOne, UpdateOne
from pymongo.errors import WriteError

from secumail.store.client import AutoReconnect, BulkWriteError, Collection, Document, DuplicateKeyError, PyMongoError

Q = TypeVar("Q")
A = TypeVar("A")

MOST = 32
"""Operations in one command: with documents of at most 2 x 256 KiB well under the server's 48 MB."""

_DUPLICATE = 11000


class Gathering(Generic[Q, A]):
    """Runs `one` for a lone item, `many` for those that gathered meanwhile (their answers in the same order)."""

    def __init__(
        self,
        one: Callable[[Q], Awaitable[A]],
        many: Callable[[Sequence[Q]], Awaitable[Sequence[A | Exception]]],
    ) -> None:
        self._one = one
        self._many = many
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, item: Q) -> A:
        """The item's answer."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                await self._answer([(item, future) for item, future in batch if not future.done()])
        finally:
            self._running = None

    async def _answer(self, batch: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        if len(batch) > 1:
            try:
                answers = await self._many([item for item, _ in batch])
            except AutoReconnect as error:
                for _, future in batch:
                    _refuse(future, error)
                return
            except PyMongoError:
                answers = None  # one that can't be done must not spoil the others: each by itself
            if answers is not None:
                for (_, future), answer in zip(batch, answers, strict=True):
                    if isinstance(answer, Exception):
                        _refuse(future, answer)
                    else:
                        _settle(future, answer)
                return
        for item, future in batch:
            try:
                _settle(future, await self._one(item))
            except Exception as error:  # it belongs to the one who asked
                _refuse(future, error)


def _settle(future: "asyncio.Future[A]", answer: A) -> None:
    if not future.done():
        future.set_result(answer)


def _refuse(future: "asyncio.Future[A]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


class Change:
    """A conditional update. `applied` finds the document if, and only if, this very update was made."""

    __slots__ = ("applied", "query", "update")

    def __init__(self, query: Document, update: Mapping[str, Any], applied: Document) -> None:
        self.query = query
        self.update = update
        self.applied = applied


class Grouped:
    """One collection, its single-document operations grouped."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self.find = Gathering(self._find_one, self._find_many)
        """By `_id`; None where there is none."""
        self.insert = Gathering(self._insert_one, self._insert_many)
        """True; False where the `_id` is taken."""
        self.update = Gathering(self._update_one, self._update_many)
        """Whether the query found its document."""

    async def _find_one(self, id_: Any) -> Document | None:
        return await self._collection.find_one({"_id": id_})

    async def _find_many(self, ids: Sequence[Any]) -> Sequence[Document | None]:
        found = await self._collection.find({"_id": {"$in": list(set(ids))}}).to_list(len(ids))
        by_id = {d["_id"]: d for d in found}
        return [by_id.get(id_) for id_ in ids]

    async def _insert_one(self, document: Document) -> bool:
        try:
            await self._collection.insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    async def _insert_many(self, documents: Sequence[Document]) -> Sequence[bool | Exception]:
        try:
            await self._collection.bulk_write([InsertOne(d) for d in documents], ordered=False)
        except BulkWriteError as error:
            _check_kept(error)
            codes = {f["index"]: f["code"] for f in (error.details or {}).get("writeErrors", [])}
            # Each has its own outcome. Tried again, those that were written would look like other people's.
            return [_inserted(codes.get(index)) for index in range(len(documents))]
        return [True] * len(documents)

    async def _update_one(self, change: Change) -> bool:
        return (await self._collection.update_one(change.query, change.update)).matched_count == 1

    async def _update_many(self, changes: Sequence[Change]) -> Sequence[bool]:
        try:
            done = await self._collection.bulk_write([UpdateOne(c.query, c.update) for c in changes], ordered=False)
        except BulkWriteError as error:
            _check_kept(error)
            raise
        if done.matched_count == len(changes):
            return [True] * len(changes)
        # The server only tells how many were found: look which.
        return [await self._collection.find_one(c.applied, {"_id": 1}) is not None for c in changes]


def _inserted(code: int | None) -> bool | WriteError:
    if code is None:
        return True
    return False if code == _DUPLICATE else WriteError("not written", code)


def _check_kept(error: BulkWriteError) -> None:
    """AutoReconnect where a majority has not kept what was written: then nobody may be told that it was."""
    if (error.details or {}).get("writeConcernErrors"):
        raise AutoReconnect("not kept by a majority") from error
