"""What a cover is worth, and how a message is divided among several covers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from services.stego.canvas import Canvas
from services.stego.coding import gibbs, permutation
from services.stego.coding.embedding import HEADER_SIZE, SMALLEST, header_places
from services.stego.coding.layers import Prices
from services.stego.coding.prices import both_ways, prices

DENSEST = 0.4
"""Bits an element that hiding promises to find room for."""

_SAMPLE = 2**16
_HEADER_NEEDS = 3
"""Usable elements for each of the header's bits: it has one try alone."""
_HALVINGS = 40


@dataclass(frozen=True, eq=False)
class Survey:
    """A cover, priced.

    usable: elements that count when a rate is taken: pixels that may change, AC coefficients that are not zero;
    room: bytes of a body that `embed` surely takes; roughness: the mean of what a unit of price buys, about 1 for a
    photograph's noise of one grey level, and 0 for a flat picture.
    """

    usable: int
    room: int
    roughness: float
    _elements: int = field(repr=False)
    _up: Prices = field(repr=False)
    _down: Prices = field(repr=False)

    def bits(self, scale: float) -> float:
        """Bits that the best steps carry at this factor before the prices (lambda)."""
        return self._elements * gibbs.entropies(self._up, self._down, scale)[0]


def survey(canvas: Canvas) -> Survey:
    """A cover's worth: a third of a second for 2.6 million pixels in colour."""
    price = prices(canvas).reshape(-1)
    elements = canvas.elements.reshape(-1)
    allowed = int(np.count_nonzero(np.isfinite(price)))
    if canvas.kind == "coefficients":
        usable = int(np.count_nonzero(elements)) - int(np.count_nonzero(canvas.elements[:, :, 0, 0]))
    else:
        usable = allowed
    room = 0
    if elements.size >= SMALLEST and allowed * header_places(elements.size) >= (
        _HEADER_NEEDS * 8 * HEADER_SIZE * elements.size
    ):
        room = max(0, int(DENSEST * usable / 8) - HEADER_SIZE)
    sample = permutation.draw(bytes(32), elements.size, min(_SAMPLE, elements.size // 2))
    up, down = both_ways(elements[sample], price[sample], canvas.kind)
    with np.errstate(divide="ignore"):
        roughness = float(np.mean(np.float32(1) / price))
    return Survey(usable, room, roughness, elements.size, up, down)


def allot(surveys: Sequence[Survey], total: int) -> list[int]:
    """Bytes of `total` for each cover, at one lambda over all: where changes are cheap lies more.

    So the sum of prices is the least there is (Ker, "Batch Steganography and Pooled Steganalysis", 2006, on why the
    division matters). No cover gets more than its room. Raises ValueError where the rooms together are less.
    """
    rooms = [survey.room for survey in surveys]
    if total > sum(rooms):
        raise ValueError(f"{total} bytes are more than the {sum(rooms)} there is room for")
    least, most = -12.0, 16.0
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        if sum(_carried(surveys, middle)) > total:
            least = middle
        else:
            most = middle
    sizes = _carried(surveys, most)
    # What rounding left over, wherever room is left.
    for number, room in enumerate(rooms):
        more = min(total - sum(sizes), room - sizes[number])
        sizes[number] += more
    return sizes


def _carried(surveys: Sequence[Survey], exponent: float) -> list[int]:
    scale = math.exp(exponent)
    return [min(survey.room, int(survey.bits(scale) / 8)) for survey in surveys]
