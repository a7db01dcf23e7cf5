"""Finds black words in the passages of a mail, all in one pass, and weighs them as the paper does.

A term matches where its letters stand as whole words, whatever their case, compatibility form (NFKC) and
white space, line ends included. Boundaries are looked at on both ends of a match: between a word character (a
letter, a digit or a mark) and anything else, and at every character of a script written without spaces
(Chinese, Japanese, Thai, ...) or with particles attached (Korean). The underscore is no word character:
`falcon_plan.pdf` contains `falcon`.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ahocorasick_rs import BytesAhoCorasick, MatchKind

from services.dlp.message import Passage

# Matches of one call become one list: windows keep it small however long the passage and dense the words.
WINDOW = 1 << 20

# Scripts whose words stand side by side without a space: Thai to Lao, Myanmar, Khmer, kana, ideographs,
# Hangul.
_UNSPACED = (
    "\u0e01-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_MARKS = "".join(filter(unicodedata.combining, map(chr, range(0x300, 0x1E94B))))
_MAY_HOLD_MARK_RUN = re.compile("[\u0300-\U0001e94a]{31}")
_MARK_RUN = re.compile(f"([{_MARKS}]{{30}})[{_MARKS}]+")
_ASCII_WORDS = bytes(b if chr(b).isalnum() and b < 0x80 else 0x20 for b in range(256))
# By byte of UTF-8: may it belong to a word character? From 0x80 on, the whole character has to be looked at.
_MAY_JOIN = bytes(b >= 0x80 or chr(b).isalnum() for b in range(256))


def fold(text: str) -> str:
    """The form in which terms and mails are compared: NFKC, case-folded, white space runs as one space."""
    if not text.isascii():
        # Normalising is quadratic in a run of combining marks; no script stacks thirty (UAX 15, Stream-Safe).
        if _MAY_HOLD_MARK_RUN.search(text):
            text = _MARK_RUN.sub(r"\1", text)
        text = unicodedata.normalize("NFKC", text)
        text = unicodedata.normalize("NFKC", text.casefold())
        return " ".join(text.split())
    return " ".join(text.lower().split())


def count_words(folded: str) -> int:
    """Words of a folded text: runs of letters and digits; in a script without spaces, each character."""
    if folded.isascii():
        return len(folded.encode("ascii").translate(_ASCII_WORDS).split())
    return sum(1 for _ in _WORD.finditer(folded))


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A term in one passage. `term` and `passage` are positions in the word list and in the mail's passages.

    `count` is c_t, its occurrences in the passage; `total` is f_t, those in the mail; `weight` is the paper's
    W_t = c_t * log(N / f_t), N being the number of words in the mail, the logarithm natural.
    """

    term: int
    passage: int
    count: int
    total: int
    weight: float


class Matcher:
    """A word list compiled for search, once for each version of the list.

    Compiling 10,000 terms takes about 30 ms, a million about 4 s, during which no other thread runs.
    """

    def __init__(self, patterns: Sequence[bytes]) -> None:
        self._automaton = BytesAhoCorasick(patterns, MatchKind.Standard)
        self._longest = max(map(len, patterns), default=0)

    @classmethod
    def compile(cls, terms: Sequence[str]) -> "Matcher":
        """Number the terms by their place in `terms`. ValueError: a term without a letter or digit."""
        folded = [fold(term) for term in terms]
        for term, pattern in zip(terms, folded, strict=True):
            if not count_words(pattern):
                raise ValueError(f"the term {term!r} has no letter or digit: write the word it stands for")
        return cls([pattern.encode("utf-8", "replace") for pattern in folded])

    def search(self, passages: Sequence[Passage]) -> tuple[Occurrence, ...]:
        """Every term found, the weightiest first. Of alternatives of one text the greatest count is taken.

        W_t is 0 in a mail of nothing but the term, and falls again once the term is more than a third of the
        words: so it ranks and explains, and a term's threshold of occurrences holds a mail by itself.
        """
        texts = [fold(passage.text) for passage in passages]
        counts = [self.count(text) for text in texts]
        if not any(counts):
            return ()
        totals = _together(passages, counts)
        words = _together(passages, [{0: count_words(text)} for text in texts])[0]
        found = [
            Occurrence(term, place, here, totals[term], here * math.log(max(words / totals[term], 1.0)))
            for place, terms in enumerate(counts)
            for term, here in terms.items()
        ]
        return tuple(sorted(found, key=lambda o: (-o.weight, -o.count, o.term, o.passage)))

    def count(self, folded: str) -> Counter[int]:
        """Occurrences of each term, by its id, in a folded text; occurrences may overlap."""
        counts: Counter[int] = Counter()
        data = f" {folded} ".encode("utf-8", "replace")  # the spaces: every match has neighbours to look at
        for base in range(0, len(data), WINDOW):
            window = memoryview(data)[base : base + WINDOW + self._longest]
            for term, start, end in self._automaton.find_matches_as_indexes(window, overlapping=True):
                if start < WINDOW and not (_joined(data, base + start) or _joined(data, base + end)):
                    counts[term] += 1
        return counts


def _joined(data: bytes, place: int) -> bool:
    """Whether the characters before and after `place`, both within `data`, belong to one word."""
    before, after = data[place - 1], data[place]
    if not (_MAY_JOIN[before] and _MAY_JOIN[after]):
        return False
    if before < 0x80 and after < 0x80:
        return True
    left = data[max(place - 4, 0) : place].decode("utf-8", "ignore")[-1:]
    right = data[place : place + 4].decode("utf-8", "ignore")[:1]
    return _in_word(left) and _in_word(right) and not _IS_UNSPACED.search(left + right)


def _in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


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
