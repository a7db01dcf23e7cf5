"""Takes PDF apart: the pages' text, every string of every object, the files in it, and its earlier revisions."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from itertools import count

from pypdf import PageObject, PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import (
    ArrayObject,
    ByteStringObject,
    ContentStream,
    DecodedStreamObject,
    DictionaryObject,
    IndirectObject,
    PdfObject,
    StreamObject,
    TextStringObject,
)

from services.dlp.extraction.ocr import MAX_PIXELS, SMALL, is_icon, words_in
from services.dlp.extraction.pieces import MEGABYTE, SEEN, Budget, Inner, Piece, Text, Trouble
from services.dlp.extraction.texts import plain, runs, unsaid
from services.dlp.files.inflating import inflated
from services.dlp.files.types import is_text, kind_of, text_of
from services.dlp.message import WAITING

_END = b"%%EOF"
_INLINE = re.compile(rb"(?:^|\s)BI\s[^\x80-\xff]{1,400}?\sID\s")
# Lines and curves of a page without a text: letters may have been made outlines.
_CURVES = re.compile(rb"[0-9] [lcvy]\s")
_MANY = 100
_MOST_OF_PIXEL, _SLACK = 8, 256
"""Bytes."""
_REVISIONS = 50
_STREAM = re.compile(rb"(?<!end)stream\r?\n")
_STREAM_END = b"endstream"
_LARGEST = 64 * MEGABYTE
_FONTS = ("/FontFile", "/FontFile2", "/FontFile3")
_STRUCTURE = ("/XRef", "/ObjStm")


def read_pdf(data: bytes, budget: Budget) -> Iterator[Piece]:
    """Encrypted is what asks for a password to be read; a password for changes only is none."""
    start = max(0, data.find(b"%PDF-"))
    reader = PdfReader(BytesIO(data[start:]), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        yield Trouble("encrypted")
        return
    said = set()
    streams: dict[bytes, int] = {}
    for piece in _document(reader, streams, budget):
        if isinstance(piece, Text):
            said.add(piece.text)
        yield piece
    yield from _revisions(data, said, streams, budget)
    yield from _nameless(data, streams, reader, budget)
    tail = data[data.rfind(_END) + len(_END) :] if _END in data else b""
    if tail.strip(b"\x00\r\n \t"):
        yield Inner("data behind the document", tail)
    if start > 0 and data[:start].strip():
        yield Inner("data before the document", data[:start])


def _revisions(data: bytes, said: set[str], streams: dict[bytes, int], budget: Budget) -> Iterator[Piece]:
    """What the document said before it was changed: an incremental update leaves it in the file."""
    ends = [found.end() for found in re.finditer(re.escape(_END), data)][:-1]
    if len(ends) > _REVISIONS:
        yield Trouble("too-many", "revisions")
    for number, end in enumerate(ends[:_REVISIONS], 1):
        # A file made for fast viewing has such an end near its beginning, before it is a document.
        with contextlib.suppress(PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            for piece in _document(PdfReader(BytesIO(data[:end]), strict=False), streams, budget):
                if isinstance(piece, Text) and piece.text not in said:
                    said.add(piece.text)
                    yield Text(f"revision {number}, {piece.name}", piece.text)
                elif isinstance(piece, Inner):
                    yield piece


def _nameless(data: bytes, streams: dict[bytes, int], reader: PdfReader, budget: Budget) -> Iterator[Piece]:
    """Streams that stand in the file and in no table of objects: no reader shows them, and anyone can take them out.

    They are told from the `streams` that were read by their bytes, packed as they stand there.
    """
    position = 0
    for number in count(1):
        found = _STREAM.search(data, position)
        if found is None:
            break
        budget.check()
        at = found.end()
        packed = _up_to_end(data[at : max(data.find(_STREAM_END, at), at)])
        if packed in streams:
            position = at + streams[packed]
            continue
        position = at
        content = inflated(data, at, _LARGEST) or packed
        budget.take(len(content))
        name = f"stream {number}, in no table"
        if len(content) >= _LARGEST:
            yield Trouble("too-big", name)
        if is_text(content) or kind_of("", "", content).name != "unknown":
            yield Inner(name, content, part=True, expected=True)
            yield from _shown_by(content, name, reader)
        else:
            yield Text(name, plain(content))


def _shown_by(content: bytes, name: str, reader: PdfReader) -> Iterator[Piece]:
    """The words that a stream of any kind would show as a page's content."""
    if b"BT" in content and (b"Tj" in content or b"TJ" in content):
        stream = DecodedStreamObject()
        stream.set_data(content)
        with contextlib.suppress(PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            yield Text(f"{name}, drawn", unsaid(_drawn(stream, reader), (text_of(content),)))


def _up_to_end(packed: bytes) -> bytes:
    """A stream's bytes as far as who doesn't know its length sees them."""
    return packed.partition(_STREAM_END)[0].rstrip(b"\r\n")


def _document(reader: PdfReader, read: dict[bytes, int], budget: Budget) -> Iterator[Piece]:
    """What a document says. The streams it has are added to `read`: their bytes as they stand in the file, to a word
    that could be their end, and how many there are in all."""
    shown = []
    contents: set[int] = set()
    for number, page in enumerate(reader.pages, 1):
        budget.check()
        shown.append(page.extract_text())
        yield Text(f"page {number}", shown[-1])
        contents.update(_content_of(page))
        yield from _beside(number, page, shown[-1], budget)
    everything = "".join("".join(shown).split())
    strings: list[str] = []
    streams: list[tuple[int, StreamObject]] = []
    names: dict[int, str] = {}
    fonts: set[int] = set()
    for number, found in _objects(reader, read):
        budget.check()
        _strings(found, strings, names, fonts)
        if isinstance(found, StreamObject) and number not in contents:
            streams.append((number, found))
    yield Text("properties, annotations and fields", "\n".join(dict.fromkeys(strings)))
    for number, stream in streams:
        budget.check()
        subtype, kind = str(stream.get("/Subtype", "")), str(stream.get("/Type", ""))
        if subtype == "/Image":
            yield from _picture(number, stream, budget)
            continue
        content = stream.get_data()
        budget.take(len(content))
        if number in names or kind == "/EmbeddedFile":
            yield Inner(names.get(number) or f"file {number}", content)
        elif kind in _STRUCTURE or number in fonts or content.lstrip().startswith(b"/CIDInit"):
            # What these are said to be nobody writes into; if they are not that, they are files.
            if is_text(content) or kind_of("", "", content).name != "unknown":
                yield Inner(f"stream {number}", content, part=True, expected=True)
            else:
                yield Text(f"stream {number}", plain(content))
        elif subtype == "/Form" or kind == "/Pattern":
            drawn = _drawn(stream, reader)
            if "".join(drawn.split()) not in everything:
                yield Text(f"drawing {number}", drawn)
        else:
            yield Inner(f"stream {number}", content, part=True, expected=True)
            yield from _shown_by(content, f"stream {number}", reader)


def _beside(number: int, page: PageObject, shown: str, budget: Budget) -> Iterator[Piece]:
    """What a page's content says without showing it, and pictures that stand in the content itself."""
    content = page.get_contents()
    raw = content.get_data() if content is not None else b""
    budget.take(len(raw))
    yield Text(f"page {number}, content", unsaid(plain(raw), (shown,)))
    if not shown.strip() and len(_CURVES.findall(raw)) > _MANY:
        yield Trouble("drawing", f"page {number}", score=SEEN)
    if _INLINE.search(raw):
        yield Trouble(
            "ocr-failed" if budget.limits.languages else WAITING,
            f"page {number}, a picture in its content",
            score=1.0 if budget.limits.languages else 0.5,
        )


def _picture(number: int, stream: StreamObject, budget: Budget) -> Iterator[Piece]:
    """The words in a picture, whether or not a page shows it; a mask of transparency is a picture as well."""
    sides = [stream.get(side, 0) for side in ("/Width", "/Height")]
    width, height = (int(side) if isinstance(side, int) else 0 for side in sides)
    icon = is_icon(width, height)
    if width * height < SMALL or icon:
        yield from _small(number, stream, width * height, budget)
    if not (icon or budget.limits.languages):
        yield Trouble(WAITING, f"picture {number}", score=0.5)
        return
    if width * height > MAX_PIXELS:
        yield Trouble("ocr-too-big", f"picture {number}")
        return
    try:
        picture = stream.decode_as_image()
    except Exception:
        # The decoders of a dozen formats raise what they like; some need programs that aren't there.
        picture = None
    if picture is not None:
        for piece in words_in(picture, budget):
            yield replace(piece, name=f"picture {number}, {piece.name}".rstrip(", "))
    elif icon:
        yield Trouble("small-picture", f"picture {number}", score=0.3)
    else:
        yield Trouble("ocr-failed", f"picture {number}")


def _small(number: int, stream: StreamObject, pixels: int, budget: Budget) -> Iterator[Piece]:
    """What nobody takes for a picture: it may be something else, and more than its pixels."""
    content = stream.get_data()
    budget.take(len(content))
    if kind_of("", "", content).name != "unknown" or len(content) > _MOST_OF_PIXEL * pixels + _SLACK:
        yield Inner(f"picture {number}", content, part=True, expected=True)
    else:
        yield Text(f"picture {number}", plain(content))


def _objects(reader: PdfReader, read: dict[bytes, int]) -> Iterator[tuple[int, PdfObject]]:
    numbers = {number for table in reader.xref.values() for number in table} | set(reader.xref_objStm)
    for number in sorted(numbers):
        found = None
        # One object that cannot be read is met in many files; what leads to text was read with the pages.
        with contextlib.suppress(PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            found = reader.get_object(number)
        if isinstance(found, StreamObject):
            read[_up_to_end(found._data)] = len(found._data)
        if found is not None:
            yield number, found
    yield 0, reader.trailer


def _content_of(page: DictionaryObject) -> set[int]:
    raw = page.raw_get("/Contents") if "/Contents" in page else None
    listed = raw.get_object() if isinstance(raw, IndirectObject) else raw
    numbers = {raw.idnum} if isinstance(raw, IndirectObject) else set()
    if isinstance(listed, ArrayObject):
        numbers |= {item.idnum for item in list.__iter__(listed) if isinstance(item, IndirectObject)}
    return numbers


def _strings(top: PdfObject, strings: list[str], names: dict[int, str], fonts: set[int]) -> None:
    """All strings of one object, without following references: those objects are visited themselves."""
    stack: list[object] = [top]
    while stack:
        item = stack.pop()
        if isinstance(item, TextStringObject):
            strings.append(str(item))
        elif isinstance(item, ByteStringObject):
            raw = bytes(item)
            strings.append(text_of(raw) if is_text(raw) else runs(raw))
        elif isinstance(item, DictionaryObject):
            files = item.get("/EF")
            files = files.get_object() if isinstance(files, IndirectObject) else files
            if isinstance(files, DictionaryObject):
                name = str(item.get("/UF") or item.get("/F") or "")
                for value in dict.values(files):
                    if isinstance(value, IndirectObject):
                        names[value.idnum] = name
            for key, value in dict.items(item):
                if key in _FONTS and isinstance(value, IndirectObject):
                    fonts.add(value.idnum)
                stack.append(value)
        elif isinstance(item, ArrayObject):
            stack.extend(list.__iter__(item))


def _drawn(stream: StreamObject, reader: PdfReader) -> str:
    """The strings a drawing shows, in their order; fonts are not asked, so only plain ones come out right."""
    shown: list[str] = []
    for operands, operator in ContentStream(stream, reader).operations:
        if operator in (b"Tj", b"'", b'"', b"TJ"):
            for operand in operands:
                items = list.__iter__(operand) if isinstance(operand, ArrayObject) else iter([operand])
                shown.extend(str(item) for item in items if isinstance(item, TextStringObject))
        elif operator in (b"Td", b"TD", b"T*", b"ET"):
            shown.append("\n")
    return "".join(shown)
