"""What acts in a PDF: scripts, programs started, files carried, forms sent; also where names are spelt to hide."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from services.dlp.files.inflating import inflated
from services.dlp.files.kinds import BY_EXTENSION, DANGEROUS
from services.dlp.files.types import extension
from services.dlp.findings import Hit

MAX_INFLATED = 1 << 24

_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_DELIMITER = rb"(?![A-Za-z0-9_.#-])"
# (name, rule, score), ISO 32000-1 sections 12.6 (actions) and 7.11 (files).
_NAMES = tuple(
    (re.compile(name + _DELIMITER), rule, score)
    for name, rule, score in (
        (rb"/Launch", "pdf-launch", 1.0),
        (rb"/(?:JavaScript|JS)", "pdf-javascript", 0.7),
        (rb"/(?:RichMedia|Flash|3D)", "pdf-rich-media", 0.7),
        (rb"/(?:SubmitForm|ImportData)", "pdf-form", 0.5),
        (rb"/GoTo[ER]", "pdf-other-document", 0.5),
        (rb"/XFA", "pdf-xfa", 0.4),
        (rb"/EmbeddedFiles?", "pdf-embedded-file", 0.4),
    )
)
_OPENS = re.compile(rb"/(?:OpenAction|AA)" + _DELIMITER)
_FILE_NAME = re.compile(rb"/U?F\s{0,8}\(([^()\\]{1,255})\)")


def look(data: bytes) -> Iterator[Hit]:
    """Hits for the actions a PDF holds, in the open or in compressed object streams (16 MB of them at most)."""
    outside, packed = _objects(data)
    written = outside + b"\n" + packed
    if len(packed) >= MAX_INFLATED:
        yield Hit("unscannable", "too-big", "object streams")
    plain = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), written)
    opens = bool(_OPENS.search(plain))
    for name, rule, score in _NAMES:
        count = sum(1 for _ in name.finditer(plain))
        if not count:
            continue
        if count > sum(1 for _ in name.finditer(written)):
            yield Hit("danger", "pdf-hidden-name", rule)
        if rule == "pdf-javascript" and opens:
            yield Hit("danger", "pdf-javascript-on-opening", "actions", count, score=0.9)
        else:
            yield Hit("danger", rule, "actions", count, score=score)
    for match in _FILE_NAME.finditer(plain):
        claimed = BY_EXTENSION.get(extension(match[1].decode("latin-1")))
        if claimed and claimed.family in DANGEROUS:
            yield Hit("danger", "pdf-embedded-program", "embedded file", sample=claimed.name[:4])


def _objects(data: bytes) -> tuple[bytes, bytes]:
    """(all that stands outside streams, the objects that stand compressed within)."""
    outside, packed, position, room = [], [], 0, MAX_INFLATED
    while (end := data.find(b"endstream", position)) >= 0:
        # The word may stand before, in a comment, and in the stream itself: what begins at any of them is looked at.
        start = position
        while (at := data.find(b"stream", start, end)) >= 0:
            dictionary = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), data[start:at])
            if b"/ObjStm" in dictionary[max(dictionary.rfind(b" obj"), 0) :] and room > 0:
                packed.append(_unpack(data, at + 6, dictionary, room))
                room -= len(packed[-1])
            outside.append(data[start:at])
            start = at + 6
        position = end + 9
    outside.append(data[position:])
    return b"\n".join(outside), b"\n".join(packed)


def _unpack(data: bytes, at: int, dictionary: bytes, limit: int) -> bytes:
    """An object stream's objects; the filters that occur on one, in the order in which they are undone.

    The data says itself where it ends, whatever its length is said to be and whatever words stand in it.
    """
    at += len(data[at : at + 2]) - len(data[at : at + 2].lstrip(b"\r\n"))
    try:
        if b"/ASCIIHexDecode" in dictionary or b"/AHx" in dictionary:
            digits = _until(data, at, b">").translate(None, b" \t\r\n\f\0")
            data, at = bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii")), 0
        elif b"/ASCII85Decode" in dictionary or b"/A85" in dictionary:
            data, at = base64.a85decode(_until(data, at, b"~>").strip()), 0
        if b"/FlateDecode" in dictionary or b"/Fl" in dictionary:
            return inflated(data, at, limit)
    except (ValueError, binascii.Error):
        return b""
    return _until(data, at, b"endstream")[:limit]


def _until(data: bytes, at: int, mark: bytes) -> bytes:
    end = data.find(mark, at)
    return data[at : end if end >= 0 else len(data)]
