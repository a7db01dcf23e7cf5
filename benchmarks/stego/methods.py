"""Ways to hide bits in a grey tile or a JPEG: ours, what common tools do, and what theory allows at best."""

import io
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jpeglib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.stego import coding
from services.stego.canvas import Canvas
from services.stego.coding.prices import prices
from services.stego.keys import subkeys

Pixels = NDArray[np.uint8]
Method = Callable[[Pixels, int, int], Pixels | None]
"""A tile, how many bits, and the tile's number, which seeds all that is drawn; None where they don't go in."""


@dataclass(frozen=True, eq=False)
class Jpeg:
    """A grey JPEG: its file, its quantised coefficients (rows x columns x 8 x 8) and their table (8 x 8)."""

    file: bytes
    coefficients: NDArray[np.int16]
    table: NDArray[np.uint16]

    @property
    def live(self) -> int:
        """How many coefficients are not zero, the blocks' constant ones left aside (nzAC)."""
        return int(np.count_nonzero(self.coefficients) - np.count_nonzero(self.coefficients[:, :, 0, 0]))


JpegMethod = Callable[[Jpeg, int, int], NDArray[np.int16] | None]


# --- Ours ---------------------------------------------------------------------------------------------------------


def ours(pixels: Pixels, bits: int, number: int) -> Pixels | None:
    """services.stego's coding, header included in the bits; what was hidden is read again."""
    elements = _hidden(Canvas(pixels.astype(np.int16), "pixels"), bits, number)
    return None if elements is None else elements.astype(np.uint8)


def ours_in_jpeg(jpeg: Jpeg, bits: int, number: int) -> NDArray[np.int16] | None:
    """The same in a JPEG's coefficients."""
    return _hidden(Canvas(jpeg.coefficients, "coefficients", jpeg.table), bits, number)


def _hidden(canvas: Canvas, bits: int, number: int) -> NDArray[np.int16] | None:
    size = bits // 8 - coding.HEADER_SIZE
    if size < 1:
        return None
    chance = _chance(number)
    keys = subkeys(chance.bytes(32), bytes(8), 0)
    body, sealed, split = chance.bytes(size), chance.bytes(coding.HEADER_SIZE), 0

    def header(chosen: int) -> bytes:
        nonlocal split
        split = chosen
        return sealed

    try:
        elements = coding.embed(canvas, keys, body, header)
    except coding.NoRoom:
        return None
    stego = Canvas(elements, canvas.kind, canvas.quantisation)
    read = coding.read_header(stego, keys), coding.read_body(stego, keys, size, split)
    if read != (sealed, body):
        raise AssertionError(f"what was hidden in tile {number} can't be read")
    return elements


# --- What theory allows -------------------------------------------------------------------------------------------


def hill_at_best(pixels: Pixels, bits: int, number: int) -> Pixels:
    """The same prices without clustered directions, changed as a perfect code would: a yardstick, it hides nothing."""
    price = prices(Canvas(pixels.astype(np.int16), "pixels")).astype(np.float64)
    probability = _probabilities(price, bits)
    drawn = _chance(number).random(pixels.shape)
    steps = (drawn < probability).astype(np.int16) - (drawn > 1 - probability)
    moved = pixels.astype(np.int16) + steps
    return np.where((moved < 0) | (moved > 255), pixels - steps, moved).astype(np.uint8)


def _probabilities(price: NDArray[np.float64], bits: int) -> NDArray[np.float64]:
    """Of a step up (and as much of one down), so that the steps have this many bits of entropy at the least cost."""
    low, high = -12.0, 12.0  # powers of ten of the factor of the prices
    step: NDArray[np.float64]
    for _ in range(50):
        middle = (low + high) / 2
        weight = np.exp(-np.minimum(10**middle * price, 700))
        step = weight / (1 + 2 * weight)
        still = 1 - 2 * step
        entropy = -np.sum(2 * step * np.log2(np.maximum(step, 1e-300)) + still * np.log2(still))
        low, high = (middle, high) if entropy > bits else (low, middle)
    return step


def nsf5_at_best(jpeg: Jpeg, bits: int, number: int) -> NDArray[np.int16]:
    """nsF5 with a perfect code: magnitudes of live coefficients, drawn at random, go down by one."""
    share = bits / jpeg.live
    low, high = 0.0, 0.5
    for _ in range(50):
        middle = (low + high) / 2
        entropy = -middle * np.log2(middle) - (1 - middle) * np.log2(1 - middle)
        low, high = (middle, high) if entropy < share else (low, middle)
    coefficients = jpeg.coefficients.copy()
    may = coefficients != 0
    may[:, :, 0, 0] = False
    places = np.flatnonzero(may)
    chosen = _chance(number).choice(places, round(low * len(places)), replace=False)
    flat = coefficients.reshape(-1)
    flat[chosen] -= np.sign(flat[chosen])
    return coefficients


# --- Common tools -------------------------------------------------------------------------------------------------


def _chance(number: int) -> np.random.Generator:
    return np.random.default_rng(number)


def matching(pixels: Pixels, bits: int, number: int) -> Pixels:
    """LSB matching in pixels drawn at random: a wrong last bit is put right by one up or down, as chance has it."""
    chance = _chance(number)
    places = chance.permutation(pixels.size)[:bits]
    stego = pixels.astype(np.int16).reshape(-1)
    wrong = places[chance.integers(0, 2, bits).astype(bool)]
    steps = chance.choice(np.array([-1, 1], np.int16), len(wrong))
    steps[stego[wrong] == 0], steps[stego[wrong] == 255] = 1, -1
    stego[wrong] += steps
    return stego.reshape(pixels.shape).astype(np.uint8)


def steghide(jpeg: Jpeg, bits: int, number: int) -> NDArray[np.int16] | None:
    """The program steghide, told not to add a checksum, a name, compression or encryption."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cover.jpg").write_bytes(jpeg.file)
        (folder / "body").write_bytes(_chance(number).bytes(bits // 8))
        plain = ["-q", "-f", "-e", "none", "-Z", "-K", "-N"]
        command = ["steghide", "embed", *plain, "-cf", "cover.jpg", "-ef", "body", "-sf", "stego.jpg", "-p"]
        done = subprocess.run([*command, f"key {number}"], cwd=folder, check=False, capture_output=True)
        if done.returncode:
            return None
        return np.array(jpeglib.read_dct(str(folder / "stego.jpg")).Y, np.int16)


def compressed(pixels: Pixels, quality: int) -> Jpeg:
    """The tile as a grey JPEG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    with tempfile.NamedTemporaryFile(suffix=".jpg") as copy:
        copy.write(file.getvalue())
        copy.flush()
        picture = jpeglib.read_dct(copy.name)
        return Jpeg(file.getvalue(), np.array(picture.Y, np.int16), np.array(picture.qt[0], np.uint16))
