"""What each step of each element of a canvas costs before anything is changed."""

import numpy as np

from services.stego.canvas import Canvas
from services.stego.coding import hill, uerd
from services.stego.coding.layers import Elements, Prices

_PIXELS = (0, 255)
_COEFFICIENTS = (-1023, 1023)
"""JPEG's coefficients have 10 bits and a sign (ITU-T T.81, F.1.2.2.1)."""


def prices(canvas: Canvas) -> Prices:
    """The price of a step, either way, in each element, in the elements' shape; infinite where none may be."""
    elements = canvas.elements
    if canvas.kind == "coefficients":
        if canvas.quantisation is None:
            raise ValueError("coefficients need their quantisation table")
        return uerd.prices(elements, canvas.quantisation)
    if elements.ndim == 2:
        return hill.prices(elements)
    return np.stack([hill.prices(elements[..., channel]) for channel in range(elements.shape[2])], axis=-1)


def both_ways(elements: Elements, price: Prices, kind: str) -> tuple[Prices, Prices]:
    """The prices of a step up and of a step down: infinite where it would leave the range."""
    least, most = _PIXELS if kind == "pixels" else _COEFFICIENTS
    infinite = np.float32(np.inf)
    return np.where(elements >= most, infinite, price), np.where(elements <= least, infinite, price)
