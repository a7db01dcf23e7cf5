"""Attacks on hiding in pixels, written from their papers: what a stranger who suspects a picture would try.

Three estimate how much LSB replacement a grey picture (height x width, uint8) has seen, in bits a pixel. One measures
686 relations between neighbours, from which a trained classifier learns what a method does. All are deterministic.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Features = NDArray[np.float32] | NDArray[np.float64]  # pictures x features
Scores = NDArray[np.float64]  # one a picture; the higher, the more suspect

_SLOPE = 3  # differences beyond it count as it
_RIDGE = 1e-3


def rs(pixels: Pixels) -> float:
    """Fridrich, Goljan and Du, "Reliable Detection of LSB Steganography in Color and Grayscale Images", 2001."""
    groups = pixels[:, : pixels.shape[1] // 4 * 4].reshape(-1, 4).astype(np.int16)
    plain = _regular_less_singular(groups)
    flipped = _regular_less_singular(groups ^ 1)
    # Where the two curves meet, as the paper's section 3 has it, z is half the message's share less than itself.
    (d0, minus0), (d1, minus1) = plain, flipped
    z = _smaller_root(2 * (d1 + d0), minus0 - minus1 - d1 - 3 * d0, d0 - minus0)
    return z / (z - 0.5)


def _regular_less_singular(groups: NDArray[np.int16]) -> tuple[float, float]:
    """The share of groups that flipping roughens, less the share it smooths: flipping 2k and 2k+1, then 2k-1 and 2k."""
    before = np.abs(np.diff(groups, axis=1)).sum(axis=1)
    shares = []
    for shift in (0, 1):
        turned = groups.copy()
        turned[:, 1:3] = ((turned[:, 1:3] + shift) ^ 1) - shift
        after = np.abs(np.diff(turned, axis=1)).sum(axis=1)
        shares.append(float(np.mean(after > before) - np.mean(after < before)))
    return shares[0], shares[1]


def sample_pairs(pixels: Pixels) -> float:
    """Dumitrescu, Wu and Wang, "Detection of LSB Steganography via Sample Pair Analysis", 2003."""
    wide = pixels.astype(np.int16)
    left = np.concatenate([wide[:, :-1].ravel(), wide[:-1].ravel()])
    right = np.concatenate([wide[:, 1:].ravel(), wide[1:].ravel()])
    even = right % 2 == 0
    nearer = int(np.count_nonzero((even & (left < right)) | (~even & (left > right))))
    further = int(np.count_nonzero((even & (left > right)) | (~even & (left < right))))
    together = int(np.count_nonzero(left // 2 == right // 2))
    return 2 * _smaller_root(2 * together, 2 * (2 * nearer - left.size), further - nearer)


def weighted_stego(pixels: Pixels) -> float:
    """Ker and Boehme, "Revisiting Weighted Stego-Image Steganalysis", 2008: their enhanced predictor and weights."""
    wide = pixels.astype(np.float64)
    across = wide[1:-1, :-2] + wide[1:-1, 2:] + wide[:-2, 1:-1] + wide[2:, 1:-1]
    corners = wide[:-2, :-2] + wide[:-2, 2:] + wide[2:, :-2] + wide[2:, 2:]
    centre = pixels[1:-1, 1:-1]
    mean = (across + corners) / 8
    squares = np.lib.stride_tricks.sliding_window_view(wide**2, (3, 3)).sum(axis=(2, 3)) - wide[1:-1, 1:-1] ** 2
    weights = 1 / (5 + np.maximum(squares / 8 - mean**2, 0))
    turn = np.where(centre % 2, 1.0, -1.0)  # the pixel less the pixel with its last bit flipped
    residual = centre - (across / 2 - corners / 4)
    return float(2 * np.sum(weights * turn * residual) / np.sum(weights))


def _smaller_root(a: float, b: float, c: float) -> float:
    if a == 0:
        return -c / b if b else 0.0
    reach = math.sqrt(max(b * b - 4 * a * c, 0.0))
    return min((-b + reach) / (2 * a), (-b - reach) / (2 * a), key=abs)


def spam(pixels: Pixels) -> NDArray[np.float64]:
    """Pevny, Bas and Fridrich, "Steganalysis by Subtractive Pixel Adjacency Matrix", 2010: how a difference of
    neighbours follows from the two before it, on the mean of the four directions along the axes and of the diagonals.
    """
    upright, slanted = [], []
    for turn in range(4):
        wide = np.rot90(pixels, turn).astype(np.int16)
        upright.append(_transitions(wide[:, :-1] - wide[:, 1:], 0, 1))
        slanted.append(_transitions(wide[:-1, :-1] - wide[1:, 1:], 1, 1))
    return np.concatenate([np.mean(upright, axis=0), np.mean(slanted, axis=0)])


def _transitions(differences: NDArray[np.int16], down: int, right: int) -> NDArray[np.float64]:
    size = 2 * _SLOPE + 1
    near = np.clip(differences, -_SLOPE, _SLOPE).astype(np.intp) + _SLOPE
    height, width = near.shape[0] - 2 * down, near.shape[1] - 2 * right
    first, second, third = (near[i * down :, i * right :][:height, :width] for i in range(3))
    counts = np.bincount(((first * size + second) * size + third).ravel(), minlength=size**3).reshape(-1, size)
    shares: NDArray[np.float64] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares.ravel()


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Kodovsky, Fridrich and Holub, "Ensemble Classifiers for Steganalysis of Digital Media", 2012: Fisher's linear
    discriminants, each on some of the features and on pictures drawn with replacement; the majority decides.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    chosen: NDArray[np.intp]  # learners x features of each
    normals: NDArray[np.float64]  # the same shape
    thresholds: NDArray[np.float64]  # one a learner

    @classmethod
    def trained(cls, covers: Features, stegos: Features, learners: int = 61, dimensions: int = 300) -> "Ensemble":
        """An ensemble that tells `stegos` from `covers`; row i of both is made of one picture."""
        chance = np.random.default_rng(20121122)
        both = np.concatenate([covers, stegos])
        mean, scale = both.mean(axis=0), both.std(axis=0)
        live = np.flatnonzero(scale > 0)
        size = min(dimensions, live.size)
        chosen, normals, thresholds = [], [], []
        for _ in range(learners):
            some = np.sort(chance.choice(live, size, replace=False))
            drawn = chance.integers(0, len(covers), len(covers))
            cover, stego = ((kind[np.ix_(drawn, some)] - mean[some]) / scale[some] for kind in (covers, stegos))
            normal = _discriminant(cover, stego)
            chosen.append(some)
            normals.append(normal)
            thresholds.append(_best_threshold(cover @ normal, stego @ normal))
        return cls(mean, scale, np.array(chosen), np.array(normals), np.array(thresholds))

    def scores(self, pictures: Features) -> Scores:
        """The share of learners that take each picture for one that carries something."""
        votes = np.zeros(len(pictures))
        for some, normal, threshold in zip(self.chosen, self.normals, self.thresholds, strict=True):
            votes += (pictures[:, some] - self.mean[some]) / self.scale[some] @ normal > threshold
        return votes / len(self.thresholds)


def _discriminant(cover: Features, stego: Features) -> NDArray[np.float64]:
    spread = np.cov(cover, rowvar=False) + np.cov(stego, rowvar=False)
    ridge = _RIDGE * np.trace(spread) / len(spread)  # few pictures for many features: it must not be singular
    return np.linalg.solve(spread + ridge * np.eye(len(spread)), stego.mean(axis=0) - cover.mean(axis=0))


def _best_threshold(cover: Scores, stego: Scores) -> float:
    values = np.concatenate([cover, stego])
    order = np.argsort(values, kind="stable")
    # Above each value: how many covers are wrongly suspected, and up to it, how many stegos are missed.
    missed = np.cumsum(order >= len(cover))
    wrong = missed + len(cover) - np.cumsum(order < len(cover))
    best = int(np.argmin(wrong))
    return float(values[order[best : best + 2]].mean())


def error(covers: Scores, stegos: Scores) -> float:
    """The least mean of false alarms and misses over all thresholds: 0.5 is a toss-up, 0 is always told."""
    levels = np.unique(np.concatenate([covers, stegos]))
    alarms = 1 - np.searchsorted(np.sort(covers), levels, side="right") / len(covers)
    misses = np.searchsorted(np.sort(stegos), levels, side="right") / len(stegos)
    return float(np.min((alarms + misses) / 2, initial=0.5))


def found(covers: Scores, stegos: Scores, alarms: float = 0.05) -> float:
    """The share of stegos over the threshold that only the share `alarms` of the covers is over."""
    return float(np.mean(stegos > np.quantile(covers, 1 - alarms, method="higher")))


def area(covers: Scores, stegos: Scores) -> float:
    """The area under the curve of found against false alarms (AUC): 0.5 is a toss-up, 1 is always told."""
    ranked = np.sort(covers)
    below = np.searchsorted(ranked, stegos, side="left") + np.searchsorted(ranked, stegos, side="right")
    return float(np.mean(below) / (2 * len(covers)))
