"""Pictures that tests hide in: photographs as far as statistics go. Each is used once, so each is another one."""

import io
import secrets

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def textured(height: int, width: int, channels: int = 3, seed: int | None = None) -> NDArray[np.uint8]:
    """Soft light in slow waves, and a sensor's noise. Another picture each time, or with a seed the same one."""
    draw = np.random.default_rng(secrets.randbits(64) if seed is None else seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    light = np.full((height, width), 128.0)
    for _ in range(8):
        a, b, c = draw.uniform(-12, 12), draw.uniform(-12, 12), draw.uniform(0, 7)
        light += draw.uniform(6, 12) * np.sin(a * x + b * y + c)
    noise = draw.normal(0, 7, (height, width, channels))
    samples = np.clip(light[..., None] + noise, 0, 255).astype(np.uint8)
    return samples if channels == 3 else samples[..., 0]


def encoded(samples: NDArray[np.uint8], kind: str = "PNG", **options: object) -> bytes:
    """The file of a picture."""
    file = io.BytesIO()
    Image.fromarray(samples).save(file, kind, **options)
    return file.getvalue()


def photograph(width: int = 400, height: int = 300, kind: str = "PNG", seed: int | None = None) -> bytes:
    """A picture's file, in colour."""
    return encoded(textured(height, width, seed=seed), kind, **({"quality": 92} if kind == "JPEG" else {}))
