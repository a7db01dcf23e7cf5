"""One mail from its bytes to the decision on it. The service and `secumail scan` do the same."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date

from services.dlp import message, policy
from services.dlp.message import Extract, File, Found, Message
from services.dlp.policy import Decision, Rules


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
    roles: Collection[str] = (),
    today: date = date.min,
) -> tuple[Message, Decision]:
    """Read a mail, let the detectors look at it, decide. Blocks for as long as that takes."""
    exempt = rules.exempts(sender)
    read = message.read(raw, _left_closed if exempt else extract)
    hits = () if exempt else rules.detect(read)
    decision = policy.decide(
        read, sender, recipients, rules, domains, hits=hits, roles=roles, size=len(raw), today=today
    )
    return read, decision


def _left_closed(_files: Sequence[File]) -> Iterable[Found]:
    """An exempt sender's files are nobody's business."""
    return ()
