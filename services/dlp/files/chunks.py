"""A file in chunks that its own content bounds, so that a changed copy shares the chunks that were not changed.

A chunk ends where a hash of the last 32 bytes has its upper 10 bits empty (Muthitacharoen, Chen, Mazières, "A
Low-bandwidth Network File System", SOSP 2001), which is every KB in the mean. Bytes put in or taken out move the
bounds beside them and no others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

WINDOW = 32
MEAN = 1 << 10
MOST = 1 << 16
"""Chunks of one file that are hashed: 64 MB in the mean."""

_LEAST = 256
_VARIETY = 24
_PIECE = 1 << 20
_BASE = 0x9E3779B1
_SHIFT = np.uint32(32 - MEAN.bit_length() + 1)


def chunk_hashes(data: bytes) -> tuple[int, ...]:
    """64-bit hashes of the chunks, each once, ascending. Left out is what files of all kinds share: chunks of less than
    256 bytes, and of few different bytes (zeros, paddings, tables)."""
    found = set()
    start = 0
    for end in (*_bounds(data), len(data)):
        chunk = data[start:end]
        start = end
        if len(chunk) >= _LEAST and len(set(chunk)) >= _VARIETY:
            found.add(int.from_bytes(hashlib.blake2b(chunk, digest_size=8).digest(), "big"))
        if len(found) >= MOST:
            break
    return tuple(sorted(found))


def _bounds(data: bytes) -> Iterator[int]:
    """Behind each window whose hash says so. The polynomial is made for 32 bytes at once, by doubling five times."""
    for start in range(0, max(len(data) - WINDOW + 1, 0), _PIECE):
        value = np.frombuffer(data[start : start + _PIECE + WINDOW - 1], np.uint8).astype(np.uint32) + np.uint32(_BASE)
        factor, width = _BASE, 1
        while width < WINDOW:
            value = value[:-width] * np.uint32(factor) + value[width:]
            factor, width = factor * factor & 0xFFFFFFFF, width * 2
        ends: NDArray[np.int64] = np.flatnonzero((value * np.uint32(_BASE)) >> _SHIFT == 0)
        yield from (ends + (start + WINDOW)).tolist()
