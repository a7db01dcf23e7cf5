"""The two loops of winnowing (fingerprints.py): the hash of every gram of a text, and the least of every window."""

import numpy as np
from numpy.typing import NDArray

def grams(codes: NDArray[np.uint8] | NDArray[np.uint32], width: int) -> NDArray[np.uint64]:
    """The hash of every run of `width` characters, in their order; none of a text that is shorter.

    `codes` are the characters, one or four bytes each. The hash is a polynomial modulo 2^64, its bits then mixed
    (SplitMix64); it rolls on from character to character, so its cost is the text's length whatever the width. Takes 8
    bytes for each character; other threads run meanwhile. ValueError: a width below 1.
    """

def winnow(hashes: NDArray[np.uint64], window: int) -> NDArray[np.uint64]:
    """The least hash of every `window` neighbouring ones, in their order, neighbours that are the same once; of fewer
    than a window, the least of all. ValueError: a window below 1.
    """
