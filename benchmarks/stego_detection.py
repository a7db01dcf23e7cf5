"""How well a hidden mail is found: ours beside common tools, attacked in every way that runs here. A report, no gate.

    python -m benchmarks.stego_detection [--tiles 64] [--splits 6] [--rich] [--work DIR] [--photographs DIR]

A full run, `nice python -m benchmarks.stego_detection --tiles 300 --splits 10 --rich`, takes half an hour of one core.
What takes long (photographs fetched by apt-get and pip, the environment of the rich model, its features) is kept in
the folder `--work`; with `--photographs` one's own are taken. It writes benchmarks/results/stego-detection.json, and
the tables and pictures of docs/steganalysis.md, which says how it is measured and what it means; without `--rich` the
tables are only printed, in a few minutes.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.stego import methods, photographs, report
from benchmarks.stego.detection import RichModel, Trained, dctr, estimated, spam, structural
from benchmarks.stego.methods import Jpeg
from benchmarks.stego.photographs import Tiles
from tests.unit.stego import replacement

RATES = (0.05, 0.1, 0.2, 0.4)  # bits a pixel
JPEG_RATES = (0.05, 0.1, 0.2)  # bits a coefficient that is not zero
QUALITY = 90
DCTR_STEP = 4 * (2 - QUALITY / 50)  # as its paper has it for this quality

PIXELS: dict[str, methods.Method] = {
    "ours": methods.ours,
    "HILL at best": methods.hill_at_best,
    "LSB matching": methods.matching,
    "LSB replacement, random": replacement.at_random,
    "LSB replacement, in rows": replacement.in_rows,
}
RICH = {
    "ours": RATES,
    "LSB matching": (0.1, 0.4),
}
"""Where the rich model is asked, which takes most of the time."""


def measure(tiles: Tiles, splits: int, rich: RichModel | None) -> dict[str, Any]:
    """All of it."""
    return {
        "machine": {"processor": platform.processor() or platform.machine(), "python": platform.python_version()},
        "photographs": len(np.unique(tiles.sources)),
        "tiles": len(tiles.pixels),
        "splits": splits,
        "jpeg": _in_jpeg(tiles, splits),
        "pixels": _in_pixels(tiles, splits, rich),
    }


def _in_pixels(tiles: Tiles, splits: int, rich: RichModel | None) -> dict[str, Any]:
    before = estimated(list(tiles.pixels))
    plain, richly = spam(tiles.pixels), rich(tiles.pixels) if rich else None
    seen: dict[str, Any] = {name: {} for name in PIXELS}
    for rate in RATES:
        bits = round(rate * photographs.SIDE**2)
        _say(f"{rate} bits a pixel")
        carried = [methods.ours(pixels, bits, number) for number, pixels in enumerate(tiles.pixels)]
        chosen = np.array([stego is not None for stego in carried])
        trained = Trained(tiles.sources[chosen], splits)
        covers = {name: values[chosen] for name, values in before.items()}
        for name, method in PIXELS.items():
            made = carried if name == "ours" else [method(p, bits, number) for number, p in enumerate(tiles.pixels)]
            stegos = np.array([p if s is None else s for p, s in zip(tiles.pixels, made, strict=True)])
            one: dict[str, Any] = _changes(tiles.pixels[chosen], stegos[chosen], bits)
            one |= {"structural": structural(covers, estimated(list(stegos[chosen])))}
            one |= {"SPAM": trained.judge("SPAM", plain[chosen], spam(stegos[chosen]))}
            if rich and richly is not None and rate in RICH.get(name, ()):
                one |= {"SRM": trained.judge("SRM", richly[chosen], rich(stegos)[chosen])}
            if name == "ours":
                one |= {"left_out": int(np.count_nonzero(~chosen))}
            seen[name][str(rate)] = one
            _say(f"  {name}: {json.dumps(one)}")
    return seen


def _changes(covers: NDArray[np.uint8], stegos: NDArray[np.uint8], bits: int) -> dict[str, float]:
    moved = stegos.astype(np.int16) - covers
    share = float(np.mean(moved != 0))
    return {
        "changes": round(share, 5),
        "bits_a_change": round(bits / covers[0].size / share, 2),
        "psnr": round(10 * float(np.log10(255**2 / np.mean(moved.astype(float) ** 2))), 1),
    }


def _in_jpeg(tiles: Tiles, splits: int) -> dict[str, Any]:
    jpegs = [methods.compressed(pixels, QUALITY) for pixels in tiles.pixels]
    ways: dict[str, methods.JpegMethod] = {"ours": methods.ours_in_jpeg, "nsF5 at best": methods.nsf5_at_best}
    if shutil.which("steghide"):
        ways["steghide"] = methods.steghide
    else:
        _say("steghide is not installed: left out")
    covers = _dctr([jpeg.coefficients for jpeg in jpegs], jpegs)
    seen: dict[str, Any] = {name: {} for name in ways}
    for rate in JPEG_RATES:
        _say(f"{rate} bits a live coefficient")
        made = {
            name: [way(jpeg, round(rate * jpeg.live), number) for number, jpeg in enumerate(jpegs)]
            for name, way in ways.items()
        }
        chosen = np.array([all(row[n] is not None for row in made.values()) for n in range(len(jpegs))])
        some = [jpeg for jpeg, taken in zip(jpegs, chosen, strict=True) if taken]
        trained = Trained(tiles.sources[chosen], splits)
        for name, row in made.items():
            stegos = [stego for stego, taken in zip(row, chosen, strict=True) if taken and stego is not None]
            moved = sum(np.count_nonzero(s != j.coefficients) for s, j in zip(stegos, some, strict=True))
            one: dict[str, Any] = {"bits_a_change": round(sum(round(rate * jpeg.live) for jpeg in some) / moved, 2)}
            one |= {"left_out": int(np.count_nonzero(~chosen))}
            one |= {"DCTR": trained.judge("DCTR", covers[chosen], _dctr(stegos, some))}
            seen[name][str(rate)] = one
            _say(f"  {name}: {json.dumps(one)}")
    return seen


def _dctr(coefficients: list[NDArray[np.int16]], jpegs: list[Jpeg]) -> NDArray[np.float32]:
    return np.array([dctr(c, jpeg.table, DCTR_STEP) for c, jpeg in zip(coefficients, jpegs, strict=True)])


_BEGUN = time.monotonic()


def _say(line: str) -> None:
    print(f"{time.monotonic() - _BEGUN:6.0f} s  {line}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, default=64, help="at most so many (64)")
    parser.add_argument("--splits", type=int, default=6, help="divisions into learning and judging (6)")
    parser.add_argument("--rich", action="store_true", help="ask the rich model as well, and write the report")
    parser.add_argument("--work", type=Path, default=Path(".run/stego-detection"))
    parser.add_argument("--photographs", type=Path, help="a folder with one's own (fetched into --work)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    found = photographs.gather(chosen.photographs or chosen.work / "photographs")
    tiles = photographs.tiles(found, chosen.tiles)
    _say(f"{len(tiles.pixels)} tiles of {len(found)} photographs")
    seen = measure(tiles, chosen.splits, RichModel(chosen.work) if chosen.rich else None)
    if chosen.rich:
        (chosen.out / "stego-detection.json").write_text(json.dumps(seen, indent=1) + "\n")
        report.write(seen, chosen.docs)
    else:
        print(report.tables(seen))


if __name__ == "__main__":
    os.nice(10)
    main()
