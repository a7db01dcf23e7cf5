"""JPEG from strangers: its luma's quantised coefficients, and the same JPEG with others.

Nothing is decoded to pixels and compressed again: tables, subsampling, chroma and colour profile stay as they are.
What a camera writes beside them (EXIF with place and time, comments, a second picture) is left out; the
orientation stays, because the pixels are not turned.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jpeglib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.stego import refusals
from services.stego.canvas import Canvas
from services.stego.covers.cover import Cover, Elements
from services.stego.refusals import PROFILE_LIMIT, CoverRefused

SCANS_LIMIT = 64  # a progressive JPEG of libjpeg has ten; each one decodes the whole picture again

# Markers (ISO/IEC 10918-1, table B.1).
_SOF = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_HUFFMAN_SOF = (0xC0, 0xC1, 0xC2)
_DHT, _SOS, _APP0, _APP1, _APP2, _APP14, _COMMENT = 0xC4, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
# Bytes of the tables for grey and for colour that nearly every camera takes (ISO/IEC 10918-1, annex K.3).
_USUAL_TABLES = (208, 416)
_ICC, _ADOBE = b"ICC_PROFILE\0", b"Adobe"
_ORIENTATION = 0x0112
# A TIFF header and one entry: orientation (EXIF 2.32, section 4.6.4).
_EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0%c\0\0\0\0\0\0"


@dataclass(frozen=True)
class _Segment:
    """One marker segment before the first scan, with its marker and length bytes."""

    marker: int
    whole: bytes

    @property
    def body(self) -> bytes:
        return self.whole[4:]


def read(data: bytes) -> Cover:
    """The luma of a JPEG: Huffman-coded, baseline or progressive, 8 bits, grey or YCbCr. Raises CoverRefused."""
    segments = list(_segments(data))
    width, height = _checked_frame(segments, data)
    orientation = _decoded_once(data, (width, height))
    try:
        with _file(data) as path:
            picture = jpeglib.read_dct(str(path))
            picture.load()
    except (OSError, ValueError) as error:
        raise refusals.damaged() from error
    table = np.array(picture.qt[picture.quant_tbl_no[0]], np.uint16)
    elements = np.array(picture.Y, np.int16)
    kept = _kept(segments, orientation)
    # Huffman tables made for the picture are made anew; the usual ones stay.
    coding = [] if sum(len(s.body) for s in segments if s.marker == _DHT) in _USUAL_TABLES else ["+OPTIMIZE_CODING"]

    def write(changed: Elements) -> bytes:
        picture.Y = changed
        with _file(b"") as path:
            picture.write_dct(str(path), flags=coding)
            return _with_segments(path.read_bytes(), kept)

    notes = []
    if any(s.marker in (_APP1, _COMMENT) for s in segments):
        notes.append("What the camera wrote beside the picture (EXIF, comments) is left out.")
    if picture.progressive_mode:
        notes.append("The JPEG is a progressive one, and is written as a baseline one.")
    # A block's DC coefficient is eight times its mean, less the level shift.
    luma = elements[:, :, 0, 0].astype(np.float32) * (float(table[0, 0]) / 8) + 128
    return Cover(
        Canvas(elements, "coefficients", table), "jpeg", width, height, _upright(luma, orientation), write, tuple(notes)
    )


def _upright(luma: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """As it is to be viewed (EXIF 2.32, section 4.6.4): one picture looks the same however its camera was held."""
    if orientation in (2, 4, 5, 7):
        luma = np.fliplr(luma)
    return np.rot90(luma, {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0))


def _segments(data: bytes) -> Iterator[_Segment]:
    """The marker segments up to the first scan."""
    at = 2
    while True:
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] in (0x00, 0xD8, 0xD9):
            raise refusals.damaged()
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if size < 2 or len(data) < at + 2 + size:
            raise refusals.damaged()
        if marker == _SOS:
            return
        yield _Segment(marker, data[at : at + 2 + size])
        at += 2 + size


def _checked_frame(segments: list[_Segment], data: bytes) -> tuple[int, int]:
    """(width, height) as the one frame header claims them, once what can be refused by it is."""
    frames = [s for s in segments if s.marker in _SOF]
    if len(frames) != 1 or len(frames[0].body) < 6 or data.count(b"\xff\xda") > SCANS_LIMIT:
        raise refusals.damaged()
    frame = frames[0].body
    bits, height, width, components = frame[0], int.from_bytes(frame[1:3]), int.from_bytes(frame[3:5]), frame[5]
    refusals.check_size(width, height)
    if bits != 8:
        raise refusals.depth(bits)
    if frames[0].marker not in _HUFFMAN_SOF:
        raise CoverRefused("coding", "The JPEG is coded in a way (arithmetic or lossless) that hardly anybody uses.")
    # Adobe's marker says which colours three components are: 1 is YCbCr, 0 is RGB as it stands.
    adobe = next((s.body for s in segments if s.marker == _APP14 and s.body.startswith(_ADOBE)), b"")
    if components not in (1, 3) or (components == 3 and len(adobe) >= 12 and adobe[11] != 1):
        raise refusals.colours()
    return width, height


def _decoded_once(data: bytes, size: tuple[int, int]) -> int:
    """The EXIF orientation, of a JPEG that decodes to its very end: libjpeg fills up what is cut off, and says so to
    nobody, where coefficients are read."""
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            image.load()
            if image.size != size:
                raise refusals.damaged()
            return int(image.getexif().get(_ORIENTATION, 1))
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError) as error:
        raise refusals.damaged() from error


def _kept(segments: list[_Segment], orientation: int) -> bytes:
    """What is written between the start and the tables: JFIF and Adobe's marker, orientation, colour profile."""
    profile = [s for s in segments if s.marker == _APP2 and s.body.startswith(_ICC)]
    if sum(len(s.whole) for s in profile) > PROFILE_LIMIT:
        profile = []
    exif = b"" if orientation not in range(2, 9) else _EXIF % orientation
    return b"".join(
        [
            *(s.whole for s in segments if s.marker == _APP0 and s.body.startswith(b"JFIF\0")),
            bytes((0xFF, _APP1)) + (len(exif) + 2).to_bytes(2) + exif if exif else b"",
            *(s.whole for s in profile),
            *(s.whole for s in segments if s.marker == _APP14 and s.body.startswith(_ADOBE)),
        ]
    )


def _with_segments(written: bytes, kept: bytes) -> bytes:
    """The JPEG with these application segments instead of its own."""
    own = [s for s in _segments(written) if s.marker in range(_APP0, _APP0 + 16) or s.marker == _COMMENT]
    # They stand side by side at the beginning, where libjpeg puts them.
    return written[:2] + kept + written[2 + sum(len(s.whole) for s in own) :]


@contextmanager
def _file(data: bytes) -> Iterator[Path]:
    """A file in memory, by a path: the library reads and writes nothing else."""
    handle = os.memfd_create("picture")
    try:
        with open(handle, "wb", closefd=False) as file:
            file.write(data)
        yield Path(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)
