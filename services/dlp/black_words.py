"""Black words and their thresholds: a million of them in columns; read from CSV and plain text, written, compared."""

import csv
import io
import re
import struct
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator
from pydantic_core import CoreSchema, core_schema

from services.dlp.strings import Strings
from services.dlp.words import count_words, fold

MAX_WORDS = 1_000_000
MAX_TERM = 200
MAX_THRESHOLD = 2**32 - 1

Scope = Literal["all", "outside"]
Row = tuple[str, int, Scope]

_COLUMNS = ["term", "threshold", "scope"]
_SCOPES: tuple[Scope, Scope] = ("all", "outside")
_SHORT: dict[str, Scope] = {"": "all", "all": "all", "outside": "outside"}
_DIGITS = re.compile("(?:[1-9][0-9]{0,8})?")
_COUNT = struct.Struct("<I")


class BlackWord(BaseModel):
    """A word or phrase, and the number of occurrences in one mail from which that mail is held.

    `threshold` 1 holds a mail at the first occurrence. Scope `outside` is about recipients outside the
    organisation's domains only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    term: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TERM)]
    threshold: Annotated[int, Field(ge=1, le=MAX_THRESHOLD)] = 1
    scope: Scope = "all"

    @field_validator("term")
    @classmethod
    def _has_a_word(cls, term: str) -> str:
        if not count_words(fold(term)):
            raise ValueError("a black word needs a letter or a digit, or nothing tells where it begins and ends")
        return " ".join(term.split())

    def __str__(self) -> str:
        """`falcon, from 3 on, outside`"""
        return f"{self.term}, from {self.threshold} on, {self.scope}"


class Words(Sequence[BlackWord]):
    """Black words by their place, in columns: as models a million of them would take half a gigabyte.

    No word stands in it twice with the same scope. As a field of a pydantic model it is made from black words, or from
    what they are in JSON.
    """

    def __init__(self, terms: Strings, thresholds: NDArray[np.uint32], outside: NDArray[np.bool_]) -> None:
        self.terms = terms
        self._thresholds = thresholds
        self._outside = outside

    @classmethod
    def of(cls, words: Iterable[BlackWord]) -> "Words":
        """ValueError: a word stands twice, or there are too many."""
        return cls._packed((word.term, word.threshold, word.scope) for word in words)

    @classmethod
    def _packed(cls, rows: Iterable[Row]) -> "Words":
        thresholds, outside, known = array("I"), bytearray(), array("q")

        def terms() -> Iterator[str]:
            for term, threshold, scope in rows:
                if len(thresholds) == MAX_WORDS:
                    raise ValueError(f"there are more than {MAX_WORDS:,} black words")
                thresholds.append(threshold)
                outside.append(scope == "outside")
                known.append(_identity(term, scope))
                yield term

        words = cls(Strings.of(terms()), np.array(thresholds, np.uint32), np.frombuffer(bytes(outside), np.bool_))
        words._refuse_twice(np.frombuffer(known, np.int64))
        return words

    def _refuse_twice(self, known: NDArray[np.int64]) -> None:
        order = np.argsort(known, kind="stable")
        ordered = known[order]
        for at in np.flatnonzero(ordered[1:] == ordered[:-1]).tolist():
            first, second = self[int(order[at])], self[int(order[at + 1])]
            if fold(first.term) == fold(second.term) and first.scope == second.scope:
                raise ValueError(
                    f"the black word {second.term!r} stands twice with scope {second.scope!r} "
                    "(case and spacing make no difference): keep one"
                )

    def __len__(self) -> int:
        return len(self.terms)

    @overload
    def __getitem__(self, place: int) -> BlackWord: ...
    @overload
    def __getitem__(self, place: slice) -> "Words": ...
    def __getitem__(self, place: int | slice) -> "BlackWord | Words":
        if isinstance(place, slice):
            return Words(self.terms[place], self._thresholds[place], self._outside[place])
        scope = _SCOPES[int(self._outside[place])]
        return BlackWord.model_construct(term=self.terms[place], threshold=int(self._thresholds[place]), scope=scope)

    def rows(self) -> Iterator[Row]:
        """Term, threshold and scope of each word."""
        scopes = (_SCOPES[outside] for outside in self._outside.tobytes())
        return zip(self.terms, map(int, self._thresholds), scopes, strict=True)

    def __iter__(self) -> Iterator[BlackWord]:
        for term, threshold, scope in self.rows():
            yield BlackWord.model_construct(term=term, threshold=threshold, scope=scope)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Words):
            return NotImplemented
        return (
            self.terms == other.terms
            and np.array_equal(self._thresholds, other._thresholds)
            and np.array_equal(self._outside, other._outside)
        )

    def __hash__(self) -> int:
        return hash(self.terms)

    def without(self, others: "Words") -> "Words":
        """Those that do not stand in `others` with the same scope, whatever the threshold."""
        gone = {(fold(term), scope) for term, _, scope in others.rows()}
        return Words._packed(row for row in self.rows() if (fold(row[0]), row[2]) not in gone)

    def with_words(self, others: "Words") -> "Words":
        """These and the others; of what stands in both the others' threshold counts."""
        kept = self.without(others)

        def rows() -> Iterator[Row]:
            yield from kept.rows()
            yield from others.rows()

        return Words._packed(rows())

    def changes_to(self, after: "Words") -> tuple[list[BlackWord], list[BlackWord]]:
        """What is gone, and what is new, in what comes after these: a word with another threshold is both."""
        old, new = (np.fromiter(map(hash, words.rows()), np.int64, len(words)) for words in (self, after))
        gone, come = np.flatnonzero(~np.isin(old, new)), np.flatnonzero(~np.isin(new, old))
        return [self[at] for at in gone.tolist()], [after[at] for at in come.tolist()]

    # --- as bytes -----------------------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """As they are kept: deflated columns."""
        sizes = self.terms.sizes.astype("<u2").tobytes()
        columns = sizes, self._thresholds.astype("<u4").tobytes(), self._outside.tobytes()
        return zlib.compress(b"".join((_COUNT.pack(len(self)), *columns, self.terms.buffer)), 1)

    @classmethod
    def from_bytes(cls, kept: bytes) -> "Words":
        """What `to_bytes` made: bytes of another origin must not come here."""
        data = zlib.decompress(kept)
        (count,) = _COUNT.unpack_from(data)
        ends = [_COUNT.size + count * width for width in (0, 2, 6, 7)]
        sizes, thresholds, outside = (data[start:end] for start, end in pairwise(ends))
        offsets = np.zeros(count + 1, np.uint32)
        np.cumsum(np.frombuffer(sizes, "<u2"), out=offsets[1:])
        terms = Strings(data[ends[-1] :], offsets)
        return cls(terms, np.frombuffer(thresholds, np.uint32), np.frombuffer(outside, np.bool_))

    # --- as a field of a model ----------------------------------------------------------------------------------

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(
            lambda words: [dict(zip(_COLUMNS, row, strict=True)) for row in words.rows()]
        )
        return core_schema.no_info_plain_validator_function(cls._validated, serialization=written)

    @classmethod
    def _validated(cls, given: Any) -> "Words":
        if isinstance(given, Words):
            return given
        if not isinstance(given, Sequence) or isinstance(given, str | bytes):
            raise ValueError("expected a list of black words")
        return cls.of(_word(number, one) for number, one in enumerate(given, start=1))


