"""What stego needs from outside: pictures worked on, pictures kept, and a memory of those that were used."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from services.stego.library import LibraryCover
from services.stego.terms import Hidden, Judged, Progress, Rate


class Pictures(Protocol):
    """services.stego.hiding, in processes of its own. Blocking: called from threads."""

    def judge(self, file: bytes) -> Judged:
        """What a picture is worth as a cover."""

    def together(self, files: Sequence[bytes]) -> dict[Rate, int]:
        """Bytes that several carry together, for each rate."""

    def hide(
        self, files: Sequence[bytes], payload: bytes, key: bytes, rate: Rate, progress: Progress = ...
    ) -> list[Hidden]:
        """The pictures with the payload in them."""

    def reveal(self, files: Sequence[bytes], key: bytes) -> bytes:
        """What they hide."""


class UsedCovers(Protocol):
    """Every picture that ever carried anything, so that none does twice."""

    async def use(self, mail: UUID, covers: Sequence[tuple[bytes, int]]) -> None:
        """Note these covers (digest and look) as used for this mail, all or none; again for the same mail is no fault.
        Raises CoverRefused where one, or one nearly the same, was used for another."""

    async def check(self, digest: bytes, look: int) -> None:
        """Raises CoverRefused where the cover, or one nearly the same, was used."""


class Library(Protocol):
    """The organisation's pictures."""

    async def add(self, file: bytes, name: str, judged: Judged, actor: UUID | None) -> LibraryCover:
        """Keep one."""

    async def all(self) -> list[LibraryCover]:
        """All of them, oldest first."""

    async def remove(self, id_: UUID) -> bool:
        """Remove one that is not taken for a mail; False where there is none."""

    async def take(self, mail: UUID, size: int, rate: Rate) -> list[tuple[str, bytes]]:
        """(name, file) of pictures that carry `size` bytes, now taken for this mail; the same ones when it asks again.
        Raises CoverRefused."""

    async def give_back(self, mail: UUID) -> None:
        """Those taken for a mail are free again: nothing went out in them."""

    async def spend(self, mail: UUID) -> None:
        """Those taken for a mail are used up, and gone: who had cover and carrier could compare them."""
