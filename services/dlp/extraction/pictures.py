"""Takes the words out of pictures: comments, captions, and what stands behind the picture's end.

The words a picture shows are `ocr`'s.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from services.dlp.charsets import decode
from services.dlp.extraction import ocr
from services.dlp.extraction.pieces import MEGABYTE, Budget, Inner, Piece, Text, Trouble
from services.dlp.extraction.texts import runs

SEEN = 0.5


def read_picture(data: bytes, budget: Budget) -> Iterator[Piece]:
    yield from ocr.words(data, budget)
    if data.startswith(b"\x89PNG"):
        yield from _png(data, budget)
    elif data.startswith(b"\xff\xd8"):
        yield from _jpeg(data)
    elif data.startswith(b"GIF8"):
        yield from _gif(data)
    elif data.startswith(b"RIFF"):
        yield from read_riff(data)
    else:
        yield Text("metadata", likely(runs(data)))


def read_drawing(data: bytes, budget: Budget) -> Iterator[Piece]:
    """Windows metafiles: the letters they draw are written in them."""
    budget.check()
    yield Trouble("drawing", score=SEEN)
    yield Text("letters", runs(data))


def likely(text: str) -> str:
    """Runs long enough not to come of compressed pictures and sounds by chance."""
    return "\n".join(line for line in text.split("\n") if len(line) >= 8)


def _png(data: bytes, budget: Budget) -> Iterator[Piece]:
    """PNG 11.3.3: tEXt as it is, zTXt and iTXt perhaps deflated, eXIf as runs."""
    place = 8
    said = []
    while place + 12 <= len(data):
        size = struct.unpack_from(">I", data, place)[0]
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        place += 12 + size
        if kind in (b"zTXt", b"iTXt", b"iCCP"):
            head, _, packed = body.partition(b"\x00")
            said.append(decode(head))
            if kind == b"iTXt":
                said.extend(decode(field) for field in packed[2:].split(b"\x00", 2))
                packed = packed[2:].split(b"\x00", 2)[-1]
                start = 0
            else:
                start = 1
            unpacked, whole = _deflated(packed[start:])
            if not whole:
                yield Trouble("too-big", "metadata")
            budget.take(len(unpacked))
            said.append(decode(unpacked) if kind != b"iCCP" else runs(unpacked))
        elif kind == b"tEXt":
            said.append(decode(body.replace(b"\x00", b" ")))
        elif kind not in (b"IHDR", b"PLTE", b"IDAT", b"fdAT", b"IEND", b"tRNS"):
            said.append(runs(body))
        if kind == b"IEND":
            break
    yield Text("metadata", "\n".join(said))
    if data[place:].strip(b"\x00"):
        yield Inner("data behind the picture", data[place:])


def _deflated(data: bytes) -> tuple[bytes, bool]:
    """At most four megabytes, and whether that is all. What is not deflated is nothing, and all of it."""
    stream = zlib.decompressobj()
    try:
        return stream.decompress(data, 4 * MEGABYTE), not stream.unconsumed_tail
    except zlib.error:
        return b"", True


def _jpeg(data: bytes) -> Iterator[Piece]:
    """ITU T.81 annex B: the segments but the tables; then the scans; then what follows the end of the image."""
    place = 2
    said = []
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker == 0xDA:
            break
        size = struct.unpack_from(">H", data, place + 2)[0]
        body = data[place + 4 : place + 2 + size]
        if marker == 0xFE:
            said.append(decode(body))
        elif 0xE0 <= marker <= 0xEF:
            said.append(runs(body))
        place += 2 + max(size, 2)
    yield Text("metadata", "\n".join(said))
    while 0 <= place < len(data) - 1:
        # In a scan FF is followed by 00 or a restart marker; a progressive image has tables between its scans.
        place = data.find(b"\xff", place)
        if place < 0:
            return
        if data[place + 1 : place + 2] == b"\xd9":
            if data[place + 2 :].strip(b"\x00\r\n"):
                yield Inner("data behind the picture", data[place + 2 :])
            return
        place += 2


def _gif(data: bytes) -> Iterator[Piece]:
    """GIF89a: comment, text and application extensions; then what follows the trailer."""
    place = 13 + (3 << (data[10] & 7) + 1 if len(data) > 10 and data[10] & 0x80 else 0)
    said = []
    while place < len(data):
        mark = data[place]
        if mark == 0x3B:
            if data[place + 1 :].strip(b"\x00"):
                yield Inner("data behind the picture", data[place + 1 :])
            break
        if mark == 0x21:
            label = data[place + 1 : place + 2]
            place += 2
        elif mark == 0x2C:
            label = b""
            flags = data[place + 9] if place + 9 < len(data) else 0
            place += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        else:
            break
        body = []
        while place < len(data) and data[place]:
            body.append(data[place + 1 : place + 1 + data[place]])
            place += 1 + data[place]
        place += 1
        if label in (b"\xfe", b"\x01", b"\xff"):
            said.append(decode(b"".join(body)))
    yield Text("metadata", "\n".join(said))


def read_riff(data: bytes) -> Iterator[Piece]:
    """WebP, WAVE and AVI: all chunks but those of picture and sound, and what follows them."""
    place = 12
    said = []
    while place + 8 <= len(data):
        kind, size = data[place : place + 4], struct.unpack_from("<I", data, place + 4)[0]
        if kind not in (b"VP8 ", b"VP8L", b"ALPH", b"ANMF", b"data", b"movi", b"fmt "):
            said.append(runs(data[place + 8 : place + 8 + min(size, 4 * MEGABYTE)]))
        place += 8 + size + size % 2
    yield Text("metadata", "\n".join(said))
    end = 8 + struct.unpack_from("<I", data, 4)[0] if len(data) >= 8 else len(data)
    if data[end:].strip(b"\x00"):
        yield Inner("data behind the picture", data[end:])