NO_WORDS = Words.of(())


def _word(number: int, given: Any) -> BlackWord:
    try:
        return BlackWord.model_validate(given)
    except ValidationError as fault:
        raise ValueError(f"word {number}: {_faults(fault)}") from None


def words_from_csv(text: str) -> Words:
    """Read black words, one a line: `term,threshold,scope`, the last two optional (1, all).

    A first line `term,threshold` is a heading; empty lines are skipped. ValueError names the line and its
    fault.
    """
    lines = io.TextIOWrapper(io.BytesIO(text.removeprefix("\ufeff").encode()), "utf-8", newline="")
    rows = csv.reader(lines, strict=True)

    def read() -> Iterator[Row]:
        first = True
        try:
            for cells in rows:
                heading = first and len(cells) > 1 and [cell.strip() for cell in cells] == _COLUMNS[: len(cells)]
                if not heading and any(map(str.strip, cells)):
                    yield _row(cells)
                    first = False
        except (ValueError, csv.Error) as fault:
            raise ValueError(f"line {rows.line_num}: {_faults(fault)}") from None

    return Words._packed(read())


def words_from_text(text: str) -> Words:
    """Read black words, one a line, as they are: each holds a mail at its first occurrence. ValueError as above."""

    def read() -> Iterator[Row]:
        for number, line in enumerate(io.StringIO(text.removeprefix("\ufeff")), start=1):
            if line.strip():
                try:
                    yield _row([line])
                except ValueError as fault:
                    raise ValueError(f"line {number}: {_faults(fault)}") from None

    return Words._packed(read())


def words_to_csv(words: Words) -> str:
    """Write black words so that `words_from_csv` reads the same ones."""
    out = io.BytesIO()
    lines = io.TextIOWrapper(out, "utf-8", newline="", write_through=True)
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(words.rows())
    return out.getvalue().decode()


def words_to_text(words: Words) -> str:
    """Write the terms alone, one a line."""
    return "".join(f"{term}\n" for term in words.terms)


def _row(cells: list[str]) -> Row:
    """What is plainly right, as nearly all of a million lines is, takes a short way: the model takes three times as
    long. It says what is wrong with the rest."""
    if len(cells) > len(_COLUMNS):
        raise ValueError("expected term,threshold,scope; put a term with a comma in double quotes")
    term = " ".join(cells[0].split())
    threshold = cells[1].strip() if len(cells) > 1 else ""
    scope = cells[2].strip() if len(cells) > 2 else ""
    if len(term) <= MAX_TERM and count_words(fold(term)) and scope in _SHORT and _DIGITS.fullmatch(threshold):
        return term, int(threshold or 1), _SHORT[scope]
    named = {name: cell for name, cell in zip(_COLUMNS, (term, threshold, scope), strict=True) if cell}
    word = BlackWord.model_validate(named)
    return word.term, word.threshold, word.scope


def _identity(term: str, scope: Scope) -> int:
    return hash((fold(term), scope))


def _faults(fault: Exception) -> str:
    if not isinstance(fault, ValidationError):
        return str(fault)
    return "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in fault.errors())
