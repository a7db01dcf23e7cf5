"""Takes archives apart: zip by its directory, tar, compressed streams; 7z, rar, iso, cab, cpio through libarchive."""

from __future__ import annotations

import bz2
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import PurePosixPath
from typing import IO

import libarchive
from libarchive.exception import ArchiveError

from services.dlp.charsets import decode
from services.dlp.extraction.pieces import Budget, Exceeded, Inner, Piece, Text, Trouble, unpacked
from services.dlp.extraction.texts import likely, runs
from services.dlp.files.types import kind_of, zip_end

BEFORE = "data before the archive"
FORMATS = {
    "7z": "7zip",
    "rar": "rar",
    "cab": "cab",
    "cpio": "cpio",
    "ar": "ar",
    "deb": "ar",
    "xar": "xar",
    "lzh": "lha",
    "iso": "iso9660",
    "tar": "tar",
}
"""What libarchive calls the formats it reads."""
STREAMS = ("gzip", "bzip2", "xz", "lzma", "zstd", "lz4", "compress", "lzip")
"""Compressed files of one member: libarchive's names are ours."""

_CHUNK = 256 * 1024
_PACKAGES = ("[Content_Types].xml", "mimetype")
"""A member of one of these names makes the archive a document (OOXML, OpenDocument, EPUB)."""
_PARTS = (".xml", ".rels", ".vml", ".rdf")
_EXPECTED = (".bin", ".odttf", ".fntdata")
_TRAILER = b"TRAILER!!!\x00"
_DESCRIPTOR = 24
"""Most bytes of a data descriptor, which may follow a member and belongs to it."""


def read_zip(data: bytes, budget: Budget) -> Iterator[Piece]:
    """Every member, and what stands before, between and behind the members, where no reader of zip files looks."""
    end = zip_end(data)
    if end is None:
        # It begins as a zip file and has no directory: cut off, or made so that some readers find nothing in it.
        yield Trouble("damaged")
        yield from _through_libarchive(data, "zip", budget)
        return
    behind = end + 22 + struct.unpack_from("<H", data, end + 20)[0]
    if data.count(b"PK\x01\x02", 0, end) > budget.limits.members:
        raise Exceeded("too-many")
    with zipfile.ZipFile(BytesIO(data[:behind])) as archive:
        members = archive.infolist()
        package = any(member.filename in _PACKAGES for member in members)
        if archive.comment:
            yield Text("comment", decode(archive.comment))
        names = [member.filename for member in members] + [decode(m.comment) for m in members if m.comment]
        names += [told for member in members for told in _told_beside(data, member)]
        yield Text("names", "\n".join(dict.fromkeys(names)))
        gaps = _gaps(data, members, archive.start_dir)
        if gaps is None:
            yield Trouble("overlap")
            return
        left = []
        for member in members:
            budget.check()
            if member.flag_bits & 0x41:
                yield Trouble("encrypted", member.filename)
            elif not member.is_dir() or member.file_size or member.compress_size:
                try:
                    yield from _member(data, archive, member, package, budget)
                except RuntimeError:
                    # A compression that zipfile has not: libarchive may.
                    left.append(member.filename)
                except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError):
                    yield Trouble("damaged", member.filename)
        if left:
            yield from _through_libarchive(data, "zip", budget, only=frozenset(left))
    yield from (Inner("data between the members" if start else BEFORE, data[start:stop]) for start, stop in gaps)
    if data[behind:].strip(b"\x00\r\n "):
        yield Inner("data behind the archive", data[behind:])


def _told_beside(data: bytes, member: zipfile.ZipInfo) -> tuple[str, str, str]:
    """The name in the header before the member, and the extra fields there and in the directory."""
    name, local = _local_header(data, member)
    return decode(name), runs(local), runs(member.extra)


def _local_header(data: bytes, member: zipfile.ZipInfo) -> tuple[bytes, bytes]:
    start = member.header_offset
    name, extra = struct.unpack_from("<HH", data, start + 26) if start + 30 <= len(data) else (0, 0)
    return data[start + 30 : start + 30 + name], data[start + 30 + name : start + 30 + name + extra]


