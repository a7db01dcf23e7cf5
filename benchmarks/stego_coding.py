"""What the stego coder costs and how near it comes to the best there is: a report.

    python -m benchmarks.stego_coding PHOTO... [--size 2048x1280] [--rounds 3]

Distortion: every photo in grey, HILL prices, one keyed order, random messages; the sum of the prices paid over the
least that random steps of as many bits cost (the bound of Fridrich and Filler, "Practical Methods for Minimizing
Embedding Impact in Steganography", 2007). Clustering is left out there, since it changes prices on the way; the changes
for each bit are those of the whole coder with it, header included.

Speed: the first photo, in colour and brought to the size, from PNG to PNG: CPU seconds of one process, the median of
the rounds. Memory: what hiding in it adds to a process at its peak.
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
from services.stego.coding import layers, permutation, prices, trellis
from services.stego.keys import subkeys

RATES = (0.05, 0.1, 0.2, 0.4)
KEY = bytes(range(32))
SPEEDS = (16 * 2**10, 48 * 2**10)


def hidden(elements: NDArray[np.int16], rate: float, seed: int) -> NDArray[np.int16]:
    """Pixels with random bytes hidden in them: `rate` bits for each element that may change, header included."""
    canvas = Canvas(elements, "pixels")
    chance = np.random.default_rng(seed)
    size = max(0, int(rate * coding.survey(canvas).usable / 8) - coding.HEADER_SIZE)
    keys = subkeys(chance.bytes(32), bytes(8), 1)
    return coding.embed(canvas, keys, chance.bytes(size), lambda split: chance.bytes(coding.HEADER_SIZE))


def over_the_bound(elements: NDArray[np.int16], rate: float) -> float:
    """Distortion of the coder over the least possible, at `rate` bits for each element that may change."""
    canvas = Canvas(elements, "pixels")
    (order,) = permutation.order(KEY, 0, np.zeros(elements.size, np.uint8), np.zeros(0, np.int32))
    flat = elements.reshape(-1)[order]
    up, down = prices.both_ways(flat, prices.prices(canvas).reshape(-1)[order], "pixels")
    message = np.random.default_rng(1).integers(0, 2, int(rate * np.isfinite(up).sum()), dtype=np.uint8)
    share = layers.share(flat, up, down, message.size / flat.size)
    steps = layers.embed(flat, up, down, message, layers.Code(KEY, 1, share), trellis.path(flat.size)) - flat
    paid = up[steps > 0].sum(dtype=float) + down[steps < 0].sum(dtype=float)
    return float(paid / _bound(up, down, message.size))


def _bound(up: layers.Prices, down: layers.Prices, bits: int) -> float:
    """The expected price of independent steps, each as likely as its price allows, that have `bits` of entropy."""
    least, most = -12.0, 16.0
    for _ in range(40):
        middle = (least + most) / 2
        if layers.entropies(up, down, np.exp(middle))[0] * up.size > bits:
            least = middle
        else:
            most = middle
    odds = [np.exp(-np.exp(most) * np.minimum(price.astype(float), 1e30)) for price in (up, down)]
    priced = sum(np.where(odd > 0, price, 0) * odd for price, odd in zip((up, down), odds, strict=True))
    return float(np.sum(priced / (1 + odds[0] + odds[1])))


def quality(photos: list[Path]) -> list[dict[str, Any]]:
    """A row for each rate, over all photos."""
    greys = [np.asarray(Image.open(photo).convert("L"), np.int16) for photo in photos]
    rows = []
    for rate in RATES:
        ratios = [over_the_bound(grey, rate) for grey in greys]
        changes, bits = 0, 0
        for number, grey in enumerate(greys):
            changes += int(np.count_nonzero(hidden(grey, rate, number) != grey))
            bits += int(rate * coding.survey(Canvas(grey, "pixels")).usable)
        rows.append(
            {
                "bits an element": rate,
                "photos": len(greys),
                "distortion over the bound, median": round(statistics.median(ratios), 3),
                "at most": round(max(ratios), 3),
                "changes a bit": round(changes / bits, 3),
            }
        )
    return rows


def speed(file: bytes, size: int, rounds: int) -> dict[str, Any]:
    """CPU seconds from PNG to PNG and from PNG to bytes."""
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
    megapixels = canvas.elements.shape[0] * canvas.elements.shape[1] / 1e6
    into, out = _median(hide, rounds), _median(reveal, rounds)
    return {
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
    coding.warm()
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


def main() -> None:
    """The report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--size", default="2048x1280")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    file = io.BytesIO()
    Image.open(options.photos[0]).convert("RGB").resize((width, height)).save(file, "PNG")
    begun = time.process_time()
    coding.warm()
    compiled = time.process_time() - begun
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        peak = pool.apply(memory, (file.getvalue(), SPEEDS[0]))
    report = {
        "compiling s": round(compiled, 2),
        "memory, bytes a sample": round(peak, 1),
        "speed": [speed(file.getvalue(), size, options.rounds) for size in SPEEDS],
        "quality": quality(options.photos),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
