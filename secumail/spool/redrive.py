"""The re-driver: publishes again what stands still.

A mail can stand still with nobody to blame: its service was killed between the write and the publish, or the
broker lost its disk. Each service drives the mails that wait for it, longer than the head of its own queue has
waited (so a mere backlog is left alone), a few at a time, and never those that became dead letters.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from secumail.spool.record import events
from secumail.spool.spool import Publish
from secumail.store.client import Collection, PyMongoError
from secumail.topology import WorkQueue

log = logging.getLogger(__name__)

EVERY = 5.0
AT_ONCE = 50

BacklogAge = Callable[[str], Awaitable[float]]


class Redriver:
    """Drives what waits for the given queues. `stuck_after`: seconds of standing still beyond the backlog's age."""

    def __init__(
        self,
        documents: Collection,
        queues: Sequence[WorkQueue],
        publish: Publish,
        backlog_age: BacklogAge,
        stuck_after: float,
    ) -> None:
        self._documents = documents
        self._queues = queues
        self._publish = publish
        self._backlog_age = backlog_age
        self._stuck_after = stuck_after

    async def run(self) -> None:
        """For ever; a failure is logged and tried again at the next turn."""
        while True:
            await asyncio.sleep(min(EVERY, self._stuck_after))
            for queue in self._queues:
                try:
                    driven = await self.turn(queue)
                except (PyMongoError, OSError, TimeoutError, RuntimeError) as error:
                    log.warning("not re-driven", extra={"queue": queue.name, "cause": type(error).__name__})
                    continue
                if driven:
                    log.warning("re-driven", extra={"queue": queue.name, "count": driven})

    async def turn(self, queue: WorkQueue) -> int:
        """Drive at most AT_ONCE mails of one queue; how many it were."""
        age = await self._backlog_age(queue.topic)
        if age == float("inf"):
            return 0
        now = datetime.now(UTC)
        cutoff = now - timedelta(seconds=self._stuck_after + queue.patience + age)
        for count in range(AT_ONCE):
            found = await self._documents.find_one_and_update(
                {
                    "open": True,
                    "moved": {"$lt": cutoff},
                    "out.key": queue.binding,
                    "stuck": {"$exists": False},
                    "driven": {"$not": {"$gt": cutoff}},
                },
                {"$set": {"driven": now}},
                projection={"out": 1, "trace": 1},
            )
            if found is None:
                return count
            for event in events(found["out"]):
                await self._publish(event, found.get("trace"))
        return AT_ONCE