def _member(
    data: bytes, archive: zipfile.ZipFile, member: zipfile.ZipInfo, package: bool, budget: Budget
) -> Iterator[Piece]:
    path = PurePosixPath(member.filename)
    suffix = path.suffix.lower()
    part = package and suffix in _PARTS
    behind: list[bytes] = []
    for piece in unpacked(member.filename, _contents(data, archive, member, behind), member.compress_size, budget):
        if not isinstance(piece, Inner):
            yield piece
            continue
        if package and path.name == "manifest.xml" and b"encryption-data" in piece.data:
            yield Trouble("encrypted")
        name = path.name if package and not part else path.stem if part else member.filename
        # What is embedded is a file, and a file that nobody can read is not usual.
        expected = package and suffix in _EXPECTED and path.parent.name != "embeddings" and path.stem != "vbaProject"
        yield Inner(name, piece.data, part, expected)
        if len(piece.data) != member.file_size or zlib.crc32(piece.data) != member.CRC:
            yield Trouble("damaged", member.filename)
    yield from (Inner("data behind a member", rest) for rest in behind if rest)


def _contents(data: bytes, archive: zipfile.ZipFile, member: zipfile.ZipInfo, behind: list[bytes]) -> Iterator[bytes]:
    """All that is stored, whatever size the directory says: zipfile would stop there."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with archive.open(member) as file:
            yield from _chunks(file)
        return
    if not data.startswith(b"PK\x03\x04", member.header_offset):
        raise zipfile.BadZipFile("no header before the member")
    begin = member.header_offset + 30 + sum(map(len, _local_header(data, member)))
    stored = data[begin : begin + member.compress_size]
    if len(stored) != member.compress_size:
        raise EOFError("the member is cut off")
    if member.compress_type == zipfile.ZIP_STORED:
        yield stored
        return
    stream, place = zlib.decompressobj(-15), 0
    while not stream.eof:
        feed = stream.unconsumed_tail or stored[place : place + _CHUNK]
        place += 0 if stream.unconsumed_tail else len(feed)
        if not feed:
            raise EOFError("the stream is cut off")
        yield stream.decompress(feed, _CHUNK)
    behind.append(stream.unused_data + stored[place:])


def _gaps(data: bytes, members: list[zipfile.ZipInfo], directory: int) -> list[tuple[int, int]] | None:
    """The stretches no member covers; None if members lie over each other."""
    gaps = []
    covered = 0
    for member in sorted(members, key=lambda m: m.header_offset):
        start = member.header_offset
        if start < covered:
            return None
        if start - covered > _DESCRIPTOR or (not covered and start):
            gaps.append((covered, start))
        covered = start + 30 + sum(map(len, _local_header(data, member))) + member.compress_size
    if directory - covered > _DESCRIPTOR:
        gaps.append((covered, directory))
    return gaps


def read_archive(data: bytes, budget: Budget) -> Iterator[Piece]:
    """The members of any other archive."""
    name = FORMATS[kind_of("", "", data).name]
    if name == "tar":
        yield from _tar(data, budget)
        return
    if data.startswith(b"Rar!\x1a\x07\x01"):
        name = "rar5"
    yield from _through_libarchive(data, name, budget)
    # What no member covers: the formats say in many ways where they end, and some have room in between.
    yield Text("bytes", likely(runs(data)))
    end = _end(name, data)
    if data[end:].strip(b"\x00"):
        yield Inner("data behind the archive", data[end:])


def _end(name: str, data: bytes) -> int:
    """Where the archive ends, for formats that say so at a known place; else the end of the data."""
    if name == "7zip" and len(data) > 32:
        return 32 + int(sum(struct.unpack_from("<QQ", data, 12)))
    if name == "cab" and len(data) > 12:
        return int(struct.unpack_from("<I", data, 8)[0])
    if name == "iso9660" and len(data) > 0x8054:
        return int(struct.unpack_from("<I", data, 0x8050)[0]) * 2048
    if name == "cpio":
        place = data.find(_TRAILER)
        return place + len(_TRAILER) if place >= 0 else len(data)
    return len(data)


def _tar(data: bytes, budget: Budget) -> Iterator[Piece]:
    """Also what stands behind the two empty blocks that end the archive for most readers."""
    with tarfile.open(fileobj=BytesIO(data), mode="r:", ignore_zeros=True, errors="replace") as archive:
        covered = 0
        for member in archive:
            budget.member()
            budget.check()
            # The names of the owner, and the comments of the pax format.
            told = (member.name, member.linkname, member.uname, member.gname, *member.pax_headers.values())
            yield Text("names", "\n".join(dict.fromkeys(filter(None, told))))
            yield from _gap(data, covered, member.offset)
            covered = member.offset_data
            if member.issym() or member.islnk():
                continue
            # Types that no standard knows are unpacked as files.
            file = archive.extractfile(member)
            if file is not None:
                packed = member.size if not member.issparse() else 0
                yield from unpacked(member.name, _chunks(file), packed, budget)
                covered += packed
    yield from _gap(data, covered, len(data))


def _gap(data: bytes, start: int, end: int) -> Iterator[Inner]:
    """What stands where there should be zeros."""
    if data[start:end].strip(b"\x00"):
        yield Inner("data between the members", data[start:end])


def _through_libarchive(data: bytes, name: str, budget: Budget, only: frozenset[str] | None = None) -> Iterator[Piece]:
    """By a named format, never by libarchive's guess: one of its formats opens files of the machine it runs on."""
    produced = 0
    try:
        with libarchive.memory_reader(data, format_name=name, filter_name="none") as archive:
            for entry in archive:
                budget.check()
                path = str(entry.pathname or "")
                yield Text("names", "\n".join(filter(None, (path, str(entry.linkpath or "")))))
                if not entry.isfile or (only is not None and path not in only):
                    budget.member()
                    continue
                for piece in unpacked(path, entry.get_blocks(_CHUNK), len(data) - produced // 200, budget):
                    produced += len(piece.data) if isinstance(piece, Inner) else 0
                    yield piece
    except ArchiveError as error:
        said = str(error).lower()
        yield Trouble("encrypted" if "encrypt" in said or "passphrase" in said else "damaged")


def read_stream(data: bytes, budget: Budget) -> Iterator[Piece]:
    """A compressed file: one member, which has no name but in gzip's header."""
    kind = kind_of("", "", data).name
    if kind == "gzip":
        yield Text("header", "\n".join(decode(field) for field in _gzip_header(data)))
    try:
        if kind in ("gzip", "bzip2", "xz", "lzma"):
            behind: list[bytes] = []
            yield from unpacked("content", _inflate(data, kind, behind), len(data), budget)
            yield from (Inner("data behind the archive", rest) for rest in behind if rest.strip(b"\x00"))
        else:
            with libarchive.memory_reader(data, format_name="raw", filter_name=kind) as archive:
                for entry in archive:
                    yield from unpacked("content", entry.get_blocks(_CHUNK), len(data), budget)
    except (ArchiveError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError):
        yield Trouble("damaged")


_MEMBERS = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "xz": b"\xfd7zXZ\x00", "lzma": b"\x5d\x00\x00"}
"""How the next stream begins, where several follow each other."""


