"""The lists an administrator keeps: black words, hashes of files, senders exempt from filtering, ordered rules.

Lists are values: frozen, checked on creation, numbered by `version`, so that a finding can name the lists it
rests on.
"""

import base64
import csv
import io
from array import array
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from services.dlp.detectors import expressions as own_expressions
from services.dlp.detectors.fingerprints import Index
from services.dlp.rules import DEFAULT, MAX_RULES, Rule
from services.dlp.terms import count_words, fold

MAX_WORDS = 1_000_000
MAX_HASHES = 10_000_000
MAX_SENDERS = 100_000
MAX_DOMAINS = 10_000
MAX_TERM = 200
_MOST = 2**63

Scope = Literal["all", "outside"]
WhiteMode = Literal["strict", "advisory", "off"]

_COLUMNS = ["term", "threshold", "scope"]
# Patterns are tried before `to_lower` applies, so they admit capitals.
_HEX = "[0-9a-fA-F]"
Sha256 = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, pattern=rf"^{_HEX}{{64}}$")]
Sha256OrSha1 = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, pattern=rf"^(?:{_HEX}{{64}}|{_HEX}{{40}})$")
]
Address = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, pattern=r"^[^@\s]+@[^@\s]+$", max_length=320)
]
Domain = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, pattern=r"^[^@\s]+\.[^@\s]+$", max_length=253)
]


class BlackWord(BaseModel):
    """A word or phrase, and the number of occurrences in one mail from which that mail is held.

    `threshold` 1 holds a mail at the first occurrence. Scope `outside` is about recipients outside the
    organisation's domains only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    term: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TERM)]
    threshold: Annotated[int, Field(ge=1)] = 1
    scope: Scope = "all"

    @field_validator("term")
    @classmethod
    def _has_a_word(cls, term: str) -> str:
        if not count_words(fold(term)):
            raise ValueError("a black word needs a letter or a digit, or nothing tells where it begins and ends")
        return term


class OwnExpression(BaseModel):
    """An expression of the organisation's own, in RE2's syntax; `name` is what rules and reviewers call it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100)]
    pattern: Annotated[str, Field(min_length=1, max_length=own_expressions.MAX_LENGTH)]
    case_sensitive: bool = False
    score: Annotated[float, Field(gt=0, le=1)] = 1.0

    def value(self) -> own_expressions.OwnExpression:
        """As the detector takes it."""
        return own_expressions.OwnExpression(self.name, self.pattern, self.case_sensitive, self.score)


