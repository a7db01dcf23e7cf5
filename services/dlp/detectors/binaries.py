"""Finds changed copies of confidential files that are no text: pictures, drawings, programs, archives' members.

Their chunks (services.dlp.files.chunks) lie in the index of confidential documents beside the fingerprints of texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from services.dlp.detectors.fingerprints import Fingerprints, Index, TooShort, register
from services.dlp.findings import Hit
from services.dlp.message import Chunks

DETECTOR = "near-duplicate"
SURE = 4
"""Shared chunks (about 4 KB) from which a copy is sure; two are odd, one is chance."""


def with_chunks(document: str, texts: Iterable[str], files: Iterable[Sequence[int]]) -> Fingerprints:
    """The fingerprints of a document's texts, and the chunks of what in it is no text. TooShort: neither is enough."""
    chunks = np.unique(np.array([number for hashes in files for number in hashes], np.uint64))
    try:
        words = register(document, texts).hashes
    except TooShort:
        if len(chunks) < SURE:
            raise
        words = chunks[:0]
    return Fingerprints(document, np.unique(np.concatenate([words, chunks])))


def find(index: Index, files: Iterable[Chunks]) -> tuple[Hit, ...]:
    """A hit for each file and each document whose chunks it shares; the count is of shared chunks."""
    return tuple(hit for file in files for hit in _find(index, file)) if len(index.hashes) else ()


def _find(index: Index, file: Chunks) -> Iterator[Hit]:
    mine = np.setdiff1d(np.array(file.hashes, np.uint64), index.ignored, assume_unique=True)
    low, high = (np.searchsorted(index.hashes, mine, side) for side in ("left", "right"))
    entries = [n for start, end in zip(low.tolist(), high.tolist(), strict=True) for n in range(start, end)]
    owners, counts = np.unique(index.owners[entries], return_counts=True)
    for owner, count in zip(owners.tolist(), counts.tolist(), strict=True):
        if count > 1:
            yield Hit(DETECTOR, index.documents[owner], file.where, count, score=1.0 if count >= SURE else 0.5)
