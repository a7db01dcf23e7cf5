"""UERD: what a change of a quantised JPEG coefficient costs.

L. Guo, J. Ni, W. Su, C. Tang, Y.-Q. Shi, "Using Statistical Image Model for JPEG Steganography: Uniform Embedding
Revisited", IEEE TIFS 2015: a change is worth its quantisation step, over how much there is going on in its block and
the blocks around it. Zeros and the constant coefficient may change as well, at the same rule's price.
"""

import numpy as np
from numpy.typing import NDArray


def prices(coefficients: NDArray[np.int16], quantisation: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The price of a step in each coefficient, rows x columns x 8 x 8 like the coefficients.

    Infinite in a block that is flat and lies among flat ones.
    """
    steps = quantisation.astype(np.float32)
    steps[0, 0] = (steps[0, 1] + steps[1, 0]) / 2
    magnitudes = np.abs(coefficients).astype(np.float32)
    magnitudes[:, :, 0, 0] = 0
    activity = np.einsum("rcij,ij->rc", magnitudes, steps)
    padded = np.pad(activity, 1, "edge")
    rows, columns = activity.shape
    around = sum(padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)) - activity
    with np.errstate(divide="ignore"):
        price: NDArray[np.float32] = steps / (activity + around / 4)[:, :, None, None]
    return price
