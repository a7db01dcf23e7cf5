"""The distribution of the steps that costs least for its entropy, Gibbs's: the loops of layers.py over prices.

A step whose price is p is taken with odds of exp(-`scale` * p) against none. Other threads run meanwhile.
IndexError: arrays of different sizes.
"""

import numpy as np
from numpy.typing import NDArray

UNIT: int
"""Costs are in 1/64 of the natural logarithm of the odds against a change."""
DEAREST: int
"""No allowed change costs more: odds of e^25 are as good as never."""

def entropies(toward: NDArray[np.float32], away: NDArray[np.float32], scale: float) -> tuple[float, float]:
    """Bits an element of such steps, and the part of them that the second layer has: in the step `away`, where the step
    `toward` isn't taken. Of one element at least."""

def first_costs(toward: NDArray[np.float32], away: NDArray[np.float32], scale: float) -> NDArray[np.uint16]:
    """What it costs to turn a second bit: the logarithm of the odds against the step `toward`."""

def second_costs(away: NDArray[np.float32], turned: NDArray[np.uint8], scale: float) -> NDArray[np.uint16]:
    """What it costs to turn a first bit alone, by the step `away`; what the first layer moved (`turned`) stays."""
