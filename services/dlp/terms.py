"""Finds black words in the passages of a mail, as they are and in disguise, and weighs them as the paper does.

A term matches where its letters stand as whole words, whatever their case, compatibility form (NFKC) and
white space, line ends included. Boundaries are looked at on both ends of a match: between a word character (a
letter, a digit or a mark) and anything else, and at every character of a script written without spaces
(Chinese, Japanese, Thai, ...) or with particles attached (Korean). The underscore is no word character:
`falcon_plan.pdf` contains `falcon`. What disguises are seen through, views.py and decoders.py say.
"""

import math
import sys
from array import array
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from services.dlp.decoders import LOOKALIKES
from services.dlp.dictionary import Dictionary
from services.dlp.layers import Layer
from services.dlp.message import Passage
from services.dlp.strings import Strings
from services.dlp.views import (
    PLAIN,
    SEAM,
    SHORTEST,
    TURNED,
    Reading,
    Text,
    letters,
    looks,
    skeleton,
    skeletons,
    spelling,
)
from services.dlp.words import count_words, fold

__all__ = ["Matcher", "Occurrence", "count_words", "fold"]

# Texts are searched together, as that is quicker, up to so many characters.
BATCH = 1 << 20
# A longer one is searched in pieces, so that memory stays small, with so much of what follows.
OVERLAP = 1 << 16
ALL = slice(0, sys.maxsize)

Tally = dict[tuple[int, str], int]
"""How often a term stands in a text, by term and view."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A term in one passage. `term` and `passage` are positions in the word list and in the mail's passages.

    `count` is c_t, its occurrences in the passage under this `view`; `total` is f_t, all those in the mail; `weight`
    is the paper's W_t = c_t * log(N / f_t), N being the number of words in the mail, the logarithm natural; the f_t
    of words as they are (view "") leaves disguised ones out. `views.described` puts a view into words.
    """

    term: int
    passage: int
    count: int
    total: int
    weight: float
    view: str = PLAIN


class Matcher:
    """A word list compiled for search, once for each version of the list.

    Compiling 10,000 terms takes about 10 ms, a million 1 s, during which other threads run.
    """

    def __init__(
        self, terms: Sequence[str], long: Sequence[int], short: Sequence[int], bones: Strings, words: Strings
    ) -> None:
        """`bones` are the skeletons of the terms that have `long` ones. One too short to be told from other words' is
        not searched for: such a term has to stand as it is, as the folded `words` of the `short` ones do."""
        self._terms = terms
        self._long, self._short = long, short
        self._by_bones, self._by_words = Dictionary(bones), Dictionary(words)
        self._folded = lru_cache(1 << 14)(lambda term: fold(terms[term]))

    @classmethod
    def compile(cls, terms: Sequence[str]) -> "Matcher":
        """Number the terms by their place in `terms`. ValueError: a term without a letter or digit."""
        long, short = array("I"), array("I")

        def bones() -> Iterator[str]:
            for number, term in enumerate(terms):
                folded = fold(term)
                bone = skeleton(folded)
                if len(bone) >= SHORTEST:
                    long.append(number)
                    yield bone
                elif bone or count_words(folded):
                    short.append(number)
                else:
                    raise ValueError(f"the term {term!r} has no letter or digit: write the word it stands for")

        packed = Strings.of(bones())
        return cls(terms, long, short, packed, Strings.of(fold(terms[number]) for number in short))

    def search(self, passages: Sequence[Passage]) -> tuple[Occurrence, ...]:
        """Every term found, the weightiest first. Of alternatives of one text the greatest count is taken.

        W_t is 0 in a mail of nothing but the term, and falls again once the term is more than a third of the
        words: so it ranks and explains, and a term's threshold of occurrences holds a mail by itself.
        """
        seen = self._seen(passages)
        tallies = [_tally(passage.unfolded.layer, seen) for passage in passages]
        if not any(tallies):
            return ()
        totals = _together(passages, [_by_term(tally) for tally in tallies])
        plain = _together(passages, [{t: n for (t, view), n in tally.items() if not view} for tally in tallies])
        words = _together(passages, [{0: count_words(passage.unfolded.layer.folded)} for passage in passages])[0]
        found = [
            Occurrence(term, place, here, totals[term], here * math.log(max(words / frequency, 1.0)), view)
            for place, tally in enumerate(tallies)
            for (term, view), here in tally.items()
            if (frequency := totals[term] if view else plain[term])
        ]
        return tuple(sorted(found, key=lambda o: (-o.weight, -o.count, o.term, o.passage, o.view)))

    def count(self, folded: str) -> Counter[int]:
        """Occurrences of each term as it is, by its id, in a folded text; occurrences may overlap."""
        (tally,) = self._search([folded])
        return Counter({term: count for (term, view), count in tally.items() if not view})

    def _seen(self, passages: Sequence[Passage]) -> dict[Layer, Tally]:
        """Occurrences in each layer of each passage, of what it says itself."""
        layers = [layer for passage in passages for layer in passage.unfolded.layer if not layer.respelled]
        found: dict[Layer, Tally] = {}
        for batch in _batches(layers):
            for piece in _pieces([layer.folded for layer in batch]):
                for layer, tally in zip(batch, self._search(*piece), strict=True):
                    seen = found.setdefault(layer, defaultdict(int))
                    for (term, view), count in tally.items():
                        seen[term, _chain(layer.view, view)] += count
        return found

    def _search(self, folded: Sequence[str], own: slice = ALL) -> list[Tally]:
        """Occurrences in each of several folded texts that have nothing encoded; of a piece of a long text those that
        begin in its `own` part."""
        tallies: list[Tally] = [defaultdict(int) for _ in folded]
        text = "".join(f"{one}{SEAM}" for one in folded)
        ends = list(accumulate(len(one) + len(SEAM) for one in folded))
        read = Text.of(text)
        if self._short:
            self._see_whole(read, ends, tallies, own)
        if self._long:
            self._see_disguised(read, ends, tallies, own)
        return tallies

    def _see_whole(self, text: Text, ends: list[int], tallies: list[Tally], own: slice) -> None:
        """Terms too short to be told by their skeleton, letter by letter: as they are written, and as that looks."""
        written = letters(text)
        for number, start, end in _found(self._by_words, written):
            place = written.place(start, end)
            if own.start <= place < own.stop:
                tallies[bisect_right(ends, place)][self._short[number], PLAIN] += 1
        for tally, one in zip(tallies, text.folded.split(SEAM), strict=False):
            for undone, seats in () if one.isascii() else looks(one):
                seen: Tally = defaultdict(int)
                for number, start, _ in _found(self._by_words, letters(Text.of(undone))):
                    if own.start <= seats.item(start) < own.stop:
                        seen[self._short[number], LOOKALIKES] += 1
                _raise(tally, seen)

    def _see_disguised(self, text: Text, ends: list[int], tallies: list[Tally], own: slice) -> None:
        known: set[tuple[int, int]] = set()
        for reading in skeletons(text, self._by_bones.longest):
            for number, start, end in _found(self._by_bones, reading):
                term, place = self._long[number], reading.place(start, end)
                if (term, place) in known or not own.start <= place < own.stop:
                    continue
                view = spelling(self._folded(term), reading, start, end)
                if view is not None:
                    known.add((term, place))
                    tallies[bisect_right(ends, place)][term, view] += 1


