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
from services.stego.coding.layers import Bits, Code, Elements, Prices
from services.stego.coding.permutation import Places
from services.stego.coding.prices import both_ways, prices
from services.stego.keys import Subkeys

HEADER_SIZE = 32
"""Bytes of the header, sealed."""
SMALLEST = 4096
"""Elements of a canvas below which nothing is hidden."""

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
    elements = canvas.elements.reshape(-1)[_header_places(canvas, keys)]
    return np.packbits(layers.extract(elements, 8 * HEADER_SIZE, _header_code(keys))).tobytes()


def read_body(canvas: Canvas, keys: Subkeys, size: int, split: int) -> bytes:
    """`size` bytes of the body, divided as the header says: noise under a wrong key, none where so many can't be."""
    if canvas.elements.size < SMALLEST or 8 * size > 2 * canvas.elements.size:
        return b""  # two layers have two bits an element
    how = Split.decode(split)
    orders = _body_orders(canvas, keys, how.salt)
    flat = canvas.elements.reshape(-1)
    try:
        bits = [
            layers.extract(flat[places], part.stop - part.start, _body_code(keys, how, number))
            for number, (places, part) in enumerate(zip(orders, _parts(8 * size, len(orders)), strict=True))
        ]
    except ValueError:
        return b""
    return np.packbits(np.concatenate(bits)).tobytes()


class _Work:
    """One cover while something is hidden in it."""

    def __init__(self, canvas: Canvas, keys: Subkeys) -> None:
        self._canvas = canvas
        self._keys = keys
        self._cover = canvas.elements.reshape(-1)
        self._prices = prices(canvas).reshape(-1)
        self._path = trellis.path(canvas.elements.size)

    def embed(self, body: bytes, header: Callable[[int], bytes], salt: int) -> NDArray[np.int16]:
        """One try. Raises trellis.Infeasible."""
        message = _bits(body)
        orders = _body_orders(self._canvas, self._keys, salt)
        parts = list(_parts(message.size, len(orders)))
        share = layers.share(*self._priced(orders[0][: layers.SAMPLE]), parts[0].stop / orders[0].size)
        split = Split(share, salt)
        moved = np.zeros(self._cover.size, np.int8)
        places = _header_places(self._canvas, self._keys)
        self._code(places, _header_code(self._keys), _bits(header(split.encode())), moved)
        for number, (places, part) in enumerate(zip(orders, parts, strict=True)):
            self._code(places, _body_code(self._keys, split, number), message[part], moved)
        return self._canvas.elements + moved.reshape(self._canvas.elements.shape)

    def _code(self, places: Places, code: Code, message: Bits, moved: NDArray[np.int8]) -> None:
        elements, up, down = self._priced(places)
        if self._canvas.kind == "pixels":
            trend = clustering.trend(moved.reshape(self._canvas.elements.shape)).reshape(-1)[places]
            up[trend > 0] /= clustering.GAIN
            down[trend < 0] /= clustering.GAIN
        try:
            moved[places] = layers.embed(elements, up, down, message, code, self._path) - elements
        except ValueError as error:  # more bits than elements: no other try would do, but the answer is the same
            raise trellis.Infeasible from error

    def _priced(self, places: Places) -> tuple[Elements, Prices, Prices]:
        elements = self._cover[places]
        return elements, *both_ways(elements, self._prices[places], self._canvas.kind)


def header_places(elements: int) -> int:
    """How many of so many elements the header is in, rather more than at the body's rate if that is 0.05."""
    return min(max(elements // 16, 2**11), 2**16)


def _header_places(canvas: Canvas, keys: Subkeys) -> Places:
    return permutation.draw(keys.header, canvas.elements.size, header_places(canvas.elements.size))


def _header_code(keys: Subkeys) -> Code:
    return Code(keys.header, 1, _HEADER_SHARE)


def _body_orders(canvas: Canvas, keys: Subkeys, salt: int) -> list[Places]:
    shape = canvas.elements.shape
    classes = clustering.lattices(shape) if canvas.kind == "pixels" else np.zeros(shape, np.uint8)
    return permutation.order(keys.order, salt, classes.reshape(-1), _header_places(canvas, keys))


def _body_code(keys: Subkeys, split: Split, number: int) -> Code:
    return Code(keys.columns, split.salt * clustering.LATTICES + number, split.share)


def _parts(bits: int, orders: int) -> Iterator[slice]:
    """Equal parts of a message."""
    for number in range(orders):
        yield slice(bits * number // orders, bits * (number + 1) // orders)


def _bits(data: bytes) -> Bits:
    return np.unpackbits(np.frombuffer(data, np.uint8))
