"""The Viterbi algorithm for syndromes, over all lanes at once: the loops of trellis.py.

Other threads run meanwhile. On a processor with AVX2 it takes half the time.
"""

import numpy as np
from numpy.typing import NDArray

HEIGHT: int
"""Bits of a column."""
LANES: int
"""Elements that a step is taken for."""
WET: int
"""The cost of a change that must not be: as that of ten others, but no more than it takes for the rest."""

def path(steps: int) -> NDArray[np.uint16]:
    """Memory for the decisions of so many steps, 4 KB each."""

def changes(
    costs: NDArray[np.uint16],
    columns: NDArray[np.uint16],
    ends: NDArray[np.int64],
    target: NDArray[np.uint8],
    path: NDArray[np.uint16],
) -> NDArray[np.uint8]:
    """The changes, steps x LANES, whose syndrome is `target` (rows x LANES) at the least sum of costs in each lane.

    A step has a column, and a cost for each lane; behind the step `ends[row]` the row is complete. The decisions are
    written into `path`. What is WET is changed only where nothing else gives the syndrome: see to it.

    ValueError: other than LANES lanes, a cost above WET, a column whose last bit is not set; IndexError: more steps
    than `path` has room for, or rows that end behind the last step.
    """
