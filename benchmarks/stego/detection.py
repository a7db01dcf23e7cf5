"""What the attacks find: those of tests/unit/stego/attacks.py, and two richer models of features."""

import hashlib
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.unit.stego import attacks
from tests.unit.stego.attacks import Ensemble, Features, Pixels

ESTIMATES = {"RS": attacks.rs, "SPA": attacks.sample_pairs, "WS": attacks.weighted_stego}
DIMENSIONS = {"SPAM": 150, "SRM": 400, "DCTR": 300}
"""Features of each learner: of the numbers tried, what finds LSB matching and steghide well."""


def estimated(pictures: list[Pixels]) -> dict[str, NDArray[np.float64]]:
    """What RS, sample pairs and weighted stego make of each picture."""
    return {name: np.array([attack(pixels) for pixels in pictures]) for name, attack in ESTIMATES.items()}


def structural(covers: dict[str, NDArray[np.float64]], stegos: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Found at 5 % false alarms, and the area under the curve, of each estimate."""
    return {
        name: {
            "found": round(attacks.found(covers[name], stegos[name]), 4),
            "area": round(attacks.area(covers[name], stegos[name]), 4),
        }
        for name in covers
    }


@dataclass(frozen=True, eq=False)
class Trained:
    """Ensembles that learn half of the photographs and judge the other half, with each of several divisions."""

    sources: NDArray[np.int64]  # of each tile, its photograph
    splits: int

    def judge(self, model: str, covers: Features, stegos: Features) -> dict[str, float]:
        """The means over the divisions, and the standard deviations of error and area."""
        rows = [self._judge(model, covers, stegos, half) for half in self._halves()]
        error, area, found = np.array(rows).T
        return {
            "error": round(float(error.mean()), 4),
            "error_sd": round(float(error.std(ddof=1)), 4),
            "area": round(float(area.mean()), 4),
            "area_sd": round(float(area.std(ddof=1)), 4),
            "found": round(float(found.mean()), 4),
        }

    def _judge(self, model: str, covers: Features, stegos: Features, half: NDArray[np.bool_]) -> tuple[float, ...]:
        learnt = Ensemble.trained(covers[half], stegos[half], dimensions=DIMENSIONS[model])
        before, after = learnt.scores(covers[~half]), learnt.scores(stegos[~half])
        return attacks.error(before, after), attacks.area(before, after), attacks.found(before, after)

    def _halves(self) -> Iterator[NDArray[np.bool_]]:
        photographs = np.unique(self.sources)
        for seed in range(self.splits):
            mixed = np.random.default_rng(seed).permutation(photographs)
            yield np.isin(self.sources, mixed[: len(mixed) // 2])


def spam(pictures: NDArray[np.uint8]) -> Features:
    """The SPAM features of each picture."""
    return np.array([attacks.spam(pixels) for pixels in pictures])


class RichModel:
    """SRM by sealwatch, in an environment of its own under `folder`; what was computed once is kept there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._python = folder / "environment/bin/python"
        if not self._python.exists():
            venv.create(folder / "environment", with_pip=True)
            install = [str(self._python), "-m", "pip", "install", "--quiet"]
            subprocess.run([*install, "numpy"], check=True)
            # Its other dependencies, PyTorch among them, are of models that are not asked for here.
            subprocess.run([*install, "--no-deps", "sealwatch"], check=True)
        (folder / "features").mkdir(exist_ok=True)

    def __call__(self, pictures: NDArray[np.uint8]) -> Features:
        kept = self._folder / "features" / f"srm-{hashlib.sha256(pictures.tobytes()).hexdigest()[:16]}.npy"
        if not kept.exists():
            source, made = kept.with_suffix(".tiles.npy"), kept.with_suffix(".part.npy")
            np.save(source, pictures)
            script = Path(__file__).with_name("rich_model.py")
            subprocess.run([self._python, script, source, made], check=True, stdout=sys.stderr)
            source.unlink()
            made.rename(kept)
        features: Features = np.load(kept)
        return features


def dctr(coefficients: NDArray[np.int16], table: NDArray[np.uint16], step: float) -> NDArray[np.float32]:
    """The 8,000 features of Holub and Fridrich, "Low-Complexity Features for JPEG Steganalysis Using Undecimated
    DCT", IEEE TIFS 2015: histograms of the picture under the 64 patterns of the DCT, by place in JPEG's grid.
    """
    pixels = _decompressed(coefficients, table)
    size = pixels.shape[0] - 7
    fold = np.array([0, 1, 2, 3, 4, 3, 2, 1])[np.arange(size) % 8]
    place = (fold[:, None] * 5 + fold[None, :]) * 5
    features = []
    for upright in _DCT:
        columns = sum(upright[i] * pixels[i : i + size] for i in range(8))
        for across in _DCT:
            plane = sum(across[i] * columns[:, i : i + size] for i in range(8))
            level = np.minimum(np.rint(np.abs(plane) / step), 4).astype(np.intp)
            counts = np.bincount((place + level).ravel(), minlength=125).reshape(25, 5)
            features.append(counts / counts.sum(axis=1, keepdims=True))
    return np.concatenate(features).ravel().astype(np.float32)


def _decompressed(coefficients: NDArray[np.int16], table: NDArray[np.uint16]) -> NDArray[np.float64]:
    """The pixels, neither rounded nor cut off."""
    rows, columns = coefficients.shape[:2]
    blocks = np.einsum("ki,rckl,lj->ricj", _DCT, coefficients * table.astype(np.float64), _DCT, optimize=True)
    pixels: NDArray[np.float64] = blocks.reshape(rows * 8, columns * 8) + 128
    return pixels


_DCT = np.cos(np.pi / 16 * np.outer(np.arange(8), 2 * np.arange(8) + 1)) / 2
_DCT[0] /= np.sqrt(2)
