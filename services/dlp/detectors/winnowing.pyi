"""The loops of winnowing (fingerprints.py): the hash of every gram, the least of every window, those that are known.

No other thread runs meanwhile: texts come in pieces of a million characters, of some milliseconds each.
"""

import numpy as np
from numpy.typing import NDArray

def grams(codes: NDArray[np.uint8] | NDArray[np.uint32], width: int) -> NDArray[np.uint64]:
    """The hash of every run of `width` characters, in their order; none of a text that is shorter.

    `codes` are the characters, one or four bytes each. The hash is a polynomial modulo 2^64, its bits then mixed
    (SplitMix64); it rolls on from character to character, so its cost is the text's length whatever the width. Takes 8
    bytes for each character. ValueError: a width below 1.
    """

def winnow(hashes: NDArray[np.uint64], window: int) -> NDArray[np.uint64]:
    """The least hash of every `window` neighbouring ones, in their order, neighbours that are the same once; of fewer
    than a window, the least of all. ValueError: a window below 1.
    """

def among(
    hashes: NDArray[np.uint64], ordered: NDArray[np.uint64], starts: NDArray[np.uint32], shift: int
) -> NDArray[np.uint64]:
    """Those of `hashes` that are also in `ordered`, as they come.

    `starts` says for each value of a hash shifted right by `shift` bits where in `ordered` those that have it begin; at
    its end stands the size of `ordered`. ValueError: a shift below 0 or above 63; IndexError: one too small for
    `starts`, or places that `ordered` does not have.
    """
