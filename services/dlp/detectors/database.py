"""Searches passages for many expressions at once, in linear time whatever the text.

All expressions are compiled into one Hyperscan database, which says in one pass which of them may occur; RE2 then says
where, and a check decides on each value: a checksum, an entropy, a structure. Neither engine backtracks. Both read
the syntax that RE2 accepts, in which Hyperscan's answer is never narrower (its `$` and `\\s` are wider).
"""

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

import hyperscan
import numpy as np
import re2

from services.dlp.detectors.masking import mask
from services.dlp.findings import Hit
from services.dlp.layers import Layer
from services.dlp.message import Passage
from services.dlp.views import described

# What one expression of RE2 may take for its program and its automata; beyond, it falls back to a slower linear engine.
MAX_MEMORY = 8 << 20
RETRY = 256


class Candidate(NamedTuple):
    """What an expression matched: its first group, or all of it, and the whole text (UTF-8) around it."""

    value: str
    data: bytes
    start: int
    end: int


Check = Callable[[Candidate], float]


def certain(_: Candidate) -> float:
    """The check of an expression that needs none."""
    return 1.0


@dataclass(frozen=True, slots=True)
class Expression:
    """A rule's pattern in RE2's syntax, and the check that says how sure (0 to 1; 0: not one) a value is.

    A rule may have several expressions. From `bulk` distinct values in one mail on there is a hit of the rule's own
    name with `-bulk`, of `bulk_score`. Of one passage at most `most` values are looked at; 0 means all. Without
    `unicode` classes and case are ASCII's and `.` is a byte of UTF-8, which compiles five times as fast.

    `screen` is a pattern that is found in every text with a value that passes the check, and quicker to look for.
    """

    detector: str
    rule: str
    pattern: str
    check: Check = certain
    bulk: int = 0
    bulk_score: float = 1.0
    most: int = 0
    unicode: bool = False
    screen: str = ""


@dataclass(slots=True)
class _Tally:
    """The distinct values of one rule in one passage, with the surest score and the first place."""

    expression: Expression
    first: Candidate
    score: float
    values: set[str] = field(default_factory=set)


class PatternError(ValueError):
    """A pattern that cannot be searched for in linear time and bounded memory."""


class Database:
    """Expressions compiled for search. Compiling the built-in ones takes well under a second.

    Searches of several threads take turns: Hyperscan's scratch space serves one at a time.
    """

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self._expressions = tuple(expressions)
        self._patterns = [compile_pattern(expression) for expression in self._expressions]
        self._lock = Lock()
        self._engine = _engine(self._expressions)

    def find(self, passages: Sequence[Passage]) -> tuple[Hit, ...]:
        """One hit for each rule and layer of a passage, its count being the distinct values that no outer layer has;
        then the hits in bulk."""
        hits: list[Hit] = []
        everywhere: dict[tuple[str, str], tuple[Expression, set[str], list[Hit]]] = {}
        for passage in passages:
            seen: set[tuple[str, str, str]] = set()
            for layer in passage.unfolded.layer:
                for tally in self._tallies(layer.text):
                    rule = tally.expression.detector, tally.expression.rule
                    # What stands in a text stands in it without its escapes, too.
                    tally.values.difference_update([value for value in tally.values if (*rule, value) in seen])
                    if not tally.values:
                        continue
                    seen.update((*rule, value) for value in tally.values)
                    hit = _hit(tally, passage.name, layer)
                    hits.append(hit)
                    _, values, places = everywhere.setdefault(rule, (tally.expression, set(), []))
                    values |= tally.values
                    places.append(hit)
        for expression, values, places in everywhere.values():
            if expression.bulk and len(values) >= expression.bulk:
                hits.append(
                    Hit(
                        detector=expression.detector,
                        rule=f"{expression.rule}-bulk",
                        where=", ".join(dict.fromkeys(hit.where for hit in places[:3])),
                        count=len(values),
                        sample=places[0].sample,
                        score=expression.bulk_score,
                    )
                )
        return tuple(hits)

    def _tallies(self, text: str) -> Iterable[_Tally]:
        data = flatten(text).encode("utf-8", "replace")
        tallies: dict[tuple[str, str], _Tally] = {}
        for place in self._occurring(data):
            expression = self._expressions[place]
            for candidate, score in _checked(expression, self._patterns[place], data):
                key = (expression.detector, expression.rule)
                tally = tallies.setdefault(key, _Tally(expression, candidate, score))
                tally.values.add("".join(filter(str.isalnum, candidate.value)))
                if score > tally.score:
                    tally.first, tally.score = candidate, score
        return tallies.values()

    def _occurring(self, data: bytes) -> list[int]:
        """Which expressions may occur, in their order."""
        occurring: list[int] = []

        def note(place: int, *_: object) -> None:
            occurring.append(place)

        if data and self._engine is not None:
            with self._lock:
                self._engine.scan(data, match_event_handler=note)
        return sorted(occurring)


