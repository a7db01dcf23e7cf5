"""What a file is taken apart into, and the limits within which that happens."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

MEGABYTE = 1024 * 1024
SEEN = 0.5
"""How sure it is that something hides in what nobody reads and everybody sends: enough to be noted."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text that was found; `name` says where in the file, and may be empty.

    Texts of one file with `rendering` set say the same thing in several ways: a recipient reads one of them.
    """

    name: str
    text: str
    rendering: bool = False


@dataclass(frozen=True, slots=True)
class Inner:
    """A file in the file, still to be read.

    `part` says that it is a piece of the file's own making (the XML of a document), which nobody would call an
    attachment. `expected` says that bytes nobody can read are usual here: printer settings, colour profiles.
    """

    name: str
    data: bytes
    part: bool = False
    expected: bool = False
    rendering: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that was not read, and why: `encrypted`, `damaged`, `ratio` and so on."""

    rule: str
    name: str = ""
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Sign:
    """A finding about the file itself, of another detector than that of what was not read."""

    detector: str
    rule: str
    name: str = ""
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Small:
    """A small picture's grey pixels. All of a mail are read together: to begin costs what reading ten does."""

    width: int
    height: int
    pixels: bytes
    name: str = ""


Piece = Text | Inner | Trouble | Sign | Small


class Exceeded(Exception):
    """A limit of the whole walk was reached: nothing further is read."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading all attachments of one mail may cost."""

    depth: int = 16
    """Files in files in files."""
    total: int = 500 * MEGABYTE
    """Bytes unpacked."""
    members: int = 20_000
    ratio: int = 200
    """Bytes that come of one packed byte, beyond the first megabyte."""
    text: int = 16 * MEGABYTE
    """Characters of text: searching them costs more than finding them."""
    seconds: float = 20.0
    languages: str = ""
    """In which the words in pictures are looked for ("eng+deu"); without, pictures are left for who reads them."""
    pictures: int = 40
    """Pictures, pages and frames of which the words are read."""
    small_pictures: int = 300
    """And small ones that differ, which are read together."""


@dataclass(slots=True)
class Budget:
    """What is left of the limits. Every loop over a sender's bytes asks it now and then."""

    limits: Limits = field(default_factory=Limits)
    total: int = 0
    members: int = 0
    text: int = 0
    pictures: int = 0
    began: float = field(default_factory=time.monotonic)

    def check(self) -> None:
        if time.monotonic() - self.began > self.limits.seconds:
            raise Exceeded("timeout")

    def take(self, size: int) -> None:
        """Count `size` unpacked bytes."""
        self.total += size
        if self.total > self.limits.total:
            raise Exceeded("too-big")
        self.check()

    def member(self) -> None:
        self.members += 1
        if self.members > self.limits.members:
            raise Exceeded("too-many")

    def say(self, length: int) -> None:
        """Count `length` characters of text."""
        self.text += length
        if self.text > self.limits.text:
            raise Exceeded("too-big")

    def gather(self, chunks: Iterable[bytes], packed: int) -> bytes | None:
        """All chunks in one; None where far more came of the `packed` bytes than a file of any use would have."""
        most = max(MEGABYTE, self.limits.ratio * packed)
        got: list[bytes] = []
        size = 0
        for chunk in chunks:
            size += len(chunk)
            self.take(len(chunk))
            if size > most:
                return None
            got.append(chunk)
        return b"".join(got)


def unpacked(name: str, chunks: Iterable[bytes], packed: int, budget: Budget, part: bool = False) -> Iterator[Piece]:
    """A packed member as a piece, or what is the trouble with its size."""
    data = budget.gather(chunks, packed)
    yield Trouble("ratio", name) if data is None else Inner(name, data, part=part)
