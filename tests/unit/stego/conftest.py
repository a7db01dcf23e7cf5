"""Pictures for the stego tests: photographs as far as statistics go, made from a fixed seed."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from services.stego.cover import Samples


def _textured(height: int, width: int, channels: int = 3, seed: int = 7) -> Samples:
    """Soft light, a few edges and sensor noise."""
    noise = np.random.default_rng(seed).normal(0, 5, (height, width, channels))
    y, x = np.mgrid[:height, :width]
    light = 128 + 50 * np.sin(x / 37) + 40 * np.cos(y / 23) + 25 * ((x // 31 + y // 43) % 2)
    samples = np.clip(light[..., None] + noise, 0, 255).astype(np.uint8)
    return samples if channels == 3 else samples[..., 0]


def _png(samples: NDArray[np.uint8], **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(samples).save(file, "PNG", **options)
    return file.getvalue()


@pytest.fixture(scope="session")
def textured() -> Callable[..., Samples]:
    return _textured


@pytest.fixture(scope="session")
def png() -> Callable[..., bytes]:
    return _png


@pytest.fixture(scope="session")
def photograph() -> bytes:
    """A PNG of 256 x 192 pixels in colour: at the default rate 921 bytes of room."""
    return _png(_textured(192, 256))
