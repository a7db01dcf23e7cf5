"""What acts in a PDF: scripts, programs started, files carried, forms sent; also where names are spelt to hide."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator

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
    while (at := data.find(b"stream", position)) >= 0:
        head = data[position:at]
        outside.append(head)
        end = data.find(b"endstream", at + 6)
        end = len(data) if end < 0 else end
        dictionary = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), head[-2048:])
        dictionary = dictionary[max(dictionary.rfind(b" obj"), 0) :]
        if b"/ObjStm" in dictionary and room > 0:
            inflated = _unpack(data[at + 6 : end], dictionary, room)
            room -= len(inflated)
            packed.append(inflated)
        position = end + 9
    outside.append(data[position:])
    return b"\n".join(outside), b"\n".join(packed)


def _unpack(stream: bytes, dictionary: bytes, limit: int) -> bytes:
    """An object stream's objects; the filters that occur on one, in the order in which they are undone."""
    body = stream.removeprefix(b"\r").removeprefix(b"\n")
    try:
        if b"/ASCIIHexDecode" in dictionary or b"/AHx" in dictionary:
            digits = body.partition(b">")[0].translate(None, b" \t\r\n\f\0")
            body = bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))
        elif b"/ASCII85Decode" in dictionary or b"/A85" in dictionary:
            body = base64.a85decode(body.partition(b"~>")[0].strip())
        if b"/FlateDecode" in dictionary or b"/Fl" in dictionary:
            return zlib.decompressobj().decompress(body, limit)
    except (zlib.error, ValueError, binascii.Error):
        return b""
    return body[:limit]
