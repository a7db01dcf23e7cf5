"""Says where a text was not read to its end: what is encoded in it lies deeper, or is more, than is undone."""

from collections.abc import Sequence

from services.dlp.findings import Hit
from services.dlp.message import Passage

DETECTOR = "unscannable"


def find(passages: Sequence[Passage]) -> tuple[Hit, ...]:
    """One hit for each passage and reason, "too-deep" or "too-big": nobody knows what such a passage says."""
    return tuple(
        Hit(DETECTOR, reason, passage.name) for passage in passages for reason in sorted(passage.unfolded.unopened)
    )
