"""What stego needs from outside: pictures worked on, pictures kept, and a memory of those that were used."""

from collections.abc import Callable, Sequence
from typing import ParamSpec, Protocol, TypeVar
from uuid import UUID

from services.stego.library import LibraryCover
from services.stego.terms import Hidden, Judged, Progress, Rate

P = ParamSpec("P")
T = TypeVar("T")


class Pictures(Protocol):
    """services.stego.hiding, in processes of its own. Blocking, but for `apart`."""

    async def apart(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One of the methods below, without keeping others waiting."""

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

    async def knows(self, digest: bytes, look: int, mail: UUID | None = None) -> bool:
        """Whether the cover, or one nearly the same, was used (for another mail than this)."""


class Library(Protocol):
    """The organisation's pictures."""

    async def add(self, file: bytes, name: str, judged: Judged, actor: UUID | None) -> LibraryCover:
        """Keep one."""

    async def all(self) -> list[LibraryCover]:
        """All of them, oldest first."""

    async def remove(self, id_: UUID, mail: UUID | None) -> bool:
        """Remove one that is taken for this mail, or for none; False where there is no such one."""

    async def take(self, mail: UUID, size: int, rate: Rate) -> list[tuple[LibraryCover, bytes]]:
        """Pictures that carry `size` bytes, and their files, now taken for this mail; the same ones when it asks again.
        Raises CoverRefused, and Transient where others are always quicker."""

    async def give_back(self, mail: UUID) -> None:
        """Those taken for a mail are free again: nothing went out in them."""

    async def spend(self, mail: UUID) -> None:
        """Those taken for a mail are used up, and gone: who had cover and carrier could compare them."""
