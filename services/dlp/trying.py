"""A dry run: what lists would do that do not count yet, with mail that a reviewer opened and what the sent log counts.

dlp can't open a held mail. Who asks has opened it with the reviewers' key, and hands it over for this one look. Of mail
that was sent, the log has how often it had each black word of its day (services.dlp.term_ids): which of it would have
been held by words that get a lower threshold, or another scope, follows from that. Words that were on no list then were
not counted, nor those of a mail beyond its hundred weightiest.
"""

import asyncio
import base64
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from secumail.contracts.commands.dlp import HandedMail, LoggedMail, TriedMail, TriedReply, TriedTerm, TryLists
from secumail.directory import Directory
from services.dlp.black_words import Words
from services.dlp.inspection import inspect
from services.dlp.keeping import KeptLists, allowed, changed_fields, changed_words
from services.dlp.message import Extract
from services.dlp.policy import Rules
from services.dlp.term_ids import TermIds

MOST_TERMS = 100


class Trying:
    """The answer to a dry run, over the lists that count."""

    def __init__(self, lists: KeptLists, directory: Directory, extract: Extract, domains: Sequence[str]) -> None:
        self._lists = lists
        self._directory = directory
        self._extract = extract
        self._domains = tuple(domains)

    async def try_lists(self, command: TryLists, actor: UUID | None) -> TriedReply:
        """What would become of these mails. Nothing is kept of them, or of the lists."""
        await allowed(self._directory, actor, "reviewer")
        await self._lists.load()
        return await asyncio.to_thread(self._tried, command, self._lists.rules, await self._lists.term_ids())

    def _tried(self, command: TryLists, now: Rules, ids: TermIds) -> TriedReply:
        lists = changed_fields(now.lists, command.fields)
        if command.words is not None:
            lists = changed_words(lists, command.words, command.form, command.act)
        then = Rules.compile(lists, now)
        _, new = now.words.changes_to(then.words)
        sent, terms = held_by_counts(Words.of(new), command.logged, ids, self._domains)
        return TriedReply(
            held=tuple(
                TriedMail(id=mail.id, now=self._verdicts(mail, now), then=self._verdicts(mail, then))
                for mail in command.held
            ),
            sent=sent,
            terms=tuple(TriedTerm(term=term, mails=mails) for term, mails in terms.most_common(MOST_TERMS)),
        )

    def _verdicts(self, mail: HandedMail, rules: Rules) -> tuple[str, ...]:
        """Action and code of each verdict; a rule that asks for the sender's roles is told none."""
        raw, at = base64.b64decode(mail.mail), datetime.now(UTC)
        _, decision = inspect(raw, mail.sender, mail.recipients, rules, self._domains, self._extract, now=at)
        return tuple(f"{verdict.action} {verdict.code}" for verdict in decision.verdicts)


def held_by_counts(
    words: Words, logged: Iterable[LoggedMail], ids: TermIds, domains: Sequence[str]
) -> tuple[tuple[UUID, ...], Counter[str]]:
    """Which of these mails the words would have held, and how many of them by each."""
    lines, own = tuple(logged), {domain.strip().lower() for domain in domains}
    counted = {id_ for line in lines for id_ in line.terms}
    by_id = {id_: word for word in words if (id_ := ids.of(word.term)) in counted}
    held: list[UUID] = []
    terms: Counter[str] = Counter()
    for line in lines:
        outside = any(recipient.rpartition("@")[2].strip().lower() not in own for recipient in line.recipients)
        by = [
            word.term
            for id_, count in line.terms.items()
            if (word := by_id.get(id_)) and count >= word.threshold and (outside or word.scope == "all")
        ]
        held += [line.id] if by else []
        terms.update(by)
    return tuple(held), terms
