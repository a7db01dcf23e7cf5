"""The views in which a text is searched, and what disguise lies between a term and how it stands there.

A text is searched by its skeleton: letters and digits alone, look-alikes undone, characters that stand in for one
another (1, l, i) made one. All spellings of a term have its skeleton, so one automaton finds them in one pass; each
place found is then looked at: is it the term as it is, a disguise of it, or another word altogether? Two readings
more, rot13 and backwards, are skeletons as well. So an occurrence is found once, under the least disguise that
explains it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, compress, repeat

from services.dlp.decoders import rot13
from services.dlp.lookalikes import BARE, bare
from services.dlp.words import in_word, joined

# Letters and digits a term needs: to be searched by its skeleton at all; to be looked for in rot13 and backwards
# ("drawer" is "reward"); to be found whatever its spacing ("therapist").
SHORTEST, TURNED, LONG = 5, 8, 10
MAX_GAP = 16
# What may part the letters of a short word; an apostrophe makes another word of it ("worlds", "world's").
_WITHIN = frozenset("-_.*/\\|~+,:;\u00b7\u2010\u2011\u2012\u2013\u2014\u2022")

PLAIN = ""
_SPELLINGS = LOOKALIKES, INVISIBLE, LEET, SPACING = (
    "look-alike letters",
    "invisible characters",
    "digits for letters",
    "other spacing",
)
_SYMBOLS = {"!": "i", "|": "i", "$": "s", "@": "a", "+": "t"}
_CLASSES = str.maketrans("l1035478q962", "iioesatbgggz")
_SEPARATORS = bytes(b for b in range(128) if not chr(b).isalnum())
_TO_CLASS = bytes.maketrans(b"l1035478q962", b"iioesatbgggz")
_IS_LETTER = bytes(chr(b).isalnum() and b < 0x80 for b in range(256))
_FROM_SYMBOLS = str.maketrans(_SYMBOLS)


class _Bones(dict[int, str]):
    """A table for `str.translate`: what is left of a character in a skeleton. It fills itself."""

    def __missing__(self, point: int) -> str:
        bones = "".join(filter(in_word, bare(chr(point)))).translate(_CLASSES)
        if len(self) < 8192:
            self[point] = bones
        return bones


class _Sizes(dict[int, str]):
    """How many bones a character leaves, as the character of that number."""

    def __missing__(self, point: int) -> str:
        size = chr(len(_BONES[point]))
        if len(self) < 8192:
            self[point] = size
        return size


_BONES = _Bones()
_SIZES = _Sizes()


def skeleton(folded: str) -> str:
    """What all spellings of a folded text have in common; a part of the text has a part of its skeleton."""
    if folded.isascii():
        return folded.encode("ascii").translate(_TO_CLASS, _SEPARATORS).decode("ascii")
    return folded.translate(_BONES)


@dataclass(frozen=True)
class Reading:
    """One way to read a folded text: the view it is (PLAIN, "rot13", "reversed"), the text so read, its skeleton."""

    view: str
    text: str
    bones: str
    symbols: bool = False

    @cached_property
    def places(self) -> list[int]:
        """Where in the text each character of the skeleton comes from."""
        text = self.text.translate(_FROM_SYMBOLS) if self.symbols else self.text
        if text.isascii():
            return list(compress(range(len(text)), text.encode("ascii").translate(_IS_LETTER)))
        sizes = text.translate(_SIZES).encode("latin-1")
        if max(sizes) == 1:
            return list(compress(range(len(text)), sizes))
        return list(chain.from_iterable(map(repeat, range(len(text)), sizes)))


def readings(folded: str) -> Iterator[Reading]:
    """The readings of a text that has no term hidden by an encoding; those are texts of their own (decoders.py)."""
    plain = skeleton(folded)
    yield Reading(PLAIN, folded, plain)
    if any(symbol in folded for symbol in _SYMBOLS):
        yield Reading(PLAIN, folded, skeleton(folded.translate(_FROM_SYMBOLS)), symbols=True)
    turned = rot13(folded)
    yield Reading("rot13", turned, skeleton(turned))
    yield Reading("reversed", folded[::-1], plain[::-1])


@dataclass(frozen=True, slots=True)
class _Letter:
    """A letter or digit of a spelling: as it stands, as it is read, and the separators before it."""

    shown: str
    read: str
    gap: str


def spelling(term: str, reading: Reading, start: int, end: int) -> str | None:
    """The view under which the folded `term` stands in a reading, where its skeleton was found.

    `start` and `end` are places in the skeleton. PLAIN: the term as it is; None: other words.
    """
    text, size = reading.text, end - start
    if reading.view and size < TURNED:
        return None
    first, last = reading.places[start], reading.places[end - 1] + 1
    lead = _lead(term)
    place = first - lead
    if place >= 0 and text.startswith(term, place) and not (joined(text, place) or joined(text, place + len(term))):
        return reading.view
    if last - first > size * MAX_GAP or (reading.view and size < LONG) or _within_word(text, first, last):
        return None
    disguises = _disguises(_letters(term), _letters(text[first:last], reading.symbols))
    return ", ".join(filter(None, (reading.view, *disguises))) if disguises else None


def _within_word(text: str, first: int, last: int) -> bool:
    """Whether a word goes on before `first` or after `last`; characters that do not show belong to the letter
    before them."""
    left, right = first, last
    while right < len(text) and right < last + MAX_GAP and not bare(text[right]):
        right += 1
    while left > 0 and left > first - MAX_GAP and not bare(text[left - 1]):
        left -= 1
    return (left > 0 and joined(text[left - 1] + text[first], 1)) or (
        right < len(text) and joined(text[last - 1] + text[right], 1)
    )


def _disguises(term: list[_Letter], found: list[_Letter]) -> tuple[str, ...]:
    """What was done to a term to make it what was found; nothing, where it is no disguise but other words."""
    if len(term) != len(found):
        return ()
    long = len(term) >= LONG
    alike = leet = kept = 0
    for ours, theirs in zip(term, found, strict=True):
        if ours.read == theirs.read:
            alike += ours.shown != theirs.shown
            kept += theirs.read.isalpha() or not ours.read.isalpha()
        elif ours.read.isalpha() != theirs.read.isalpha():
            leet += 1
        elif long and ours.read.isalpha():
            alike += 1
        else:  # another number; "falling" and "failing"
            return ()
    if leet and kept * (4 if long else 1) < leet:
        return ()  # a number, not a word
    if not long and all(letter.shown.isascii() for letter in found) and not all(x.shown.isascii() for x in term):
        return ()  # "schon" is no disguise of "schön"
    gaps = [(ours.gap, theirs.gap) for ours, theirs in zip(term[1:], found[1:], strict=True)]
    shown = [(_shown(ours), _shown(theirs)) for ours, theirs in gaps]
    if not _may_be_spaced(shown, long):
        return ()
    done = (alike > 0, any(len(_shown(gap)) < len(gap) for _, gap in gaps), leet > 0, any(a != b for a, b in shown))
    return tuple(compress(_SPELLINGS, done))


def _may_be_spaced(gaps: list[tuple[str, str]], long: bool) -> bool:
    """Whether these separators (in the term, in the text), letter by letter, leave it the same words."""
    if long:
        return all(len(theirs) <= MAX_GAP for _, theirs in gaps)
    if all(0 < len(theirs) <= 3 for _, theirs in gaps):
        return True  # spelled out, s e c r e t
    return all(
        theirs == " " or (theirs != "" and " " not in theirs)
        if ours
        else len(theirs) <= 2 and _WITHIN.issuperset(theirs)
        for ours, theirs in gaps
    )


def _shown(gap: str) -> str:
    return gap if gap.isascii() else "".join(filter(bare, gap))


@lru_cache(1024)
def _lead(term: str) -> int:
    """How many characters stand before the first that leaves bones."""
    return next(place for place, character in enumerate(term) if _BONES[ord(character)])


def _letters(text: str, symbols: bool = False) -> list[_Letter]:
    letters: list[_Letter] = []
    gap = ""
    for character in text:
        read = [c for c in BARE[ord(character)] if in_word(c)]
        if not read and symbols and character in _SYMBOLS:
            read = [character]
        for one in read:
            letters.append(_Letter(character, one, gap))
            gap = ""
        if not read:
            gap += character
    return letters


def described(view: str) -> str:
    """A view in words, as in: it occurs once in the body, hidden by other spacing in base64 within hex.

    A view names what has to be undone, the outermost first. PLAIN is nothing to describe: "".
    """
    if not view:
        return ""
    names = view.split(", ")
    by = [name for name in names if name in _SPELLINGS]
    within = [name for name in reversed(names) if name not in _SPELLINGS]
    words = ["hidden"]
    if by:
        words.append(f"by {', '.join(by[:-1])} and {by[-1]}" if len(by) > 1 else f"by {by[0]}")
    if within:
        words.append(f"in {' within '.join(within)}")
    return " ".join(words)
