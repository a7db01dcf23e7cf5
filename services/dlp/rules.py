"""Ordered rules over what the detectors found: data, kept in the lists and sealed with them.

They come after the papers' rules, and the first that applies decides. A rule says when it applies (every
condition that is given must hold; of a condition's alternatives, one) and what is then done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.dlp.findings import Hit

MAX_RULES = 1000
NOTED = 0.5
"""How sure a hit must be to be noted where no rule asks for less: every mail has addresses and numbers in it."""

UNTIMED = datetime(1970, 1, 1, tzinfo=UTC)
"""For who asks without a clock: rules that begin some day have not begun."""

Class = Literal["inside", "partner", "outside"]
"""Whose the recipient's domain is: the organisation's, a partner's (the lists name them), anybody's."""
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Role = Literal["member", "reviewer", "administrator"]
Action = Literal["allow", "audit", "tag", "warn", "ask", "encrypt", "strip", "hold", "block"]
"""From lax to strict. allow: pass, no more is said. audit: pass; the findings stand in the sent log. tag: the same,
under the rule's name. warn: pass, and the sender is told. ask: it comes back, and passes when it is sent again with a
reason. encrypt: pass to who has a key, encrypted; inside it is sealed anyway. strip: pass without the attachments in
which something was found; hold where that is not enough. hold: a reviewer decides. block: refused at once, and the
sender is told."""

LISTED = frozenset({"attachment-black-listed", "attachment-not-listed", "black-word", "term-weight"})
"""What stands on the papers' lists, as rules ask for it."""

_MODEL = ConfigDict(frozen=True, extra="forbid")
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=64)]
Sender = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, pattern=r"^[^@\s]*@[^@\s]+$", max_length=320)
]


class Found(BaseModel):
    """A condition on hits: `at_least` in all, of a detector and its rule, each as sure as `score`.

    The detector `*` is any, but for the lists: what stands on a list is asked for by its name (LISTED).
    """

    model_config = _MODEL

    detector: Annotated[str, Field(min_length=1, max_length=64)]
    rule: Annotated[str, Field(min_length=1, max_length=256)] = "*"
    at_least: Annotated[int, Field(ge=1)] = 1
    score: Annotated[float, Field(ge=0, le=1)] = 1.0

    def among(self, hits: Iterable[Hit]) -> tuple[Hit, ...]:
        """The hits that meet it; none where they are too few."""
        mine = tuple(h for h in hits if self._means(h.detector) and self.rule in ("*", h.rule))
        sure = tuple(h for h in mine if h.score >= self.score)
        return sure if sum(h.count for h in sure) >= self.at_least else ()

    def _means(self, detector: str) -> bool:
        return self.detector == detector or (self.detector == "*" and detector not in LISTED)


class Hours(BaseModel):
    """Hours of the day, from `since` on and before `before`; over midnight where that is the earlier one."""

    model_config = _MODEL

    since: time
    before: time

    def have(self, at: time) -> bool:
        """Whether a time of the day is one of them."""
        if self.since <= self.before:
            return self.since <= at < self.before
        return at >= self.since or at < self.before


class When(BaseModel):
    """Conditions; what is not given is not asked for.

    `senders`, `to`: addresses, or `@domain` for all of a domain. `recipients`: whose domain the recipient's is.
    `larger_than`: the mail's size in bytes. `days`, `hours`: in the organisation's time zone. `found`: one of these is
    enough.
    """

    model_config = _MODEL

    senders: Annotated[tuple[Sender, ...], Field(max_length=1000)] = ()
    roles: tuple[Role, ...] = ()
    recipients: tuple[Class, ...] = ()
    to: Annotated[tuple[Sender, ...], Field(max_length=1000)] = ()
    days: tuple[Day, ...] = ()
    hours: Hours | None = None
    larger_than: Annotated[int, Field(ge=0)] | None = None
    found: Annotated[tuple[Found, ...], Field(max_length=100)] = ()


