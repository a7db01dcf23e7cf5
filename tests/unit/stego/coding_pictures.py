"""Canvases for the tests of the coding: made, so that they are the same everywhere."""

import numpy as np
from numpy.typing import NDArray

from services.stego.canvas import Canvas
from services.stego.keys import Subkeys, subkeys


def keys_of(seed: int) -> Subkeys:
    """Keys that belong to a number."""
    return subkeys(bytes([seed] * 32), b"mail no.", 1)


KEYS, OTHER_KEYS = keys_of(100), keys_of(101)

LUMA = np.add.outer(np.arange(8), np.arange(8)).astype(np.uint16) * 2 + 3
"""A quantisation table that grows towards the fine frequencies, as all do."""


def photograph(height: int, width: int, channels: int = 1, seed: int = 7, flat: float = 0) -> Canvas:
    """Soft light, sensor noise that varies from place to place; the left part may be flat."""
    noise = np.random.default_rng(seed).normal(0, 1, (height, width, channels))
    y, x = np.mgrid[:height, :width]
    light = 128 + 50 * np.sin(x / 37) + 40 * np.cos(y / 23)
    strength = 0.8 + 6 * np.abs(np.sin(x / 31) * np.cos(y / 17))
    samples = np.clip(np.round(light[..., None] + noise * strength[..., None]), 0, 255).astype(np.int16)
    samples[:, : int(width * flat)] = 200
    return Canvas(samples if channels == 3 else samples[..., 0], "pixels")


def jpeg(rows: int, columns: int, seed: int = 7, flat: float = 0) -> Canvas:
    """Coefficients as a photograph's luma has them, fewer towards the fine frequencies; the left part may be flat."""
    rng = np.random.default_rng(seed)
    strength = 160 / (1 + np.add.outer(np.arange(8), np.arange(8))) ** 1.5 / LUMA
    blocks = np.round(rng.laplace(0, 1, (rows, columns, 8, 8)) * strength)
    blocks[:, : int(columns * flat)] = 0
    blocks[:, :, 0, 0] = rng.integers(-100, 100, (rows, columns))
    return Canvas(np.clip(blocks, -1023, 1023).astype(np.int16), "coefficients", LUMA)


def header(split: int) -> bytes:
    """A header as the tests read it: the split, and a pattern."""
    return split.to_bytes(2) + bytes(range(100, 130))


def with_elements(canvas: Canvas, elements: NDArray[np.int16]) -> Canvas:
    """The same kind of canvas with other elements."""
    return Canvas(elements, canvas.kind, canvas.quantisation)
