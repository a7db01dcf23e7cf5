"""Decides whether a mail may leave: the paper's rules in the paper's order, as one pure function.

    exempt sender    no filtering at all
    unreadable mail  hold: what was not read was not checked
    attachments      hold if on the black list, or, with a strict white list, if not on it
    words            hold if a word's occurrences reach its threshold, or a weight the weight threshold
    ordered rules    what the detectors found: the first rule that applies (services.dlp.rules); it may do more about
                     what a list holds, never less
    otherwise        pass, into the list of sent mail

"Crosses the threshold" is read as "reaches it": the paper's black words "will be blocked if they appear",
which is a threshold of 1; a threshold that had to be exceeded could not say it.
"""

import re
from collections.abc import Collection, Container, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import chain, islice
from typing import Literal

from secumail.contracts.events import MOST_TAKEN_OUT
from secumail.mailbox.tree import MAX_DEPTH, MAX_FIELDS, MAX_PARTS
from services.dlp import rules as ordered
from services.dlp.attachments import known_bad
from services.dlp.black_words import Scope, Words
from services.dlp.detectors import binaries, encodings
from services.dlp.detectors.database import Database
from services.dlp.detectors.expressions import OwnExpression, database
from services.dlp.detectors.fingerprints import Index
from services.dlp.explaining import Finding, hit_findings, hit_sentence, rule_sentence, some
from services.dlp.findings import Hit
from services.dlp.listed import Listed
from services.dlp.lists import Lists, read_fingerprints
from services.dlp.message import Message, Unreadable
from services.dlp.rules import UNTIMED, Applied, Circumstances, Class, Recipients
from services.dlp.sentences import ACCEPTED, ASKED, ENCRYPTED, NOTICE, REFUSED, STRIPPED, WARNING
from services.dlp.terms import Matcher

MAX_FINDINGS = 100
_ATTACHMENT = re.compile(r"(?:name of )?attachment ([0-9]+)\b")

Action = Literal["pass", "ask", "hold", "block"]
"""ask: refused, until it is sent again with a reason."""
# Stable: stored with the mail, counted in metrics, switched on by clients.
Code = Literal[
    "exempt-sender",
    "clean",
    "unreadable",
    "attachment-black-listed",
    "attachment-not-listed",
    "black-word",
    "term-weight",
    # Of ordered rules: what was found ...
    "unscannable",
    "danger",
    "copy",
    "expression",
    "credential",
    "personal-data",
    "rule",
    # ... and how a mail passed in spite of it, or came back.
    "allowed",
    "audited",
    "tagged",
    "warned",
    "justified",
    "encrypted-only",
    "stripped",
    "reason-needed",
]
_PASSING: Mapping[ordered.Action, Code] = {
    "allow": "allowed", "audit": "audited", "tag": "tagged", "warn": "warned", "ask": "justified",
    "encrypt": "encrypted-only", "strip": "stripped",
}  # fmt: skip
_NOTICES: Mapping[ordered.Action, Mapping[str, str]] = {
    "warn": WARNING, "ask": ASKED, "encrypt": ENCRYPTED, "strip": STRIPPED, "block": REFUSED,
}  # fmt: skip
TOLD: frozenset[Code] = frozenset({"warned", "encrypted-only", "stripped"})
"""Of the codes of mail that passes: those of which the sender is told."""
_OF_DETECTOR: Mapping[str, Code] = {
    "unscannable": "unscannable", "danger": "danger", "type": "danger", "copy": "copy", "near-duplicate": "copy",
    "expression": "expression", "credential": "credential", "personal-data": "personal-data",
    "attachment-black-listed": "attachment-black-listed", "attachment-not-listed": "attachment-not-listed",
    "black-word": "black-word", "term-weight": "term-weight",
}  # fmt: skip

