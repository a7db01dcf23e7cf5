"""What dlp needs from outside."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from secumail.contracts.commands.dlp import ListsVersion
from secumail.mailbox.entry import Entry
from services.dlp.lists import Lists


class Filing(Protocol):
    """Mailboxes, write only: dlp appends to the reviewers' mailbox and can't open it."""

    async def file(self, entries: Collection[Entry]) -> None:
        """File each entry exactly once."""


class ListVersions(Protocol):
    """Where the lists are kept, sealed, one document a version."""

    async def newest(self, known: int) -> Lists | None:
        """The newest version if it is above `known`."""

    async def one(self, number: int) -> Lists | None:
        """That version, None where there is none."""

    async def history(self) -> list[ListsVersion]:
        """All versions, newest first."""

    async def secret(self) -> bytes:
        """Under which words get their ids; always the same."""

    async def add(self, lists: Lists, actor: UUID | None) -> bool:
        """Keep the next version; False where it exists (somebody else was faster)."""


class Overdue(Protocol):
    """Held mails by their age."""

    async def since(self, before: datetime) -> list[UUID]:
        """Those that are held since before `before`."""
