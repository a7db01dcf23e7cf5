"""What a file really is, judged by its bytes.

The table of `kinds` and a few checks of structure decide. Everything here is linear in the data, and nothing raises.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Callable, Iterator

from services.dlp.charsets import decode
from services.dlp.files.compound import Compound
from services.dlp.files.kinds import (
    BY_EXTENSION,
    BY_MEDIA_TYPE,
    EMPTY,
    KINDS,
    SIGNATURES,
    UNKNOWN,
    Family,
    Kind,
)

HEAD = 1 << 16  # as much of a text as is asked for its kind
MAX_MEMBERS = 20_000

_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\v\b\x1a\x1b")) + b"\x7f"
_MOST_CONTROLS = 0.02
"""A share of control characters beyond which bytes are no text. Packed or encrypted bytes have a tenth."""
_PIECE = 1024
_MOST_IN_PIECE = 0.06
_VISIBLY = _CONTROLS.replace(b"\0", b"")
"""A log that was not closed has zeros in it, a kilobyte and more, and is a text all the same."""
_NO_TEXT = re.compile(f"[{re.escape(_CONTROLS.decode())}\ue000-\uf8ff\ufffd]")
"""Also characters of nobody, and what is no character: bytes of any kind read as UTF-16 have an eighth of them."""
_LOOK = 4096
_BOMS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_WIDE = (("utf-32-le", 4, (2, 3)), ("utf-32-be", 4, (0, 1)), ("utf-16-le", 2, (1,)), ("utf-16-be", 2, (0,)))
"""Encodings that need no mark to be known: which bytes of a character are nothing in most texts."""
_HTML = (
    "html",
    "head",
    "body",
    "script",
    "iframe",
    "meta",
    "title",
    "table",
    "style",
    "form",
    "div",
    "p",
    "h1",
    "a",
    "b",
)
_PLAIN_ARCHIVES = (b"!<arch>\n", b"070701", b"070702", b"070707")
"""Archives of texts may be texts themselves."""
_PKCS7 = bytes.fromhex("06092a864886f70d0107")
_BRANDS = {b"heic": "heif", b"heix": "heif", b"mif1": "heif", b"msf1": "heif", b"avif": "heif", b"avis": "heif"}
_RIFF = {b"WEBP": "webp", b"WAVE": "wav", b"AVI ": "avi"}
# Where a zip file has a member of this name, or below this folder, it is of this kind. Programs come first: what
# a file can do counts before what it shows.
_ZIP_KINDS = (
    ("androidmanifest.xml", "apk"),
    ("base/manifest/androidmanifest.xml", "apk"),
    ("appxmanifest.xml", "appx"),
    ("appxmetadata/appxbundlemanifest.xml", "appx"),
    ("extension.vsixmanifest", "addin"),
    ("install.rdf", "addin"),
    ("payload/", "ipa"),
    ("word/", "docx"),
    ("xl/", "xlsx"),
    ("ppt/", "pptx"),
    ("visio/", "vsdx"),
    ("fixeddocseq.fdseq", "xps"),
    ("fixeddocumentsequence.fdseq", "xps"),
)
_OLE_KINDS = (
    ("WordDocument", "doc"),
    ("Workbook", "xls"),
    ("Book", "xls"),
    ("PowerPoint Document", "ppt"),
    ("__properties_version1.0", "msg"),
    ("VisioDocument", "vsd"),
    ("Quill", "pub"),
)
_MSI_CLSIDS = tuple(bytes([n]) + bytes.fromhex("100c0000000000c000000000000046") for n in (0x82, 0x84, 0x86))


def kind_of(name: str, media_type: str, data: bytes) -> Kind:
    """The kind that the bytes are. `name` and `media_type` only choose among kinds of text, which look alike."""
    if not data:
        return EMPTY
    if data.startswith(b"#!") and (kind := _shebang(data)):
        return kind
    if _is_pdf(data):
        return KINDS["pdf"]
    if data.startswith(_PLAIN_ARCHIVES):
        return KINDS[_by_signature(data)]
    if is_text(data):
        return _text_kind(name, media_type, data)
    title = _by_structure(data) or _by_signature(data) or _by_end(data)
    return _within_container(title, data) if title else UNKNOWN


def extension(name: str) -> str:
    """The extension a desktop would act on, lower case: past trailing dots and spaces, invisible characters and
    streams (`a.exe::$DATA`)."""
    tail = visible(name).replace("\\", "/").rpartition("/")[2].partition("::")[0].rstrip(". ")
    return tail.rpartition(".")[2].strip().lower() if "." in tail else ""


def visible(name: str) -> str:
    """A name as it is stored by a desktop: compatibility forms resolved, invisible characters dropped."""
    folded = unicodedata.normalize("NFKC", name[:4096])
    return "".join(c for c in folded if unicodedata.category(c) not in ("Cf", "Cc"))


def is_text(data: bytes) -> bool:
    """Whether the bytes are text, in any Unicode form or an 8-bit one: hardly any control in them."""
    codec, mark = _codec(data)
    if codec:
        text = decode(data[mark:], codec).removesuffix("\ufffd")  # one that was cut off within a character
        return sum(1 for _ in _NO_TEXT.finditer(text)) <= _MOST_CONTROLS * len(text)
    return b"\0" not in data[:_LOOK] and _few_controls(data)


def text_of(data: bytes) -> str:
    """The text of a file, in the Unicode form its mark or its zeros tell, or else as UTF-8 or Latin-1."""
    codec, mark = _codec(data)
    return decode(data[mark:], codec)


def _codec(data: bytes) -> tuple[str, int]:
    """The Unicode form that a mark at the beginning tells, or in which zeros stand; and the mark's length."""
    for bom, codec in _BOMS:
        if data.startswith(bom):
            return codec, len(bom)
    if b"\0" in data[:_LOOK]:
        for codec, width, places in _WIDE:
            high = b"".join(data[place : _LOOK * width : width] for place in places)
            if high.count(0) > 0.7 * len(high) and len(data) >= 2 * width:
                return codec, 0
    return "", 0


