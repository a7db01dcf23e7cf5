"""Finds black words in the passages of a mail, as they are and in disguise, and weighs them as the paper does.

A term matches where its letters stand as whole words, whatever their case, compatibility form (NFKC) and
white space, line ends included. Boundaries are looked at on both ends of a match: between a word character (a
letter, a digit or a mark) and anything else, and at every character of a script written without spaces
(Chinese, Japanese, Thai, ...) or with particles attached (Korean). The underscore is no word character:
`falcon_plan.pdf` contains `falcon`. What disguises are seen through, views.py and decoders.py say.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain

import numpy as np
from ahocorasick_rs import AhoCorasick, MatchKind
from numpy.typing import NDArray

from services.dlp.layers import Layer
from services.dlp.lookalikes import bare
from services.dlp.message import Passage
from services.dlp.views import LOOKALIKES, PLAIN, SEAM, SHORTEST, Flags, edges, readings, skeleton, spelling
from services.dlp.words import count_words, fold

__all__ = ["Matcher", "Occurrence", "count_words", "fold"]

# Matches of one call become one list: windows keep it small however long the passage and dense the words.
WINDOW = 1 << 18
# Patterns of one automaton: building it takes about 2 s. With 50,000 it would be 0.2 s, but a search in a million
# patterns then took twelve times as long as in a single automaton.
SHARD = 250_000
# Texts are searched together, as that is quicker, up to so many characters.
BATCH = 1 << 20

Tally = Counter[tuple[int, str]]
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

    Compiling 10,000 terms takes about 50 ms, a million about 5 s, of which no other thread runs for 2 s at a time.
    """

    def __init__(self, terms: Sequence[str], bones: Sequence[str]) -> None:
        """`bones` are the skeletons of the terms. One too short to be told from other words' is not searched for:
        that term has to stand as it is."""
        self._terms = terms
        self._long = [term for term, bone in enumerate(bones) if len(bone) >= SHORTEST]
        self._short = [term for term, bone in enumerate(bones) if len(bone) < SHORTEST]
        self._longest = max(map(len, bones), default=0)
        self._by_bones = _Automaton([bones[term] for term in self._long])
        self._by_words = _Automaton([fold(terms[term]) for term in self._short])

    @classmethod
    def compile(cls, terms: Sequence[str]) -> "Matcher":
        """Number the terms by their place in `terms`. ValueError: a term without a letter or digit."""
        bones = [skeleton(fold(term)) for term in terms]
        for term, bone in zip(terms, bones, strict=True):
            if not bone and not count_words(fold(term)):
                raise ValueError(f"the term {term!r} has no letter or digit: write the word it stands for")
        return cls(terms, bones)

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
        layers = [layer for passage in passages for layer in passage.unfolded.layer]
        found: dict[Layer, Tally] = {}
        for batch in _batches(layers):
            tallies = self._search([layer.folded for layer in batch])
            for layer, tally in zip(batch, tallies, strict=True):
                found[layer] = Counter({(term, _chain(layer.view, view)): n for (term, view), n in tally.items()})
        return found

    def _search(self, folded: Sequence[str]) -> list[Tally]:
        """Occurrences in each of several folded texts that have nothing encoded."""
        tallies: list[Tally] = [Counter() for _ in folded]
        text = "".join(f"{one}{SEAM}" for one in folded)
        ends = list(accumulate(len(one) + len(SEAM) for one in folded))
        if self._short:
            self._see_whole(text, ends, tallies)
        if self._long:
            self._see_disguised(text, ends, tallies)
        return tallies

    def _see_whole(self, text: str, ends: list[int], tallies: list[Tally]) -> None:
        """Terms too short to be told by their skeleton."""
        for number, start, _ in _each(self._by_words.matches(text, *edges(text))):
            tallies[bisect_right(ends, start)][self._short[number], PLAIN] += 1
        if text.isascii():
            return
        for tally, one in zip(tallies, text.split(SEAM), strict=False):
            undone = bare(one)
            if undone != one:
                whole = (number for number, _, _ in _each(self._by_words.matches(undone, *edges(undone))))
                _raise(tally, Counter((self._short[number], LOOKALIKES) for number in whole))

    def _see_disguised(self, text: str, ends: list[int], tallies: list[Tally]) -> None:
        every = readings(text, self._longest)
        begins = [0, *accumulate(len(reading.bones) for reading in every)]
        bones = "".join(reading.bones for reading in every)
        opens = np.concatenate([reading.opens for reading in every])
        closes = np.concatenate([reading.closes for reading in every])
        known: set[tuple[int, int]] = set()
        for number, start, end in _each(self._by_bones.matches(bones, opens, closes)):
            term = self._long[number]
            which = bisect_right(begins, start) - 1
            reading, begin = every[which], begins[which]
            view = spelling(_folded(self._terms[term]), reading, start - begin, end - begin)
            if view is None:
                continue
            place = reading.place(start - begin, end - begin)
            if (term, place) not in known:
                known.add((term, place))
                tallies[bisect_right(ends, place)][term, view] += 1


