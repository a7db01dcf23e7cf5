"""What a passage says once all that is encoded in it is undone: a text in layers, within limits that say so.

A layer may hide blocks (base64, hexadecimal), each a text of its own, and it may be read again with its escapes undone
(references, percent escapes). What comes of either is a layer again. Nothing is passed over in silence: where a limit
ends the undoing, `unopened` names it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from services.dlp.decoders import blocks, unescape
from services.dlp.words import fold

# Encodings within one another that are undone: as many as files in files.
MAX_DEPTH = 16
# Characters that may come of one, and that may come of any passage. Base64 in base64 without end comes to three.
GROWTH, ROOM = 8, 1 << 16


@dataclass(frozen=True, eq=False)
class Layer:
    """A text in a passage. `view` is what was undone to read it, the outermost first: "", "hex, base64".

    `blocks` are the texts hidden in it: of what one block may say, one is meant. `escaped` is the text itself without
    its escapes, if it has any.
    """

    view: str
    text: str
    blocks: tuple[tuple["Layer", ...], ...] = ()
    escaped: "Layer | None" = None

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
        if self.escaped is not None:
            yield from self.escaped


@dataclass(frozen=True, slots=True)
class Unfolded:
    """The outermost layer of a passage, which has all others, and what was not opened: "too-deep", "too-big"."""

    layer: Layer
    unopened: frozenset[str] = frozenset()


def unfold(text: str) -> Unfolded:
    """Undo all encodings in `text`. Linear in its length."""
    unfolding = _Unfolding(max(ROOM, GROWTH * len(text)))
    return Unfolded(unfolding.layer("", text, 0), frozenset(unfolding.unopened))


@dataclass(slots=True)
class _Unfolding:
    """One passage being unfolded: how many characters may still come of it."""

    room: int
    unopened: set[str] = field(default_factory=set)

    def layer(self, view: str, text: str, depth: int) -> Layer:
        hidden = blocks(text)
        if depth == MAX_DEPTH:
            if next(hidden, None) or unescape(text)[0]:
                self.unopened.add("too-deep")
            return Layer(view, text)
        opened = tuple(
            tuple(self.layer(_chain(view, name), one, depth + 1) for one in block if self.take(one))
            for name, block in hidden
        )
        names, unescaped = unescape(text)
        if not names or not self.take(unescaped):
            return Layer(view, text, opened)
        return Layer(view, text, opened, self.layer(_chain(view, *names), unescaped, depth + 1))

    def take(self, text: str) -> bool:
        """Whether there is room for `text` yet."""
        self.room -= len(text)
        if self.room < 0:
            self.unopened.add("too-big")
        return self.room >= 0


def _chain(*names: str) -> str:
    return ", ".join(filter(None, names))