def _found(dictionary: Dictionary, reading: Reading) -> Iterator[tuple[int, int, int]]:
    least = TURNED if reading.view else 1
    return dictionary.matches(reading.spelt, reading.seats, reading.opens, reading.closes, least)


def _chain(name: str, view: str) -> str:
    return ", ".join(filter(None, (name, view)))


def _by_term(tally: Tally) -> dict[int, int]:
    counts: dict[int, int] = defaultdict(int)
    for (term, _), count in tally.items():
        counts[term] += count
    return counts


def _tally(layer: Layer, seen: Mapping[Layer, Tally]) -> Tally:
    """Occurrences in a layer and in those within it, each counted once."""
    tally = seen.get(layer, {})
    if layer.blocks or layer.again:
        tally = defaultdict(int, tally)
    for block in layer.blocks:
        hidden: Tally = defaultdict(int)
        for one in block:
            _raise(hidden, _tally(one, seen))
        for key, count in hidden.items():
            tally[key] += count
    for other in layer.again:
        _raise(tally, _tally(other, seen))
    return tally


def _raise(tally: Tally, other: Tally) -> None:
    """Of two readings of one text the greatest count of each term is taken: add what `other` has more."""
    counted, missing = _by_term(tally), _by_term(other)
    for (term, view), count in other.items():
        more = min(count, missing[term] - counted[term])
        if more > 0:
            tally[term, view] += more
            counted[term] += more


def _pieces(folded: list[str]) -> Iterator[tuple[list[str], slice]]:
    """Texts to be searched together; a long one in pieces, of each the part that no other has."""
    if len(folded) > 1 or len(folded[0]) <= BATCH + OVERLAP:
        yield folded, ALL
        return
    for base in range(0, len(folded[0]), BATCH):
        begin = max(base - 1, 0)  # a word may go on from there
        yield [folded[0][begin : base + BATCH + OVERLAP]], slice(base - begin, base - begin + BATCH)


def _batches(layers: Iterable[Layer]) -> Iterator[list[Layer]]:
    """Layers to be searched together, as that is quicker."""
    batch: list[Layer] = []
    size = 0
    for layer in layers:
        if batch and size + len(layer.folded) > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(layer)
        size += len(layer.folded)
    if batch:
        yield batch


def _together(passages: Sequence[Passage], counts: Sequence[Mapping[int, int]]) -> dict[int, int]:
    """Add up counts over the passages of a mail; of alternatives only the greatest counts, key by key."""
    total: dict[int, int] = defaultdict(int)
    branches: dict[tuple[int, int], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for passage, terms in zip(passages, counts, strict=True):
        of = total if passage.alternative is None else branches[passage.alternative]
        for term, count in terms.items():
            of[term] += count
    groups: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for (group, _), terms in branches.items():
        for term, count in terms.items():
            groups[group][term] = max(groups[group][term], count)
    for terms in groups.values():
        for term, count in terms.items():
            total[term] += count
    return total