def _decompressor(kind: str) -> bz2.BZ2Decompressor | lzma.LZMADecompressor | _Gzip:
    if kind == "gzip":
        return _Gzip()
    return bz2.BZ2Decompressor() if kind == "bzip2" else lzma.LZMADecompressor(memlimit=256 * 1024 * 1024)


class _Gzip:
    """zlib's decompressor with the interface of the other two."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._waiting = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        got = self._zlib.decompress(self._waiting + data, max_length)
        self._waiting = self._zlib.unconsumed_tail
        return got

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data


def _inflate(data: bytes, kind: str, behind: list[bytes]) -> Iterator[bytes]:
    """The content, of all streams one after the other, in chunks of bounded size; then what follows the last."""
    start = 0
    while start < len(data) and data.startswith(_MEMBERS[kind], start):
        stream = _decompressor(kind)
        while not stream.eof:
            feed = data[start : start + _CHUNK] if stream.needs_input else b""
            start += len(feed)
            chunk = stream.decompress(feed, _CHUNK)
            if not chunk and not feed and not stream.eof:
                raise EOFError("the stream is cut off")
            yield chunk
        start -= len(stream.unused_data)
    behind.append(data[start:])


def _gzip_header(data: bytes) -> list[bytes]:
    """The extra field, the file name and the comment (RFC 1952 section 2.3)."""
    flags, place, fields = data[3] if len(data) > 3 else 0, 10, []
    if flags & 4 and len(data) > 12:
        length = int.from_bytes(data[10:12], "little")
        fields.append(data[12 : 12 + length])
        place = 12 + length
    for flag in (8, 16):
        if flags & flag:
            end = data.find(b"\x00", place)
            fields.append(data[place:end] if end >= 0 else data[place : place + 1024])
            place = end + 1 if end >= 0 else len(data)
    return fields


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
