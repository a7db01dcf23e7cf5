"""Ordered rules over what the detectors found: data, kept in the lists and sealed with them.

They come after the papers' rules, and the first that applies decides. A rule says when it applies (every
condition that is given must hold; of a condition's alternatives, one) and what is then done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.dlp.findings import Hit

MAX_RULES = 1000
NOTED = 0.5
"""How sure a hit must be to be noted where no rule asks for less: every mail has addresses and numbers in it."""

Class = Literal["inside", "partner", "outside"]
"""Whose the recipient's domain is: the organisation's, a partner's (the lists name them), anybody's."""
Role = Literal["member", "reviewer", "administrator"]
Action = Literal["allow", "audit", "tag", "warn", "ask", "encrypt", "strip", "hold", "block"]
"""From lax to strict. allow: pass, no more is said. audit: pass; the findings stand in the sent log. tag: the same,
under the rule's name. warn: pass, and the sender is told. ask: it comes back, and passes when it is sent again with a
reason. encrypt: pass to who has a key, encrypted; inside it is sealed anyway. strip: pass without the attachments in
which something was found; hold where that is not enough. hold: a reviewer decides. block: refused at once, and the
sender is told."""

_MODEL = ConfigDict(frozen=True, extra="forbid")
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=64)]
Sender = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, pattern=r"^[^@\s]*@[^@\s]+$", max_length=320)
]


class Found(BaseModel):
    """A condition on hits: `at_least` in all, of a detector (`*`: any) and its rule, each as sure as `score`."""

    model_config = _MODEL

    detector: Annotated[str, Field(min_length=1, max_length=64)]
    rule: Annotated[str, Field(min_length=1, max_length=256)] = "*"
    at_least: Annotated[int, Field(ge=1)] = 1
    score: Annotated[float, Field(ge=0, le=1)] = 1.0

    def among(self, hits: Iterable[Hit]) -> tuple[Hit, ...]:
        """The hits that meet it; none where they are too few."""
        mine = tuple(h for h in hits if self.detector in ("*", h.detector) and self.rule in ("*", h.rule))
        sure = tuple(h for h in mine if h.score >= self.score)
        return sure if sum(h.count for h in sure) >= self.at_least else ()


class When(BaseModel):
    """Conditions; what is not given is not asked for.

    `senders`: addresses, or `@domain` for all of a domain. `larger_than`: the mail's size in bytes. `found`: one
    of these is enough.
    """

    model_config = _MODEL

    senders: Annotated[tuple[Sender, ...], Field(max_length=1000)] = ()
    roles: tuple[Role, ...] = ()
    recipients: tuple[Class, ...] = ()
    larger_than: Annotated[int, Field(ge=0)] | None = None
    found: Annotated[tuple[Found, ...], Field(max_length=100)] = ()


class Rule(BaseModel):
    """One rule. `reviewers`: how many people have to release what it holds. `until`: the last day (UTC) it counts."""

    model_config = _MODEL

    name: Name
    when: When = When()
    then: Action
    reviewers: Literal[1, 2] = 1
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


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the rules ask besides hits. `size` in bytes; `roles` of the sender, none for an unknown one; `reasoned`:
    the sender says why the mail is sent."""

    sender: str
    roles: Collection[str] = ()
    size: int = 0
    reasoned: bool = False
    today: date = date.min


@dataclass(frozen=True, slots=True)
class Applied:
    """The rule that decided, the hits it rests on, and how many of them it asked for."""

    rule: Rule
    hits: tuple[Hit, ...] = ()
    at_least: int | None = None


def first(
    rules: Sequence[Rule], hits: Sequence[Hit], circumstances: Circumstances, recipients: Class
) -> Applied | None:
    """The first rule that applies to recipients of this class; None where none does."""
    for rule in rules:
        when = rule.when
        if rule.until is not None and circumstances.today > rule.until:
            continue
        if not _general(when, circumstances, recipients):
            continue
        if not when.found:
            return Applied(rule)
        for found in when.found:
            if met := found.among(hits):
                return Applied(rule, met, found.at_least)
    return None


def _general(when: When, circumstances: Circumstances, recipients: Class) -> bool:
    sender = circumstances.sender.strip().lower()
    domain = "@" + sender.rpartition("@")[2]
    return (
        (not when.senders or sender in when.senders or domain in when.senders)
        and (not when.roles or not set(when.roles).isdisjoint(circumstances.roles))
        and (not when.recipients or recipients in when.recipients)
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
