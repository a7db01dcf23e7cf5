"""What a file is, by its bytes alone: names and declared types are the sender's word."""

from __future__ import annotations

import struct
from enum import StrEnum

from services.dlp.charsets import decode


class Kind(StrEnum):
    """The families of formats that are read in the same way."""

    ZIP = "zip"
    ARCHIVE = "archive"
    STREAM = "stream"
    COMPOUND = "compound"
    PDF = "pdf"
    TNEF = "tnef"
    RTF = "rtf"
    SEALED = "sealed"
    SIGNED = "signed"
    PICTURE = "picture"
    RECORDING = "recording"
    FONT = "font"
    TEXT = "text"
    UNKNOWN = "unknown"


# Where the bytes stand, what they are, and what libarchive calls the format.
_ARCHIVES = (
    (0, b"7z\xbc\xaf\x27\x1c", "7zip"),
    (0, b"Rar!\x1a\x07\x00", "rar"),
    (0, b"Rar!\x1a\x07\x01\x00", "rar5"),
    (0, b"MSCF", "cab"),
    (0, b"070701", "cpio"),
    (0, b"070702", "cpio"),
    (0, b"070707", "cpio"),
    (0, b"\xc7\x71", "cpio"),
    (0, b"\x71\xc7", "cpio"),
    (0, b"!<arch>\n", "ar"),
    (0, b"xar!", "xar"),
    (2, b"-lh", "lha"),
    (2, b"-lz", "lha"),
    (0x8001, b"CD001", "iso9660"),
)
_STREAMS = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x5d\x00\x00", "lzma"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x1f\x9d", "compress"),
    (b"LZIP", "lzip"),
)
_LEADS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind.COMPOUND),
    (b"\x78\x9f\x3e\x22", Kind.TNEF),
    (b"{\\rt", Kind.RTF),
    (b"\x89PNG\r\n\x1a\n", Kind.PICTURE),
    (b"\xff\xd8\xff", Kind.PICTURE),
    (b"GIF87a", Kind.PICTURE),
    (b"GIF89a", Kind.PICTURE),
    (b"II*\x00", Kind.PICTURE),
    (b"MM\x00*", Kind.PICTURE),
    (b"8BPS", Kind.PICTURE),
    (b"\x00\x00\x01\x00", Kind.PICTURE),
    (b"\x01\x00\x00\x00\x58\x00\x00\x00", Kind.PICTURE),
    (b"\x01\x00\x00\x00\x6c\x00\x00\x00", Kind.PICTURE),
    (b"\xd7\xcd\xc6\x9a", Kind.PICTURE),
    (b"\x00\x00\x00\x0cJXL ", Kind.PICTURE),
    (b"\x00\x00\x00\x0cjP  ", Kind.PICTURE),
    (b"ID3", Kind.RECORDING),
    (b"OggS", Kind.RECORDING),
    (b"fLaC", Kind.RECORDING),
    (b"\x1a\x45\xdf\xa3", Kind.RECORDING),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind.RECORDING),
    (b"FLV\x01", Kind.RECORDING),
    (b"\x00\x00\x01\xba", Kind.RECORDING),
    (b"\x00\x00\x01\xb3", Kind.RECORDING),
    (b"MThd", Kind.RECORDING),
    (b"#!AMR", Kind.RECORDING),
    (b"\x00\x01\x00\x00\x00", Kind.FONT),
    (b"OTTO\x00", Kind.FONT),
    (b"wOFF", Kind.FONT),
    (b"wOF2", Kind.FONT),
)
_ENVELOPED = bytes.fromhex("06092a864886f70d0107")
_CONTROLS = bytes({*range(32), 127} - {9, 10, 11, 12, 13, 27})
_BOMS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_WIDE = (("utf-32-le", 4, (2, 3)), ("utf-32-be", 4, (0, 1)), ("utf-16-le", 2, (1,)), ("utf-16-be", 2, (0,)))
"""Encodings that need no mark to be known: which bytes of a character are nothing in most texts."""
_MOST_CONTROLS = 0.02
"""A share of control characters beyond which bytes are no text. Packed or encrypted bytes have a tenth."""


