"""Takes TNEF (winmail.dat) apart, and unpacks the rich text Outlook packs in a way of its own."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from services.dlp.charsets import decode
from services.dlp.extraction.pieces import MEGABYTE, Budget, Exceeded, Inner, Piece, Text, Trouble
from services.dlp.extraction.texts import runs

_TITLE, _DATA, _BODY = 0x8010, 0x800F, 0x800C
_PROPERTIES = (0x9003, 0x9005)
_SIZES = {0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_LONGEST = 64 * MEGABYTE
_RENDERINGS = (0x1000, 0x1009, 0x1013)

# The dictionary packing begins with (MS-OXRTFCP 2.1.2.1).
_DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)


def read_tnef(data: bytes, budget: Budget) -> Iterator[Piece]:
    """Every attribute (MS-OXTNEF 2.1.3): level, id, length, value, checksum. A title follows the data it names."""
    place = 6
    file: bytes | None = None
    title = ""
    while place + 9 <= len(data):
        level, _, attribute, _, size = data[place], 0, *struct.unpack_from("<HHI", data, place + 1)
        value = data[place + 9 : place + 9 + size]
        budget.take(len(value))
        if level not in (1, 2) or len(value) < size:
            break
        place += 11 + size
        if attribute == 0x9002 and file is not None:
            yield Inner(title or "file", file)
            file, title = None, ""
        if attribute == _DATA:
            file = value
        elif attribute == _TITLE:
            title = decode(value.rstrip(b"\x00"))
            yield Text("name", title)
        elif attribute in _PROPERTIES:
            yield from _properties(value, budget)
        elif attribute == _BODY:
            yield Text("body", decode(value.rstrip(b"\x00")), rendering=True)
        else:
            yield Text("attributes", runs(value))
    if file is not None:
        yield Inner(title or "file", file)
    yield from _left_over(data[place:])


def _left_over(data: bytes) -> Iterator[Piece]:
    """What stands where nothing should: behind the last of so many parts, or where one is cut off."""
    if data.strip(b"\x00\r\n"):
        yield Trouble("damaged")
        yield Text("rest", runs(data))


def _properties(data: bytes, budget: Budget) -> Iterator[Piece]:
    """The properties of a message or an attachment (MS-OXTNEF 2.1.3.4)."""
    place = 4
    for _ in range(min(int.from_bytes(data[:4], "little"), budget.limits.members)):
        if place + 4 > len(data):
            break
        kind, number = struct.unpack_from("<HH", data, place)
        place += 4
        if number >= 0x8000:
            named = int.from_bytes(data[place + 16 : place + 20], "little")
            length = int.from_bytes(data[place + 20 : place + 24], "little")
            if named:
                yield Text(
                    "names", data[place + 24 : place + 24 + length].decode("utf-16-le", "replace").rstrip("\x00")
                )
            place += 24 + (_padded(length) if named else 0)
        several = kind & 0x1000
        kind &= 0x0FFF
        sized = kind in (0x0D, 0x1E, 0x1F, 0x102)
        count = 1
        if several or sized:
            count = int.from_bytes(data[place : place + 4], "little")
            place += 4
        for _ in range(count):
            if place >= len(data):
                break
            if not sized:
                place += _SIZES.get(kind, 4)
                continue
            length = int.from_bytes(data[place : place + 4], "little")
            value = data[place + 4 : place + 4 + length]
            place += 4 + _padded(length)
            yield from _value(kind, number, value, budget)
    yield from _left_over(data[place:])


def _value(kind: int, number: int, value: bytes, budget: Budget) -> Iterator[Piece]:
    rendering = number in _RENDERINGS
    if kind == 0x1F:
        yield Text(f"property {number:04x}", value.decode("utf-16-le", "replace").rstrip("\x00"), rendering)
    elif kind == 0x1E:
        yield Text(f"property {number:04x}", decode(value.rstrip(b"\x00")), rendering)
    elif number == 0x1009:
        yield Inner("rich text", rich_text(value, budget), part=True, rendering=rendering)
    elif number == 0x1013:
        yield Inner("html", value, part=True, rendering=rendering)
    elif kind == 0x0D or number == 0x3701:
        # An embedded object begins with the identity of its interface.
        yield Inner("object", value[16:] if kind == 0x0D else value)
    else:
        yield Text(f"property {number:04x}", runs(value))


def _padded(length: int) -> int:
    return (length + 3) // 4 * 4


def rich_text(data: bytes, budget: Budget) -> bytes:
    """Unpack compressed RTF (MS-OXRTFCP 3.1.3): references into a window of 4096 bytes.

    The size it states is not believed: it ends where a reference says so, and what stands behind is kept as it is.
    """
    if data[8:12] != b"LZFu":
        return data[16:] if data[8:12] == b"MELA" else data
    window = bytearray(_DICTIONARY) + bytearray(4096 - len(_DICTIONARY))
    write = len(_DICTIONARY)
    out = bytearray()
    place = 16
    while place < len(data):
        if len(out) > _LONGEST:
            raise Exceeded("too-big")
        flags = data[place]
        place += 1
        for bit in range(8):
            if place >= len(data):
                break
            if flags >> bit & 1:
                token = int.from_bytes(data[place : place + 2], "big")
                place += 2
                read = token >> 4
                if read == write:
                    out += data[place:].strip(b"\x00")
                    place = len(data)
                    break
                copied = range((token & 15) + 2)
            else:
                window[write] = data[place]
                out.append(data[place])
                write = (write + 1) % 4096
                place += 1
                continue
            for _ in copied:
                octet = window[read]
                out.append(octet)
                window[write] = octet
                read, write = (read + 1) % 4096, (write + 1) % 4096
    budget.take(len(out))
    return bytes(out)
