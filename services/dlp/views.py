"""The views in which a text is searched, and what disguise lies between a term and how it stands there.

A text is searched by its skeleton: letters and digits alone, look-alikes undone, characters that stand in for one
another (1, l, i) made one. All spellings of a term have its skeleton, so one search finds them all; each place found
is then looked at: is it the term as it is, a disguise of it, or another word altogether? Three readings more, rot13,
backwards and with symbols as letters, are skeletons as well. So an occurrence is found once, under the least disguise
that explains it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from services.dlp.alphabets import BESIDE, Alphabet, edges, near_symbols
from services.dlp.decoders import LOOKALIKES, SPACING, rot13
from services.dlp.lookalikes import BARE, STROKES, bare
from services.dlp.words import in_word, joined, kinds

# Letters and digits a term needs: to be searched by its skeleton at all; to be looked for in rot13 and backwards
# ("drawer" is "reward"); to be found whatever its spacing ("therapist").
SHORTEST, TURNED, LONG = 5, 8, 10
MAX_GAP = 16
# What may part the letters of a short word; an apostrophe makes another word of it ("worlds", "world's").
_WITHIN = frozenset("-_.*/\\|~+,:;\u00b7\u2010\u2011\u2012\u2013\u2014\u2022")
# A hyphen, at times a soft one, before what a folded text has for a line's end; and what begins a quoted line.
_AT_LINE_END, _QUOTING = ("- ", "\u2010 ", "\xad "), frozenset("> ")

_APOSTROPHES = ("'", "`", "\u00b4", "\u2019", "\x92")
PLAIN = ""
INVISIBLE, LEET = "invisible characters", "digits for letters"
_SPELLINGS = (LOOKALIKES, INVISIBLE, LEET, SPACING)
# Stands behind each of several texts that are searched as one: neither a folded text nor a skeleton has a line end.
SEAM = " \n "
_SYMBOLS = {"!": "i", "|": "i", "$": "s", "@": "a", "+": "t"}
_CLASSES = str.maketrans("l1035478q962", "iioesatbgggz")

Codes = NDArray[np.uint8] | NDArray[np.uint32]
Flags = NDArray[np.uint8]
Places = NDArray[np.int32]


def _bones(character: str) -> str:
    """What is left of a character in a skeleton."""
    return character if character == "\n" else "".join(filter(in_word, bare(character))).translate(_CLASSES)


_BESIDE = np.uint8(BESIDE)
_AS_L = str.maketrans(dict.fromkeys(STROKES, "l"))
_SKELETON, _LOOKS = Alphabet(_bones), Alphabet(bare)
_ROT13 = Alphabet(lambda character: _bones(rot13(character)), _SKELETON)
_WITH_SYMBOLS = Alphabet(lambda character: _bones(_SYMBOLS.get(character, character)), _SKELETON)


def skeleton(folded: str) -> str:
    """What all spellings of a folded text have in common; a part of the text has a part of its skeleton."""
    return _SKELETON.spell(folded).decode("utf-8", "surrogatepass")


def bones(folded: str) -> tuple[Codes, Places]:
    """The skeleton of a folded text as code points, and where in the text each comes from."""
    spelt, seats = _SKELETON.seated(folded)
    return codes(spelt.decode("utf-8", "surrogatepass")), seats if spelt.isascii() else seats[_begin(spelt)]


def codes(text: str) -> Codes:
    """The code points of a text, one byte each if they are ASCII and four if not."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def looks(folded: str) -> Iterator[tuple[str, Places]]:
    """What a folded text looks like (`bare`) and is not: each time the text, and of each byte of it in UTF-8 where in
    the folded text it comes from."""
    forms = (folded, folded.translate(_AS_L)) if any(stroke in folded for stroke in STROKES) else (folded,)
    for form in forms:
        spelt, seats = _LOOKS.seated(form)
        undone = spelt.decode("utf-8", "surrogatepass")
        if undone != folded:
            yield undone, seats


@dataclass(frozen=True)
class Text:
    """A folded text, and of each character what it is to words (`alphabets.edges`)."""

    folded: str
    kinds: bytes
    opens: Flags
    closes: Flags

    @classmethod
    def of(cls, folded: str) -> "Text":
        of = kinds(folded)
        return cls(folded, of, *edges(of))


