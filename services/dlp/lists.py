"""The lists an administrator keeps: black words, hashes of files, senders exempt from filtering, ordered rules.

Lists are values: frozen, checked on creation, numbered by `version`, so that a finding can name the lists it
rests on.
"""

import base64
from collections.abc import Iterable
from typing import Annotated, Literal, Self

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
from services.dlp.rules import DEFAULT, MAX_RULES, Rule

MAX_HASHES = 10_000_000
MAX_SENDERS = 100_000
MAX_DOMAINS = 10_000

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


class Lists(BaseModel):
    """All lists of one version. As created, without entries, only the default rules (services.dlp.rules) count.

    With `white_mode` strict a mail leaves only if the SHA-256 of each attachment is in `white_hashes`: the
    paper's rule, by which an empty list lets nothing attached leave; advisory only remarks on it.
    `black_hashes` takes SHA-1 as well. `weight_threshold` holds a mail if the paper's W_t of a term in a
    passage reaches it; without it, weights only rank.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[int, Field(ge=0)] = 0
    words: Words = NO_WORDS
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

    @field_serializer("white_hashes", "black_hashes", "exempt_senders", "partner_domains")
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
        "exempt": set(lists.exempt_senders),
        "weight threshold": {str(lists.weight_threshold or "off")},
        "partners": set(lists.partner_domains),
        "rules": {f"{n}. {rule.model_dump_json(exclude_defaults=True)}" for n, rule in enumerate(lists.rules, 1)},
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
