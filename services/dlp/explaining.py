"""What a verdict rests on, for reviewers: findings with their place and numbers, and the reason in sentences. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.dlp.attachments import Attachment
from services.dlp.black_words import BlackWord, Words
from services.dlp.findings import Hit
from services.dlp.message import Message
from services.dlp.rules import LISTED, NOTED, Applied
from services.dlp.sentences import HIT_WORDS
from services.dlp.terms import Occurrence
from services.dlp.views import described

MAX_SENTENCES = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, in one place. For reviewers only: `rule`, `where` and `sample` are content.

    `count` occurrences stand at `where`, `total` in the mail. A black word's `threshold` is one of `total`, a
    heavy term's one of `weight` (W_t), a rule's one of the hits it asked for (`decided_by` names it, and `of` the group
    or person whose it is, where it is not the organisation's). Findings about
    attachments have a SHA-256 for `rule`, and no numbers. `sample` is masked; `span` lies in the passage's text.
    """

    detector: str
    rule: str
    list_version: int
    where: str
    count: int | None = None
    total: int | None = None
    threshold: float | None = None
    weight: float | None = None
    sample: str | None = None
    score: float | None = None
    span: tuple[int, int] | None = None
    decided_by: str | None = None
    of: str | None = None


def attachment_finding(detector: str, attachment: Attachment, version: int) -> Finding:
    """Of a file on a list, or not on it."""
    return Finding(detector, attachment.sha256, version, str(attachment))


def word_finding(
    detector: str, found: Occurrence, threshold: float | None, message: Message, listed: Words, version: int
) -> Finding:
    """Of a black word in one place."""
    return Finding(
        detector=detector,
        rule=listed[found.term].term,
        list_version=version,
        where=place(found, message),
        count=found.count,
        total=found.total,
        threshold=threshold,
        weight=found.weight,
    )


def hit_findings(hits: Sequence[Hit], applied: Applied | None, version: int) -> Iterator[Finding]:
    """Of the detectors' hits. Those the rule rests on first: of very many findings the last are left out."""
    # What stands on a list has findings of its own, with the list's numbers.
    decisive = [hit for hit in applied.hits if hit.detector not in LISTED] if applied is not None else []
    rests_on = {id(hit) for hit in decisive}
    total = sum(hit.count for hit in decisive)
    for hit in (*decisive, *(hit for hit in hits if id(hit) not in rests_on and hit.score >= NOTED)):
        by = applied if id(hit) in rests_on else None
        yield Finding(
            detector=hit.detector,
            rule=hit.rule,
            list_version=version,
            where=hit.where,
            count=hit.count,
            total=total if by else None,
            threshold=by.at_least if by else None,
            sample=hit.sample or None,
            score=hit.score,
            span=hit.span,
            decided_by=by.rule.name if by else None,
            of=by.of.name if by and by.of else None,
        )


def hit_sentence(hit: Hit) -> str:
    """`Attachment 1 (a.zip) ! b.docx holds a credential: aws-key, “AKIA…”, 3 times.`"""
    more = ", ".join(
        part
        for part in (hit.rule, f"“{hit.sample}”" if hit.sample else "", f"{hit.count} times" if hit.count > 1 else "")
        if part
    )
    return f"{capital(the(hit.where))} {HIT_WORDS.get(hit.detector, f'has a finding of {hit.detector}')}: {more}."


def rule_sentence(applied: Applied) -> str:
    """Which rule of whose decided, and which of a group's or a person's were too lax to."""
    whose = f" of the {applied.of.of} “{applied.of.name}”" if applied.of is not None else ""
    laxer = (
        f" The rule “{rule.name}” of the {rule_set.of} “{rule_set.name}” is laxer, and this one may not be relaxed."
        for rule, rule_set in applied.laxer
    )
    return f"So says the rule “{applied.rule.name}”{whose}.{''.join(laxer)}"


def place(found: Occurrence, message: Message) -> str:
    """Where it stands, and what it is hidden by: `body`, `body, hidden in base64`."""
    name, view = message.passages[found.passage].name, described(found.view)
    return f"{name}, {view}" if view else name


def word_sentences(words: Sequence[Occurrence], message: Message, listed: Words) -> Iterator[str]:
    """One sentence for each term, the weightiest first: The word “falcon” occurs 3 times in the body; ..."""
    places: dict[int, list[Occurrence]] = {}
    totals = {found.term: found.total for found in words}
    for found in words:
        places.setdefault(found.term, []).append(found)
    for term, here in places.items():
        word = listed[term]
        names = (place(found, message) for found in sorted(here, key=lambda o: o.passage))
        where = _listed([the(name) for name in dict.fromkeys(names)])
        times = "once" if totals[term] == 1 else f"{totals[term]} times"
        limit = "a mail that has it" if word.threshold == 1 else f"from {word.threshold} on the mail"
        to = " to recipients outside" if word.scope == "outside" else ""
        yield f"{the_word(word)} occurs {times} in {where}; {limit}{to} is held."


def the_word(word: BlackWord) -> str:
    """`The word “falcon”`."""
    return f"The {'phrase' if len(word.term.split()) > 1 else 'word'} “{word.term}”"


def the(passage: str) -> str:
    """A place as it stands in a sentence."""
    return passage if passage.startswith("attachment") else f"the {passage}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def capital(sentence: str) -> str:
    """For a sentence's begin."""
    return sentence[:1].upper() + sentence[1:]


def some(sentences: Iterable[str], last: str = "") -> str:
    """The first sentences; the findings have the rest."""
    every = tuple(sentences)
    more = len(every) - MAX_SENTENCES
    said = (*every[:MAX_SENTENCES], f"And {more} more." if more > 0 else "", last)
    return " ".join(sentence for sentence in said if sentence)