class Lists(BaseModel):
    """All lists of one version. As created, without entries, only the default rules (services.dlp.rules) count.

    With `white_mode` strict a mail leaves only if the SHA-256 of each attachment is in `white_hashes`: the
    paper's rule, by which an empty list lets nothing attached leave; advisory only remarks on it.
    `black_hashes` takes SHA-1 as well. `weight_threshold` holds a mail if the paper's W_t of a term in a
    passage reaches it; without it, weights only rank.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[int, Field(ge=0)] = 0
    words: Annotated[tuple[BlackWord, ...], Field(max_length=MAX_WORDS)] = ()
    white_mode: WhiteMode = "off"
    white_hashes: Annotated[frozenset[Sha256], Field(max_length=MAX_HASHES)] = frozenset()
    black_hashes: Annotated[frozenset[Sha256OrSha1], Field(max_length=MAX_HASHES)] = frozenset()
    exempt_senders: Annotated[frozenset[Address], Field(max_length=MAX_SENDERS)] = frozenset()
    weight_threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    partner_domains: Annotated[frozenset[Domain], Field(max_length=MAX_DOMAINS)] = frozenset()
    rules: Annotated[tuple[Rule, ...], Field(max_length=MAX_RULES)] = DEFAULT
    expressions: Annotated[tuple[OwnExpression, ...], Field(max_length=own_expressions.MAX_EXPRESSIONS)] = ()
    fingerprints: str = ""
    """Of confidential documents (services.dlp.detectors.fingerprints), base64: they tell no text."""

    @field_validator("expressions")
    @classmethod
    def _in_linear_time(cls, own: tuple[OwnExpression, ...]) -> tuple[OwnExpression, ...]:
        own_expressions.compiled([one.value() for one in own])
        return own

    @field_validator("fingerprints")
    @classmethod
    def _whole(cls, kept: str) -> str:
        read_fingerprints(kept)
        return kept

    @model_validator(mode="after")
    def _each_rule_by_its_name(self) -> Self:
        names = [rule.name for rule in self.rules]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two rules are called {twice!r}: a finding must be able to name the one that decided")
        return self

    @model_validator(mode="after")
    def _each_word_once(self) -> Self:
        seen: set[tuple[str, Scope]] = set()
        for word in self.words:
            key = (fold(word.term), word.scope)
            if key in seen:
                raise ValueError(
                    f"the black word {word.term!r} stands twice with scope {word.scope!r} "
                    "(case and spacing make no difference): keep one"
                )
            seen.add(key)
        return self

    @field_serializer("white_hashes", "black_hashes", "exempt_senders", "partner_domains")
    def _in_order(self, entries: frozenset[str]) -> list[str]:
        return sorted(entries)  # the same lists are the same bytes


def read_fingerprints(kept: str) -> Index:
    """The index of the documents; ValueError where it is damaged."""
    return Index.from_bytes(base64.b64decode(kept, validate=True)) if kept else Index()


def write_fingerprints(index: Index) -> str:
    """The index as it stands in the lists."""
    return base64.b64encode(index.to_bytes()).decode() if index.documents or len(index.ignored) else ""


class Words:
    """Black words by their place, kept small: a million of them as models would take half a gigabyte."""

    def __init__(self, words: Sequence[BlackWord]) -> None:
        self.terms = [word.term for word in words]
        self._thresholds = array("Q", (min(word.threshold, _MOST) for word in words))
        self._outside = bytes(word.scope == "outside" for word in words)

    def __len__(self) -> int:
        return len(self.terms)

    def __getitem__(self, place: int) -> BlackWord:
        scope: Scope = "outside" if self._outside[place] else "all"
        return BlackWord.model_construct(term=self.terms[place], threshold=self._thresholds[place], scope=scope)


def differences(before: Lists, after: Lists) -> list[tuple[str, str, str]]:
    """What changed, as (list, "+" or "-", entry); in the order of the lists, then of the entries."""
    old, new = _entries(before), _entries(after)
    return [
        (name, sign, entry)
        for name in old
        for sign, entries in (("-", old[name] - new[name]), ("+", new[name] - old[name]))
        for entry in sorted(entries)
    ]


def _entries(lists: Lists) -> dict[str, set[str]]:
    return {
        "words": {f"{w.term}, from {w.threshold} on, {w.scope}" for w in lists.words},
        "white mode": {lists.white_mode},
        "white": set(lists.white_hashes),
        "black": set(lists.black_hashes),
        "exempt": set(lists.exempt_senders),
        "weight threshold": {str(lists.weight_threshold or "off")},
        "partners": set(lists.partner_domains),
        "rules": {f"{n}. {rule.model_dump_json(exclude_defaults=True)}" for n, rule in enumerate(lists.rules, 1)},
        "expressions": {one.model_dump_json(exclude_defaults=True) for one in lists.expressions},
        "documents": set(read_fingerprints(lists.fingerprints).documents),
    }


def words_from_csv(text: str) -> tuple[BlackWord, ...]:
    """Read black words, one a line: `term,threshold,scope`, the last two optional (1, all).

    A first line `term,threshold` is a heading; empty lines are skipped. ValueError names the line and its
    fault.
    """
    words: list[BlackWord] = []
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells) or (not words and len(cells) > 1 and cells == _COLUMNS[: len(cells)]):
                continue
            if len(cells) > len(_COLUMNS):
                raise ValueError("expected term,threshold,scope; put a term with a comma in double quotes")
            words.append(BlackWord.model_validate({c: v for c, v in zip(_COLUMNS, cells, strict=False) if v}))
    except (ValueError, csv.Error) as fault:
        raise ValueError(f"line {rows.line_num}: {_faults(fault)}") from None
    return tuple(words)


def words_to_csv(words: Iterable[BlackWord]) -> str:
    """Write black words so that `words_from_csv` reads the same ones."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((word.term, word.threshold, word.scope) for word in words)
    return out.getvalue()


def hashes_from_text(text: str, kind: Literal["white", "black"]) -> frozenset[str]:
    """Read file hashes, one a line; what follows the hash is ignored, so the output of `sha256sum` will do.

    A white list takes SHA-256 (64 hex digits), a black list SHA-1 (40) as well. ValueError names the line.
    """
    lengths = (64,) if kind == "white" else (64, 40)
    hashes: set[str] = set()
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if not line.strip():
            continue
        entry = line.split()[0].lower()
        if len(entry) not in lengths or not set(entry) <= set("0123456789abcdef"):
            expected = "a SHA-256 (64 hex digits)" if kind == "white" else "a SHA-256 or SHA-1 (64 or 40 hex digits)"
            hint = "; a SHA-1 can be forged, so it lets no file pass" if (kind, len(entry)) == ("white", 40) else ""
            raise ValueError(f"line {number}: expected {expected}, found {len(entry)} characters{hint}")
        hashes.add(entry)
    return frozenset(hashes)


def hashes_to_text(hashes: Iterable[str]) -> str:
    """Write hashes, one a line, in order."""
    return "".join(f"{entry}\n" for entry in sorted(hashes))


def _faults(fault: Exception) -> str:
    if not isinstance(fault, ValidationError):
        return str(fault)
    return "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in fault.errors())
