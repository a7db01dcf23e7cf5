"""The door of the coding: bytes into a canvas, with the fewest and least visible changes, and out again.

    header   HEADER_SIZE bytes in a few places that `keys.header` alone finds
    body     in all other elements, ordered by `keys.order`; pixels lattice by lattice

Both are in ternary syndrome-trellis codes. The header tells the reader how the body is divided (its split): the first
layer's share, and which try of the coder succeeded. Reading depends on no price and on no fraction: keyed orders and
sums modulo two are the same everywhere.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from secumail.errors import Refused
from services.stego.canvas import Canvas
from services.stego.coding import clustering, layers, permutation, trellis
from services.stego.coding.layers import Code
from services.stego.coding.prices import both_ways, prices
from services.stego.coding.trellis import LANES, Parities
from services.stego.keys import Subkeys

HEADER_SIZE = 32
"""Bytes of the header, sealed."""
SMALLEST = 4096
"""Elements of a canvas below which nothing is hidden."""

_HEADER_ROWS = 8 * HEADER_SIZE // LANES
_HEADER_SHARE = 128
_TRIES = 8


class NoRoom(Refused):
    """This cover can't carry so many bytes, try as we may."""

    def __init__(self) -> None:
        super().__init__(
            "cover-no-room",
            "The picture is too small or too smooth for so many bytes.",
            "Choose a larger photograph with more texture, add another cover, or hide less.",
        )


