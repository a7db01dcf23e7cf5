"""What the policy looks at: a mail taken apart into passages of text and attachments (by services.dlp.reading)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from services.dlp.attachments import Attachment
from services.dlp.findings import Hit
from services.dlp.layers import GROWTH, Unfolded, unfold

WAITING = "picture"
"""The trouble of a picture whose words are still to be read, by who reads pictures."""


class Unreadable(StrEnum):
    """Why a mail cannot be read with certainty."""

    TOO_DEEP = "too-deep"
    TOO_MANY_PARTS = "too-many-parts"
    TOO_MANY_HEADERS = "too-many-headers"
    AMBIGUOUS_HEADER = "ambiguous-header"
    UNKNOWN_ENCODING = "unknown-encoding"
    BROKEN_MULTIPART = "broken-multipart"
    DAMAGED = "damaged"


Alternative = tuple[int, int] | None


@dataclass(frozen=True)
class Passage:
    """One decoded text of the mail, named as a reviewer knows it: `subject`, `body`, `attachment 2`.

    Passages with the same first number in `alternative` are renderings of one text (multipart/alternative),
    the second number telling them apart: a recipient reads one of them, so they are not counted together.
    """

    name: str
    text: str
    alternative: Alternative = None
    growth: float = field(default=GROWTH, compare=False)
    """How many characters may come of one where encodings are undone; less in a long mail."""

    @cached_property
    def unfolded(self) -> Unfolded:
        """The text with all that is encoded in it, for every detector."""
        return unfold(self.text, self.growth)


@dataclass(frozen=True, slots=True)
class Message:
    """What the policy looks at. Where `unreadable` is set, the rest is incomplete and proves nothing."""

    subject: str = ""
    passages: tuple[Passage, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    """Also the files in files, each after the one it was in."""
    unreadable: Unreadable | None = None
    troubles: tuple[Hit, ...] = ()
    """What could not be read, and why (detector "unscannable"). Below a score of 1 it is what nobody reads."""
    dangers: tuple[Hit, ...] = ()
    """What else the extractor found about the files: types that lie, active content."""
    chunks: tuple["Chunks", ...] = ()
    """Of the files that are no text, and of those in them."""

    @property
    def waits(self) -> bool:
        """Whether it has pictures whose words are still to be read."""
        return any(trouble.rule == WAITING for trouble in self.troubles)


@dataclass(frozen=True, slots=True)
class File:
    """A file for the extractor: `where` begins the names of all that is found in it.

    `known`: its text is a passage of the mail already, so only what else it may be is of interest.
    """

    index: int
    where: str
    name: str
    media_type: str
    data: bytes
    known: bool = False
    alternative: Alternative = None


@dataclass(frozen=True, slots=True)
class Chunks:
    """What is needed to find a changed copy of a file that is no text (services.dlp.files.chunks)."""

    where: str
    hashes: tuple[int, ...]


Found = Passage | Attachment | Hit | Chunks
Extract = Callable[[Sequence[File]], Iterable[Found]]
"""Reads the files of one mail, within limits for all of them. Never raises; what it cannot read is a Hit."""
