"""The words of hiding: rates, what a picture is worth, what carries. They cost nothing to load; the coder does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["png", "jpeg"]
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
"""How files of the two kinds begin."""

Rate = Literal["careful", "normal", "maximum"]
RATES: dict[Rate, float] = {"careful": 0.02, "normal": 0.05, "maximum": 0.4}
"""Bits an element (a sample; in a JPEG a coefficient that is not zero), at most."""
PARTS_LIMIT = 16
"""Pictures of one hidden message."""

LOOK_BYTES = 8
ALIKE = 6
"""Bits of a look's 64 in which two may differ and still be of one picture: scaled, recompressed, a little brighter."""

Progress = Callable[[int, int], None]
"""Is told how many pictures are done, of how many."""


@dataclass(frozen=True)
class Judged:
    """A picture's worth. `size`: bytes of the file it is written as; `room`: bytes of any payload it carries alone, for
    each rate; `look`: its perceptual hash."""

    kind: Kind
    width: int
    height: int
    size: int
    room: dict[Rate, int]
    look: int
    roughness: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Hidden:
    """A picture that carries a part. `digest` and `look` are the cover's, by which it is known again."""

    file: bytes
    kind: Kind
    digest: bytes
    look: int

    def __repr__(self) -> str:
        return f"Hidden({self.kind}, {len(self.file)} bytes)"


def alike(one: int, other: int) -> bool:
    """Whether two looks are of the same picture."""
    return (one ^ other).bit_count() <= ALIKE