class Rule(BaseModel):
    """One rule. `reviewers`: how many people have to release what it holds. `since`, `until`: its first and last day.

    `may_be_relaxed`: a laxer rule of a group or a person goes before it."""

    model_config = _MODEL

    name: Name
    when: When = When()
    then: Action
    reviewers: Literal[1, 2] = 1
    may_be_relaxed: bool = False
    since: date | None = None
    until: date | None = None

    @model_validator(mode="after")
    def _a_guess_holds_nothing(self) -> Self:
        if self.then in ("strip", "hold", "block") and any(f.score < 1 and f.at_least < 2 for f in self.when.found):
            raise ValueError(
                f"the rule {self.name!r} would {self.then} a mail for a single uncertain finding: "
                "ask for score 1, or for at least 2"
            )
        return self

    @model_validator(mode="after")
    def _only_what_is_held_is_reviewed(self) -> Self:
        if self.reviewers > 1 and self.then != "hold":
            raise ValueError(f"the rule {self.name!r} asks for two reviewers, but holds nothing: say then hold")
        return self

    @model_validator(mode="after")
    def _it_counts_on_some_day(self) -> Self:
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError(f"the rule {self.name!r} ends on {self.until}, before it begins")
        return self

    @property
    def strictness(self) -> tuple[int, int]:
        """By what is done, then by how many have to agree to a release."""
        return get_args(Action).index(self.then), self.reviewers


def names_once(rules: Sequence[Rule]) -> None:
    """ValueError where two rules have one name: a finding must be able to name the one that decided."""
    names = [rule.name for rule in rules]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two rules are called {twice!r}: a finding must be able to name the one that decided")


class RuleSet(BaseModel):
    """The rules of a group or of a person, in their order. `members`: addresses, or `@domain` for all of a domain."""

    model_config = _MODEL

    name: Name
    of: Literal["group", "person"]
    members: Annotated[tuple[Sender, ...], Field(min_length=1, max_length=10_000)]
    rules: Annotated[tuple[Rule, ...], Field(max_length=MAX_RULES)]

    @model_validator(mode="after")
    def _each_rule_by_its_name(self) -> Self:
        names_once(self.rules)
        return self

    @model_validator(mode="after")
    def _a_person_is_one_address(self) -> Self:
        if self.of == "person" and (len(self.members) > 1 or self.members[0].startswith("@")):
            raise ValueError(f"the rules {self.name!r} are a person's: name one address, or say of group")
        return self


_ASKS = Rule(name="ask", then="ask").strictness


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the rules ask besides hits. `size` in bytes; `roles` of the sender, None where nobody can say which they
    are; `reasoned`: the sender says why the mail is sent; `now` in the organisation's time zone."""

    sender: str
    roles: Collection[str] | None = ()
    size: int = 0
    reasoned: bool = False
    now: datetime = UNTIMED


@dataclass(frozen=True, slots=True)
class Applied:
    """The rule that decided, the hits it rests on, and how many of them it asked for.

    `of`: the set it is from, None for the organisation's own rules. `laxer`: the rules of a group or a person that
    would have done less, with their sets.
    """

    rule: Rule
    hits: tuple[Hit, ...] = ()
    at_least: int | None = None
    of: RuleSet | None = None
    laxer: tuple[tuple[Rule, RuleSet], ...] = ()

    @property
    def name(self) -> tuple[str, str | None]:
        """Of the rule and of its set: together there is no other."""
        return self.rule.name, self.of.name if self.of is not None else None


@dataclass(frozen=True, slots=True)
class Recipients:
    """Recipients who are alike to the rules: whose domain theirs is, and which names rules have for them."""

    kind: Class
    names: frozenset[str] = frozenset()


def names_for(rules: Iterable[Rule]) -> frozenset[str]:
    """All addresses and domains of recipients that the rules ask for."""
    return frozenset(name for rule in rules for name in rule.when.to)


def alike(recipient: str, kind: Class, asked_for: Set[str]) -> Recipients:
    """What the rules see of one recipient; `asked_for` as `names_for` says."""
    return Recipients(kind, _both(recipient) & asked_for)


Level = Sequence[tuple[Rule, RuleSet | None]]
"""Rules in their order, with the set each is from: the organisation's, the groups', or a person's."""


def deciding(
    rules: Sequence[Rule],
    sets: Sequence[RuleSet],
    hits: Sequence[Hit],
    circumstances: Circumstances,
    recipients: Recipients,
) -> Applied | None:
    """The rule that decides: the organisation's, unless one of the sender's groups, then of the sender, goes before.

    On each level the first rule that applies is its word. A level's word goes before that of the wider ones if it is at
    least as strict. Where it is laxer, wider rules that may be relaxed are passed over, with what they were about; the
    others are asked about all the rest.
    """
    sender = _both(circumstances.sender)
    mine = [rule_set for rule_set in sets if not sender.isdisjoint(rule_set.members)]
    levels: list[Level] = [[(rule, None) for rule in rules]]
    for kind in ("group", "person"):
        levels.append([(rule, own) for own in mine if own.of == kind for rule in own.rules])
    return _word(levels, frozenset(), hits, circumstances, recipients)


