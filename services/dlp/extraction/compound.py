"""Takes OLE compound files apart: legacy Word, Excel and PowerPoint, Outlook messages, macros, embedded objects."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO

import olefile

from services.dlp.charsets import decode
from services.dlp.extraction.kinds import Kind, kinds
from services.dlp.extraction.outlook import rich_text
from services.dlp.extraction.pieces import Budget, Inner, Piece, Text, Trouble
from services.dlp.extraction.rtf import ole1_data, packaged
from services.dlp.extraction.texts import runs

_ENCRYPTED = ("encryptedpackage", "encryptedsummary", "\x06dataspaces")
_KNOWN = (Kind.ZIP, Kind.COMPOUND, Kind.PDF, Kind.RTF, Kind.TNEF, Kind.ARCHIVE, Kind.STREAM, Kind.PICTURE)
_RENDERINGS = ("1000", "1009", "1013")
"""The body of a message, as plain text, as rich text and as HTML (MS-OXCMSG 2.2.1.58)."""


def read_compound(data: bytes, budget: Budget) -> Iterator[Piece]:
    """Every stream of every storage, each as what it is."""
    with olefile.OleFileIO(BytesIO(data)) as file:
        paths = file.listdir(streams=True, storages=False)
        if any(step.lower() in _ENCRYPTED for path in paths for step in path):
            yield Trouble("encrypted")
            return
        yield Text("names", "\n".join(dict.fromkeys(step for path in paths for step in path if len(step) > 3)))
        for path in paths:
            budget.check()
            content = file.openstream(path).read()
            budget.take(len(content))
            yield from _stream(path, content, file, budget)


def _stream(path: list[str], content: bytes, file: olefile.OleFileIO, budget: Budget) -> Iterator[Piece]:
    name = path[-1].lstrip("\x01\x02\x03\x05\x06")
    low = name.lower()
    if low.startswith("__substg1.0_"):
        yield from _property(path, name[12:], content, file, budget)
    elif low in ("workbook", "book"):
        yield from _workbook(content)
    elif low == "worddocument" and len(content) > 12 and content[11] & 1:
        yield Trouble("encrypted")
    elif low == "ole10native":
        inner = packaged(content[4:])
        yield Inner("object", inner)
    elif low == "contents" or kinds(content)[0] in _KNOWN or ole1_data(content):
        yield Inner(name, ole1_data(content) or content, part=low == "contents", expected=True)
    else:
        yield Text(name, runs(content))
        if "VBA" in path[:-1]:
            yield Text(f"macro {name}", _macro(content, budget))


def _property(path: list[str], tag: str, content: bytes, file: olefile.OleFileIO, budget: Budget) -> Iterator[Piece]:
    """A property of a message (MS-OXMSG 2.1.3): its number and its type are its name."""
    number, kind = tag[:4].lower(), tag[4:8].lower()
    rendering = number in _RENDERINGS and len(path) == 1
    if kind == "001f":
        yield Text(f"property {number}", content.decode("utf-16-le", "replace"), rendering)
    elif kind == "001e":
        yield Text(f"property {number}", decode(content, "" if content.isascii() else "cp1252"), rendering)
    elif number == "3701":
        yield Inner(_attachment_name(path, file) or "file", content)
    elif number == "1009":
        yield Inner("rich text", rich_text(content, budget), part=True, rendering=rendering)
    elif number == "1013":
        yield Inner("html", content.rstrip(b"\x00"), part=True, rendering=rendering)
    else:
        yield Text(f"property {number}", runs(content))


def _attachment_name(path: list[str], file: olefile.OleFileIO) -> str:
    for tag, codec in (("3707001F", "utf-16-le"), ("3704001F", "utf-16-le"), ("3707001E", "cp1252")):
        beside = [*path[:-1], f"__substg1.0_{tag}"]
        if file.exists(beside):
            return str(file.openstream(beside).read(), codec, "replace").rstrip("\x00")
    return ""


_SST, _CONTINUE, _FILEPASS, _NAME, _FORMULA = 0xFC, 0x3C, 0x2F, 0x18, 0x06


def _workbook(data: bytes) -> Iterator[Piece]:
    """The records of BIFF8 (MS-XLS 2.1.4). Strings follow each other without a gap in two of them only."""
    records: list[tuple[int, bytes]] = []
    place = 0
    while place + 4 <= len(data):
        kind, size = struct.unpack_from("<HH", data, place)
        records.append((kind, data[place + 4 : place + 4 + size]))
        place += 4 + size
    if any(kind == _FILEPASS for kind, _ in records):
        yield Trouble("encrypted")
        return
    shared: list[bytes] = []
    said: list[str] = []
    open_table = False
    for kind, body in records:
        if kind == _SST or (kind == _CONTINUE and open_table):
            shared.append(body[8:] if kind == _SST else body)
            open_table = True
            continue
        open_table = False
        said.append(runs(body))
        if kind in (_FORMULA, _NAME):
            said.extend(_literals(body))
    yield Text("cells", "\n".join(_shared(shared)))
    yield Text("records", "\n".join(filter(None, said)))


def _literals(body: bytes) -> Iterator[str]:
    """Texts in a formula (PtgStr, MS-XLS 2.5.198.89), which the next token may follow as if it were a letter."""
    place = body.find(b"\x17")
    while 0 <= place < len(body) - 3:
        length, wide = body[place + 1], body[place + 2]
        if wide < 2 and length:
            raw = body[place + 3 : place + 3 + length * (1 + wide)]
            yield raw.decode("utf-16-le" if wide else "latin-1", "replace")
        place = body.find(b"\x17", place + 1)


def _shared(blocks: list[bytes]) -> Iterator[str]:
    """The table of strings (MS-XLS 2.4.265). A string that runs over into the next record has its flags again."""
    block, place = 0, 0
    while block < len(blocks):
        body = blocks[block]
        if place + 3 > len(body):
            block, place = block + 1, max(0, place - len(body)) if place > len(body) else 0
            continue
        length, flags = struct.unpack_from("<HB", body, place)
        place += 3
        rich = extended = 0
        if flags & 8:
            rich = int.from_bytes(body[place : place + 2], "little")
            place += 2
        if flags & 4:
            extended = int.from_bytes(body[place : place + 4], "little")
            place += 4
        wide = flags & 1
        pieces = []
        while length and block < len(blocks):
            raw = blocks[block][place : place + length * (1 + wide)]
            pieces.append(raw.decode("utf-16-le" if wide else "latin-1", "replace"))
            length -= len(raw) // (1 + wide)
            place += len(raw)
            if length:
                block, place = block + 1, 1
                wide = blocks[block][0] & 1 if block < len(blocks) and blocks[block] else 0
        yield "".join(pieces)
        place += 4 * rich + extended


def _macro(data: bytes, budget: Budget) -> str:
    """The source of a module: the last compressed container in its stream (MS-OVBA 2.4.1)."""
    start = data.find(b"\x00Attribut")
    if start < 3:
        return ""
    out = bytearray()
    place = start - 2
    while place + 2 <= len(data):
        head = struct.unpack_from("<H", data, place)[0]
        end = min(len(data), place + (head & 0xFFF) + 3)
        place += 2
        begin = len(out)
        if not head & 0x8000:
            out += data[place : place + 4096]
            place += 4096
            continue
        while place < end:
            flags = data[place]
            place += 1
            for bit in range(8):
                if place >= end:
                    break
                if not flags >> bit & 1:
                    out.append(data[place])
                    place += 1
                    continue
                token = int.from_bytes(data[place : place + 2], "little")
                place += 2
                width = max(4, (len(out) - begin - 1).bit_length())
                length = (token & (0xFFFF >> width)) + 3
                back = (token >> (16 - width)) + 1
                if back > len(out):
                    return decode(bytes(out))
                for _ in range(length):
                    out.append(out[-back])
        budget.take(len(out) - begin)
    return decode(bytes(out))
