"""Steps of -1, 0 and +1 that spell a message in two layers of binary code.

T. Filler, J. Fridrich, "Minimizing Additive Distortion Functions With Non-Binary Embedding Operation in
Steganography", IEEE WIFS 2010. One of the two steps of an element turns its second bit over (+1 for an odd one, -1
for an even one), both turn its first. The first layer spells its part of the message in the second bits; the second
layer spells the rest in the first bits, where an element that the first layer moved is settled. Each layer gets as
many bits as the best distribution of the steps has entropy in it, so that nothing is lost by the division.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from services.stego.coding import trellis
from services.stego.coding.trellis import DEAREST, LANES, UNIT, WET, Columns, Parities, Path

Elements = NDArray[np.int16]
"""steps x LANES of a cover's elements, in keyed order."""
Prices = NDArray[np.float32]
"""What a step costs; infinite where it must not be taken."""

_SAMPLE = 2**14
_HALVINGS = 24
_LEAST, _MOST = np.log(1e-5), np.log(1e7)


@dataclass(frozen=True)
class Code:
    """The columns of both layers, and the share of the rows that is the first layer's, in 256ths."""

    first: Columns
    second: Columns
    share: int

    def rows(self, rows: int) -> tuple[int, int]:
        """How many of so many rows each layer spells."""
        first = (rows * self.share + 128) // 256
        return first, rows - first


def embed(elements: Elements, up: Prices, down: Prices, message: Parities, code: Code, path: Path) -> Elements:
    """The elements moved by one at most, so that they spell the message, rows x LANES.

    Raises trellis.Infeasible, ValueError for more rows in a layer than there are steps.
    """
    if not len(message):
        return elements
    rows, _ = code.rows(len(message))
    scale = scale_for(up.reshape(-1), down.reshape(-1), message.size / elements.size)
    toward, away = _by_second_bit(elements, up, down)
    second_bits = _bits(elements, 1)
    turned = trellis.changes(second_bits, _first_costs(toward, away, scale), code.first, message[:rows], path)
    first_bits = _bits(elements, 0) ^ turned
    moved = trellis.changes(first_bits, _second_costs(away, turned, scale), code.second, message[rows:], path)
    # An odd element goes up to turn its second bit and down to keep it; an even one the other way round.
    upwards = (elements & 1).astype(np.int16) * 2 - 1
    stego: Elements = elements + upwards * turned - upwards * moved
    return stego


def extract(elements: Elements, rows: int, code: Code) -> Parities:
    """The message of so many rows. Raises ValueError for more rows in a layer than there are steps."""
    first, second = code.rows(rows)
    return np.concatenate(
        (
            trellis.extract(_bits(elements, 1), code.first, first),
            trellis.extract(_bits(elements, 0), code.second, second),
        )
    )


def share(elements: Elements, up: Prices, down: Prices, rate: float) -> int:
    """The first layer's share of the message's bits at this rate (bits an element), in 256ths."""
    toward, away = _by_second_bit(elements[: _SAMPLE // LANES], up[: _SAMPLE // LANES], down[: _SAMPLE // LANES])
    scale = scale_for(up.reshape(-1), down.reshape(-1), rate)
    whole, second = entropies(toward.reshape(-1), away.reshape(-1), scale)
    return round(256 * (whole - second) / whole) if whole else 128


def scale_for(up: Prices, down: Prices, rate: float) -> float:
    """lambda: at which factor before the prices the best steps carry `rate` bits an element.

    Found on elements from the beginning: in keyed order they are a fair sample.
    """
    up, down = up[:_SAMPLE], down[:_SAMPLE]
    least, most = _LEAST, _MOST
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        if entropies(up, down, np.exp(middle))[0] > rate:
            least = middle
        else:
            most = middle
    return float(np.exp((least + most) / 2))


@numba.njit(nogil=True)
def entropies(toward: Prices, away: Prices, scale: float) -> tuple[float, float]:
    """Bits an element of steps whose probabilities fall exponentially with their prices, and those of them that
    are in the step `away` where the step `toward` isn't taken."""
    whole = second = 0.0
    for i in range(toward.size):
        a, b = scale * toward[i], scale * away[i]
        p = np.exp(-a) if a < 700 else 0.0
        q = np.exp(-b) if b < 700 else 0.0
        both = 1 + p + q
        whole += np.log(both) + ((a * p if p else 0.0) + (b * q if q else 0.0)) / both
        if q:
            second += ((1 + q) * np.log(1 + q) + b * q) / both
    return whole / toward.size / np.log(2), second / toward.size / np.log(2)


@numba.njit(nogil=True)
def _first_costs(toward: Prices, away: Prices, scale: float) -> NDArray[np.uint16]:
    """What it costs to turn a second bit: the logarithm of the odds against the step `toward`."""
    costs = np.empty(toward.shape, np.uint16)
    for step in range(toward.shape[0]):
        for lane in range(LANES):
            a, b = scale * toward[step, lane], scale * away[step, lane]
            if a == np.inf:
                costs[step, lane] = WET
            else:
                costs[step, lane] = min(UNIT * (a + np.log1p(np.exp(-b))) + 0.5, DEAREST)
    return costs


@numba.njit(nogil=True)
def _second_costs(away: Prices, turned: Parities, scale: float) -> NDArray[np.uint16]:
    """What it costs to turn a first bit alone, by the step `away`; what the first layer moved stays."""
    costs = np.empty(away.shape, np.uint16)
    for step in range(away.shape[0]):
        for lane in range(LANES):
            b = scale * away[step, lane]
            if turned[step, lane] or b == np.inf:
                costs[step, lane] = WET
            else:
                costs[step, lane] = min(UNIT * b + 0.5, DEAREST)
    return costs


def _by_second_bit(elements: Elements, up: Prices, down: Prices) -> tuple[Prices, Prices]:
    """The prices of the step that turns the second bit and of the one that doesn't."""
    odd = (elements & 1).astype(bool)
    return np.where(odd, up, down), np.where(odd, down, up)


def _bits(elements: Elements, bit: int) -> Parities:
    return ((elements >> bit) & 1).astype(np.uint8)
