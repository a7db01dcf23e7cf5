"""The organisation's own pictures to hide in: which of them carry a mail whose sender gave none. Pure."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.stego.refusals import CoverRefused
from services.stego.terms import PARTS_LIMIT, Judged, Rate


@dataclass(frozen=True)
class LibraryCover:
    """A picture of the library. `mail`: the mail it is taken for, until it is used up."""

    id: UUID
    name: str
    size: int
    judged: Judged
    at: datetime
    actor: UUID | None
    mail: UUID | None = None


def choose(free: Sequence[LibraryCover], size: int, rate: Rate) -> list[LibraryCover]:
    """Pictures that carry `size` bytes at this rate: any one that does alone, else the fewest. Raises CoverRefused."""
    alone = [cover for cover in free if cover.judged.room[rate] >= size]
    if alone:
        return [secrets.choice(alone)]
    chosen: list[LibraryCover] = []
    for cover in sorted(free, key=lambda cover: cover.judged.room[rate], reverse=True)[:PARTS_LIMIT]:
        chosen.append(cover)
        if sum(cover.judged.room[rate] for cover in chosen) >= size:
            return chosen
    if not free:
        raise CoverRefused(
            "library-empty",
            "The organisation's library has no picture left, and each is used once.",
            "Give a photograph of your own, or ask an administrator to add some.",
        )
    raise CoverRefused(
        "library-short",
        "The organisation's pictures are too few or too small for this mail.",
        "Give photographs of your own, choose another rate, or leave out attachments.",
    )
