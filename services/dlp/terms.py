"""Finds black words in the passages of a mail, as they are and in disguise, and weighs them as the paper does.

A term matches where its letters stand as whole words, whatever their case, compatibility form (NFKC) and
white space, line ends included. Boundaries are looked at on both ends of a match: between a word character (a
letter, a digit or a mark) and anything else, and at every character of a script written without spaces
(Chinese, Japanese, Thai, ...) or with particles attached (Korean). The underscore is no word character:
`falcon_plan.pdf` contains `falcon`. What disguises are seen through, views.py and decoders.py say.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ahocorasick_rs import AhoCorasick, MatchKind

from services.dlp.decoders import blocks, unescape
from services.dlp.lookalikes import bare
from services.dlp.message import Passage
from services.dlp.views import LOOKALIKES, PLAIN, SHORTEST, readings, skeleton, spelling
from services.dlp.words import count_words, fold, joined

__all__ = ["Matcher", "Occurrence", "count_words", "fold"]

# Matches of one call become one list: windows keep it small however long the passage and dense the words.
WINDOW = 1 << 20
# Patterns of one automaton: building it takes about 2 s. With 50,000 it would be 0.2 s, but a search in a million
# patterns then took twelve times as long as in a single automaton.
SHARD = 250_000
# Encodings within one another that are undone.
MAX_DEPTH = 4

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
        tallies = [self._tally(passage.text) for passage in passages]
        if not any(tallies):
            return ()
        totals = _together(passages, [_by_term(tally) for tally in tallies])
        plain = _together(passages, [{t: n for (t, view), n in tally.items() if not view} for tally in tallies])
        words = _together(passages, [{0: count_words(fold(passage.text))} for passage in passages])[0]
        found = [
            Occurrence(term, place, here, totals[term], here * math.log(max(words / frequency, 1.0)), view)
            for place, tally in enumerate(tallies)
            for (term, view), here in tally.items()
            if (frequency := totals[term] if view else plain[term])
        ]
        return tuple(sorted(found, key=lambda o: (-o.weight, -o.count, o.term, o.passage, o.view)))

    def count(self, folded: str) -> Counter[int]:
        """Occurrences of each term as it is, by its id, in a folded text; occurrences may overlap."""
        return Counter({term: count for (term, view), count in self._seen(folded).items() if not view})

    def _tally(self, text: str, depth: int = 0) -> Tally:
        """Occurrences in a text and in the texts encoded in it, each counted once."""
        tally = self._seen(fold(text))
        if depth < MAX_DEPTH:
            for name, block in blocks(text):
                hidden: Tally = Counter()
                for one in block:
                    _raise(hidden, name, self._tally(one, depth + 1))
                tally.update(hidden)
            names, unescaped = unescape(text)
            if names:
                _raise(tally, ", ".join(names), self._tally(unescaped, depth + 1))
        return tally

    def _seen(self, folded: str) -> Tally:
        """Occurrences in a folded text that has nothing encoded."""
        tally: Tally = Counter()
        if not folded.isascii():
            folded = folded.encode("utf-8", "replace").decode("utf-8")  # lone surrogates
        for number, start, end in self._by_words.matches(folded):
            if not (joined(folded, start) or joined(folded, end)):
                tally[self._short[number], PLAIN] += 1
        if not folded.isascii() and self._short:
            undone = bare(folded)
            if undone != folded:
                seen = self._by_words.matches(undone)
                whole = (n for n, start, end in seen if not (joined(undone, start) or joined(undone, end)))
                _raise(tally, LOOKALIKES, Counter((self._short[number], PLAIN) for number in whole))
        if self._long:
            self._see_disguised(folded, tally)
        return tally

    def _see_disguised(self, folded: str, tally: Tally) -> None:
        known: set[tuple[int, int]] = set()
        for reading in readings(folded):
            for number, start, end in self._by_bones.matches(reading.bones):
                term = self._long[number]
                view = spelling(_folded(self._terms[term]), reading, start, end)
                if view is None:
                    continue
                first, last = reading.places[start], reading.places[end - 1]
                place = len(folded) - 1 - last if reading.view == "reversed" else first
                if (term, place) not in known:
                    known.add((term, place))
                    tally[term, view] += 1


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

    def matches(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Every match, overlapping ones as well: the pattern's number, start and end in `text`."""
        for first, automaton in self._shards:
            for base in range(0, len(text), WINDOW):
                window = text[base : base + WINDOW + self._longest]
                for number, start, end in automaton.find_matches_as_indexes(window, overlapping=True):
                    if start < WINDOW:
                        yield first + number, base + start, base + end


_folded = lru_cache(1 << 14)(fold)


def _chain(name: str, view: str) -> str:
    return f"{name}, {view}" if view else name


def _by_term(tally: Tally) -> Counter[int]:
    counts: Counter[int] = Counter()
    for (term, _), count in tally.items():
        counts[term] += count
    return counts


def _raise(tally: Tally, name: str, other: Tally) -> None:
    """Of two readings of one text the greatest count of each term is taken: add what `other`, which was found by
    undoing `name`, has more."""
    missing = _by_term(other) - _by_term(tally)
    for (term, view), count in other.items():
        more = min(count, missing[term])
        if more > 0:
            tally[term, _chain(name, view)] += more
            missing[term] -= more


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
