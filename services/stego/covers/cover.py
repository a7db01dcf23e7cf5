"""A cover as it was read: what of it can carry, and how the picture is written again."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.stego.canvas import Canvas
from services.stego.terms import Kind

Elements = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Cover:
    """One still picture. `kind` is what it is written as; `luma` a small grey version of it, to be judged by.

    `notes`: sentences for the person who gave it. `write` makes the file of other elements of the same shape.
    """

    canvas: Canvas
    kind: Kind
    width: int
    height: int
    luma: NDArray[np.float32] = field(repr=False)
    write: Callable[[Elements], bytes] = field(repr=False)
    notes: tuple[str, ...] = ()
