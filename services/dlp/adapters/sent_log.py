"""Moves lines of the sent log from the spool, where they were written with the verdict, to the reviewers' mailbox.

In batches, a second later: a line costs a fraction of a write of its own, and none can be lost in between.
"""

import asyncio
import logging

from secumail.mailbox.entry import Entry
from secumail.store.client import Collection, PyMongoError
from services.dlp.ports import Filing

log = logging.getLogger(__name__)

EVERY = 1.0
BATCH = 500


class SentLog:
    """The mover."""

    def __init__(self, spool: Collection, mailboxes: Filing) -> None:
        self._spool = spool
        self._mailboxes = mailboxes

    async def run(self) -> None:
        """For ever, every second."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                while await self.turn() == BATCH:
                    continue
            except (PyMongoError, OSError) as error:
                log.warning("sent log not moved", extra={"cause": type(error).__name__})

    async def turn(self) -> int:
        """Move one batch; how many lines it had. Moving a line twice is moving it once."""
        found = await self._spool.find({"log.at": {"$exists": True}}, {"log": 1}).limit(BATCH).to_list(BATCH)
        if found:
            await self._mailboxes.file([Entry.read(d["log"]) for d in found])
            await self._spool.update_many({"_id": {"$in": [d["_id"] for d in found]}}, {"$unset": {"log": ""}})
        return len(found)
