"""The views in which a text is searched, and what disguise lies between a term and how it stands there.

A text is searched by its skeleton: letters and digits alone, look-alikes undone, characters that stand in for one
another (1, l, i) made one. All spellings of a term have its skeleton, so one automaton finds them in one pass; each
place found is then looked at: is it the term as it is, a disguise of it, or another word altogether? Two readings
more, rot13 and backwards, are skeletons as well. So an occurrence is found once, under the least disguise that
explains it.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.dlp.decoders import LOOKALIKES, SPACING, rot13
from services.dlp.lookalikes import BARE, bare
from services.dlp.words import in_word, joined, unspaced

# Letters and digits a term needs: to be searched by its skeleton at all; to be looked for in rot13 and backwards
# ("drawer" is "reward"); to be found whatever its spacing ("therapist").
SHORTEST, TURNED, LONG = 5, 8, 10
MAX_GAP = 16
# What may part the letters of a short word; an apostrophe makes another word of it ("worlds", "world's").
_WITHIN = frozenset("-_.*/\\|~+,:;\u00b7\u2010\u2011\u2012\u2013\u2014\u2022")

_APOSTROPHES = ("'", "`", "\u00b4", "\u2019", "\x92")
PLAIN = ""
INVISIBLE, LEET = "invisible characters", "digits for letters"
_SPELLINGS = (LOOKALIKES, INVISIBLE, LEET, SPACING)
# Stands behind each of several texts that are searched as one: neither a folded text nor a skeleton has a line end.
SEAM = " \n "
_SYMBOLS = {"!": "i", "|": "i", "$": "s", "@": "a", "+": "t"}
_CLASSES = str.maketrans("l1035478q962", "iioesatbgggz")
_TO_CLASS = bytes.maketrans(b"l1035478q962", b"iioesatbgggz")
_SEPARATORS = bytes(b for b in range(128) if not chr(b).isalnum() and b != 0x0A)
_ROT13 = np.array([ord(rot13(chr(b))) for b in range(128)], np.uint8)
_LETTERS_OF_SYMBOLS = np.array([ord(_SYMBOLS.get(chr(b), chr(b))) for b in range(128)], np.uint8)

Codes = NDArray[np.unsignedinteger[Any]]  # one or four bytes each
Flags = NDArray[np.bool_]
Places = NDArray[np.int32]


class _Bones(dict[int, str]):
    """A table for `str.translate`: what is left of a character in a skeleton. It fills itself."""

    def __missing__(self, point: int) -> str:
        bones = "\n" if point == 0x0A else "".join(filter(in_word, bare(chr(point)))).translate(_CLASSES)
        if len(self) < 8192:
            self[point] = bones
        return bones


_BONES = _Bones()


def skeleton(folded: str) -> str:
    """What all spellings of a folded text have in common; a part of the text has a part of its skeleton."""
    if folded.isascii():
        return folded.encode("ascii").translate(_TO_CLASS, _SEPARATORS).decode("ascii")
    return folded.translate(_BONES)


# For each character: what it is and, in sixteens, how many bones it leaves (one, or more); and the first of them.
_IN_WORD, _UNSPACED, _SHOWN, _KNOWN, _BONE, _BONES_MORE = 1, 2, 4, 8, 16, 32
_TRAITS = np.zeros(sys.maxunicode + 1, np.uint8)
_FIRST = np.zeros(sys.maxunicode + 1, np.uint32)


def _learn(points: Iterable[int]) -> None:
    for point in points:
        character, bones = chr(point), _BONES[point]
        _FIRST[point] = ord(bones[0]) if bones else 0
        _TRAITS[point] = (
            _KNOWN
            + _BONE * bool(bones)
            + _BONES_MORE * (len(bones) > 1)
            + _SHOWN * bool(bare(character))
            + _UNSPACED * unspaced(character)
            + _IN_WORD * in_word(character)
        )


_learn(range(128))


def _codes(text: str) -> Codes:
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)


def _traits(codes: Codes) -> NDArray[np.uint8]:
    traits = _TRAITS[codes]
    if codes.dtype != np.uint8 and not traits.all():
        _learn(np.unique(codes[traits == 0]).tolist())
        traits = _TRAITS[codes]
    return traits


def _changed(codes: Codes, table: NDArray[np.uint8]) -> Codes:
    """With the ASCII characters as the table has them."""
    if codes.dtype == np.uint8:
        return table[codes]
    return np.where(codes < 128, table[codes & 127], codes)


def _bones(codes: Codes, traits: NDArray[np.uint8]) -> tuple[Codes, Places]:
    """The skeleton of a text, and where in the text each character of it comes from."""
    places = np.flatnonzero(traits & _BONE).astype(np.int32)
    more = codes[traits & _BONES_MORE != 0]
    if not len(more):
        return _FIRST[codes[places]].astype(codes.dtype), places
    of = {point: np.array(list(map(ord, _BONES[point])), np.uint32) for point in np.unique(more).tolist()}
    sizes = np.where(traits & _BONE, 1, 0)
    for point, bones in of.items():
        sizes[codes == point] = len(bones)
    places = np.repeat(np.arange(len(codes), dtype=np.int32), sizes)
    found, begins = _FIRST[codes[places]], np.cumsum(sizes) - sizes
    for point, bones in of.items():
        for nth, bone in enumerate(bones):
            found[begins[codes == point] + nth] = bone
    return found, places


def bones(folded: str) -> tuple[Codes, Places]:
    """The skeleton of a folded text as code points, and where in the text each comes from."""
    codes = _codes(folded)
    return _bones(codes, _traits(codes))


def edges(text: str) -> tuple[Flags, Flags]:
    """For each character of a text, whether a word may begin with it, and whether one may end with it."""
    edge = _edges(_traits(_codes(text)))
    return edge[:-1], edge[1:]


def _edges(traits: NDArray[np.uint8]) -> Flags:
    """For each place in a text, its end included, whether no word goes on over it."""
    word, alone = traits & _IN_WORD, traits & _UNSPACED
    edge = np.ones(len(traits) + 1, np.bool_)
    edge[1:-1] = (word[1:] & word[:-1] == 0) | (alone[1:] | alone[:-1] != 0)
    return edge


@dataclass(frozen=True)
class Reading:
    """One way to read a folded text: the view it is (PLAIN, "rot13", "reversed") and the text's skeleton in it.

    `opens` and `closes` say for each character of the skeleton whether a word may begin or end there.
    """

    view: str
    folded: str
    bones: str
    opens: Flags
    closes: Flags
    seats: Places
    symbols: bool = False

    @cached_property
    def text(self) -> str:
        """The text as it is read."""
        if self.view == "reversed":
            return self.folded[::-1]
        return rot13(self.folded) if self.view else self.folded

    @cached_property
    def places(self) -> Places:
        """Where in `text` each character of the skeleton comes from."""
        return len(self.folded) - 1 - self.seats[::-1] if self.view == "reversed" else self.seats

    def place(self, start: int, end: int) -> int:
        """Where in the folded text that begins of which this part of the skeleton is."""
        return int(self.seats[len(self.bones) - end if self.view == "reversed" else start])


def readings(folded: str, longest: int) -> list[Reading]:
    """The readings of a text that has no term hidden by an encoding; those are texts of their own (layers.py).

    `longest` is the length of the longest skeleton that is looked for: where symbols may be letters, that matters only
    near symbols.
    """
    codes = _codes(folded)
    traits = _traits(codes)
    edge = _edges(traits)
    opens, closes = edge[:-1], edge[1:]
    if codes.dtype != np.uint8:  # characters that do not show part no words
        shown = np.flatnonzero(traits & _SHOWN)
        apart = _edges(traits[shown])
        opens, closes = opens.copy(), closes.copy()
        opens[shown] |= apart[:-1]
        closes[shown] |= apart[1:]
    found, places = _bones(codes, traits)
    plain, begins, ends = _text(found), opens[places], closes[places]
    # Rot13 changes letters for letters: none comes, none goes.
    turned, _ = _bones(_changed(codes, _ROT13), traits)
    every = [
        Reading(PLAIN, folded, plain, begins, ends, places),
        Reading("rot13", folded, _text(turned), begins, ends, places),
        Reading("reversed", folded, plain[::-1], ends[::-1], begins[::-1], places),
    ]
    if any(symbol in folded for symbol in _SYMBOLS):
        found, places = _near_symbols(codes, longest)
        # A symbol that is a letter has no other beside it outside of the word: "paul@x" has no "paula".
        word = np.append(traits & _IN_WORD, 0) != 0
        letter = word[places]
        begins, ends = opens[places] & (letter | ~word[places - 1]), closes[places] & (letter | ~word[places + 1])
        every.append(Reading(PLAIN, folded, _text(found), begins, ends, places, symbols=True))
    return every


def _near_symbols(codes: Codes, longest: int) -> tuple[Codes, Places]:
    """The skeleton with symbols as letters, as far as a match of this length may have one in it; line ends part what is
    left."""
    spelled = _changed(codes, _LETTERS_OF_SYMBOLS)
    found, places = _bones(spelled, _traits(spelled))
    at = np.flatnonzero((spelled != codes)[places])
    reach = np.zeros(len(found) + 1, np.int32)
    np.add.at(reach, np.maximum(at - longest + 1, 0), 1)
    np.add.at(reach, np.minimum(at + longest, len(found)), -1)
    near = np.cumsum(reach[:-1]) > 0
    left = np.append(False, near[:-1] & ~near[1:])  # the first character that is left out stands for the rest
    found[left] = 0x0A
    return found[near | left], places[near | left]


def _text(codes: Codes) -> str:
    return codes.tobytes().decode("ascii" if codes.dtype == np.uint8 else "utf-32-le")


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
    first, last = int(reading.places[start]), int(reading.places[end - 1]) + 1
    place = first - _lead(term)
    # In ASCII `opens` and `closes` have told already that no word goes on.
    if (place >= 0 and text.startswith(term, place)) and (
        text.isascii() or not (joined(text, place) or joined(text, place + len(term)))
    ):
        return reading.view
    if (reading.view and size < LONG) or _within_word(text, first, last):
        return None
    found = text[first:last] if last - first <= size * MAX_GAP else _closed_up(text, reading.places[start:end])
    disguises = _disguises(_letters(term), _letters(found, reading.symbols))
    return ", ".join(filter(None, (reading.view, *disguises))) if disguises else None


def _closed_up(text: str, places: NDArray[np.int32]) -> str:
    """The letters at these places, of what stands between them no more than matters."""
    return "".join(
        text[here : min(here + 1 + MAX_GAP, after)]
        for here, after in zip(places.tolist(), [*places[1:].tolist(), int(places[-1]) + 1], strict=True)
    )


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
    a_number = leet and kept * (4 if long else 2) < leet
    cried = leet == 1 and not long and found[-1].shown == "!"  # "Paul!" is no disguise of "Pauli"
    # Nor is "schon" one of "schön".
    bared = not long and all(x.shown.isascii() for x in found) and not all(x.shown.isascii() for x in term)
    if a_number or cried or bared or _stands_apart(list(zip(term, found, strict=True))):
        return ()
    gaps = [(ours.gap, theirs.gap) for ours, theirs in zip(term[1:], found[1:], strict=True)]
    shown = [(_shown(ours), _shown(theirs)) for ours, theirs in gaps]
    if not _may_be_spaced(shown, long):
        return ()
    done = (alike > 0, any(len(_shown(gap)) < len(gap) for _, gap in gaps), leet > 0, any(a != b for a, b in shown))
    return tuple(compress(_SPELLINGS, done))


def _stands_apart(letters: list[tuple[_Letter, _Letter]]) -> bool:
    """Whether an end of the term is something else: "content/5" is no disguise of "contents", nor "maker's" of
    "makers"."""
    within = [place for place, (ours, _) in enumerate(letters) if place and not ours.gap]
    cuts = [place for place in within if letters[place][1].gap]
    if not cuts or len(cuts) == len(within):  # letter by letter
        return False
    _, last = letters[-1]
    if cuts == [len(letters) - 1] and last.gap in _APOSTROPHES and last.read == "s":
        return True
    ends = letters[: cuts[0]], letters[cuts[-1] :]
    return any(all(ours.read != theirs.read for ours, theirs in end) for end in ends)


def _may_be_spaced(gaps: list[tuple[str, str]], long: bool) -> bool:
    """Whether these separators (in the term, in the text), letter by letter, leave it the same words."""
    if long:
        return True
    between = {theirs for _, theirs in gaps}
    if "" not in between and (len(between) == 1 or max(map(len, between)) <= 3):
        return True  # spelled out, s e c r e t
    if len(gaps) + 1 >= TURNED and between == {""}:
        return True  # run together, TopSecret; shorter ones are words of their own
    return all(
        theirs == " " or (theirs != "" and " " not in theirs)
        if ours
        else len(theirs) <= 2 and _WITHIN.issuperset(theirs)
        for ours, theirs in gaps
    )


def _shown(gap: str) -> str:
    return gap if gap.isascii() else "".join(filter(bare, gap))


@lru_cache(1 << 14)
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