def _few_controls(data: bytes) -> bool:
    """In all, and in every kilobyte: what was put behind a long text is no text."""
    left = len(data) - len(data.translate(None, _CONTROLS))
    if left > _MOST_CONTROLS * len(data):
        return False
    if left <= _MOST_IN_PIECE * _PIECE:
        return True
    pieces = (data[at : at + _PIECE] for at in range(0, len(data), _PIECE))
    return all(len(piece) - len(piece.translate(None, _VISIBLY)) <= _MOST_IN_PIECE * _PIECE for piece in pieces)


def zip_end(data: bytes) -> int | None:
    """Where the last end record of a zip file stands whose directory is where it says (APPNOTE 4.3.16)."""
    end = len(data)
    for _ in range(8):
        end = data.rfind(b"PK\x05\x06", 0, end)
        if end < 0:
            return None
        if len(data) - end < 22:
            continue
        size, offset = struct.unpack_from("<II", data, end + 12)
        if data.startswith(b"PK\x06\x07", end - 20) or (size + offset <= end and (size or not offset)):
            return end
    return None


def zip_members(data: bytes) -> Iterator[tuple[str, bool]]:
    """(name, encrypted) of each member that a zip file's central directory lists, at most 20,000."""
    end = zip_end(data)
    if end is None:
        return
    size, offset = struct.unpack_from("<II", data, end + 12)
    for at in (end - size, offset):
        if 0 <= at < end and data.startswith(b"PK\x01\x02", at):
            yield from _central_directory(data, at)
            return


def _central_directory(data: bytes, at: int) -> Iterator[tuple[str, bool]]:
    for _ in range(MAX_MEMBERS):
        if not data.startswith(b"PK\x01\x02", at) or at + 46 > len(data):
            return
        (flags,) = struct.unpack_from("<H", data, at + 8)
        name, extra, comment = struct.unpack_from("<HHH", data, at + 28)
        yield data[at + 46 : at + 46 + name].decode("utf-8", "replace"), bool(flags & 1)
        at += 46 + name + extra + comment