def kinds(data: bytes) -> tuple[Kind, ...]:
    """All that the file can be read as: the kind its beginning says and, whatever that is, a zip if it ends as one."""
    lead = _lead(data)
    if zip_end(data) is None:
        return (Kind.ARCHIVE,) if lead is Kind.ZIP else (lead,)
    return (Kind.ZIP,) if lead in (Kind.ZIP, Kind.UNKNOWN, Kind.TEXT) else (lead, Kind.ZIP)


def archive_format(data: bytes) -> str:
    """libarchive's name of the format, or ""."""
    for offset, magic, name in _ARCHIVES:
        if data.startswith(magic, offset):
            return name
    if data.startswith(b"PK\x03\x04"):
        return "zip"
    return "tar" if _is_tar(data) else ""


def stream_filter(data: bytes) -> str:
    """libarchive's name of the compression, or ""."""
    return next((name for magic, name in _STREAMS if data.startswith(magic)), "")


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


def text_of(data: bytes) -> str | None:
    """The bytes as text, in any Unicode encoding or an 8-bit one; None if they are no text."""
    for bom, codec in _BOMS:
        if data.startswith(bom):
            text = decode(data[len(bom) :], codec)
            return text if _is_text(text.encode("utf-8", "replace")) else None
    if b"\x00" in data[:4096]:
        for codec, width, places in _WIDE:
            high = b"".join(data[place : 4096 * width : width] for place in places)
            if high.count(0) > 0.7 * len(high) and len(data) >= 2 * width:
                text = decode(data, codec)
                if _is_text(text.encode("utf-8", "replace")):
                    return text
        return None
    return decode(data) if _is_text(data) else None


def _is_text(data: bytes) -> bool:
    return len(data) - len(data.translate(None, _CONTROLS)) <= _MOST_CONTROLS * len(data)


def _lead(data: bytes) -> Kind:
    kind = next((kind for magic, kind in _LEADS if data.startswith(magic)), None) or _structured(data)
    if kind is not None:
        return kind
    if archive_format(data):
        return Kind.ZIP if data.startswith(b"PK") else Kind.ARCHIVE
    text = text_of(data)
    if stream_filter(data) and not (text is not None and data.startswith((b"BZh", b"LZIP"))):
        return Kind.STREAM
    if b"%PDF-" in data[:1024]:
        return Kind.PDF
    return Kind.UNKNOWN if text is None else Kind.TEXT


def _structured(data: bytes) -> Kind | None:
    """Formats whose mark is no plain beginning."""
    if data.startswith(b"RIFF") and data[8:12] in (b"WEBP", b"WAVE", b"AVI "):
        return Kind.PICTURE if data[8:12] == b"WEBP" else Kind.RECORDING
    if data[4:8] == b"ftyp":
        return Kind.PICTURE if data[8:12] in (b"heic", b"heix", b"mif1", b"avif", b"avis") else Kind.RECORDING
    if (
        data.startswith(b"BM")
        and len(data) > 30
        and struct.unpack_from("<I", data, 14)[0] in (12, 40, 52, 56, 108, 124)
    ):
        return Kind.PICTURE
    if len(data) > 4 and data[0] == 0xFF and data[1] & 0xE6 in (0xE2, 0xE4, 0xE6) and data[1] & 0x06:
        return Kind.RECORDING if data[:2] not in (b"\xff\xfe", b"\xff\xff") else None
    if data.startswith(b"\x30") and _ENVELOPED in data[:32]:
        place = data.index(_ENVELOPED) + len(_ENVELOPED)
        return Kind.SEALED if data[place : place + 1] in (b"\x03", b"\x06") else Kind.SIGNED
    return None


def _is_tar(data: bytes) -> bool:
    """By the header's checksum (POSIX.1-1988): very old archives have no other mark."""
    if len(data) < 512 or not data[0]:
        return False
    try:
        told = int(data[148:156].strip(b" \x00") or b"x", 8)
    except ValueError:
        return False
    return told == sum(data[:148]) + 8 * 32 + sum(data[156:512])
