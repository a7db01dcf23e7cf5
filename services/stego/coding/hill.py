"""HILL: what a change of a pixel costs, little in texture, much in smooth places.

B. Li, M. Wang, J. Huang, X. Li, "A New Cost Function for Spatial Image Steganography", IEEE ICIP 2014: a high-pass
filter finds what can't be foretold from the neighbours, a 3 x 3 mean spreads it, its inverse is the cost, and a
15 x 15 mean of that lets cheap places lie together.
"""

import numpy as np
from numpy.typing import NDArray

_REACH = 1 + 1 + 7
_STRIP = 64
"""Rows filtered at once: their sums stay in a core's cache, which takes half the time."""


def prices(plane: NDArray[np.int16]) -> NDArray[np.float32]:
    """The price of a step in each pixel of a plane, height x width, mirrored at its edges.

    Infinite where a flat spot of 5 x 5 pixels or more is within reach of the filters: there any change shows.
    """
    mirrored = np.pad(plane, _REACH, "symmetric")
    priced = np.empty(plane.shape, np.float32)
    for top in range(0, len(plane), _STRIP):
        priced[top : top + _STRIP] = _filtered(mirrored[top : top + _STRIP + 2 * _REACH])
    return priced


def _filtered(pixels: NDArray[np.int16]) -> NDArray[np.float32]:
    across = 2 * pixels[:, 1:-1] - pixels[:, :-2] - pixels[:, 2:]
    residual = np.abs(2 * across[1:-1] - across[:-2] - across[2:]).astype(np.float32)
    with np.errstate(divide="ignore"):
        inverse = np.float32(9) / _summed(_summed(residual, 3, 0), 3, 1)
    return _summed(_summed(inverse, 15, 0), 15, 1) / np.float32(225)


def _summed(values: NDArray[np.float32], window: int, axis: int) -> NDArray[np.float32]:
    """Sums over each window of so many neighbours along an axis.

    By doubling, since the difference of running sums would drown small prices beside large ones.
    """
    power = np.moveaxis(values, axis, 0)
    sums = np.zeros_like(power[window - 1 :])
    width, done = 1, 0
    while done < window:
        if window & width:
            sums += power[done : done + len(sums)]
            done += width
        power = power[:-width] + power[width:]
        width *= 2
    return np.moveaxis(sums, 0, axis)
