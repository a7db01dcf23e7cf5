"""Reads the codes that cameras read in pictures: QR, Data Matrix, Aztec, PDF417, bars.

What a code says is a file in the picture: a text is searched like any other, and what is no text is identified.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import zxingcpp
from PIL import Image

from services.dlp.extraction.pieces import Inner, Piece, Sign, Trouble
from services.dlp.files.types import is_text
from services.dlp.links import lying

MOST = 100
"""Codes in a picture. Among more the reader misses some."""
_SLANTS = (22, 45, 67)
"""Degrees. Matrices are read at any angle, bars and stacks of them only where they lie nearly straight."""
_SLANTED = 36, 1200
"""Pixels: rows and columns below which bars that slant have no room, and to which pictures are reduced for them."""
_BARS = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.AllLinear, zxingcpp.BarcodeFormat.PDF417])
_ALL = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.AllReadable])


def codes_in(grey: Image.Image) -> Iterator[Piece]:
    """What the codes in a grey picture say: each file by itself, the texts together.

    Takes time and memory linear in the pixels, but for pictures made against it: the process is ended for those.
    """
    codes = _in_order(_read(grey, _ALL))
    known = {code.bytes for code in codes}
    small = grey.copy()
    small.thumbnail((_SLANTED[1], _SLANTED[1]))
    for slant in _SLANTS if min(grey.size) >= _SLANTED[0] else ():
        turned = small.rotate(slant, Image.Resampling.BILINEAR, expand=True, fillcolor=255)
        codes += [code for code in _read(turned, _BARS) if code.bytes not in known]
        known.update(code.bytes for code in codes)
    if len(codes) > MOST:
        yield Trouble("ocr-too-many")
    texts = [code for code in codes if is_text(code.bytes)]
    for code in codes:
        name = str(code.symbology)
        if not is_text(code.bytes):
            yield Inner(name, code.bytes)
        for hit in lying(f'<a href="{escape(code.text)}"></a>'):
            yield Sign(hit.detector, hit.rule, name, score=hit.score)
    if texts:
        yield from _texts(texts)


def _read(grey: Image.Image, formats: zxingcpp.BarcodeFormats) -> list[zxingcpp.Barcode]:
    return zxingcpp.read_barcodes(grey, formats=formats, text_mode=zxingcpp.TextMode.Plain)


def _in_order(codes: list[zxingcpp.Barcode]) -> list[zxingcpp.Barcode]:
    """As they are read: in rows, of which each is as high as the first code."""
    if not codes:
        return []
    first = codes[0].position
    row = max(1, abs(first.bottom_left.y - first.top_left.y), abs(first.top_right.y - first.top_left.y))
    return sorted(codes, key=lambda code: (round(code.position.top_left.y / row), code.position.top_left.x))


def _texts(codes: list[zxingcpp.Barcode]) -> Iterator[Inner]:
    """A text that is too long for one code goes on in the next, perhaps within a word; or each is one of its own."""
    name = ", ".join(dict.fromkeys(str(code.symbology) for code in codes))
    said = [code.text.encode("utf-8", "replace") for code in codes]
    raw = [code.bytes for code in codes]
    # A code may leave out its alphabet; the reader's guess is one rendering, and its bytes are another.
    renderings = {b"".join(raw): f"{name}, bytes joined", b"".join(said): f"{name}, joined"}
    renderings |= {b"\n".join(raw): f"{name}, bytes", b"\n".join(said): name}
    several = len(renderings) > 1
    yield from (Inner(named, text, part=True, rendering=several) for text, named in renderings.items())
