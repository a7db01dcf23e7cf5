"""Lossless pictures from strangers: PNG, BMP, TIFF and lossless WebP become samples, and samples a PNG.

What the header says is checked before a decoder runs, so that the size of what is decoded is known beforehand.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin

from services.stego import refusals
from services.stego.canvas import Canvas
from services.stego.covers.cover import Cover, Elements
from services.stego.refusals import PROFILE_LIMIT, CoverRefused
from services.stego.terms import PNG

# Signature, first chunk's length, "IHDR", width, height, bit depth, colour type (W3C PNG, section 11.2.1).
_PNG_HEADER = struct.Struct(">8sI4sIIBB")
_INDEXED = 3
_BITS_PER_SAMPLE, _COMPRESSION = 258, 259  # TIFF 6.0, sections 3 and 8
_TIFF_JPEG = (6, 7)
# What Pillow raises on damaged files; each decoder has its own taste.
_DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error, zlib.error, OverflowError,
    Image.DecompressionBombError,
)  # fmt: skip
_MODES = {"L": "L", "LA": "L", "RGB": "RGB", "RGBA": "RGB", "RGBX": "RGB"}


def format_of(data: bytes) -> str | None:
    """The name of a lossless format that is read, by the file's first bytes."""
    if data.startswith(PNG):
        return "PNG"
    if data.startswith(b"BM"):
        return "BMP"
    if data.startswith((b"II*\0", b"MM\0*")):
        return "TIFF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    return None


def read(data: bytes, kind: str) -> Cover:
    """The picture of a lossless file: one still, 8 bits a sample, grey or RGB, no transparency.

    An alpha channel that is opaque everywhere is dropped; the EXIF orientation is applied, then EXIF, texts
    and times are dropped. Raises CoverRefused for everything else.
    """
    notes: list[str] = []
    claimed = _checked_png(data) if kind == "PNG" else None
    if kind == "WEBP":
        _check_webp(data)
    with _reading(data, kind) as image:
        if claimed not in (None, image.size):  # a second header contradicts the one that was checked
            raise refusals.damaged()
        refusals.check_size(*image.size)
        _check_frames(image)
        if kind == "PNG":
            image.verify()  # the checksum of every chunk; the handle is spent afterwards
    with _reading(data, kind) as image:
        size, orientation = image.size, image.getexif().get(0x0112, 1)
        image.load()
        if image.size != size:
            raise refusals.damaged()
        _check_mode(image, kind)
        profile = image.info.get("icc_profile")
        upright = ImageOps.exif_transpose(image).convert(_MODES[image.mode])
    if kind != "PNG":
        notes.append(f"The {kind} is written as PNG.")
    if orientation != 1:
        notes.append("The picture was turned upright, as its camera data say.")
    elements = np.array(upright).astype(np.int16)
    kept = profile if profile and len(profile) <= PROFILE_LIMIT else None

    def write(changed: Elements) -> bytes:
        file = io.BytesIO()
        Image.fromarray(changed.astype(np.uint8)).save(file, "PNG", icc_profile=kept)
        return file.getvalue()

    luma = np.asarray(upright.convert("L").reduce(max(1, min(upright.size) // 64)), np.float32)
    return Cover(Canvas(elements, "pixels"), "png", *upright.size, luma, write, tuple(notes))


@contextmanager
def _reading(data: bytes, kind: str) -> Iterator[Image.Image]:
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            yield image
    except _DAMAGE as error:
        raise refusals.damaged() from error


def _checked_png(data: bytes) -> tuple[int, int]:
    """(width, height) as the header claims them, once what can be refused by it is."""
    if len(data) < _PNG_HEADER.size:
        raise refusals.damaged()
    _, _, chunk, width, height, bits, colour = _PNG_HEADER.unpack_from(data)
    if chunk != b"IHDR":
        raise refusals.damaged()
    refusals.check_size(width, height)
    if colour == _INDEXED:
        raise refusals.palette()
    if bits != 8:
        raise refusals.depth(bits)
    return width, height


def _check_webp(data: bytes) -> None:
    """Lossless only: the first image chunk is VP8L, alone or after the extended header (RFC 9649, section 2)."""
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"VP8L":
            return
        if name == b"ANIM":
            raise refusals.animated()
        if name == b"VP8 ":
            raise CoverRefused("lossy", "The WebP is a lossy one: what is changed in it breaks its pattern.")
        at += 8 + size + (size & 1)
    raise refusals.damaged()


def _check_frames(image: Image.Image) -> None:
    try:
        image.seek(1)  # not counted: a TIFF of many pages takes minutes for that
    except EOFError:
        return
    raise refusals.animated()


def _check_mode(image: Image.Image, kind: str) -> None:
    """Grey or RGB at 8 bits in the file (Pillow makes 8 of 16 or 5 silently), and nothing transparent."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        if image.tag_v2.get(_COMPRESSION) in _TIFF_JPEG:
            raise refusals.jpeg_past()
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, 1)
        if isinstance(bits, tuple):
            bits = max(bits)
        if bits != 8:
            raise refusals.depth(bits)
    if image.mode == "P":
        raise refusals.palette()
    if image.mode == "1" or image.mode.startswith(("I", "F")):
        raise refusals.depth({"1": 1, "F": 32, "I": 32}.get(image.mode, 16))
    if image.mode not in _MODES:
        raise refusals.colours()
    transparent = "transparency" in image.info
    # In a BMP the fourth byte is padding as often as not.
    if image.mode in ("RGBA", "LA") and kind != "BMP":
        transparent = image.getchannel("A").getextrema() != (255, 255)
    if transparent:
        raise CoverRefused(
            "transparent",
            "The picture has transparent parts, and changes below them would be out of place.",
            "Put it on a background (flatten it) and save it without transparency.",
        )
