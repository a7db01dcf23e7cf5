"""How bits were hidden in the old days, which every attack must find: the last bits are replaced by the message."""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def at_random(pixels: Pixels, bits: int, seed: int) -> Pixels:
    """In pixels drawn at random, as OpenStego does it."""
    return _replaced(pixels, np.random.default_rng(seed).permutation(pixels.size)[:bits], seed)


def in_rows(pixels: Pixels, bits: int, seed: int) -> Pixels:
    """From the first pixel on, as stegano does it."""
    return _replaced(pixels, np.arange(bits), seed)


def _replaced(pixels: Pixels, places: NDArray[np.int64], seed: int) -> Pixels:
    stego = pixels.copy().reshape(-1)
    stego[places] = stego[places] & 254 | np.random.default_rng(seed).integers(0, 2, len(places), np.uint8)
    return stego.reshape(pixels.shape)