@dataclass(frozen=True)
class Reading:
    """One way to read a text: the view it is (PLAIN, "rot13", "reversed"), and what it is spelt as, in UTF-8.

    `seats` says of each byte with which character of the text it stands there, `opens` and `closes` of each character
    whether a word may begin or end with it.
    """

    view: str
    of: Text
    spelt: bytes
    seats: Places
    opens: Flags
    closes: Flags
    symbols: bool = False

    @cached_property
    def text(self) -> str:
        """The text as it is read."""
        if self.view == "reversed":
            return self.of.folded[::-1]
        return rot13(self.of.folded) if self.view else self.of.folded

    @cached_property
    def places(self) -> Places:
        """Where in `text` each byte comes from."""
        return len(self.text) - 1 - self.seats if self.view == "reversed" else self.seats

    def place(self, start: int, end: int) -> int:
        """Where in the folded text that begins of which these bytes are."""
        return self.seats.item(end - 1 if self.view == "reversed" else start)

    def size(self, start: int, end: int) -> int:
        """Of how many characters these bytes are."""
        return len(self.spelt[start:end].decode("utf-8", "surrogatepass"))

    def parted(self, place: int) -> bool:
        """Whether no word goes on in `text` over this place."""
        at = len(self.text) - place if self.view == "reversed" else place
        return at == len(self.text) or self.of.opens.item(at) & BESIDE > 0


def letters(text: Text) -> Reading:
    """A text letter by letter, where words are parted by what stands beside them."""
    spelt = text.folded.encode("utf-8", "surrogatepass")
    seats = np.cumsum(_begin(spelt), dtype=np.int32) - np.int32(1)
    return Reading(PLAIN, text, spelt, seats, text.opens & _BESIDE, text.closes & _BESIDE)


def _begin(spelt: bytes) -> NDArray[np.bool_]:
    """With which bytes a character begins."""
    begin: NDArray[np.bool_] = np.frombuffer(spelt, np.uint8) & 0xC0 != 0x80
    return begin


def skeletons(text: Text, longest: int) -> Iterator[Reading]:
    """The readings of a text that has no term hidden by an encoding; those are texts of their own (layers.py).

    `longest` is the size in bytes of the longest skeleton that is looked for: only where a symbol is in its reach is
    anything to be found with symbols as letters that is not without.
    """
    folded, opens, closes = text.folded, text.opens, text.closes
    plain, seats = _SKELETON.seated(folded)
    yield Reading(PLAIN, text, plain, seats, opens, closes)
    # Rot13 changes letters for letters: none comes, none goes.
    yield Reading("rot13", text, _ROT13.spell(folded), seats, opens, closes)
    yield Reading("reversed", text, plain.decode()[::-1].encode(), seats[::-1].copy(), closes, opens)
    if any(symbol in folded for symbol in _SYMBOLS):
        # A symbol that is a letter has no other beside it outside of the word: "paul@x" has no "paula".
        lettered, seats = _WITH_SYMBOLS.seated(folded)
        opens, closes = near_symbols(text.kinds, opens, closes, seats, longest)
        yield Reading(PLAIN, text, lettered, seats, opens, closes, symbols=True)


@dataclass(frozen=True, slots=True)
class _Letter:
    """A letter or digit of a spelling: as it stands, as it is read, and the separators before it."""

    shown: str
    read: str
    gap: str


def spelling(term: str, reading: Reading, start: int, end: int) -> str | None:
    """The view under which the folded `term` stands in a reading, where its skeleton was found.

    `start` and `end` are places in what is spelt. PLAIN: the term as it is; None: other words.
    """
    if reading.view and reading.size(start, end) < TURNED:
        return None
    text, first = reading.text, reading.places.item(start)
    place = first - _lead(term)
    after = place + len(term)
    # Among ASCII `opens` and `closes` have told already that no word goes on.
    if (place >= 0 and text.startswith(term, place)) and (
        text[max(place - 1, 0) : after + 1].isascii() or (reading.parted(place) and reading.parted(after))
    ):
        return reading.view
    last, size = reading.places.item(end - 1) + 1, reading.size(start, end)
    if (reading.view and size < LONG) or _within_word(text, first, last):
        return None
    found = text[first:last] if last - first <= size * MAX_GAP else _closed_up(text, reading.places[start:end])
    disguises = _disguises(_of_term(term), _letters(found, reading.symbols))
    return ", ".join(filter(None, (reading.view, *disguises))) if disguises else None


def _closed_up(text: str, places: Places) -> str:
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
        elif (long and ours.read.isalpha()) or (ours.read == "l" and theirs.shown in STROKES):
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
    if not _may_be_spaced([(_shown(ours), _in_line(theirs)) for ours, theirs in gaps], long):
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


def _in_line(gap: str) -> str:
    """What shows of what parts letters, as if no line ended behind a hyphen (nor a quoted one)."""
    return "-" if gap[:2] in _AT_LINE_END and _QUOTING.issuperset(gap[2:]) else _shown(gap)


@lru_cache(1 << 14)
def _lead(term: str) -> int:
    """How many characters stand before the first that leaves bones."""
    return _SKELETON.seated(term)[1].item(0)


@lru_cache(1 << 12)
def _of_term(term: str) -> list[_Letter]:
    return _letters(term)


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
