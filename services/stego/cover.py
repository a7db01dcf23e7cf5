"""Cover pictures: a PNG from a stranger becomes 8-bit samples, within bounds, or is refused with the way out.

Only PNG is read and written. The header is checked by hand before Pillow sees a byte, so that no decoder runs
on a file that would be refused anyway, and the size of what is decoded is known beforehand.
"""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from secumail.errors import Refused

Samples = NDArray[np.uint8]

FILE_LIMIT = 32 * 2**20  # bytes; a carrier mail larger than this would be accepted nowhere
PIXEL_LIMIT = 24_000_000  # hiding takes about 16 bytes of memory a pixel
SIDE_MINIMUM = 128  # pixels
SMOOTH_LIMIT = 0.75  # share of equal neighbours; two photographs had 0.1 and 0.2, two diagrams 0.8 and 0.9
PROFILE_LIMIT = 64 * 2**10  # bytes of a colour profile worth keeping

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Signature, first chunk's length, "IHDR", width, height, bit depth, colour type (W3C PNG, section 11.2.1).
_HEADER = struct.Struct(">8sI4sIIBB")
_PALETTE = 3
_OTHER_FORMATS = ((b"GIF8", "GIF"), (b"BM", "BMP"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"RIFF", "WebP"))
_JPEG = b"\xff\xd8\xff"
# What Pillow raises on damaged files; each decoder has its own taste.
_DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error, zlib.error,
    Image.DecompressionBombError,
)  # fmt: skip

_TAKE_PHOTO = "Choose a photograph saved as an 8-bit PNG in colour or shades of grey."


class CoverRefused(Refused):
    """This picture can't carry hidden mail; `code` starts with `cover-`, `fix` says which picture can."""

    def __init__(self, fault: str, words: str, fix: str = _TAKE_PHOTO) -> None:
        super().__init__(f"cover-{fault}", words, fix)


@dataclass(frozen=True, eq=False)
class Picture:
    """Samples, height x width (grey) or height x width x 3 (RGB), and the ICC profile of their colours."""

    samples: Samples
    profile: bytes | None = None


def read(data: bytes) -> Picture:
    """The picture of a PNG file: one still, 8 bits a sample, grey or RGB, no transparency.

    An alpha channel that is opaque everywhere is dropped; the EXIF orientation is applied, then EXIF, texts
    and times are dropped. Raises CoverRefused for everything else.
    """
    size = _checked_header(data)
    picture = _decoded(data, size)
    samples = picture.samples
    if np.mean(samples[:, 1:] == samples[:, :-1]) > SMOOTH_LIMIT:
        raise CoverRefused(
            "smooth",
            "The picture is too smooth: in flat colours, drawings and screenshots every change shows.",
            "Choose a photograph with texture (leaves, fabric, a crowd, a street), saved as PNG.",
        )
    return picture


def write(picture: Picture) -> bytes:
    """A PNG file of the picture: its pixels and colour profile, nothing else."""
    file = io.BytesIO()
    Image.fromarray(picture.samples).save(file, "PNG", icc_profile=picture.profile)
    return file.getvalue()


def _checked_header(data: bytes) -> tuple[int, int]:
    """(width, height) as the header claims them, once everything that can be refused by the header is."""
    if len(data) > FILE_LIMIT:
        raise CoverRefused(
            "file-too-large",
            f"The file has {len(data):,} bytes; at most {FILE_LIMIT:,} are read.",
            "Scale the picture down and save it as PNG again.",
        )
    if not data.startswith(_SIGNATURE):
        raise _not_png(data)
    if len(data) < _HEADER.size:
        raise _damaged()
    _, _, chunk, width, height, depth, colour = _HEADER.unpack_from(data)
    if chunk != b"IHDR":
        raise _damaged()
    if width * height > PIXEL_LIMIT:
        raise CoverRefused(
            "too-many-pixels",
            f"The picture has {width:,} x {height:,} pixels; at most {PIXEL_LIMIT:,} in all are read.",
            "Scale the picture down and save it as PNG again.",
        )
    if min(width, height) < SIDE_MINIMUM:
        raise CoverRefused(
            "too-small",
            f"The picture has {width} x {height} pixels; each side needs at least {SIDE_MINIMUM}.",
            "Choose a larger photograph; do not enlarge a small one, the enlargement shows.",
        )
    if colour == _PALETTE:
        raise CoverRefused("palette", "The PNG has a palette; a changed index would be another colour.")
    if depth != 8:
        raise CoverRefused("depth", f"The PNG has {depth} bits a sample; 8 are needed.")
    return width, height


def _decoded(data: bytes, size: tuple[int, int]) -> Picture:
    try:
        with _opened(data) as image:
            if image.size != size:  # a second header contradicts the one that was checked
                raise _damaged()
            frames = getattr(image, "n_frames", 1)
            if frames != 1:
                raise CoverRefused("animated", f"The PNG is animated ({frames} frames); a still is needed.")
            image.verify()  # the checksum of every chunk; the handle is spent afterwards
        with _opened(data) as image:
            image.load()
            transparent = "transparency" in image.info
            if image.mode in ("RGBA", "LA"):
                transparent = image.getchannel("A").getextrema() != (255, 255)
            if transparent:
                raise CoverRefused(
                    "transparent",
                    "The picture has transparent parts, and changes below them would be out of place.",
                    "Put it on a background (flatten it) and save it as PNG without transparency.",
                )
            profile = image.info.get("icc_profile")
            upright = ImageOps.exif_transpose(image).convert("L" if image.mode in ("L", "LA") else "RGB")
    except _DAMAGE as error:
        raise _damaged() from error
    return Picture(np.array(upright), profile if profile and len(profile) <= PROFILE_LIMIT else None)


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=["PNG"])


def _damaged() -> CoverRefused:
    return CoverRefused(
        "damaged",
        "The PNG is cut off or damaged.",
        "Fetch the file again from its source, or choose another.",
    )


def _not_png(data: bytes) -> CoverRefused:
    if data.startswith(_JPEG):
        return CoverRefused(
            "jpeg",
            "The picture is a JPEG; hiding in JPEG comes with a later method.",
            "Give a PNG made from a camera's raw file or a scan: a JPEG saved as PNG keeps traces that would "
            "give the hiding away.",
        )
    kind = next((name for magic, name in _OTHER_FORMATS if data.startswith(magic)), None)
    words = f"The picture is a {kind}; a PNG is needed." if kind else "The file is not a PNG."
    return CoverRefused("not-png", words)
