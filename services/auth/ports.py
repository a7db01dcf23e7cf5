"""What auth needs from outside."""

from typing import Protocol
from uuid import UUID

from secumail.directory import Entry
from services.auth.accounts import Account


class Accounts(Protocol):
    """Where accounts are kept."""

    async def by_lookup(self, lookup: bytes) -> Account | None:
        """The account behind an address's keyed digest."""

    async def by_id(self, id_: UUID) -> Account | None:
        """One account."""

    async def add(self, account: Account) -> bool:
        """Keep a new one; False where the address is taken."""

    async def replace(self, account: Account) -> bool:
        """Keep a changed one; False where somebody else changed it meanwhile (by revision)."""

    async def unlisted(self) -> list[Account]:
        """Those whose directory entry is behind."""

    async def listed(self, account: Account) -> None:
        """Note that the directory has this revision."""

    async def everyone(self) -> list[Account]:
        """All, in order of registration."""


class Listing(Protocol):
    """Write access to the directory."""

    async def publish(self, entry: Entry) -> None:
        """Sign and write an entry."""


class Groups(Protocol):
    """Where group keys are kept, one sealed copy per member."""

    async def create(self, name: str, account: UUID, member: UUID, wrap: bytes) -> bool:
        """A new group with its first member; False where it exists."""

    async def grant(self, name: str, member: UUID, wrap: bytes) -> bool:
        """Add (or renew) a member's copy; False where there is no such group."""

    async def of(self, member: UUID) -> dict[str, int]:
        """The groups somebody is a member of, each with how many members it has."""

    async def leave(self, name: str, member: UUID) -> bool:
        """Destroy a member's copy; False where it is the only one."""
