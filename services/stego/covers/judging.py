"""Whether a picture is fit to carry: enough texture, no JPEG past; and what it looks like, to know it again."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.stego.covers.cover import Cover
from services.stego.refusals import CoverRefused, jpeg_past

FLAT_LIMIT = 0.75
"""Share of equal neighbours; two photographs had 0.1 and 0.2, two diagrams 0.8 and 0.9."""
BUSY_MINIMUM = 2.0
"""Coefficients other than zero in a block beside its mean: a blue sky at quality 75 has about one."""

_CROP, _SMALL_CROP = 512, 224
_STEPS = range(1, 25)
_WAVES = sorted(((u, v) for u in range(6) for v in range(6) if 0 < u + v < 6), key=sum)
_SLOW_WAVES = _WAVES[:9]
_ENOUGH = 150  # coefficients of one wave to judge by
_SHARPNESS = 0.25
_AGREEING = 4

Floats = NDArray[np.float32]


def judge(cover: Cover) -> None:
    """Raises CoverRefused for a picture in which changes would show."""
    elements = cover.canvas.elements
    if cover.canvas.kind == "coefficients":
        smooth = (np.count_nonzero(elements) - np.count_nonzero(elements[:, :, 0, 0])) < BUSY_MINIMUM * (
            elements.shape[0] * elements.shape[1]
        )
    else:
        smooth = bool(np.mean(elements[:, 1:] == elements[:, :-1]) > FLAT_LIMIT)
    if smooth:
        raise CoverRefused(
            "smooth",
            "The picture is too smooth: in flat colours, drawings and screenshots every change shows.",
            "Choose a photograph with texture: leaves, fabric, a crowd, a street.",
        )
    if cover.canvas.kind == "pixels" and _was_jpeg(_grey(elements)):
        raise jpeg_past()


def look(cover: Cover) -> int:
    """64 bits of what the picture looks like: the signs of its slowest cosine waves about their median (a
    perceptual hash). One picture in other sizes, formats and qualities has nearly the same."""
    small = _means(cover.luma, 32)
    waves = _cosines(32)[1:9] @ small @ _cosines(32)[1:9].T
    bits = (waves > np.median(waves)).reshape(-1)
    return int.from_bytes(np.packbits(bits).tobytes())


def _was_jpeg(grey: Floats) -> bool:
    """Whether the luma's 8 x 8 cosine coefficients sit on multiples of a step, on any of the 64 grids.

    A JPEG's coefficients are multiples of its table's entries; decoding rounds pixels, which moves them by about
    0.2. So for a step q the mean of cos(2 pi c / q) over coefficients above q / 2 is near one; without a JPEG past
    it is near or below zero, because a falling density has its mass just above q / 2, where the cosine is -1.
    A picture that was scaled down has no grid left, and nothing that could be broken. One that was cropped has its
    grid elsewhere; 63 more are looked at less closely, for time.
    """
    middle = _middle(grey, _SMALL_CROP)
    return _on_steps(_middle(grey, _CROP), _WAVES) or any(
        _on_steps(middle[y:, x:], _SLOW_WAVES) for y in range(8) for x in range(8) if (y, x) != (0, 0)
    )


def _middle(grey: Floats, side: int) -> Floats:
    """The middle, on the 8 x 8 grid of the whole."""
    top, left = (max(0, (length - side) // 16 * 8) for length in grey.shape)
    return grey[top : top + side, left : left + side]


def _on_steps(grey: Floats, which: Sequence[tuple[int, int]]) -> bool:
    rows, columns = grey.shape[0] // 8, grey.shape[1] // 8
    blocks = grey[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3).reshape(-1, 64)
    waves = _cosines(8)
    coefficients = np.abs(blocks @ np.stack([np.outer(waves[u], waves[v]).reshape(-1) for u, v in which]).T)
    agreeing = 0
    for values in coefficients.T:
        agreeing += any(_sharp(values, q) for q in _STEPS)
        if agreeing == _AGREEING:
            return True
    return False


def _sharp(values: Floats, q: int) -> bool:
    above = values[values > q / 2]
    return above.size >= _ENOUGH and float(np.mean(np.cos(above * np.float32(2 * np.pi / q)))) > _SHARPNESS


def _grey(elements: NDArray[np.int16]) -> Floats:
    """Luma as JPEG has it (ITU-R BT.601)."""
    if elements.ndim == 2:
        return elements.astype(np.float32)
    return np.asarray(elements @ np.array((0.299, 0.587, 0.114), np.float32), np.float32)


def _means(picture: Floats, side: int) -> Floats:
    """The picture as side x side means."""
    for axis in (0, 1):
        # The fewest whole rows that make `side` means, by repeating some: small pictures have fewer than `side`.
        edges = np.linspace(0, picture.shape[axis], side + 1)
        starts = np.minimum(edges[:-1].astype(int), picture.shape[axis] - 1)
        ends = np.maximum(np.ceil(edges[1:]).astype(int), starts + 1)
        summed = np.concatenate(
            [np.zeros_like(np.take(picture, [0], axis)), np.cumsum(picture, axis=axis, dtype=np.float64)], axis=axis
        )
        counts = (ends - starts).reshape((-1, 1) if axis == 0 else (1, -1))
        picture = ((np.take(summed, ends, axis) - np.take(summed, starts, axis)) / counts).astype(np.float32)
    return picture


def _cosines(size: int) -> Floats:
    """The orthonormal cosine transform's matrix (DCT-II), a row for each wave."""
    k, i = np.mgrid[0:size, 0:size]
    waves = np.asarray(np.sqrt(2 / size) * np.cos(np.pi * k * (2 * i + 1) / (2 * size)), np.float32)
    waves[0] /= np.sqrt(2)
    return waves
