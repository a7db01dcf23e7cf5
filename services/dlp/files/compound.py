"""Reads compound files (MS-CFB: doc, xls, ppt, msg, msi, vbaProject.bin), flat and bounded.

The directory is read as the list it is stored as, not as the tree it describes: a stream that hides outside the
tree is found all the same, and a tree with a loop in it harms nobody. A truncated file gives what is there.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
MAX_ENTRIES = 20_000
READINGS = 8  # how many times its own size may be read from a file: streams can be made to overlap

_SPECIAL = 0xFFFFFFFA  # from here on a sector number means "end", "free" or "table" (MS-CFB section 2.1)
_STORAGE, _STREAM, _ROOT = 1, 2, 5


@dataclass(frozen=True, slots=True)
class Entry:
    """A storage or stream of the directory; `clsid` is 16 raw bytes, `size` what the file claims.

    `storage` is the place in the directory of the storage it stands in: 0 for the root, -1 outside the tree.
    """

    name: str
    is_stream: bool
    clsid: bytes
    start: int
    size: int
    storage: int


class Compound:
    """A compound file in memory. Building one costs time and memory linear in `len(data)`; nothing raises."""

    def __init__(self, data: bytes) -> None:
        header = data[:512].ljust(512, b"\0")
        self._data = data
        self._left = READINGS * len(data)
        self._sector = 4096 if header[30] == 12 else 512
        (first_directory,) = struct.unpack_from("<I", header, 48)
        self._cutoff, first_mini = struct.unpack_from("<II", header, 56)
        first_table, _ = struct.unpack_from("<II", header, 68)
        self._fat = self._table(header, first_table)
        self._mini_fat = _numbers(self._chain(first_mini, len(data)))
        self._mini = b""
        self.entries: tuple[Entry, ...] = ()
        root: Entry | None = None
        entries = []
        directory = self._chain(first_directory, MAX_ENTRIES * 128)
        storages = _storages(directory)
        for at in range(0, len(directory) - 127, 128):
            kind = directory[at + 66]
            if kind not in (_STORAGE, _STREAM, _ROOT):
                continue
            entry = _entry(directory[at : at + 128], kind, storages.get(at // 128, -1))
            entries.append(entry)
            root = root or (entry if kind == _ROOT else None)
        self.entries = tuple(entries)
        self.clsid = root.clsid if root else bytes(16)
        if root:
            self._mini = self._chain(root.start, len(data))

    @property
    def names(self) -> frozenset[str]:
        """The names of all storages and streams, wherever in the tree they stand."""
        return frozenset(entry.name for entry in self.entries)

    @property
    def exhausted(self) -> bool:
        """Whether so much was read that streams must lie over one another: what was read since is incomplete."""
        return self._left <= 0

    def streams(self) -> Iterator[Entry]:
        """The streams, in the order of the directory."""
        return (entry for entry in self.entries if entry.is_stream)

    def read(self, entry: Entry, limit: int) -> bytes:
        """At most `limit` bytes of a stream; fewer where the file is damaged, none once it is `exhausted`."""
        wanted = min(entry.size, limit, self._left)
        self._left -= wanted
        if entry.size >= self._cutoff:
            return self._chain(entry.start, wanted)[:wanted]
        pieces, got = [], 0
        for sector in _follow(self._mini_fat, entry.start):
            pieces.append(self._mini[sector * 64 : sector * 64 + 64])
            got += 64
            if got >= wanted:
                break
        return b"".join(pieces)[:wanted]

    def _table(self, header: bytes, first: int) -> array[int]:
        """The sector allocation table: 109 of its sectors are listed in the header, the rest in a chain."""
        sectors = [*struct.unpack_from("<109I", header, 76)]
        per_sector = self._sector // 4
        following, most = first, len(self._data) // self._sector + 1
        for _ in range(most // per_sector + 1):
            if following >= _SPECIAL or not (block := self._at(following)):
                break
            numbers = _numbers(block)
            sectors += numbers[: per_sector - 1]
            following = numbers[per_sector - 1] if len(numbers) == per_sector else _SPECIAL
        return _numbers(b"".join(self._at(sector) for sector in sectors[:most] if sector < _SPECIAL))

    def _at(self, sector: int) -> bytes:
        start = (sector + 1) * self._sector
        return self._data[start : start + self._sector]

    def _chain(self, start: int, limit: int) -> bytes:
        pieces, got = [], 0
        for sector in _follow(self._fat, start):
            if got >= limit or not (block := self._at(sector)):
                break
            pieces.append(block)
            got += len(block)
        return b"".join(pieces)


def _storages(directory: bytes) -> dict[int, int]:
    """For each entry in the tree, that of the storage it stands in: siblings are linked left and right."""
    within: dict[int, int] = {}
    waiting = [(0, -1)]
    while waiting:
        entry, storage = waiting.pop()
        if entry in within or (entry + 1) * 128 > len(directory):
            continue
        within[entry] = storage
        left, right, child = struct.unpack_from("<III", directory, entry * 128 + 68)
        waiting += [(left, storage), (right, storage), (child, entry)]
    return within


def _entry(raw: bytes, kind: int, storage: int) -> Entry:
    length = min(struct.unpack_from("<H", raw, 64)[0], 64)
    name = raw[: max(length - 2, 0)].decode("utf-16-le", "replace")
    start, size = struct.unpack_from("<II", raw, 116)
    return Entry(name, kind == _STREAM, raw[80:96], start, size, storage)


def _follow(table: array[int], start: int) -> Iterator[int]:
    """The sectors of a chain; a loop ends when it has been as long as the table."""
    for _ in range(len(table) + 1):
        if start >= _SPECIAL:
            return
        yield start
        if start >= len(table):
            return
        start = table[start]


def _numbers(data: bytes) -> array[int]:
    """Little-endian 32-bit numbers; an incomplete one at the end is dropped."""
    return array("I", struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4]))
