"""Looks for pictures that carry something: by the statistics of their lowest bits, and by reading these.

It finds what spreads over the lowest bits of a picture kept without loss. Methods that change few places, or by ±1, and
those that hide in JPEG's coefficients leave these statistics as they are: what is found here only scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.dlp.extraction.pieces import Piece, Sign, Text
from services.dlp.extraction.texts import runs

LOSSLESS = ("PNG", "BMP", "TIFF", "PPM")
SIDE = 1024
"""Of the middle of a picture so many rows and columns are looked at."""
LEAST = 64
LIKELY = 0.15
"""The share of pixels with a bit in them from which a picture is odd."""
_SCORE = 0.5
_COLOURS = 256
_BEGINNING = 1 << 15
_LETTERS = 16

Samples = NDArray[np.int16]


def look(picture: Image.Image) -> Iterator[Piece]:
    """A sign that a picture carries something, and the text in its lowest bits if one stands there openly."""
    if picture.format not in LOSSLESS or picture.mode not in ("L", "RGB", "RGBA") or min(picture.size) < LEAST:
        return
    top = picture.crop((0, 0, picture.width, min(picture.height, _BEGINNING // picture.width + 1)))
    written = "\n".join(dict.fromkeys(_written(np.asarray(top.convert("RGB" if picture.mode != "L" else "L")))))
    if written:
        yield Sign("stego", "text-in-lowest-bits", score=0.9)
        yield Text("lowest bits", written)
    left, upper = max(0, picture.width - SIDE) // 2, max(0, picture.height - SIDE) // 2
    part = picture.crop((left, upper, min(left + SIDE, picture.width), min(upper + SIDE, picture.height)))
    pixels = np.asarray(part.convert("RGB" if picture.mode != "L" else "L"), np.int16)
    channels = pixels[..., None] if pixels.ndim == 2 else pixels
    if all(len(np.unique(channels[..., c])) < _COLOURS // 4 for c in range(channels.shape[2])):
        return  # drawn, not photographed: flat areas have no statistics
    rates = [sample_pairs(channels[..., c]) for c in range(channels.shape[2])]
    if (rate := float(np.median(rates))) >= LIKELY:
        yield Sign("stego", "lowest-bits", f"about {min(rate, 1):.0%} of them", score=_SCORE)


def sample_pairs(samples: Samples) -> float:
    """The share of samples whose lowest bit was replaced, estimated from neighbours in a row (about 0 for none).

    Dumitrescu, Wu and Wang, "Detection of LSB steganography via sample pair analysis" (2003): replacing lowest bits
    moves pairs between sets that are of one size in a natural picture.
    """
    u, v = samples[:, :-1].ravel(), samples[:, 1:].ravel()
    up = np.where(v & 1, u > v, u < v)
    down = np.where(v & 1, u < v, u > v)
    x, y = int(np.count_nonzero(up)), int(np.count_nonzero(down))
    equal = int(np.count_nonzero(u == v))
    twins = int(np.count_nonzero((u ^ v) == 1))
    a, b, c = (twins + equal) / 2, 2 * x - u.size, y - x
    if a == 0:
        return 0.0
    # With a bit in every sample chance puts the root off the real axis; its real part is the estimate then.
    inside = sqrt(max(0.0, b * b - 4 * a * c))
    roots = (-b + inside) / (2 * a), (-b - inside) / (2 * a)
    return min(roots, key=abs)


def _written(pixels: NDArray[np.uint8]) -> Iterator[str]:
    """Texts that begin with the picture, a bit in each sample, or in each sample of one colour."""
    orders = [pixels.ravel()]
    if pixels.ndim == 3:
        orders += [pixels[..., c].ravel() for c in range(3)] + [pixels[..., ::-1].ravel()]
    for samples in orders:
        bits = samples[:_BEGINNING] & 1
        for order in ("big", "little"):
            data = np.packbits(bits, bitorder=order).tobytes()
            # Tools put a length or a mark of a few bytes first.
            if any(_is_said(run) for run in runs(data[:512]).split("\n")):
                yield runs(data)


def _is_said(run: str) -> bool:
    """Letters, and more of them side by side than chance puts there."""
    return len(run) >= _LETTERS and run.isascii() and sum(c.isalnum() or c == " " for c in run) > 0.8 * len(run)
