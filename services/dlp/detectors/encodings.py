"""Says where a text was not read to its end: what is encoded in it lies deeper, is more, or is no text."""

from collections.abc import Sequence

from services.dlp.findings import Hit
from services.dlp.message import Passage

DETECTOR = "unscannable"


def find(passages: Sequence[Passage]) -> tuple[Hit, ...]:
    """One hit for each passage and reason (see layers.py): nobody knows what such a passage says."""
    return tuple(
        Hit(DETECTOR, reason, passage.name) for passage in passages for reason in sorted(passage.unfolded.unopened)
    )
