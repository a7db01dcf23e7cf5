"""One mail from its bytes to the decision on it. The service and `secumail scan` do the same."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from secumail.mailbox.taken_out import without
from services.dlp import policy, reading
from services.dlp.message import Extract, File, Found, Message, Passage
from services.dlp.policy import Decision, Rules, Verdict
from services.dlp.rules import UNTIMED


class HasFilesError(Exception):
    """The mail has files in it: reading them takes another process, and waiting for it."""


def texts_alone(_files: Sequence[File]) -> Iterator[Found]:
    """The extractor of who must not wait."""
    raise HasFilesError


def inspect(
    raw: bytes,
    sender: str,
    recipients: Sequence[str],
    rules: Rules,
    domains: Iterable[str],
    extract: Extract,
    roles: Collection[str] | None = (),
    reasoned: bool = False,
    now: datetime = UNTIMED,
    beside: Sequence[Passage | File] = (),
) -> tuple[Message, Decision]:
    """Read a mail, and what is seen of one that is hidden (`beside`), let the detectors look at it, decide.

    Blocks for as long as that takes.

    Where attachments are to be taken out, what is left is looked at once more: only if nothing is to be said against
    that does it leave.
    """
    exempt = rules.exempts(sender, now)

    def decided(raw: bytes) -> tuple[Message, Decision]:
        read = reading.read(raw, _left_closed if exempt else extract, beside)
        hits = () if exempt else rules.detect(read, now)
        return read, policy.decide(
            read, sender, recipients, rules, domains,
            hits=hits, roles=roles, size=len(raw), reasoned=reasoned, now=now,
        )  # fmt: skip

    def confirmed(verdict: Verdict) -> Verdict:
        if verdict.otherwise is None:
            return verdict
        _, left = decided(without(raw, verdict.without))
        mine = [other for other in left.verdicts if not set(other.recipients).isdisjoint(verdict.recipients)]
        fine = all(other.action == "pass" and not other.encrypted and not other.without for other in mine)
        return verdict if fine else verdict.otherwise

    read, decision = decided(raw)
    return read, replace(decision, verdicts=tuple(confirmed(verdict) for verdict in decision.verdicts))


def _left_closed(_files: Sequence[File]) -> Iterable[Found]:
    """An exempt sender's files are nobody's business."""
    return ()
