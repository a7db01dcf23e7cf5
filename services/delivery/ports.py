"""What delivery needs from outside."""

from collections.abc import Collection
from typing import Protocol

from secumail.mailbox.entry import Entry


class Filing(Protocol):
    """Mailboxes, write only."""

    async def file(self, entries: Collection[Entry]) -> None:
        """File each entry exactly once."""
