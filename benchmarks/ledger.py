"""What the spool says of many mails at once, read with the operator's eyes."""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

from secumail.cli.operator import Access
from secumail.installation.home import Home


class Ledger:
    """The records of an installation."""

    def __init__(self, home: Home) -> None:
        self._spool = Access.open(home.path).database()["spool"]

    async def all_done(self, mails: Sequence[str], within: float) -> None:
        """Wait until every mail has ended; TimeoutError otherwise."""
        ids = [UUID(m) for m in mails]
        deadline = time.monotonic() + within
        while await self._spool.count_documents({"_id": {"$in": ids}, "open": True}) > 0:
            if time.monotonic() > deadline:
                raise TimeoutError("mails still open")
            await asyncio.sleep(0.05)

    async def ways(self, mails: Sequence[str]) -> list[float]:
        """Seconds from acceptance to the last step, for each mail."""
        found = self._spool.find({"_id": {"$in": [UUID(m) for m in mails]}}, {"accepted": 1, "moved": 1})
        return [(d["moved"] - d["accepted"]).total_seconds() async for d in found]
