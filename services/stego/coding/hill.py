"""HILL: what a change of a pixel costs, little in texture, much in smooth places.

B. Li, M. Wang, J. Huang, X. Li, "A New Cost Function for Spatial Image Steganography", IEEE ICIP 2014: a high-pass
filter finds what can't be foretold from the neighbours, a 3 x 3 mean spreads it, its inverse is the cost, and a
15 x 15 mean of that lets cheap places lie together.
"""

import numpy as np
from numpy.typing import NDArray


def prices(plane: NDArray[np.int16]) -> NDArray[np.float32]:
    """The price of a step in each pixel of a plane, height x width.

    Infinite where a flat spot of 5 x 5 pixels or more is within reach of the filters: there any change shows.
    """
    pixels = np.pad(plane, 1, "symmetric")
    across = 2 * pixels[:, 1:-1] - pixels[:, :-2] - pixels[:, 2:]
    residual = np.abs(2 * across[1:-1] - across[:-2] - across[2:]).astype(np.float32)
    spread = _summed(_summed(np.pad(residual, 1, "symmetric"), 3, 0), 3, 1)
    with np.errstate(divide="ignore"):
        inverse = np.divide(np.float32(9), spread, dtype=np.float32)
    return _summed(_summed(np.pad(inverse, 7, "symmetric"), 15, 0), 15, 1) / np.float32(225)


def _summed(values: NDArray[np.float32], window: int, axis: int) -> NDArray[np.float32]:
    """Sums over each window of so many neighbours along an axis.

    By doubling, since the difference of running sums would drown small prices beside large ones.
    """
    power = np.moveaxis(values, axis, 0)
    sums = np.zeros((len(power) - window + 1, power.shape[1]), np.float32)
    width, done = 1, 0
    while done < window:
        if window & width:
            sums += power[done : done + len(sums)]
            done += width
        power = power[:-width] + power[width:]
        width *= 2
    return np.moveaxis(sums, 0, axis)
