"""Clustering of directions (CMD): a pixel follows neighbours that went up or down.

B. Li, M. Wang, X. Li, S. Tan, J. Huang, "A Strategy of Clustering Modification Directions in Spatial Image
Steganography", IEEE TIFS 2015. The picture is divided into four lattices, coded one after another; where the four
neighbours of a pixel have moved one way on the whole, the same way is made cheaper by GAIN. A noise that looks like
its neighbours' is harder to find than one that alternates. The reader needs the lattices, not the directions.
"""

import numpy as np
from numpy.typing import NDArray

GAIN = np.float32(9)
LATTICES = 4

_LATTICE = np.array([[0, 1], [3, 2]], np.uint8)
"""By parity of row and column: the second lattice has its left and right neighbours moved already, the third the
upper and lower, the last all four."""


def lattices(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The lattice of each element of a picture of this shape, height x width (x channels)."""
    height, width = shape[:2]
    plane = np.tile(_LATTICE, (height // 2 + 1, width // 2 + 1))[:height, :width]
    return np.broadcast_to(plane.reshape(height, width, *[1] * (len(shape) - 2)), shape)


def trend(moved: NDArray[np.int8]) -> NDArray[np.int8]:
    """Where the neighbours went on the whole: the sum of the steps of each pixel's four neighbours."""
    sums = np.zeros_like(moved)
    sums[1:] += moved[:-1]
    sums[:-1] += moved[1:]
    sums[:, 1:] += moved[:, :-1]
    sums[:, :-1] += moved[:, 1:]
    return sums
