"""The spatial rich model (SRM, 34,671 features) of tiles: python rich_model.py TILES.npy FEATURES.npy

Run by the interpreter of an environment of its own, which has sealwatch and numpy. sealwatch counts the co-occurrences
of four neighbours one value at a time; here one pass counts them, to the same numbers. Only the two modules that are
needed are loaded: the package as a whole would load PyTorch.
"""

import importlib.util
import sys
import time
import types
from pathlib import Path

import numpy as np


def _package(name: str, folder: Path) -> None:
    module = types.ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module


_FOLDER = Path(importlib.util.find_spec("sealwatch").submodule_search_locations[0])
for _name in ("sealwatch", "sealwatch.tools", "sealwatch.srm"):
    _package(_name, _FOLDER.joinpath(*_name.split(".")[1:]))

cooccurrence = importlib.import_module("sealwatch.srm.cooccurrence")
symm = importlib.import_module("sealwatch.srm.symm")

RESIDUALS = (
    (cooccurrence.all1st, "f1", 1, (1, 2)),
    (cooccurrence.all2nd, "f2", 2, (1, 1.5, 2)),
    (cooccurrence.all3rd, "f3", 3, (1, 1.5, 2)),
    (cooccurrence.all3x3, "f3x3", 4, (1, 1.5, 2)),
    (cooccurrence.all5x5, "f5x5", 12, (1, 1.5, 2)),
)


def _counted(values, vertical):
    four = (values if vertical else values.T).astype(np.int16)
    # Four neighbours, of five values each, as a number to the base of five: of two first, then of two pairs.
    two = (four[:-1] + 2) * 5 + four[1:] + 2
    return np.bincount((two[:-2] * 25 + two[2:]).ravel(), minlength=625)


def _neighbours(values, kind, reach):
    if kind not in ("hor", "ver") or reach != 2:
        raise ValueError(f"the rich model counts no {kind} neighbours up to {reach}")
    counts = _counted(values, kind == "ver").reshape((5,) * 4)
    return counts / counts.sum()


def features(tile):
    """The model of one tile."""
    found = {}
    pixels = tile.astype(int)
    for residuals, name, step, quantisations in RESIDUALS:
        for quantisation in quantisations:
            counted = residuals(pixels, quantisation * step, CoocN=_neighbours)
            found = symm.post_process(counted, name, quantisation, found)
    # By name: sealwatch goes through a set, so that its own order is another one in each process.
    return np.concatenate([np.ravel(found[name]) for name in sorted(found)]).astype(np.float32)


def main(source: str, target: str) -> None:
    """All tiles of a file; a line of progress every 10 s."""
    tiles = np.load(source)
    rows, said = [], time.monotonic()
    for number, tile in enumerate(tiles, 1):
        rows.append(features(tile))
        if time.monotonic() - said > 10:
            said = time.monotonic()
            print(f"    rich model: {number} of {len(tiles)} tiles", file=sys.stderr, flush=True)
    np.save(target, np.array(rows))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
