"""What the stego coder costs and how near it comes to the best there is: a report.

    python -m benchmarks.stego_coding PHOTO... [--size 2048x1280] [--rounds 3]

Distortion: every photo in grey, as pixels and as a JPEG of quality 90, one keyed order, random messages; the sum of the
prices paid over the least that random steps of as many bits cost (the bound of Fridrich and Filler, "Practical Methods
for Minimizing Embedding Impact in Steganography", 2007). Clustering is left out there, since it changes prices on the
way; the changes for each bit are those of the whole coder with it, header included.

Speed: the first photo, in colour and brought to the size, from file to file: CPU seconds of one process, the median of
the rounds. Memory: what hiding in the PNG adds to a process at its peak.
"""

import argparse
import io
import json
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.stego import coding, covers
from services.stego.canvas import Canvas
from services.stego.coding import gibbs, layers, permutation, prices, trellis
from services.stego.keys import subkeys

RATES = {"pixels": (0.05, 0.1, 0.2, 0.4), "coefficients": (0.05, 0.1, 0.2)}
"""Bits for each element that counts: that may change (pixels), an AC coefficient that is not zero."""
KEY = bytes(range(32))
SIZES = (16 * 2**10, 48 * 2**10)


def hidden(canvas: Canvas, rate: float, seed: int) -> tuple[NDArray[np.int16], int]:
    """Elements with random bytes hidden in them, and the bits they carry, the header's included."""
    chance = np.random.default_rng(seed)
    size = max(0, int(rate * coding.survey(canvas).usable / 8) - coding.HEADER_SIZE)
    keys = subkeys(chance.bytes(32), bytes(8), 1)
    stego = coding.embed(canvas, keys, chance.bytes(size), lambda split: chance.bytes(coding.HEADER_SIZE))
    return stego, 8 * (size + coding.HEADER_SIZE)


def over_the_bound(canvas: Canvas, rate: float) -> float:
    """Distortion of the coder over the least possible at this rate."""
    size = canvas.elements.size
    (order,) = permutation.order(KEY, 0, np.zeros(size, np.uint8), np.zeros(0, np.int32))
    flat = canvas.elements.reshape(-1)[order]
    up, down = prices.both_ways(flat, prices.prices(canvas).reshape(-1)[order], canvas.kind)
    message = np.random.default_rng(1).integers(0, 2, int(rate * coding.survey(canvas).usable), dtype=np.uint8)
    share = layers.share(flat, up, down, message.size / size)
    steps = layers.embed(flat, up, down, message, layers.Code(KEY, 1, share), trellis.path(size)) - flat
    paid = up[steps > 0].sum(dtype=float) + down[steps < 0].sum(dtype=float)
    return float(paid / _bound(up, down, message.size))


def _bound(up: layers.Prices, down: layers.Prices, bits: int) -> float:
    """The expected price of independent steps, each as likely as its price allows, that have `bits` of entropy."""
    least, most = -12.0, 16.0
    for _ in range(40):
        middle = (least + most) / 2
        if gibbs.entropies(up, down, np.exp(middle))[0] * up.size > bits:
            least = middle
        else:
            most = middle
    odds = [np.exp(-np.exp(most) * np.minimum(price.astype(float), 1e30)) for price in (up, down)]
    priced = sum(np.where(odd > 0, price, 0) * odd for price, odd in zip((up, down), odds, strict=True))
    return float(np.sum(priced / (1 + odds[0] + odds[1])))


def quality(canvases: list[Canvas], rate: float) -> dict[str, Any]:
    """A row of the report over all photos."""
    ratios = [over_the_bound(canvas, rate) for canvas in canvases]
    changes = carried = 0
    for number, canvas in enumerate(canvases):
        stego, bits = hidden(canvas, rate, number)
        changes += int(np.count_nonzero(stego != canvas.elements))
        carried += bits
    return {
        "kind": canvases[0].kind,
        "rate": rate,
        "photos": len(canvases),
        "bits": carried,
        "distortion over the bound, median": round(statistics.median(ratios), 3),
        "at most": round(max(ratios), 3),
        "changes a bit": round(changes / carried, 3),
    }


def speed(file: bytes, size: int, rounds: int) -> dict[str, Any]:
    """CPU seconds from file to file and from file to bytes."""
    body = np.random.default_rng(1).bytes(size)
    keys = subkeys(KEY, bytes(8), 1)

    def hide() -> bytes:
        cover = covers.read(file)
        header = bytes(coding.HEADER_SIZE - 2)
        return cover.write(coding.embed(cover.canvas, keys, body, lambda split: split.to_bytes(2) + header))

    def reveal() -> bytes:
        canvas = covers.read(stego).canvas
        return coding.read_body(canvas, keys, size, int.from_bytes(coding.read_header(canvas, keys)[:2]))

    stego = hide()
    if reveal() != body:
        raise RuntimeError("what was hidden does not open again")
    canvas = covers.read(file).canvas
    rows, columns = canvas.elements.shape[:2]
    megapixels = rows * columns / 1e6 * (1 if canvas.kind == "pixels" else 64)
    into, out = _median(hide, rounds), _median(reveal, rounds)
    return {
        "kind": canvas.kind,
        "megapixels": round(megapixels, 2),
        "bytes": size,
        "in s": round(into, 2),
        "in MP/s": round(megapixels / into, 2),
        "of it the coder s": round(
            _median(lambda: coding.embed(canvas, keys, body, lambda split: bytes(32)), rounds), 2
        ),
        "out s": round(out, 2),
        "out MP/s": round(megapixels / out, 1),
    }


def memory(file: bytes, size: int) -> float:
    """Bytes a sample that hiding adds to this process at its peak; in a process of its own."""
    canvas = covers.read(file).canvas
    keys = subkeys(KEY, bytes(8), 1)
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    coding.embed(canvas, keys, bytes(size), lambda split: bytes(coding.HEADER_SIZE))
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before) / canvas.elements.size


def _median(work: Callable[[], object], rounds: int) -> float:
    took = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        took.append(time.process_time() - begun)
    return statistics.median(took)


def _saved(picture: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **({"quality": 90} if kind == "JPEG" else {}))
    return file.getvalue()


def main() -> None:
    """The report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--size", default="2048x1280")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    photo = Image.open(options.photos[0]).convert("RGB").resize((width, height))
    png, jpeg = _saved(photo, "PNG"), _saved(photo, "JPEG")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        peak = pool.apply(memory, (png, SIZES[0]))
    greys = [Image.open(photo).convert("L") for photo in options.photos]
    canvases = {
        "pixels": [Canvas(np.asarray(grey, np.int16), "pixels") for grey in greys],
        "coefficients": [covers.read(_saved(grey, "JPEG")).canvas for grey in greys],
    }
    report = {
        "memory, bytes a sample": round(peak, 1),
        "speed": [*(speed(png, size, options.rounds) for size in SIZES), speed(jpeg, SIZES[0] // 2, options.rounds)],
        "quality": [quality(canvases[kind], rate) for kind, rates in RATES.items() for rate in rates],
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
