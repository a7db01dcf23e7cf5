"""Finds the words of a list in a text by their hashes: a million of them are ready within a second, in little room.

An automaton would have to be built: seconds in which no other thread runs, and hundreds of megabytes. Here every
pattern is a hash in a sorted array. A pattern of 20 bytes is known by two runs of 16, its first and its last, which
overlap; those by two of 8 each (R. Karp, R. Miller, A. Rosenberg, 1972), so a hash costs little wherever it begins.
Where a text is searched, first runs are looked up, the shortest first, and few places are left for longer ones. What
has the hash of a pattern is compared with it, byte for byte.

Only places where a match may begin and end are looked at: the cost is theirs, whatever the number of patterns.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from services.dlp.strings import PADDING, Strings

Places = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Flags = NDArray[np.bool_]

# Bytes of the runs. A pattern is looked up at the longest that is not longer than itself.
_RUNS = (1, 2, 3, 5, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
# Characters searched at once: what is computed for each of them stays small however long the text.
WINDOW = 1 << 18
# Places looked at together: what is computed for them fits the processor's cache.
AT_ONCE = 8192
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_ROTATED, _BACK, _HALF = np.uint64(35), np.uint64(29), np.uint64(32)
_NOTHING = np.zeros((0, 3), np.int64)
_MASKS = np.array([2 ** (8 * size) - 1 for size in range(9)], np.uint64)


class Dictionary:
    """Patterns, ready to be searched for; they are numbered by their place in `patterns`."""

    def __init__(self, patterns: Strings) -> None:
        self._patterns = patterns
        self._bytes = _eights(patterns.buffer)
        sizes = patterns.sizes.astype(np.int64)
        self._longest = int(sizes.max(initial=0))
        least = int(sizes.min(initial=_RUNS[-1]))
        first = max((run for run in _RUNS if run <= least), default=1)
        self._levels = [
            _Level(self._bytes, patterns.offsets, sizes, run, after)
            for run, after in pairwise(_RUNS)
            if first <= run <= self._longest
        ]

    def matches(self, text: str, opens: Flags, closes: Flags) -> Iterator[tuple[int, int, int]]:
        """Every match, overlapping ones as well: the pattern's number, start and end in `text`.

        `opens` says of each character of the text whether a match may begin with it, `closes` whether one may end
        with it.
        """
        for base in range(0, len(text), WINDOW):
            window = slice(base, base + WINDOW + self._longest)
            begins = opens[window].copy()
            begins[WINDOW:] = False  # those are the next window's
            for found in self._in_window(text[window], begins, closes[window]):
                found[:, 1:] += base
                yield from found.tolist()

    def _in_window(self, text: str, opens: Flags, closes: Flags) -> Iterator[Places]:
        data = text.encode("utf-8", "surrogatepass")
        if len(data) == len(text):
            yield from self._in_bytes(data, np.flatnonzero(opens), closes)
            return
        # Characters of several bytes: a match begins with the first of them and ends with the last.
        firsts = np.flatnonzero((np.frombuffer(data, np.uint8) & 0xC0) != 0x80)
        edges = np.append(firsts, len(data))
        of_bytes = np.zeros(len(data), np.bool_)
        of_bytes[edges[1:] - 1] = closes
        for found in self._in_bytes(data, firsts[opens], of_bytes):
            found[:, 1:] = np.searchsorted(edges, found[:, 1:])
            yield found

    def _in_bytes(self, data: bytes, opens: Places, closes: Flags) -> Iterator[Places]:
        text = _Text(data, closes)
        for base in range(0, len(opens), AT_ONCE):
            at = opens[base : base + AT_ONCE]
            for level in self._levels:
                at = at[: np.searchsorted(at, len(data) - level.run, side="right")]
                heads = _run(text.eights, at, level.run)
                known = np.flatnonzero(level.heads.may_have(heads))
                if not len(known):
                    break
                at = at[known]
                found = self._of_level(level, text, at, heads[known])
                if len(found):
                    yield found

    def _of_level(self, level: "_Level", text: "_Text", at: Places, heads: Hashes) -> Places:
        """Patterns of this level's sizes that begin at these places, with runs of these hashes."""
        which, last = text.ends(at, level.run, level.after)
        starts = at[which]
        sizes = last + 1 - starts
        found, numbers = level.look_up(_hash(text.eights, starts, sizes, heads[which], level.run))
        if not len(found):
            return _NOTHING
        starts, sizes = starts[found], sizes[found]
        offsets = self._patterns.offsets
        there = offsets[numbers].astype(np.int64)
        alike = np.flatnonzero(offsets[numbers + 1] - there == sizes)
        same = alike[_same(text.eights, starts[alike], self._bytes, there[alike], sizes[alike])]
        starts = starts[same]
        return np.stack((numbers[same].astype(np.int64), starts, starts + sizes[same]), axis=1)