def compile_pattern(expression: Expression) -> "re2._Regexp":
    """An expression in RE2, to be used on bytes of UTF-8. PatternError says what RE2 has against it."""
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    if not expression.unicode:
        options.encoding = re2.Options.Encoding.LATIN1
    try:
        return re2.compile(expression.pattern.encode("utf-8", "replace"), options)
    except re2.error as error:
        reason = error.args[0] if error.args else b""
        raise PatternError(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from None


def _engine(expressions: Sequence[Expression]) -> "hyperscan.Database | None":
    if not expressions:
        return None
    engine = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        engine.compile(
            expressions=[(one.screen or one.pattern).encode("utf-8", "replace") for one in expressions],
            ids=list(range(len(expressions))),
            elements=len(expressions),
            flags=[
                hyperscan.HS_FLAG_SINGLEMATCH | (hyperscan.HS_FLAG_UTF8 if expression.unicode else 0)
                for expression in expressions
            ],
        )
    except hyperscan.error as error:
        raise PatternError(str(error)) from None
    return engine


def _checked(expression: Expression, pattern: "re2._Regexp", data: bytes) -> Iterator[tuple[Candidate, float]]:
    """Every value that passes its check. After one that fails, the search goes on one character later, as a real one
    may begin within it; after a long one that fails it goes on behind it, which keeps the time linear."""
    group = 1 if pattern.groups else 0
    matches, seen = pattern.finditer(data), 0
    while match := next(matches, None):
        start, end = match.span(group)
        if start < 0:
            start, end = match.span()
        candidate = Candidate(data[start:end].decode("utf-8", "replace"), data, start, end)
        score = expression.check(candidate)
        if score > 0:
            yield candidate, score
        seen += 1
        if seen == expression.most:
            return
        if score <= 0 and match.end() - match.start() <= RETRY:
            matches = pattern.finditer(data, match.start() + 1)


def _hit(tally: _Tally, passage: str, layer: Layer) -> Hit:
    """Its span is in the passage's text, and unknown in what is decoded from it."""
    first = tally.first
    begin = first.start if layer.text.isascii() else len(first.data[: first.start].decode("utf-8", "ignore"))
    return Hit(
        detector=tally.expression.detector,
        rule=tally.expression.rule,
        where=", ".join(filter(None, (passage, described(layer.view)))),
        count=len(tally.values),
        sample=mask(first.value),
        score=tally.score,
        span=None if layer.view else (begin, begin + len(first.value)),
    )


def _flat(character: str) -> str:
    """The ASCII character this one stands for in a number: a digit of any script, a space, a dash, a wide form."""
    digit = unicodedata.decimal(character, -1)
    if digit >= 0:
        return str(digit)
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    if category == "Pd":
        return "-"
    return chr(ord(character) - 0xFEE0) if "\uff01" <= character <= "\uff5e" else character


# For each character the one it is read as. The minus sign is a symbol, and stands where a dash would. The long s and
# the Kelvin sign are s and k to RE2 where case does not matter, but not to Hyperscan.
_FLAT = np.arange(sys.maxunicode + 1, dtype=np.uint32)
for _code in (*range(0x80, 0x3400), *range(0xA000, 0xAC00), *range(0xFE00, 0x20000)):
    _FLAT[_code] = ord(_flat(chr(_code)))
_FLAT[[0x2212, 0x17F, 0x212A]] = list(b"-sk")


def flatten(text: str) -> str:
    """`text` with digits, spaces and dashes of all scripts as ASCII, character for character: places stay the same."""
    if text.isascii():
        return text
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    return _FLAT.take(codes).tobytes().decode("utf-32-le", "surrogatepass")