def _word(
    levels: Sequence[Level],
    passed: Set[tuple[str, str | None]],
    hits: Sequence[Hit],
    circumstances: Circumstances,
    recipients: Recipients,
) -> Applied | None:
    """The word of these levels together, the widest first, without the rules that are passed over."""
    *wider, own = levels
    mine = _first(own, passed, hits, circumstances, recipients)
    if not wider:
        return mine
    while True:
        word = _word(wider, passed, hits, circumstances, recipients)
        if word is None or mine is None or mine.rule.strictness >= word.rule.strictness:
            return mine or word
        if not word.rule.may_be_relaxed:
            return word if mine.of is None else replace(word, laxer=(*word.laxer, (mine.rule, mine.of)))
        passed, hits = passed | {word.name}, _left(hits, word.rule)


def _first(
    level: Level,
    passed: Set[tuple[str, str | None]],
    hits: Sequence[Hit],
    circumstances: Circumstances,
    recipients: Recipients,
) -> Applied | None:
    """The first rule of a level that applies; None where none does.

    One that asks for a reason is passed over where there is one, with what it was about. It still is the word where
    nothing stricter follows.
    """
    justified: Applied | None = None
    for rule, of in level:
        if not _in_time(rule, circumstances.now) or not _general(rule, circumstances, recipients):
            continue
        applied = _applied(rule, of, hits)
        if applied is None or applied.name in passed:
            continue
        if rule.then == "ask" and circumstances.reasoned:
            justified = justified or applied
            hits = _left(hits, rule)
        elif justified is None or rule.strictness > justified.rule.strictness:
            return applied
    return justified


def _applied(rule: Rule, of: RuleSet | None, hits: Sequence[Hit]) -> Applied | None:
    if not rule.when.found:
        return Applied(rule, of=of)
    for found in rule.when.found:
        if met := found.among(hits):
            return Applied(rule, met, found.at_least, of)
    return None


def _left(hits: Sequence[Hit], rule: Rule) -> tuple[Hit, ...]:
    """What a rule was not about."""
    about = {id(hit) for found in rule.when.found for hit in found.among(hits)}
    return tuple(hit for hit in hits if id(hit) not in about)


def _both(address: str) -> frozenset[str]:
    """How a rule may name somebody: by the address, or by its domain."""
    address = address.strip().lower()
    return frozenset({address, "@" + address.rpartition("@")[2]})


def _in_time(rule: Rule, now: datetime) -> bool:
    today, when = now.date(), rule.when
    return (
        (rule.since is None or today >= rule.since)
        and (rule.until is None or today <= rule.until)
        and (not when.days or get_args(Day)[now.weekday()] in when.days)
        and (when.hours is None or when.hours.have(now.time()))
    )


def _general(rule: Rule, circumstances: Circumstances, recipients: Recipients) -> bool:
    when, roles = rule.when, circumstances.roles
    # Whose roles nobody knows is stopped by a rule for any role, and let pass by none.
    stops = rule.strictness >= _ASKS
    return (
        (not when.senders or not _both(circumstances.sender).isdisjoint(when.senders))
        and (not when.roles or (stops if roles is None else not set(when.roles).isdisjoint(roles)))
        and (not when.recipients or recipients.kind in when.recipients)
        and (not when.to or not recipients.names.isdisjoint(when.to))
        and (when.larger_than is None or circumstances.size > when.larger_than)
    )


_AWAY: tuple[Class, ...] = ("partner", "outside")

DEFAULT: tuple[Rule, ...] = (
    Rule(name="danger", when=When(found=(Found(detector="danger"),)), then="hold", reviewers=2),
    Rule(name="disguised", when=When(found=(Found(detector="type"),)), then="hold"),
    Rule(name="unscannable", when=When(found=(Found(detector="unscannable"),)), then="hold"),
    Rule(name="copy", when=When(found=(Found(detector="copy"), Found(detector="near-duplicate"))), then="hold"),
    Rule(name="expression", when=When(found=(Found(detector="expression"),)), then="hold"),
    Rule(name="credential-outside", when=When(recipients=_AWAY, found=(Found(detector="credential"),)), then="hold"),
    Rule(
        name="card-bulk-outside",
        when=When(recipients=_AWAY, found=(Found(detector="personal-data", rule="card-bulk"),)),
        then="hold",
    ),
    Rule(name="noted", when=When(found=(Found(detector="*", score=NOTED),)), then="audit"),
)
"""What counts until an administrator says otherwise: what was not read, what is dangerous and copies of what is
confidential wait for a reviewer (what can act on the recipient's computer for two); so do credentials and many card
numbers on their way out; the rest is noted."""
