"""Takes OLE compound files apart: legacy Word, Excel and PowerPoint, Outlook messages, macros, embedded objects."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from services.dlp.charsets import decode
from services.dlp.extraction.outlook import rich_text
from services.dlp.extraction.pieces import MEGABYTE, Budget, Inner, Piece, Text, Trouble, unpacked
from services.dlp.extraction.rtf import ole1_data, packaged
from services.dlp.extraction.texts import runs, unsaid
from services.dlp.files import vba
from services.dlp.files.compound import Compound, Entry
from services.dlp.files.kinds import Family
from services.dlp.files.types import kind_of

_ENCRYPTED = ("encryptedpackage", "encryptedsummary", "\x06dataspaces")
MAX_SOURCE = 1 << 24
MAX_NAME = 1024
# A record's version, type and length; behind it, in a picture's, one or two digests and what kind it is.
_STORAGE = re.compile(rb"\x10\x00\x11\x10(.{4}).{4}", re.DOTALL)
_BLIP = re.compile(rb"[\x1a-\x1e\x29\x2a]\xf0(.{4})", re.DOTALL)
_PICTURE = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff[\xdb-\xfe]|\x78[\x01\x5e\x9c\xda]")
_PNG_END, _JPEG_END = b"IEND\xaeB`\x82", b"\xff\xd9"
_BEFORE_PICTURE = 128
_ENCRYPTED_SLIDES = bytes.fromhex("dfc4d1f3")
"""What the atom of a presentation's last user says in place of `5fc091e3` (MS-PPT 2.3.2)."""
# Within a word of a document: what a field is made of, and marks of notes, comments, drawings, fields and hyphens
# (MS-DOC 2.4.1), in text of one byte a character and of two.
_WITHIN_WORD = re.compile(
    rb"(?<=[A-Za-z\xc0-\xff])(?:\x13[\x20-\xff]{0,512}+\x14|[\x01\x02\x05\x08\x15\x1e\x1f])++(?=[A-Za-z\xc0-\xff])"
    rb"|(?<=[^\x00]\x00)(?:\x13\x00(?:[\x20-\xff]\x00){0,512}+\x14\x00|[\x01\x02\x05\x08\x15\x1e\x1f]\x00)++"
)
_RENDERINGS = ("1000", "1009", "1013")
"""The body of a message, as plain text, as rich text and as HTML (MS-OXCMSG 2.2.1.58)."""


def read_compound(data: bytes, budget: Budget) -> Iterator[Piece]:
    """Every stream, wherever in the tree or beside it, each as what it is."""
    file = Compound(data)
    if not file.entries:
        raise ValueError("no directory")
    if any(entry.name.lower() in _ENCRYPTED for entry in file.entries):
        yield Trouble("encrypted")
        return
    yield Text("names", "\n".join(dict.fromkeys(entry.name for entry in file.entries if len(entry.name) > 3)))
    for entry in file.streams():
        budget.check()
        content = file.read(entry, len(data))
        budget.take(len(content))
        if len(content) < entry.size:
            yield Trouble("overlap" if file.exhausted else "damaged", entry.name)
        yield from _stream(entry, content, file, budget)


def _stream(entry: Entry, content: bytes, file: Compound, budget: Budget) -> Iterator[Piece]:
    name = entry.name.lstrip("\x01\x02\x03\x05\x06")
    low = name.lower()
    if low.startswith("__substg1.0_"):
        yield from _property(entry, name[12:], content, file, budget)
    elif low in ("workbook", "book"):
        yield from _workbook(content, budget)
    elif (low == "worddocument" and len(content) > 12 and content[11] & 1) or (
        low == "current user" and content[12:16] == _ENCRYPTED_SLIDES
    ):
        yield Trouble("encrypted")
    elif low == "ole10native":
        yield Inner("object", packaged(content[4:]))
    elif low == "contents" or _is_file(content) or ole1_data(content):
        yield Inner(name, ole1_data(content) or content, part=low == "contents", expected=True)
    else:
        said = runs(content)
        yield Text(name, said)
        if low == "worddocument":
            yield Text(f"{name}, as it is seen", unsaid(runs(_WITHIN_WORD.sub(b"", content)), (said,)))
        source = vba.source(content, MAX_SOURCE)
        budget.take(len(source))
        yield Text(f"macro {name}", decode(source))
        yield from _objects(content, budget)
        yield from _pictures(content, budget)