_SCOPES: Mapping[Class, frozenset[Scope]] = {
    "inside": frozenset({"all"}),
    "partner": frozenset({"all", "outside"}),
    "outside": frozenset({"all", "outside"}),
}
_CLASSES: tuple[Class, ...] = ("inside", "partner", "outside")
_UNREADABLE: dict[Unreadable, str] = {
    Unreadable.TOO_DEEP: f"Its parts are nested more than {MAX_DEPTH} deep.",
    Unreadable.TOO_MANY_PARTS: f"It has more than {MAX_PARTS} parts.",
    Unreadable.TOO_MANY_HEADERS: f"It has more than {MAX_FIELDS} header lines.",
    Unreadable.AMBIGUOUS_HEADER: "A part declares its type, name or encoding twice, so that two mail programs"
    " may show different texts.",
    Unreadable.UNKNOWN_ENCODING: "A part is in an unknown transfer encoding.",
    Unreadable.BROKEN_MULTIPART: "Its parts cannot be told apart.",
    Unreadable.DAMAGED: "It is damaged.",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """The lists of one version, ready for use; `matcher` numbers the terms as `words` does, `expressions` are the
    built-in ones and the organisation's, `documents` the confidential ones, `names` the recipients that rules
    name; `ask_for_roles`: a rule asks for the sender's."""

    lists: Lists
    matcher: Matcher
    expressions: Database
    documents: Index
    names: frozenset[str]
    ask_for_roles: bool

    @classmethod
    def compile(cls, lists: Lists, before: "Rules | None" = None) -> "Rules":
        """Costs what `Matcher` says: once for each version, never for a mail. Words of the rules before, where these
        are the very same, are not compiled again."""
        own = tuple(one.value() for one in lists.expressions)
        known = before.matcher if before is not None and lists.words is before.words else None
        matcher = known or Matcher.compile(lists.words.terms)
        every = tuple(chain(lists.rules, *(rule_set.rules for rule_set in lists.rule_sets)))
        roles = any(rule.when.roles for rule in every)
        documents = read_fingerprints(lists.fingerprints)
        return cls(lists, matcher, _database(own), documents, ordered.names_for(every), roles)

    @property
    def words(self) -> Words:
        """The black words, as the matcher numbers them."""
        return self.lists.words

    def exempts(self, sender: str, now: datetime) -> bool:
        """Whether this sender's mails are not filtered at this time."""
        return sender.strip().lower() in self.lists.counting("exempt", self.lists.local(now).date())

    def detect(self, message: Message, now: datetime = UNTIMED) -> tuple[Hit, ...]:
        """What the detectors find in a mail, and what reading it found."""
        known = known_bad(message.attachments, self.lists.counting("known-bad", self.lists.local(now).date()))
        passages = message.passages
        texts = encodings.find(passages), self.expressions.find(passages), self.documents.find(passages)
        files = binaries.find(self.documents, message.chunks)
        return (*message.troubles, *message.dangers, *known, *(hit for hits in texts for hit in hits), *files)


@lru_cache(maxsize=4)
def _database(own: tuple[OwnExpression, ...]) -> Database:
    """Compiled once for all versions of the lists that have the same expressions."""
    return database(own)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the mail for the recipients at these positions of the envelope.

    `reason` is for the reviewer, with the words and files it rests on; `notice` is for the sender and names none.
    `rule` is the ordered rule that decided, if one did. A passing mail has findings where the white list is advisory,
    or where a rule says to note them. `reviewers`: how many people have to release it, where it is held. `encrypted`:
    it may leave so only. `without`: SHA-256 of the attachments to be taken out first; `otherwise`: what is decided
    where that is not enough.
    """

    recipients: tuple[int, ...]
    action: Action
    code: Code
    reason: str
    notice: str
    findings: tuple[Finding, ...] = ()
    rule: str | None = None
    reviewers: int = 1
    encrypted: bool = False
    without: tuple[str, ...] = ()
    otherwise: "Verdict | None" = None


@dataclass(frozen=True, slots=True)
class Decision:
    """One verdict, or several where recipients inside, of partners and outside fare differently. All are in exactly
    one."""

    verdicts: tuple[Verdict, ...]
    terms: tuple[tuple[str, int], ...] = ()
    """Black words of the mail, the weightiest first, and how often it has each, whether or not that holds it."""

    def covers(self, recipients: int) -> bool:
        """Whether all of so many recipients are in exactly one verdict: nobody's mail may be lost in a split."""
        return sorted(i for verdict in self.verdicts for i in verdict.recipients) == list(range(recipients))


def decide(
    message: Message,
    sender: str,
    recipients: Sequence[str],
    rules: Rules,
    domains: Iterable[str],
    *,
    hits: Sequence[Hit] = (),
    roles: Collection[str] | None = (),
    size: int = 0,
    reasoned: bool = False,
    now: datetime = UNTIMED,
) -> Decision:
    """Decide on a mail for every recipient. Pure: no clock, store or network.

    `sender` is the address the account was authenticated for, never the mail's From. A recipient is inside if
    the domain after its last "@" is one of `domains`; a subdomain is another domain. `hits` are the detectors', those
    of reading the mail included; `size` is in bytes; `now` is aware of its zone. ValueError: no recipients.
    """
    if not recipients:
        raise ValueError("a mail without recipients has no verdict: reject it before it is filtered")
    everyone = tuple(range(len(recipients)))
    here = rules.lists.local(now)
    if rules.exempts(sender, now):
        return Decision((_verdict(everyone, "exempt-sender", "The sender is exempt from filtering."),))
    if message.unreadable is not None:
        found = Finding("unreadable", message.unreadable, rules.lists.version, "mail")
        reason = f"The mail could not be checked. {_UNREADABLE[message.unreadable]}"
        return Decision((_verdict(everyone, "unreadable", reason, (found,)),))
    own = {domain.strip().lower() for domain in domains}
    partners = rules.lists.counting("partner", here.date())
    groups: dict[Recipients, list[int]] = {}
    for at, recipient in enumerate(recipients):
        groups.setdefault(ordered.alike(recipient, _class(recipient, own, partners), rules.names), []).append(at)
    occurrences = tuple(rules.matcher.search(message.passages))
    circumstances = Circumstances(sender, roles, size, reasoned, here)
    verdicts = []
    for alike in sorted(groups, key=lambda alike: _CLASSES.index(alike.kind)):
        listed = Listed.among(message, occurrences, rules.lists, _SCOPES[alike.kind], here.date())
        every = (*hits, *listed.hits())
        applied = ordered.deciding(rules.lists.rules, rules.lists.rule_sets, every, circumstances, alike)
        verdicts.append(_judge(message, rules, tuple(groups[alike]), listed, hits, applied, reasoned))
    totals = {rules.words.terms[found.term]: found.total for found in occurrences}
    return Decision(_together(verdicts), tuple(islice(totals.items(), MAX_FINDINGS)))


def _class(recipient: str, own: Set[str], partners: Container[str]) -> Class:
    _, at, domain = recipient.strip().lower().rpartition("@")
    if at and domain in own:
        return "inside"
    return "partner" if at and domain in partners else "outside"


def _together(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """One mail, one review, and no split where all that differs is what is noted.

    What counts inside counts outside as well, so the last of equal verdicts says it all.
    """
    merged: dict[tuple[Action, Code | None, tuple[str, ...]], Verdict] = {}
    for verdict in verdicts:
        told = verdict.action != "pass" or verdict.code in TOLD
        key = (verdict.action, verdict.code if told else None, verdict.without)
        before = merged.pop(key, None)
        if before is None:
            merged[key] = verdict
        else:
            said = before if verdict.code in ("clean", "allowed") else verdict
            together = tuple(sorted((*before.recipients, *verdict.recipients)))
            reviewers, encrypted = max(before.reviewers, verdict.reviewers), before.encrypted or verdict.encrypted
            merged[key] = _for(replace(said, reviewers=reviewers, encrypted=encrypted), together)
    return tuple(merged.values())


def _for(verdict: Verdict, recipients: tuple[int, ...]) -> Verdict:
    """The same for these recipients, whatever becomes of it."""
    otherwise = _for(verdict.otherwise, recipients) if verdict.otherwise is not None else None
    return replace(verdict, recipients=recipients, otherwise=otherwise)


def _judge(
    message: Message,
    rules: Rules,
    group: tuple[int, ...],
    listed: Listed,
    hits: Sequence[Hit],
    applied: Applied | None,
    reasoned: bool,
) -> Verdict:
    """What lists and rules say of a mail, the stricter of them; the findings are of all, as a release is of the whole
    mail."""
    findings = tuple(islice((*listed.findings(), *hit_findings(hits, applied, rules.lists.version)), MAX_FINDINGS))
    by_list, by_rule = listed.holds(), None
    if applied is not None:
        by_rule = _by_rule(message, group, applied, findings, reasoned)
        if by_list is None or by_rule.action == "block":
            return by_rule
    if by_list is None:
        return _verdict(group, "clean", "No rule of the organisation holds this mail.", findings)
    held = _verdict(group, *by_list, findings)
    if applied is None or by_rule is None:
        return held
    # What needs two reviewers, or must be encrypted, does also where a list was quicker to hold it.
    return replace(held, reviewers=applied.rule.reviewers, encrypted=by_rule.encrypted)


def _by_rule(
    message: Message, group: tuple[int, ...], applied: Applied, findings: tuple[Finding, ...], reasoned: bool
) -> Verdict:
    """What an ordered rule says. Of a mail that is allowed nothing is noted: that is what the rule is for."""
    then = applied.rule.then
    about: Code = _OF_DETECTOR.get(applied.hits[0].detector, "rule") if applied.hits else "rule"
    reason = some((hit_sentence(hit) for hit in applied.hits), rule_sentence(applied))
    held = Verdict(group, "hold", about, reason, NOTICE[about], findings, applied.rule.name, applied.rule.reviewers)
    without = _found_in(message, applied.hits) if then == "strip" else ()
    if then == "hold" or (then == "strip" and not without):
        return held
    notice = _NOTICES[then][about] if then in _NOTICES else ACCEPTED
    if then == "block":
        return replace(held, action="block", notice=notice)
    if then == "ask" and not reasoned:
        return replace(held, action="ask", code="reason-needed", notice=notice)
    return replace(
        held,
        action="pass",
        code=_PASSING[then],
        notice=ACCEPTED if then == "ask" else notice,
        findings=() if then == "allow" else findings,
        encrypted=then == "encrypt",
        without=without,
        otherwise=held if without else None,
    )


def _found_in(message: Message, hits: Sequence[Hit]) -> tuple[str, ...]:
    """SHA-256 of the attachments that all of these were found in; none where one was found elsewhere."""
    digests = {str(a.index): a.sha256 for a in message.attachments if not a.within}
    places = [_ATTACHMENT.match(hit.where) for hit in hits]
    found = {digests[place[1]] for place in places if place is not None and place[1] in digests}
    everywhere = all(place is not None and place[1] in digests for place in places)
    return tuple(sorted(found)) if everywhere and len(found) <= MOST_TAKEN_OUT else ()


def _verdict(recipients: tuple[int, ...], code: Code, reason: str, findings: tuple[Finding, ...] = ()) -> Verdict:
    action: Action = "pass" if code in ("exempt-sender", "clean") else "hold"
    return Verdict(recipients, action, code, reason, NOTICE.get(code, ACCEPTED), findings)