def _shebang(data: bytes) -> Kind | None:
    line = data[2:256].split(b"\n", 1)[0].strip().lower()
    if not line.startswith((b"/", b"env ")):
        return None
    return KINDS[next((title for word, title in _INTERPRETERS if word in line), "shell")]


_INTERPRETERS = (
    (b"python", "python"),
    (b"perl", "perl"),
    (b"ruby", "ruby"),
    (b"php", "php"),
    (b"lua", "lua"),
    (b"tclsh", "tcl"),
    (b"wish", "tcl"),
    (b"node", "javascript"),
    (b"pwsh", "powershell"),
)


def _text_kind(name: str, media_type: str, data: bytes) -> Kind:
    start = text_of(data[:HEAD]).lstrip("\ufeff \t\r\n\0").lower()
    for mark, title in _TEXT_STARTS:
        if start.startswith(mark):
            return KINDS[title]
    if start.startswith("<"):
        return _markup_kind(start)
    if "mime-version:" in start and ":" in start.partition("\n")[0]:
        return KINDS["mhtml" if "multipart/related" in start[:2048] else "eml"]
    claimed = BY_EXTENSION.get(extension(name)) or BY_MEDIA_TYPE.get(media_type.lower())
    return claimed if claimed and claimed.container == "text" and claimed.family is Family.TEXT else KINDS["text"]


_TEXT_STARTS = (
    ("{\\rt", "rtf"),
    ("%!ps", "postscript"),
    ("windows registry editor", "registry"),
    ("regedit4", "registry"),
    ("[internetshortcut", "url"),
    ("[desktop entry]", "desktop"),
    ("[shell]", "scf"),
    ("[autorun]", "inf"),
    ("[version]\r\nsignature", "inf"),
    ("@echo off", "batch"),
    ("<?php", "php"),
    ("<job", "wsf"),
    ("<package>", "wsf"),
    ("<?sct", "wsf"),
    ("<scriptlet", "wsf"),
    ("id;p", "sylk"),
    ("web\n1\n", "query"),
    ("web\r\n1\r\n", "query"),
    ("-----begin", "pem"),
    ("begin:v", "calendar"),
    ("# disk descriptorfile", "vmdk"),
    ("full address:s:", "rdp"),
    ("screen mode id:i:", "rdp"),
)
_MARKUP_MARKS = (
    ("<hta:application", "hta"),
    ("<librarydescription", "library"),
    ("<persistedquery", "search"),
    ("<searchconnectordescription", "search"),
    ("<mmc_consolefile", "console"),
    ("<jnlp", "jnlp"),
    ("<appinstaller", "clickonce"),
    ("urn:schemas-microsoft-com:asm", "clickonce"),
    ("<scriptlet", "wsf"),
    ("<plist", "webloc"),
    ("<svg", "svg"),
    ("<html", "html"),
    ("<!doctype html", "html"),
)


def _markup_kind(start: str) -> Kind:
    for mark, title in _MARKUP_MARKS:
        if mark in start[:8192]:
            settings = title == "webloc" and "<key>url</key>" not in start
            return KINDS["xml" if settings else title]
    if start.startswith("<?xml"):
        return KINDS["xml"]
    tag = start[1:16].replace(">", " ").replace("/", " ").split(" ")[0].strip()
    return KINDS["html" if tag in _HTML or start.startswith("<!--") else "text"]


def _is_pdf(data: bytes) -> bool:
    """Readers look for the header in the first kilobyte; text that only speaks of it has no objects."""
    return data.startswith(b"%PDF-") or (b"%PDF-" in data[:1024] and b"endobj" in data)


def _by_structure(data: bytes) -> str:
    """Kinds whose signature alone is too short to believe."""
    if data.startswith((b"MZ", b"ZM")) and len(data) >= 64:
        new_header = int.from_bytes(data[60:64], "little")
        return "pe" if data.startswith((b"PE\0\0", b"NE", b"LE"), new_header) else "dos"
    if data.startswith(b"\xca\xfe\xba\xbe"):
        # Java counts class versions from 45, Mach-O the processors a program is built for.
        return "mach-o" if int.from_bytes(data[4:8], "big") < 40 else "class"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "mp4")
    if data.startswith(b"RIFF"):
        return _RIFF.get(data[8:12], "")
    return next((title for title, fits in _STRUCTURES if fits(data)), "")