def _is_file(content: bytes) -> bool:
    kind = kind_of("", "", content)
    return kind.family in (Family.ARCHIVE, Family.DOCUMENT, Family.PICTURE)


def _property(entry: Entry, tag: str, content: bytes, file: Compound, budget: Budget) -> Iterator[Piece]:
    """A property of a message (MS-OXMSG 2.1.3): its number and its type are its name."""
    number, kind = tag[:4].lower(), tag[4:8].lower()
    rendering = number in _RENDERINGS and entry.storage == 0
    if kind == "001f":
        yield Text(f"property {number}", content.decode("utf-16-le", "replace"), rendering)
    elif kind == "001e":
        yield Text(f"property {number}", decode(content, "" if content.isascii() else "cp1252"), rendering)
    elif number == "3701":
        yield Inner(_attachment_name(entry, file) or "file", content)
    elif number == "1009":
        yield Inner("rich text", rich_text(content, budget), part=True, rendering=rendering)
    elif number == "1013":
        yield Inner("html", content.rstrip(b"\x00"), part=True, rendering=rendering)
    else:
        yield Text(f"property {number}", runs(content))


def _attachment_name(entry: Entry, file: Compound) -> str:
    beside = {other.name.upper(): other for other in file.streams() if other.storage == entry.storage}
    for tag, codec in (("3707001F", "utf-16-le"), ("3704001F", "utf-16-le"), ("3707001E", "cp1252")):
        if (found := beside.get(f"__SUBSTG1.0_{tag}")) is not None:
            return str(file.read(found, MAX_NAME), codec, "replace").partition("\x00")[0]
    return ""


def _objects(content: bytes, budget: Budget) -> Iterator[Piece]:
    """The compressed storages of a presentation (MS-PPT 2.10.34, ExOleObjStgCompressedAtom)."""
    for number, atom in enumerate(_STORAGE.finditer(content), 1):
        size = int.from_bytes(atom[1], "little")
        yield from _inflated(f"object {number}", content[atom.end() : atom.end() + size - 4], budget)


def _pictures(content: bytes, budget: Budget) -> Iterator[Piece]:
    """Pictures wherever they begin; in a drawing's record (MS-ODRAW 2.2.23, OfficeArtBlip), where they may be packed,
    it says how long they are."""
    end = 0
    for number, begins in enumerate(_PICTURE.finditer(content), 1):
        start = begins.start()
        if start < end:
            continue
        heads = [
            head for head in _BLIP.finditer(content, max(0, start - _BEFORE_PICTURE), start) if head.end() <= start
        ]
        length = int.from_bytes(heads[-1][1], "little") if heads else 0
        last = heads[-1].end() + length if heads else 0
        if begins[0][:1] == b"\x78":
            if last > start:
                end = last
                yield from _inflated(f"picture {number}", content[start:last], budget)
            continue
        if last <= start:
            closed = content.find(_PNG_END, start) if begins[0][:1] == b"\x89" else -1
            last = closed + len(_PNG_END) if closed >= 0 else len(content)
            end = last if closed >= 0 else content.find(_JPEG_END, start)
        else:
            end = last
        budget.take(last - start)
        yield Inner(f"picture {number}", content[start:last], expected=True)


def _inflated(name: str, packed: bytes, budget: Budget) -> Iterator[Piece]:
    inflate = zlib.decompressobj()

    def chunks() -> Iterator[bytes]:
        rest = packed
        while rest and not inflate.eof:
            yield inflate.decompress(rest, MEGABYTE)
            rest = inflate.unconsumed_tail

    try:
        yield from unpacked(name, chunks(), len(packed), budget)
    except zlib.error:
        yield Text(name, runs(packed))


_SST, _CONTINUE, _FILEPASS, _NAME, _FORMULA, _DRAWINGS = 0xFC, 0x3C, 0x2F, 0x18, 0x06, 0xEB


def _workbook(data: bytes, budget: Budget) -> Iterator[Piece]:
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
    drawings: list[bytes] = []
    said: list[str] = []
    open_table = drawing = False
    for kind, body in records:
        drawing = kind == _DRAWINGS or (kind == _CONTINUE and drawing)
        if drawing:
            drawings.append(body)
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
    yield from _pictures(b"".join(drawings), budget)


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
