"""What acts in an Office file: macros, DDE, templates and objects from elsewhere, and the files kept in it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import count

from services.dlp.danger import macros
from services.dlp.danger.parts import Package
from services.dlp.files.compound import MAGIC, Compound
from services.dlp.files.inflating import inflated
from services.dlp.files.types import text_of
from services.dlp.findings import Hit
from services.dlp.tags import tags

Held = tuple[str, str, bytes]
"""A file in a file: where, its name or "", its bytes."""

MAX_OBJECT = 1 << 24
# A file stored in a OneNote section begins with this (MS-ONESTORE section 2.6.13, FileDataStoreObject).
_ONENOTE_FILE = bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac")
_HEX = b"0123456789abcdefABCDEF"
_NOT_HEX = bytes(set(range(256)) - set(_HEX))
_LOADED = ("attachedtemplate", "oleobject", "frame", "subdocument", "afchunk", "externallinkpath", "control")
_TABLES = ("xl/worksheets/", "xl/sharedstrings", "xl/styles", "xl/calcchain", "xl/pivot")  # big, and without fields
_REMOTE = ("http:", "https:", "ftp:", "mhtml:", "ms-", "\\\\", "//", "file://", "file:\\\\")


def look_at_compound(data: bytes) -> Iterator[Hit]:
    """Hits in doc, xls, ppt, msg, and in the vbaProject.bin or the object of a newer file."""
    compound = Compound(data)
    if not compound.entries and (b"\0Attribut" in data or "_VBA_PROJECT".encode("utf-16-le") in data):
        yield Hit("danger", "macro-without-source", "damaged file")
    yield from macros.look(compound)
    yield from macros.look_at_workbook(compound)
    names = {name.lower() for name in compound.names}
    if "equation native" in names:
        yield Hit("danger", "equation-object", "objects")
    if "\x01ole10native" in names:
        yield Hit("danger", "ole-object", "objects", score=0.6)
    for entry in compound.streams():
        if entry.name == "WordDocument":
            text = compound.read(entry, len(data)).replace(b"\0", b"").upper()
            if b"DDEAUTO" in text or b"\x13 DDE " in text or b"\x13DDE " in text:
                yield Hit("danger", "dde", "fields")


def files_in_compound(data: bytes) -> Iterator[Held | Hit]:
    """The files packed into a compound file as objects."""
    compound = Compound(data)
    numbers = count(1)
    for entry in compound.streams():
        if entry.name.lower() == "\x01ole10native":
            name, inner = _packed(compound.read(entry, len(data)))
            yield f"object {next(numbers)}", name, inner
        elif entry.name == "PowerPoint Document":
            yield from _objects_in_presentation(compound.read(entry, len(data)), numbers)


def _packed(data: bytes) -> tuple[str, bytes]:
    """The name and bytes of an OLE 1.0 package: label, path, two words, temporary path, size, bytes."""
    label, _, rest = data[6:].partition(b"\0")
    path, _, rest = rest.partition(b"\0")
    if len(rest) < 8:
        return "", data[4:]
    (length,) = struct.unpack_from("<I", rest, 4)
    if len(rest) < length + 12:
        return "", data[4:]
    (size,) = struct.unpack_from("<I", rest, 8 + length)
    name = (path.replace(b"\\", b"/").rpartition(b"/")[2] or label)[:255]
    return name.decode("latin-1"), rest[12 + length : 12 + length + size]


def _objects_in_presentation(data: bytes, numbers: Iterator[int]) -> Iterator[Held | Hit]:
    """The compressed storages (macros, objects) of a ppt (MS-PPT section 2.10.34, ExOleObjStgCompressedAtom)."""
    at = -1
    while (at := data.find(b"\x10\0\x11\x10", at + 1)) >= 0:
        inner = inflated(data, at + 12, MAX_OBJECT)
        if inner.startswith(MAGIC):
            where = f"object {next(numbers)}"
            yield where, "", inner
            if len(inner) >= MAX_OBJECT:
                yield Hit("unscannable", "too-big", where)


def look_at_package(data: bytes) -> Iterator[Hit]:
    """Hits in docx, xlsx, pptx, vsdx and their kin (ECMA-376): what they load, and what they do on opening."""
    package = Package(data)
    for name in sorted(package.names, key=lambda name: not name.lower().endswith(".rels")):
        lowered = name.lower()
        if lowered.startswith(("xl/macrosheets/", "xl/intlmacrosheets/")):
            yield Hit("danger", "xlm-macro", name[:200])
        elif "/activex/" in lowered and lowered.endswith(".bin"):
            yield Hit("danger", "active-x", name[:200], score=0.6)
        elif "/webextensions/" in lowered and lowered.endswith(".xml"):
            yield Hit("danger", "web-extension", name[:200], score=0.6)
        if lowered.endswith(".rels"):
            yield from _relationships(name, text_of(package.read(name)))
        elif lowered.endswith(".xml") and not lowered.startswith(_TABLES):
            yield from _fields(name, package.read(name))
    yield from _unread(package)


def files_in_package(data: bytes) -> Iterator[Held | Hit]:
    """The compound files among the members, whatever they are called, and what is embedded."""
    package = Package(data)
    for name in package.names:
        if "/embeddings/" in name.lower() or package.read(name, 8) == MAGIC:
            yield name[:200], name, package.read(name)
    yield from _unread(package)


def _unread(package: Package) -> Iterator[Hit]:
    if package.exhausted:
        yield Hit("unscannable", "too-big", "parts of the document")
    if package.damaged:
        yield Hit("unscannable", "damaged", "parts of the document")


def _relationships(name: str, text: str) -> Iterator[Hit]:
    for tag in tags(text):
        if tag.name != "relationship":
            continue
        attributes = tag.attributes()
        if attributes.get("targetmode", "").lower() != "external":
            continue
        kind = attributes.get("type", "").rpartition("/")[2].lower()
        target = "".join(attributes.get("target", "").split()).lower()
        if kind in _LOADED and target.startswith(_REMOTE):
            # A template or a workbook on the author's own disk or share is ordinary; what comes by the web is not.
            near = target.startswith("file:") or kind == "externallinkpath"
            yield Hit("danger", "external-" + kind, name[:200], score=0.3 if near else 1.0)
        elif kind == "hyperlink" and target.startswith(("ms-", "search-ms:", "javascript:", "vbscript:")):
            yield Hit("danger", "external-command", name[:200])


def _fields(name: str, data: bytes) -> Iterator[Hit]:
    if b"ddeLink" in data or b"ppaction://program" in data:
        yield Hit("danger", "dde" if b"ddeLink" in data else "external-command", name[:200])
    pieces, at = [], 0
    # A field's code may stand in many runs, a letter in each.
    while (at := data.find(b"instrText", at)) >= 0:
        start = data.find(b">", at)
        end = data.find(b"<", start) if start >= 0 else -1
        if end < 0:
            break
        if data[at - 1 : at] != b"/" and data[at - 3 : at - 2] != b"/":
            pieces.append(data[start + 1 : end])
        at = end
    at = 0
    while (at := data.find(b"fldSimple", at)) >= 0:
        end = data.find(b">", at)
        if end < 0:
            break
        pieces.append(data[at:end].replace(b'"', b" ").replace(b"'", b" "))
        at = end
    code = b" " + b"".join(pieces).upper()
    if b"DDEAUTO" in code or b" DDE " in code:
        yield Hit("danger", "dde", name[:200])


def look_at_rtf(data: bytes) -> Iterator[Hit]:
    """Hits in rich text: objects (as exploited by the equation editor), DDE fields, templates from the web."""
    lowered = data.lower()
    objects = lowered.count(b"\\objdata") + lowered.count(b"\\objclass")
    if objects:
        acts = b"\\objupdate" in lowered or b"\\objautlink" in lowered or b"equation" in lowered
        yield Hit("danger", "ole-object", "objects", objects, score=1.0 if acts else 0.6)
    if b"ddeauto" in lowered or b"{\\*\\fldinst dde " in lowered:
        yield Hit("danger", "dde", "fields")
    templates = (after[:64].strip(b" {") for after in lowered.split(b"\\*\\template")[1:])
    if any(template.startswith((b"http", b"\\\\", b"\\u-")) for template in templates):
        yield Hit("danger", "external-attachedtemplate", "template")


def files_in_rtf(data: bytes) -> Iterator[Held]:
    """The compound files and packages that rich text carries in hexadecimal."""
    lowered, at, numbers = data.lower(), 0, count(1)
    while (at := lowered.find(b"\\objdata", at)) >= 0:
        number, at = next(numbers), at + 8
        following = lowered.find(b"\\objdata", at)
        digits = data[at : following if following >= 0 else len(data)].translate(None, _NOT_HEX)
        raw = bytes.fromhex(digits[: len(digits) // 2 * 2].decode())
        start = raw.find(MAGIC)
        if start >= 0:
            yield f"object {number}", "", raw[start:]
        elif b"Package\0" in raw[:64]:
            name, inner = _packed(b"\0\0\0\0" + raw[raw.find(b"Package\0") + 20 :])
            yield f"object {number}", name, inner


def look_at_onenote(data: bytes) -> Iterator[Hit]:
    """A hit if files lie in the section; which files, `files_in_onenote` says."""
    if files := data.count(_ONENOTE_FILE):
        yield Hit("danger", "embedded-file", "section", files, score=0.4)


def files_in_onenote(data: bytes) -> Iterator[Held]:
    """The files stored in a OneNote section; their names stand elsewhere, their bytes suffice."""
    at, numbers = 0, count(1)
    while (at := data.find(_ONENOTE_FILE, at)) >= 0:
        length = int.from_bytes(data[at + 16 : at + 24], "little")
        yield f"file {next(numbers)}", "", data[at + 36 : at + 36 + length]
        at += 36