_MPEG_SYNC = frozenset(byte for byte in range(0xE0, 0xFE) if byte & 6 and byte & 0x18 != 8)
"""The second byte of a frame of sound: version and layer are none of the reserved (ISO 11172-3, 2.4.2.3)."""
_DIB_HEADERS = (12, 40, 52, 56, 108, 124)


def _is_tar(data: bytes) -> bool:
    """By the header's checksum (POSIX.1-1988): very old archives have no other mark."""
    if len(data) < 512 or not data[0]:
        return False
    try:
        told = int(data[148:156].strip(b" \x00") or b"x", 8)
    except ValueError:
        return False
    return told == sum(data[:148]) + 8 * 32 + sum(data[156:512])


_STRUCTURES: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("pyc", lambda data: data[2:4] == b"\r\n" and 3000 <= int.from_bytes(data[:2], "little") <= 3999),
    ("tar", _is_tar),
    ("bmp", lambda data: data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _DIB_HEADERS),
    ("ico", lambda data: data.startswith(b"\0\0\x01\0") and b"\0" < data[4:5] < b"\xc8" and data[5:6] == b"\0"),
    ("mp3", lambda data: len(data) > 4 and data[0] == 0xFF and data[1] in _MPEG_SYNC),
    ("der", lambda data: data.startswith((b"\x30\x80\x06", b"\x30\x82", b"\x30\x83")) and data[4:6] != b"\0\0"),
    ("der", lambda data: data.startswith(b"\x30") and _PKCS7 in data[:32]),
)


def _by_signature(data: bytes) -> str:
    return next((title for offset, mark, title in SIGNATURES if data.startswith(mark, offset)), "")


def _by_end(data: bytes) -> str:
    """Kinds known by their last bytes, or by a boot sector."""
    if data[-512:].startswith((b"koly", b"conectix")):
        return "dmg" if data[-512:].startswith(b"koly") else "vhd"
    if _is_disk(data):
        return "img"
    return "zip" if any(True for _ in zip_members(data)) else ""


def _within_container(title: str, data: bytes) -> Kind:
    if title == "zip":
        title = _zip_kind(data)
    elif title == "ole":
        compound = Compound(data)
        names = compound.names
        title = next((kind for name, kind in _OLE_KINDS if name in names), "ole")
        if compound.clsid in _MSI_CLSIDS:
            title = "msi"
    return KINDS[title]


def _zip_kind(data: bytes) -> str:
    names = [name.lower().replace("\\", "/") for name, _ in zip_members(data)]
    if "meta-inf/manifest.mf" in names and any(name.endswith((".class", ".dex")) for name in names):
        return "apk" if "androidmanifest.xml" in names else "jar"
    for mark, title in _ZIP_KINDS:
        if any(name.startswith(mark) if mark.endswith("/") else name == mark for name in names):
            return title
    if b"mimetypeapplication/epub+zip" in data[30:100]:
        return "epub"
    if b"mimetypeapplication/vnd." in data[30:100] or {"content.xml", "meta-inf/manifest.xml"} <= set(names):
        return "odf"
    return "zip"


def _is_disk(data: bytes) -> bool:
    """A raw disk: a boot sector with a file system's name or a sound partition table in it, or a Linux volume."""
    if len(data) < 8192:
        return False
    if data[510:512] != b"\x55\xaa":
        return data[1080:1082] == b"\x53\xef" and data[1024:1028] != bytes(4)
    named = data[3:7] == b"NTFS" or b"FAT" in (data[54:57], data[82:85]) or data[3:8] == b"EXFAT"
    return named or (all(data[at] in (0, 0x80) for at in range(446, 510, 16)) and any(data[450:510:16]))
