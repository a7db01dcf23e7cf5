"""What the gateway's ear is for: who waits for news of a mail is woken, and changed accounts are looked at again."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from uuid import UUID


class News:
    """Wakes those who wait for a mail's next event."""

    def __init__(self, account_changed: Callable[[UUID], None]) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._account_changed = account_changed

    def heard(self, type_: str, subject: str, _routing_key: str) -> None:
        """One event on the bus."""
        if type_ == "account.changed":
            self._account_changed(UUID(subject))
            return
        for waiter in self._waiting.get(subject, ()):
            waiter.set()

    async def wait(self, mail: UUID, seconds: float) -> None:
        """Until the next event about the mail, `seconds` at most."""
        waiter = asyncio.Event()
        key = str(mail)
        self._waiting[key].add(waiter)
        try:
            await asyncio.wait_for(waiter.wait(), seconds)
        except TimeoutError:
            return
        finally:
            self._waiting[key].discard(waiter)
            if not self._waiting[key]:
                del self._waiting[key]
