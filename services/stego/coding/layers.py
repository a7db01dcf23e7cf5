"""Steps of -1, 0 and +1 that spell a message in two layers of binary code.

T. Filler, J. Fridrich, "Minimizing Additive Distortion Functions With Non-Binary Embedding Operation in
Steganography", IEEE WIFS 2010. One of the two steps of an element turns its second bit over (+1 for an odd one, -1
for an even one), both turn its first. The first layer spells its part of the message in the second bits; the second
layer spells the rest in the first bits, where an element that the first layer moved is settled. Each layer gets as
many bits as the best distribution of the steps has entropy in it, so that nothing is lost by the division.
"""

import math
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from services.stego.coding import gibbs, trellis
from services.stego.coding.trellis import Columns, Path

Elements = NDArray[np.int16]
"""Some of a cover's elements, in keyed order."""
Prices = NDArray[np.float32]
"""What a step costs; infinite where it must not be taken."""
Bits = NDArray[np.uint8]
Whole = TypeVar("Whole", np.uint8, np.uint16, np.int16)

SAMPLE = 2**14
"""Elements on which lambda is found: in keyed order the first are as good as any."""
_HALVINGS = 24
_LEAST, _MOST = -12.0, 16.0


@dataclass(frozen=True)
class Code:
    """How some elements are coded: the columns' key, a number of these elements' own, and the first layer's share
    of the message in 256ths."""

    key: bytes = field(repr=False)
    number: int
    share: int

    def columns(self, layer: int, steps: int) -> Columns:
        """Those of layer 0 or 1."""
        return trellis.columns(self.key, 2 * self.number + layer, steps)

    def rows(self, rows: int) -> int:
        """How many of so many rows the first layer spells."""
        return (rows * self.share + 128) // 256


def embed(elements: Elements, up: Prices, down: Prices, message: Bits, code: Code, path: Path) -> Elements:
    """The elements moved by one at most, so that they spell the message.

    Raises trellis.Infeasible, and ValueError for more bits than the elements can carry.
    """
    if not message.size:
        return elements
    lanes = trellis.lanes(elements.size, message.size)
    rows = _in_lanes(np.pad(message, (0, -message.size % lanes)), lanes)
    first = code.rows(len(rows))
    scale = scale_for(up, down, message.size / elements.size)
    toward, away = by_second_bit(elements, up, down)
    shaped = _in_lanes(elements, lanes)
    columns = [code.columns(layer, len(shaped)) for layer in (0, 1)]
    costs = _in_lanes(gibbs.first_costs(toward, away, scale), lanes)
    turned = trellis.changes(_bits(shaped, 1), costs, columns[0], rows[:first], path)
    costs = _in_lanes(gibbs.second_costs(away, turned.reshape(-1), scale), lanes)
    moved = trellis.changes(_bits(shaped, 0) ^ turned, costs, columns[1], rows[first:], path)
    # An odd element goes up to turn its second bit and down to keep it; an even one the other way round.
    upwards = (shaped & 1) * 2 - 1
    stego = elements.copy()
    stego[: shaped.size] += (upwards * turned - upwards * moved).reshape(-1)
    return stego


def extract(elements: Elements, size: int, code: Code) -> Bits:
    """The message of `size` bits. Raises ValueError for more bits than the elements can carry."""
    lanes = trellis.lanes(elements.size, size)
    rows = -(-size // lanes)
    first = code.rows(rows)
    shaped = _in_lanes(elements, lanes)
    layers = [
        trellis.extract(_bits(shaped, bit), code.columns(layer, len(shaped)), count)
        for layer, bit, count in ((0, 1, first), (1, 0, rows - first))
    ]
    return np.concatenate(layers).reshape(-1)[:size]


def share(elements: Elements, up: Prices, down: Prices, rate: float) -> int:
    """The first layer's share of a message of `rate` bits an element, in 256ths."""
    toward, away = by_second_bit(elements, up, down)
    whole, second = gibbs.entropies(toward, away, scale_for(up, down, rate))
    return round(256 * (whole - second) / whole) if whole else 128


def scale_for(up: Prices, down: Prices, rate: float) -> float:
    """lambda: at which factor before the prices the best steps carry `rate` bits an element."""
    least, most = _LEAST, _MOST
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        if gibbs.entropies(up[:SAMPLE], down[:SAMPLE], math.exp(middle))[0] > rate:
            least = middle
        else:
            most = middle
    return math.exp((least + most) / 2)


def by_second_bit(elements: Elements, up: Prices, down: Prices) -> tuple[Prices, Prices]:
    """The prices of the step that turns the second bit over, and of the one that doesn't."""
    odd = (elements & 1).astype(bool)
    return np.where(odd, up, down), np.where(odd, down, up)


def _in_lanes(values: NDArray[Whole], lanes: int) -> NDArray[Whole]:
    """steps x lanes, without the last few that fill no step."""
    return values[: values.size // lanes * lanes].reshape(-1, lanes)


def _bits(elements: Elements, bit: int) -> Bits:
    return ((elements >> bit) & 1).astype(np.uint8)
