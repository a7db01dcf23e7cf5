"""Takes the words out of pictures: comments, captions, and what stands behind the picture's end.

The words a picture shows are `ocr`'s.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from services.dlp.charsets import decode
from services.dlp.extraction import ocr
from services.dlp.extraction.pieces import MEGABYTE, SEEN, Budget, Inner, Piece, Text, Trouble
from services.dlp.extraction.texts import likely, runs


def read_picture(data: bytes, budget: Budget) -> Iterator[Piece]:
    """What it shows, what is told with it, and what stands in it where no reader of pictures looks."""
    yield from ocr.words(data, budget)
    if data.startswith(b"\x89PNG"):
        yield from _png(data, budget)
    elif data.startswith(b"\xff\xd8"):
        yield from _jpeg(data)
    elif data.startswith(b"GIF8"):
        yield from _gif(data)
    elif data.startswith(b"RIFF"):
        yield from read_riff(data)
    elif data.startswith(b"BM"):
        yield from _bmp(data)
    else:
        yield Text("metadata", likely(runs(data)))


def read_drawing(data: bytes, budget: Budget) -> Iterator[Piece]:
    """Windows metafiles: the letters they draw are written in them."""
    budget.check()
    yield Trouble("drawing", score=SEEN)
    yield Text("letters", runs(data))


def _png(data: bytes, budget: Budget) -> Iterator[Piece]:
    """PNG 11.3.3: tEXt as it is, zTXt and iTXt perhaps deflated, eXIf as runs."""
    place = 8
    said = []
    packed_pixels = []
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
        elif kind == b"IDAT":
            packed_pixels.append(body)
        elif kind not in (b"IHDR", b"fdAT", b"IEND"):
            said.append(runs(body))
        if kind == b"IEND":
            break
    yield Text("metadata", "\n".join(said))
    if packed_pixels:
        yield from _pixels(data[16:29], b"".join(packed_pixels), budget)
    if data[place:].strip(b"\x00"):
        yield Inner("data behind the picture", data[place:])


_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = ((8, 8), (8, 8), (4, 8), (4, 4), (2, 4), (2, 2), (1, 2))
"""Over how many columns and rows Adam7 steps; where each begins matters little for how much it is."""


def _pixels(header: bytes, packed: bytes, budget: Budget) -> Iterator[Piece]:
    """Nothing, where the pixels are as many as the header says and the stream ends with them."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header.ljust(13, b"\0")[:13])
    bits = depth * _CHANNELS.get(colour, 4)
    passes = _PASSES if interlaced else ((1, 1),)
    most = sum(-(-height // rows) * (-(-(-(-width // columns) * bits) // 8) + 1) for columns, rows in passes)
    stream, count, feed = zlib.decompressobj(), 0, packed
    try:
        while feed and not stream.eof and count <= most:
            chunk = stream.decompress(feed, MEGABYTE)
            feed = stream.unconsumed_tail
            count += len(chunk)
            budget.check()
    except zlib.error:
        yield Trouble("damaged", "pixels")
        return
    if count > most or not stream.eof:
        yield Trouble("damaged", "pixels")
    if stream.unused_data.strip(b"\x00"):
        yield Inner("data behind the pixels", stream.unused_data)


def _deflated(data: bytes) -> tuple[bytes, bool]:
    """At most four megabytes, and whether that is all; what is not deflated, as it is."""
    stream = zlib.decompressobj()
    try:
        return stream.decompress(data, 4 * MEGABYTE), not stream.unconsumed_tail
    except zlib.error:
        return data, True


def _jpeg(data: bytes) -> Iterator[Piece]:
    """ITU T.81 annex B: the segments, also between the scans; then what follows the end of the image."""
    place = 2
    said = []
    end = len(data)
    while place + 4 <= len(data):
        place = data.find(b"\xff", place)
        marker = data[place + 1] if 0 <= place < len(data) - 1 else 0xD9
        if marker == 0xD9:
            end = place + 2 if place >= 0 else len(data)
            break
        if marker in _ALONE:
            place += 1 if marker == 0xFF else 2
            continue
        size = struct.unpack_from(">H", data.ljust(place + 4, b"\0"), place + 2)[0]
        body = data[place + 4 : place + 2 + size]
        if marker == 0xFE:
            said.append(decode(body))
        elif marker not in _TABLES:
            said.append(runs(body))
        place += 2 + max(size, 2)
    yield Text("metadata", "\n".join(said))
    if data[end:].strip(b"\x00\r\n"):
        yield Inner("data behind the picture", data[end:])


# Markers without a length: stuffing and padding in a scan, restarts. Segments in which nobody writes: tables, frames.
_ALONE = frozenset([0x00, 0x01, 0xFF, *range(0xD0, 0xD9)])
_TABLES = frozenset([*range(0xC0, 0xC8), *range(0xC9, 0xD0), 0xDA, 0xDB, 0xDD])


def _gif(data: bytes) -> Iterator[Piece]:
    """GIF89a: all extensions but those of control; then what follows the trailer, or what is no block."""
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
            yield Trouble("damaged", "blocks")
            yield Inner("data between the blocks", data[place:], part=True)
            break
        body = []
        while place < len(data) and data[place]:
            body.append(data[place + 1 : place + 1 + data[place]])
            place += 1 + data[place]
        place += 1
        if label not in (b"", b"\xf9"):
            said.append(decode(b"".join(body)))
    yield Text("metadata", "\n".join(said))


def _bmp(data: bytes) -> Iterator[Piece]:
    """What stands between the header with its colours and the pixels, and behind these."""
    yield Text("metadata", likely(runs(data)))
    start, header = struct.unpack_from("<II", data.ljust(54, b"\0"), 10)
    width, height, _, bits, packing, stored = struct.unpack_from("<iiHHII", data.ljust(54, b"\0"), 18)
    if header < 40:
        return  # of OS/2, whose numbers are short
    rows = (abs(width) * bits + 31) // 32 * 4 * abs(height)
    end = start + (stored if packing in (1, 2, 4, 5) else rows)
    colours = 14 + header + 4 * (1 << bits if bits <= 8 else 4)
    for name, rest in (("before", data[colours:start]), ("behind", data[end:])):
        if len(rest.strip(b"\0")) > _BMP_SLACK:
            yield Inner(f"data {name} the pixels", rest)


_BMP_SLACK = 64


def read_riff(data: bytes) -> Iterator[Piece]:
    """WebP, WAVE and AVI: all chunks but those of picture and sound, and what follows them."""
    place = 12
    said = []
    while place + 8 <= len(data):
        kind, size = data[place : place + 4], struct.unpack_from("<I", data, place + 4)[0]
        if kind not in (b"VP8 ", b"VP8L", b"ALPH", b"ANMF", b"data", b"movi", b"fmt "):
            said.append(runs(data[place + 8 : place + 8 + size]))
        place += 8 + size + size % 2
    yield Text("metadata", "\n".join(said))
    end = 8 + struct.unpack_from("<I", data, 4)[0] if len(data) >= 8 else len(data)
    if data[end:].strip(b"\x00"):
        yield Inner("data behind the picture", data[end:])
