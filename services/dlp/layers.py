"""What a passage says once all that is encoded in it is undone: a text in layers, within limits that say so.

A layer may hide blocks (base64, hexadecimal), each a text of its own, and it may be read again with its escapes undone
(references, percent escapes). What comes of either is a layer again. Nothing is passed over in silence: where a limit
ends the undoing, `unopened` names it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from services.dlp.blocks import blocks
from services.dlp.decoders import LOOKALIKES, SPACING, closed_up, respell, unescape
from services.dlp.words import fold

# Encodings within one another that are undone: as many as files in files.
MAX_DEPTH = 16
# Characters that may come of one, of any passage where a mail is not long, and of a long mail. Base64 in base64
# without end comes to three.
GROWTH, ROOM, TOTAL = 8, 1 << 16, 1 << 25


@dataclass(frozen=True, eq=False)
class Layer:
    """A text in a passage. `view` is what was undone to read it, the outermost first: "", "hex, base64".

    `blocks` are the texts hidden in it: of what one block may say, one is meant. `again` are other readings of all of
    it: without its escapes; as its letters are read (`respelled`, where a skeleton says no more than before).
    """

    view: str
    text: str
    blocks: tuple[tuple["Layer", ...], ...] = ()
    again: tuple["Layer", ...] = ()
    respelled: bool = False

    @cached_property
    def folded(self) -> str:
        """The text as it is searched for words; `str` of any kind can be encoded."""
        folded = fold(self.text)
        return folded if folded.isascii() else folded.encode("utf-8", "replace").decode("utf-8")  # lone surrogates

    def __iter__(self) -> Iterator["Layer"]:
        """This layer and all within."""
        yield self
        for block in self.blocks:
            for one in block:
                yield from one
        for layer in self.again:
            yield from layer


@dataclass(frozen=True, slots=True)
class Unfolded:
    """The outermost layer of a passage, which has all others, and why not all was opened: "too-deep" and "too-big" say
    it was a limit, "packed-text" that a file is written into the text."""

    layer: Layer
    unopened: frozenset[str] = frozenset()


def growth(total: int) -> float:
    """How many characters may come of one in a mail whose passages have `total`."""
    return min(GROWTH, TOTAL / max(total, 1))


def unfold(text: str, most: float = GROWTH) -> Unfolded:
    """Undo all encodings in `text`, from which `most` times its length may come. Linear in its length."""
    unfolding = _Unfolding(max(ROOM if most >= GROWTH else 0, int(most * len(text))))
    return Unfolded(unfolding.layer("", text), frozenset(unfolding.unopened))


@dataclass(slots=True)
class _Unfolding:
    """One passage being unfolded: how many characters may still come of it."""

    room: int
    unopened: set[str] = field(default_factory=set)

    def layer(self, view: str, text: str, depth: int = 0) -> Layer:
        """The layer of a text at this depth, with all within."""
        again = [*self.unescaped(view, text, depth + 1)]
        read = respell(text)
        for name, other in ((LOOKALIKES, read), (SPACING, closed_up(text)), (SPACING, closed_up(read))):
            if other:
                of = _chain(view, name)
                again.append(Layer(of, other, self.blocks(of, other, depth), respelled=True))
                again += self.unescaped(of, other, depth + 1)
        return Layer(view, text, self.blocks(view, text, depth), tuple(again))

    def unescaped(self, view: str, text: str, depth: int) -> Iterator[Layer]:
        """What is read once the escapes in a text are undone; in the last of it, others are looked for."""
        readings = [(_chain(view, *names), plain) for names, plain in unescape(text) if self.take(plain, depth)]
        for of, plain in readings[:-1]:
            yield Layer(of, plain, self.blocks(of, plain, depth))
        for of, plain in readings[-1:]:
            yield self.layer(of, plain, depth)

    def blocks(self, view: str, text: str, depth: int) -> tuple[tuple[Layer, ...], ...]:
        opened = []
        for name, block in blocks(text):
            if not block:
                self.unopened.add("packed-text")
            read = (one for one in block if self.take(one, depth + 1))
            opened.append(tuple(self.layer(_chain(view, name), one, depth + 1) for one in read))
        return tuple(opened)

    def take(self, text: str, depth: int) -> bool:
        """Whether a text at this depth is still to be looked at."""
        self.room -= len(text)
        if depth > MAX_DEPTH:
            self.unopened.add("too-deep")
        elif self.room < 0:
            self.unopened.add("too-big")
        return depth <= MAX_DEPTH and self.room >= 0


def _chain(*names: str) -> str:
    return ", ".join(filter(None, names))
