"""The lists an administrator keeps: black words, hashes of files, senders exempt from filtering, ordered rules.

Lists are values: frozen, checked on creation, numbered by `version`, so that a finding can name the lists it
rests on.
"""

import base64
from collections.abc import Container, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_serializer,
    field_validator,
    model_validator,
)

from services.dlp.black_words import NO_WORDS, Words
from services.dlp.detectors import expressions as own_expressions
from services.dlp.detectors.fingerprints import Index
from services.dlp.rules import DEFAULT, MAX_RULES, Rule, RuleSet, names_once
from services.dlp.words import fold

MAX_HASHES = 10_000_000
MAX_SENDERS = 100_000
MAX_DOMAINS = 10_000
MAX_SETS = 1000
MAX_ENDS = 1000

WhiteMode = Literal["strict", "advisory", "off"]

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


ListName = Literal["words", "white", "black", "exempt", "partner", "known-bad"]
FIELDS: Mapping[ListName, str] = {
    "words": "words", "white": "white_hashes", "black": "black_hashes", "exempt": "exempt_senders",
    "partner": "partner_domains", "known-bad": "known_bad",
}  # fmt: skip
"""The fields of the lists, by the names that people have for them."""


class End(BaseModel):
    """The last day on which an entry of a list counts; it may be a word, in any spelling that the list takes for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    list: ListName
    entry: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=320)]
    until: date


@dataclass(frozen=True, slots=True)
class _Without(Container[str]):
    """A list without the entries that have ended."""

    entries: Container[str]
    over: Set[str]

    def __contains__(self, entry: object) -> bool:
        return entry in self.entries and entry not in self.over


class Lists(BaseModel):
    """All lists of one version. As created, without entries, only the default rules (services.dlp.rules) count.

    With `white_mode` strict a mail leaves only if the SHA-256 of each attachment is in `white_hashes`: the
    paper's rule, by which an empty list lets nothing attached leave; advisory only remarks on it.
    `black_hashes` takes SHA-1 as well, and so does `known_bad`: files that do harm, which ordered rules judge like
    other danger. `weight_threshold` holds a mail if the paper's W_t of a term in a passage reaches it; without it,
    weights only rank. `rules` are the organisation's, `rule_sets` those of groups and persons. Days and hours are those
    of `time_zone` (IANA's name of it); `ends` says which entries count until when.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[int, Field(ge=0)] = 0
    words: Words = NO_WORDS
    white_mode: WhiteMode = "off"
    white_hashes: Annotated[frozenset[Sha256], Field(max_length=MAX_HASHES)] = frozenset()
    black_hashes: Annotated[frozenset[Sha256OrSha1], Field(max_length=MAX_HASHES)] = frozenset()
    known_bad: Annotated[frozenset[Sha256OrSha1], Field(max_length=MAX_HASHES)] = frozenset()
    exempt_senders: Annotated[frozenset[Address], Field(max_length=MAX_SENDERS)] = frozenset()
    weight_threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    partner_domains: Annotated[frozenset[Domain], Field(max_length=MAX_DOMAINS)] = frozenset()
    rules: Annotated[tuple[Rule, ...], Field(max_length=MAX_RULES)] = DEFAULT
    rule_sets: Annotated[tuple[RuleSet, ...], Field(max_length=MAX_SETS)] = ()
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"
    ends: Annotated[tuple[End, ...], Field(max_length=MAX_ENDS)] = ()
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
        names_once(self.rules)
        names = [rule_set.name for rule_set in self.rule_sets]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two sets of rules are called {twice!r}: give each a name of its own")
        return self

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (OSError, ValueError, LookupError) as error:
            raise ValueError(f"there is no time zone {name!r}: give one such as Europe/Berlin") from error
        return name

    def local(self, at: datetime) -> datetime:
        """A moment by the organisation's clock."""
        return at.astimezone(ZoneInfo(self.time_zone))

    def over(self, name: ListName, today: date) -> frozenset[str]:
        """The entries of a list that have ended; words folded."""
        entries = (end.entry for end in self.ends if end.list == name and today > end.until)
        return frozenset(map(fold, entries) if name == "words" else entries)

    def counting(self, name: ListName, today: date) -> Container[str]:
        """The entries of a list (other than words) that count on this day."""
        entries: Container[str] = getattr(self, FIELDS[name])
        over = self.over(name, today)
        return _Without(entries, over) if over else entries

    @field_serializer("white_hashes", "black_hashes", "known_bad", "exempt_senders", "partner_domains")
    def _in_order(self, entries: frozenset[str]) -> list[str]:
        return sorted(entries)  # the same lists are the same bytes


def read_fingerprints(kept: str) -> Index:
    """The index of the documents; ValueError where it is damaged."""
    return Index.from_bytes(base64.b64decode(kept, validate=True)) if kept else Index()


def write_fingerprints(index: Index) -> str:
    """The index as it stands in the lists."""
    return base64.b64encode(index.to_bytes()).decode() if index.documents or len(index.ignored) else ""


def differences(before: Lists, after: Lists) -> list[tuple[str, str, str]]:
    """What changed, as (list, "+" or "-", entry); in the order of the lists, then of the entries."""
    old, new = _entries(before), _entries(after)
    gone, come = before.words.changes_to(after.words)
    old["words"], new["words"] = set(map(str, gone)), set(map(str, come))
    return [
        (name, sign, entry)
        for name in old
        for sign, entries in (("-", old[name] - new[name]), ("+", new[name] - old[name]))
        for entry in sorted(entries)
    ]


def _entries(lists: Lists) -> dict[str, set[str]]:
    return {
        "words": set(),
        "white mode": {lists.white_mode},
        "white": set(lists.white_hashes),
        "black": set(lists.black_hashes),
        "known-bad": set(lists.known_bad),
        "exempt": set(lists.exempt_senders),
        "weight threshold": {str(lists.weight_threshold or "off")},
        "partners": set(lists.partner_domains),
        "rules": {f"{n}. {rule.model_dump_json(exclude_defaults=True)}" for n, rule in enumerate(lists.rules, 1)},
        "sets of rules": {one.model_dump_json(exclude_defaults=True) for one in lists.rule_sets},
        "time zone": {lists.time_zone},
        "ends": {f"{end.list}: {end.entry}, until {end.until}" for end in lists.ends},
        "expressions": {one.model_dump_json(exclude_defaults=True) for one in lists.expressions},
        "documents": set(read_fingerprints(lists.fingerprints).documents),
    }


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
