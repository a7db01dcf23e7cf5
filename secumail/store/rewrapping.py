"""After a rotation: each service brings what it stored under older versions of its scopes under the current one.

In the background, a batch at a time, without a state of its own: what is old is seen by the wrap itself. So any
replica may be stopped at any time, several may work at once, and a database that was put back is brought up again.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence

from secumail.errors import Transient
from secumail.sealing.keyring import KeyRing
from secumail.sealing.kms import Scope, WrongKey, version_of
from secumail.sealing.wraps import WRAPS, Wraps
from secumail.store.client import Collection, Database, Document, PyMongoError

log = logging.getLogger(__name__)

_EVERY = 3.0
_AGAIN = 120.0
"""Seconds after which all is looked through once more while an older version is there: a document that was read
before the re-wrapping may be written back after it."""
_BATCH = 100


class Rewrapping:
    """One process's part of it."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys
        self._rows = [row for row in WRAPS if row.scope in keys]
        self._clean: dict[Wraps, tuple[int, float]] = {}

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self.turn()
            except (PyMongoError, Transient) as error:
                log.warning("not re-wrapped", extra={"cause": type(error).__name__})
            await asyncio.sleep(_EVERY)

    async def turn(self) -> int:
        """Look through what may have something old; how many were re-wrapped."""
        done = 0
        for row in self._rows:
            scope = self._keys[row.scope]
            versions = await scope.versions()
            current, now = max(versions), time.monotonic()
            seen, at = self._clean.get(row, (0, 0.0))
            if len(versions) > 1 and (seen != current or now > at + _AGAIN):
                done += await self._bring_up(row, scope, current)
                self._clean[row] = (current, now)
        return done

    async def _bring_up(self, row: Wraps, scope: Scope, current: int) -> int:
        collection = self._database[row.collection]
        done, batch = 0, list[Document]()
        async for document in collection.find(row.query, row.needed):
            if version_of(row.wrapped(document)) < current:
                batch.append(document)
            if len(batch) == _BATCH:
                done += await _rewrap(collection, row, scope, batch)
                batch.clear()
        done += await _rewrap(collection, row, scope, batch)
        if done:
            log.info("re-wrapped", extra={"where": row.collection, "count": done})
        return done


async def _rewrap(collection: Collection, row: Wraps, scope: Scope, batch: Sequence[Document]) -> int:
    async def one(document: Document) -> int:
        old = row.wrapped(document)
        try:
            new = await scope.rewrap(old, row.bound_to(document))
        except WrongKey:
            # It stays, and is counted: an operator who wants to retire its version is told.
            log.error("a wrap does not open", extra={"where": row.collection})
            return 0
        # Only where it is still the same: who changed it meanwhile did so under the current version.
        changed = await collection.update_one({"_id": document["_id"], row.field: old}, {"$set": {row.field: new}})
        return changed.modified_count

    return sum(await asyncio.gather(*(one(document) for document in batch)))


async def count(database: Database, row: Wraps) -> Counter[int]:
    """How many wraps of a kind are under which version."""
    found: Counter[int] = Counter()
    async for document in database[row.collection].find(row.query, {row.field: 1}):
        found[version_of(row.wrapped(document))] += 1
    return found
