"""Pictures to hide in: read from any file within bounds or refused with the way out, judged, and written again."""

from services.stego import refusals
from services.stego.covers import jpeg, lossless
from services.stego.covers.cover import Cover
from services.stego.terms import JPEG

_OTHERS = ((b"GIF8", "GIF"), (b"\0\0\0\x0cjP  ", "JPEG 2000"), (b"\xff\x0a", "JPEG XL"), (b"qoif", "QOI"))
_BOXED = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"avif": "AVIF"}


def read(data: bytes) -> Cover:
    """The picture of a file. Raises CoverRefused for what can't be read whole, or isn't a plain still."""
    refusals.check_file(data)
    if data.startswith(JPEG):
        return jpeg.read(data)
    kind = lossless.format_of(data)
    if kind is not None:
        return lossless.read(data, kind)
    other = _BOXED.get(data[8:12]) if data[4:8] == b"ftyp" else None
    raise refusals.unknown_format(other or next((name for magic, name in _OTHERS if data.startswith(magic)), None))
