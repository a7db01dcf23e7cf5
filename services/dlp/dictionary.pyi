"""Finds the words of a list in a text by their hashes: a million of them are ready in a moment, in little room."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from services.dlp.strings import Strings

class Dictionary:
    """Patterns, ready to be searched for; they are numbered by their place in `patterns`. An empty one is never found.

    Other threads run while a dictionary is made. It takes 16 to 30 bytes for a pattern of 16, beside the pattern.
    """

    longest: int
    """The size of the longest pattern, in bytes."""

    def __init__(self, patterns: Strings) -> None: ...
    def matches(
        self,
        text: bytes,
        seats: NDArray[np.int32],
        opens: NDArray[np.uint8],
        closes: NDArray[np.uint8],
        least: int = 0,
    ) -> Iterator[tuple[int, int, int]]:
        """Every match of at least `least` bytes, overlapping ones as well: the pattern's number, start and end in
        `text`, in the order of their starts and ends.

        `seats` says of each byte of the text to what place it belongs, `opens` of each place whether a match may begin
        there, `closes` whether one may end there. Other threads run every few thousand bytes. IndexError: a byte
        without a seat, a seat that is no place.
        """
