"""Decides whether a mail may leave: the paper's rules in the paper's order, as one pure function.

    exempt sender    no filtering at all
    unreadable mail  hold: what was not read was not checked
    attachments      hold if on the black list, or, with a strict white list, if not on it
    words            hold if a word's occurrences reach its threshold, or a weight the weight threshold
    otherwise        pass, into the list of sent mail

"Crosses the threshold" is read as "reaches it": the paper's black words "will be blocked if they appear",
which is a threshold of 1; a threshold that had to be exceeded could not say it.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Literal

from services.dlp.attachments import Attachment, black_listed, not_listed
from services.dlp.lists import BlackWord, Lists, Scope
from services.dlp.message import MAX_DEPTH, MAX_HEADERS, MAX_PARTS, Message, Unreadable
from services.dlp.terms import Matcher, Occurrence

MAX_FINDINGS = 100
MAX_SENTENCES = 3

Action = Literal["pass", "hold"]
# Stable: stored with the mail, counted in metrics, switched on by clients.
Code = Literal[
    "exempt-sender",
    "clean",
    "unreadable",
    "attachment-black-listed",
    "attachment-not-listed",
    "black-word",
    "term-weight",
]

_INSIDE: frozenset[Scope] = frozenset({"all"})
_OUTSIDE: frozenset[Scope] = frozenset({"all", "outside"})

_HELD = "Your mail waits for a reviewer, who may release it; you need not send it again."
_ASK = "Before you write about confidential work, ask whether the recipient may know of it."
_NOTICE: dict[Code, str] = {
    "exempt-sender": "Your mail was accepted.",
    "clean": "Your mail was accepted.",
    "unreadable": f"{_HELD} It is built in a way that cannot be checked: write it anew, and attach files one"
    " by one instead of mails within mails.",
    "attachment-black-listed": f"{_HELD} It has an attachment that your organisation does not let out. If the"
    " recipient must have it, ask its owner for another way.",
    "attachment-not-listed": f"{_HELD} It has an attachment that is not among the files approved for sending."
    " Have files approved before you send them, or put what you have to say into the text.",
    "black-word": f"{_HELD} Its text touches a subject that your organisation keeps to itself. {_ASK}",
    "term-weight": f"{_HELD} Its text dwells on a subject that your organisation keeps to itself. {_ASK}",
}
_UNREADABLE: dict[Unreadable, str] = {
    Unreadable.TOO_DEEP: f"Its parts are nested more than {MAX_DEPTH} deep.",
    Unreadable.TOO_MANY_PARTS: f"It has more than {MAX_PARTS} parts.",
    Unreadable.TOO_MANY_HEADERS: f"It has more than {MAX_HEADERS} header lines.",
    Unreadable.AMBIGUOUS_HEADER: "A part declares its type, name or encoding twice, so that two mail programs"
    " may show different texts.",
    Unreadable.UNKNOWN_ENCODING: "A part is in an unknown transfer encoding.",
    Unreadable.BROKEN_MULTIPART: "Its parts cannot be told apart.",
    Unreadable.DAMAGED: "It is damaged.",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """The lists of one version, ready for use; `matcher` numbers the terms as `lists.words` does."""

    lists: Lists
    matcher: Matcher

    @classmethod
    def compile(cls, lists: Lists) -> "Rules":
        """Costs what `Matcher` says: once for each version, never for a mail."""
        return cls(lists, Matcher.compile([word.term for word in lists.words]))


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, in one place. For reviewers only: `rule` and `where` are content.

    `count` occurrences stand at `where`, `total` in the mail. A black word's `threshold` is one of `total`, a
    heavy term's one of `weight` (W_t). Findings about attachments have a SHA-256 for `rule`, and no numbers.
    """

    detector: Code
    rule: str
    list_version: int
    where: str
    count: int | None = None
    total: int | None = None
    threshold: float | None = None
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the mail for the recipients at these positions of the envelope.

    `reason` is for the reviewer, with the words and files it rests on; `notice` is for the sender and names
    none. A passing mail has findings where the white list is advisory.
    """

    recipients: tuple[int, ...]
    action: Action
    code: Code
    reason: str
    notice: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """One verdict, or two where recipients inside and outside fare differently. All are in exactly one."""

    verdicts: tuple[Verdict, ...]


def decide(message: Message, sender: str, recipients: Sequence[str], rules: Rules, domains: Iterable[str]) -> Decision:
    """Decide on a mail for every recipient. Pure: no clock, store or network.

    `sender` is the address the account was authenticated for, never the mail's From. A recipient is inside if
    the domain after its last "@" is one of `domains`; a subdomain is another domain. ValueError: no
    recipients.
    """
    if not recipients:
        raise ValueError("a mail without recipients has no verdict: reject it before it is filtered")
    everyone = tuple(range(len(recipients)))
    if sender.strip().lower() in rules.lists.exempt_senders:
        return Decision((_verdict(everyone, "exempt-sender", "The sender is exempt from filtering."),))
    if message.unreadable is not None:
        found = Finding("unreadable", message.unreadable, rules.lists.version, "mail")
        reason = f"The mail could not be checked. {_UNREADABLE[message.unreadable]}"
        return Decision((_verdict(everyone, "unreadable", reason, (found,)),))
    own = {domain.strip().lower() for domain in domains}
    inside = tuple(i for i in everyone if _is_inside(recipients[i], own))
    outside = tuple(i for i in everyone if not _is_inside(recipients[i], own))
    occurrences = rules.matcher.search(message.passages)
    verdicts = [
        _judge(message, occurrences, rules.lists, group, scopes)
        for group, scopes in ((inside, _INSIDE), (outside, _OUTSIDE))
        if group
    ]
    if len({(verdict.action, verdict.code) for verdict in verdicts}) == 1:
        # One mail, one review: what counts inside counts outside as well, so the last verdict says it all.
        return Decision((replace(verdicts[-1], recipients=everyone),))
    return Decision(tuple(verdicts))


def _is_inside(recipient: str, own: Set[str]) -> bool:
    _, at, domain = recipient.strip().lower().rpartition("@")
    return bool(at) and domain in own


def _judge(
    message: Message,
    occurrences: Iterable[Occurrence],
    lists: Lists,
    group: tuple[int, ...],
    scopes: Set[Scope],
) -> Verdict:
    """The verdict for recipients for whom the words of these scopes count.

    The first rule that holds gives the code; the findings are of all rules, as a release is of the whole
    mail.
    """
    black = black_listed(message.attachments, lists.black_hashes)
    unlisted = () if lists.white_mode == "off" else not_listed(message.attachments, lists.white_hashes)
    counted = [o for o in occurrences if lists.words[o.term].scope in scopes]
    words = [o for o in counted if o.total >= lists.words[o.term].threshold]
    heavy = [o for o in counted if lists.weight_threshold is not None and o.weight >= lists.weight_threshold]
    findings = (
        *(_attachment_finding("attachment-black-listed", a, lists) for a in black),
        *(_attachment_finding("attachment-not-listed", a, lists) for a in unlisted),
        *(_word_finding("black-word", o, lists.words[o.term].threshold, message, lists) for o in words),
        *(_word_finding("term-weight", o, lists.weight_threshold, message, lists) for o in heavy),
    )[:MAX_FINDINGS]
    if black:
        reason = _some(f"{_capital(str(a))} is on the black list of files." for a in black)
        return _verdict(group, "attachment-black-listed", reason, findings)
    if unlisted and lists.white_mode == "strict":
        reason = _some(f"{_capital(str(a))} is not on the white list of files that may leave." for a in unlisted)
        return _verdict(group, "attachment-not-listed", reason, findings)
    if words:
        return _verdict(group, "black-word", _some(_word_sentences(words, message, lists)), findings)
    if heavy:
        limit = f"from {lists.weight_threshold:g} on the mail is held"
        reason = _some(
            f"{_the_word(lists.words[o.term])} weighs {o.weight:.2f}"
            f" in {_the(message.passages[o.passage].name)}; {limit}."
            for o in heavy
        )
        return _verdict(group, "term-weight", reason, findings)
    return _verdict(group, "clean", "No rule of the organisation holds this mail.", findings)


def _verdict(recipients: tuple[int, ...], code: Code, reason: str, findings: tuple[Finding, ...] = ()) -> Verdict:
    action: Action = "pass" if code in ("exempt-sender", "clean") else "hold"
    return Verdict(recipients, action, code, reason, _NOTICE[code], findings)


def _attachment_finding(detector: Code, attachment: Attachment, lists: Lists) -> Finding:
    return Finding(detector, attachment.sha256, lists.version, str(attachment))


def _word_finding(
    detector: Code, found: Occurrence, threshold: float | None, message: Message, lists: Lists
) -> Finding:
    return Finding(
        detector=detector,
        rule=lists.words[found.term].term,
        list_version=lists.version,
        where=message.passages[found.passage].name,
        count=found.count,
        total=found.total,
        threshold=threshold,
        weight=found.weight,
    )


def _word_sentences(words: Sequence[Occurrence], message: Message, lists: Lists) -> Iterator[str]:
    """One sentence for each term, the weightiest first: The word “falcon” occurs 3 times in the body; ..."""
    places: dict[int, list[int]] = {}
    totals = {found.term: found.total for found in words}
    for found in words:
        places.setdefault(found.term, []).append(found.passage)
    for term, passages in places.items():
        word = lists.words[term]
        names = (message.passages[place].name for place in sorted(passages))
        where = _listed([_the(name) for name in dict.fromkeys(names)])
        times = "once" if totals[term] == 1 else f"{totals[term]} times"
        limit = "a mail that has it" if word.threshold == 1 else f"from {word.threshold} on the mail"
        to = " to recipients outside" if word.scope == "outside" else ""
        yield f"{_the_word(word)} occurs {times} in {where}; {limit}{to} is held."


def _the_word(word: BlackWord) -> str:
    return f"The {'phrase' if len(word.term.split()) > 1 else 'word'} “{word.term}”"


def _the(passage: str) -> str:
    return passage if passage.startswith("attachment") else f"the {passage}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _some(sentences: Iterable[str]) -> str:
    """The first sentences; the findings have the rest."""
    every = tuple(sentences)
    more = len(every) - MAX_SENTENCES
    return " ".join((*every[:MAX_SENTENCES], *((f"And {more} more.",) if more > 0 else ())))