class _Text:
    """A text to be searched, in UTF-8, and where in it matches may end."""

    def __init__(self, data: bytes, closes: Flags) -> None:
        self.eights = _eights(data + bytes(PADDING))
        self._closes = np.flatnonzero(closes)
        self._before = np.concatenate(([0], np.cumsum(closes)))

    def ends(self, at: Places, least: int, most: int) -> tuple[Places, Places]:
        """The last places of what begins at these places, may end there, and has from `least` to below `most` bytes:
        each with the position in `at` of the place it belongs to."""
        first = self._before[at + (least - 1)]
        counts = self._before[np.minimum(at + (most - 1), len(self._before) - 1)] - first
        before = np.cumsum(counts) - counts
        each = np.repeat(first - before, counts) + np.arange(counts.sum())
        return np.repeat(np.arange(len(at)), counts), self._closes[each]


class _Level:
    """Patterns of sizes from `run` up to the next: their hashes, and the first runs of these and of longer ones."""

    def __init__(self, buffer: Hashes, offsets: NDArray[np.uint32], all_sizes: NDArray[np.int64], run: int, after: int):
        starts = offsets[:-1].astype(np.int64)
        long = all_sizes >= run
        self.run, self.after = run, after
        self.heads = _Filter(np.sort(_run(buffer, starts[long], run)))
        mine = np.flatnonzero(long & (all_sizes < after))
        sizes, starts = all_sizes[mine], starts[mine]
        hashes = _hash(buffer, starts, sizes, _run(buffer, starts, run), run)
        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order]
        self._numbers = mine[order].astype(np.uint32)
        self._filter = _Filter(self._hashes)

    def look_up(self, hashes: Hashes) -> tuple[Places, NDArray[np.uint32]]:
        """The numbers of patterns with these hashes, each with the place of its hash in `hashes`."""
        maybe = np.flatnonzero(self._filter.may_have(hashes))
        if not len(maybe):
            return maybe, self._numbers[:0]
        first = np.searchsorted(self._hashes, hashes[maybe])
        counts = np.searchsorted(self._hashes, hashes[maybe], side="right") - first
        before = np.cumsum(counts) - counts
        places = np.repeat(first - before, counts) + np.arange(counts.sum())
        return np.repeat(maybe, counts), self._numbers[places]


class _Filter:
    """Says of most hashes that are not in a set that they are not: one look into a table of two to four flags for
    each."""

    def __init__(self, ordered: Hashes) -> None:
        """The hashes in order. (`np.unique` would do, but lets no other thread run.)"""
        distinct = int(np.count_nonzero(ordered[1:] != ordered[:-1])) + 1
        bits = max(10, (2 * distinct).bit_length())
        self._shift = np.uint64(64 - bits)
        self._flags = np.zeros(1 << bits, np.bool_)
        self._flags[ordered >> self._shift] = True

    def may_have(self, hashes: Hashes) -> Flags:
        flags: Flags = self._flags[hashes >> self._shift]
        return flags


def _eights(padded: bytes) -> Hashes:
    """The eight bytes from each place on, as a number; no copy."""
    return np.ndarray((len(padded) - PADDING + 1,), "<u8", padded, strides=(1,))


def _run(eights: Hashes, at: Places, run: int) -> Hashes:
    """The hashes of runs of this many bytes that begin at these places."""
    if run <= PADDING:
        head: Hashes = (eights[at] & _MASKS[run]) * _MULTIPLIER
        return head
    half = run // 2
    return _mixed(_run(eights, at, half), _run(eights, at + half, half))


def _hash(eights: Hashes, at: Places, sizes: NDArray[np.int64], heads: Hashes, run: int) -> Hashes:
    """The hashes of what has these sizes, of at least `run` bytes, and begins at these places with runs of these
    hashes."""
    if run < PADDING:
        whole: Hashes = (eights[at] & _MASKS[sizes]) * _MULTIPLIER
        return whole
    return _mixed(heads, _run(eights, at + (sizes - run), run) ^ sizes.astype(np.uint64))


def _mixed(left: Hashes, right: Hashes) -> Hashes:
    mixed: Hashes = (left ^ (right >> _BACK) ^ (right << _ROTATED)) * _MULTIPLIER
    mixed ^= mixed >> _HALF
    mixed *= _MULTIPLIER
    return mixed


def _same(ours: Hashes, at: Places, theirs: Hashes, there: Places, sizes: NDArray[np.int64]) -> Flags:
    """Which of the pairs of places are followed by the same bytes."""
    same = np.ones(len(at), np.bool_)
    last = np.maximum(sizes - PADDING, 0)
    masks = _MASKS[np.minimum(sizes, PADDING)]
    for step in range(0, int(last.max(initial=0)) + PADDING, PADDING):
        here = np.minimum(last, step)
        same &= ((ours[at + here] ^ theirs[there + here]) & masks) == 0
    return same