@dataclass(frozen=True)
class Split:
    """How a body is coded: the first layer's share of its rows in 256ths, and the try that succeeded."""

    share: int
    salt: int

    def encode(self) -> int:
        """A number of 12 bits."""
        return self.share * _TRIES + self.salt

    @classmethod
    def decode(cls, number: int) -> "Split":
        """The split of a number below 2^16; each means something."""
        return cls(number // _TRIES, number % _TRIES)


@dataclass(frozen=True, eq=False)
class Stretch:
    """A part of the elements, steps x LANES, that is coded on its own."""

    places: NDArray[np.int32]
    key: bytes
    nonce: int

    def code(self, share: int) -> Code:
        """The columns of both layers."""
        steps = len(self.places)
        first, second = (trellis.columns(self.key, 2 * self.nonce + layer, steps) for layer in (0, 1))
        return Code(first, second, share)


def embed(canvas: Canvas, keys: Subkeys, body: bytes, header: Callable[[int], bytes]) -> NDArray[np.int16]:
    """The canvas's elements with header and body in them, each moved by one at most.

    `header` makes the header's HEADER_SIZE bytes from the split, a number below 2^16. The same arguments give the
    same elements. Raises NoRoom.
    """
    if canvas.elements.size < SMALLEST:
        raise NoRoom
    work = _Work(canvas, keys)
    for salt in range(_TRIES):
        try:
            return work.embed(body, header, salt)
        except trellis.Infeasible:
            continue
    raise NoRoom


def read_header(canvas: Canvas, keys: Subkeys) -> bytes:
    """The HEADER_SIZE bytes where a header would be: noise under a wrong key, zeros in a canvas too small."""
    if canvas.elements.size < SMALLEST:
        return bytes(HEADER_SIZE)
    stretch = _header_stretch(canvas, keys)
    elements = canvas.elements.reshape(-1)[stretch.places]
    return _bytes(layers.extract(elements, _HEADER_ROWS, stretch.code(_HEADER_SHARE)))


def read_body(canvas: Canvas, keys: Subkeys, size: int, split: int) -> bytes:
    """`size` bytes of the body, divided as the header says: noise under a wrong key, zeros where so much can't be."""
    if canvas.elements.size < SMALLEST:
        return bytes(size)
    how = Split.decode(split)
    stretches = _body_stretches(canvas, keys, how.salt)
    flat = canvas.elements.reshape(-1)
    try:
        parts = [
            layers.extract(flat[stretch.places], part.stop - part.start, stretch.code(how.share))
            for stretch, part in zip(stretches, _parts(_rows(size), len(stretches)), strict=True)
        ]
    except ValueError:
        return bytes(size)
    return _bytes(np.concatenate(parts))[:size]


class _Work:
    """One cover while something is hidden in it."""

    def __init__(self, canvas: Canvas, keys: Subkeys) -> None:
        self._canvas = canvas
        self._keys = keys
        self._cover = canvas.elements.reshape(-1)
        self._prices = prices(canvas).reshape(-1)
        self._path = trellis.path(canvas.elements.size // LANES)

    def embed(self, body: bytes, header: Callable[[int], bytes], salt: int) -> NDArray[np.int16]:
        message = _message(body, _rows(len(body)))
        stretches = _body_stretches(self._canvas, self._keys, salt)
        parts = list(_parts(len(message), len(stretches)))
        share = self._share(stretches[0], parts[0].stop)
        moved = np.zeros(self._cover.size, np.int8)
        sealed = _message(header(Split(share, salt).encode()), _HEADER_ROWS)
        self._code(_header_stretch(self._canvas, self._keys), _HEADER_SHARE, sealed, moved)
        for stretch, part in zip(stretches, parts, strict=True):
            self._code(stretch, share, message[part], moved)
        return self._canvas.elements + moved.reshape(self._canvas.elements.shape)

    def _share(self, stretch: Stretch, rows: int) -> int:
        elements, up, down = self._priced(stretch)
        return layers.share(elements, up, down, rows / len(stretch.places))

    def _code(self, stretch: Stretch, share: int, message: Parities, moved: NDArray[np.int8]) -> None:
        elements, up, down = self._priced(stretch)
        if self._canvas.kind == "pixels":
            trend = clustering.trend(moved.reshape(self._canvas.elements.shape)).reshape(-1)[stretch.places]
            up[trend > 0] /= clustering.GAIN
            down[trend < 0] /= clustering.GAIN
        try:
            stego = layers.embed(elements, up, down, message, stretch.code(share), self._path)
        except ValueError as error:
            raise trellis.Infeasible from error
        moved[stretch.places] = stego - elements

    def _priced(self, stretch: Stretch) -> tuple[layers.Elements, layers.Prices, layers.Prices]:
        elements = self._cover[stretch.places]
        return elements, *both_ways(elements, self._prices[stretch.places], self._canvas.kind)


def header_places(elements: int) -> int:
    """How many of so many elements the header is in: where the body has 0.05 bits an element, about its rate."""
    return min(max(elements // 16, 2048), 16384) // LANES * LANES


def _header_stretch(canvas: Canvas, keys: Subkeys) -> Stretch:
    drawn = permutation.draw(keys.header, canvas.elements.size, header_places(canvas.elements.size))
    return Stretch(_in_lanes(drawn), keys.header, 1)


def _body_stretches(canvas: Canvas, keys: Subkeys, salt: int) -> list[Stretch]:
    shape = canvas.elements.shape
    classes = clustering.lattices(shape) if canvas.kind == "pixels" else np.zeros(shape, np.uint8)
    left_out = permutation.draw(keys.header, canvas.elements.size, header_places(canvas.elements.size))
    orders = permutation.order(keys.order, salt, classes.reshape(-1), left_out)
    return [
        Stretch(_in_lanes(places), keys.columns, salt * clustering.LATTICES + number)
        for number, places in enumerate(orders)
    ]


def _in_lanes(places: NDArray[np.int32]) -> NDArray[np.int32]:
    return places[: places.size // LANES * LANES].reshape(-1, LANES)


def _rows(size: int) -> int:
    return -(-8 * size // LANES)


def _parts(rows: int, stretches: int) -> Iterator[slice]:
    for number in range(stretches):
        yield slice(rows * number // stretches, rows * (number + 1) // stretches)


def _message(data: bytes, rows: int) -> Parities:
    padded = np.zeros(rows * LANES, np.uint8)
    padded[: 8 * len(data)] = np.unpackbits(np.frombuffer(data, np.uint8))
    return padded.reshape(rows, LANES)


def _bytes(message: Parities) -> bytes:
    return np.packbits(message.reshape(-1)).tobytes()
