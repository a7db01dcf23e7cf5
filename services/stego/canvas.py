"""What of a picture can carry: its samples, or a JPEG's quantised coefficients."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Canvas:
    """The numbers of one cover that hiding may change, each by one at most.

    elements: pixels as height x width (grey) or height x width x 3 (colour), 0 to 255;
    coefficients as the luma's blocks, rows x columns x 8 x 8, quantised.
    quantisation: the luma's 8 x 8 table, for coefficients alone.
    """

    elements: NDArray[np.int16]
    kind: Literal["pixels", "coefficients"]
    quantisation: NDArray[np.uint16] | None = None