class _Automaton:
    """Patterns compiled for search (Aho-Corasick). Few megabytes for ten thousand patterns.

    Very many patterns make several automata: no other thread runs while one is built, but between two of them all do.
    Each is a search of its own, so there are as few as that allows.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._shards = [
            (first, AhoCorasick(patterns[first : first + SHARD], MatchKind.Standard, store_patterns=False))
            for first in range(0, len(patterns), SHARD)
        ]
        self._longest = max(map(len, patterns), default=0)

    def matches(self, text: str, opens: Flags, closes: Flags) -> Iterator[NDArray[np.int64]]:
        """Every match that begins where a word may begin (`opens` at its first character) and ends where one may end
        (`closes` at its last), overlapping ones as well: rows of the pattern's number, start and end in `text`."""
        for first, automaton in self._shards:
            for base in range(0, len(text), WINDOW):
                window = text[base : base + WINDOW + self._longest]
                found = automaton.find_matches_as_indexes(window, overlapping=True)
                rows = np.fromiter(chain.from_iterable(found), np.int64, 3 * len(found)).reshape(-1, 3)
                rows = rows[rows[:, 1] < WINDOW] + (first, base, base)
                yield rows[opens[rows[:, 1]] & closes[rows[:, 2] - 1]]


_folded = lru_cache(1 << 14)(fold)


def _each(matches: Iterable[NDArray[np.int64]]) -> Iterator[tuple[int, int, int]]:
    for rows in matches:
        yield from rows.tolist()


def _chain(name: str, view: str) -> str:
    return ", ".join(filter(None, (name, view)))


def _by_term(tally: Tally) -> Counter[int]:
    counts: Counter[int] = Counter()
    for (term, _), count in tally.items():
        counts[term] += count
    return counts


def _tally(layer: Layer, seen: Mapping[Layer, Tally]) -> Tally:
    """Occurrences in a layer and in those within it, each counted once."""
    tally = seen[layer]
    for block in layer.blocks:
        hidden: Tally = Counter()
        for one in block:
            _raise(hidden, _tally(one, seen))
        tally.update(hidden)
    if layer.escaped is not None:
        _raise(tally, _tally(layer.escaped, seen))
    return tally


def _raise(tally: Tally, other: Tally) -> None:
    """Of two readings of one text the greatest count of each term is taken: add what `other` has more."""
    missing = _by_term(other) - _by_term(tally)
    for (term, view), count in other.items():
        more = min(count, missing[term])
        if more > 0:
            tally[term, view] += more
            missing[term] -= more


def _batches(layers: Iterable[Layer]) -> Iterator[list[Layer]]:
    """Layers to be searched together: those in ASCII, which is quicker, and the others."""
    batches: dict[bool, list[Layer]] = {True: [], False: []}
    sizes = Counter[bool]()
    for layer in layers:
        plain = layer.text.isascii()
        if sizes[plain] and sizes[plain] + len(layer.text) > BATCH:
            yield batches[plain]
            batches[plain], sizes[plain] = [], 0
        batches[plain].append(layer)
        sizes[plain] += len(layer.text)
    yield from filter(None, batches.values())


def _together(passages: Sequence[Passage], counts: Sequence[Mapping[int, int]]) -> Counter[int]:
    """Add up counts over the passages of a mail; of alternatives only the greatest counts, key by key."""
    total: Counter[int] = Counter()
    branches: dict[tuple[int, int], Counter[int]] = {}
    for passage, terms in zip(passages, counts, strict=True):
        of = total if passage.alternative is None else branches.setdefault(passage.alternative, Counter())
        of.update(terms)
    groups: dict[int, Counter[int]] = {}
    for (group, _), terms in branches.items():
        groups[group] = groups.get(group, Counter()) | terms
    for terms in groups.values():
        total.update(terms)
    return total
