"""Very many short strings in one buffer: as objects of their own a million of them would take four times the room."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import overload

import numpy as np
from numpy.typing import NDArray

PADDING = 8
"""Zero bytes behind the last string: eight bytes can be read from any place of the buffer."""
_AT_ONCE = 4096


class Strings(Sequence[str]):
    """Strings by their place. `buffer` has them in UTF-8, one after the other; that at place i lies from `offsets[i]`
    to `offsets[i + 1]`."""

    def __init__(self, buffer: bytes, offsets: NDArray[np.uint32]) -> None:
        self.buffer = buffer
        self.offsets = offsets

    @classmethod
    def of(cls, strings: Iterable[str]) -> "Strings":
        """Packed as they come: no more than a few thousand of them need be in memory at once."""
        buffer = bytearray()
        sizes = [np.zeros(1, np.uint16)]
        rest = iter(strings)
        while some := [string.encode("utf-8", "surrogatepass") for string in islice(rest, _AT_ONCE)]:
            buffer += b"".join(some)
            sizes.append(np.fromiter(map(len, some), np.uint16, len(some)))
        buffer += bytes(PADDING)
        return cls(bytes(buffer), np.cumsum(np.concatenate(sizes), dtype=np.uint32))

    @property
    def sizes(self) -> NDArray[np.uint32]:
        """Of each string, in bytes."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> "Strings": ...
    def __getitem__(self, place: int | slice) -> "str | Strings":
        if isinstance(place, slice):
            return Strings.of(self[at] for at in range(*place.indices(len(self))))
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        at = place % len(self)
        return self._read(int(self.offsets[at]), int(self.offsets[at + 1]))

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _AT_ONCE):
            for start, end in pairwise(self.offsets[first : first + _AT_ONCE + 1].tolist()):
                yield self._read(start, end)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Strings):
            return NotImplemented
        return self.buffer == other.buffer and np.array_equal(self.offsets, other.offsets)

    def __hash__(self) -> int:
        return hash(self.buffer)

    def _read(self, start: int, end: int) -> str:
        return self.buffer[start:end].decode("utf-8", "surrogatepass")
