"""Where a file's name or declared type misleads: about the extension, the content, or a second content.

A desktop goes by the extension, a mail program by the declared type, and neither by the bytes; whoever wants a
program opened makes the three differ, or makes the extension hard to see.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from services.dlp.files.kinds import BY_EXTENSION, BY_MEDIA_TYPE, DANGEROUS, EMPTY, Family, Kind
from services.dlp.files.types import extension, visible, zip_end, zip_members
from services.dlp.findings import Hit

# Bidirectional controls that turn a name round, and those that only fence part of it (Unicode TR 9).
_TURNING = frozenset("\u202a\u202b\u202d\u202e\u2067")
_FENCING = frozenset("\u2066\u2068\u2069\u202c")
_GAP = re.compile(r"\s{8}")
_READ = (Family.DOCUMENT, Family.PICTURE, Family.TEXT, Family.MEDIA)


def lies(name: str, media_type: str, data: bytes, kind: Kind) -> tuple[Hit, ...]:
    """Hits where the name or the declared type misleads about `kind`, and where the data is two files at once."""
    return (*_name_lies(name), *_mismatches(name, media_type, kind), *_polyglots(kind, data))


def _name_lies(name: str) -> Iterator[Hit]:
    if not name:
        return
    if _TURNING & set(name):
        yield Hit("type", "right-to-left", "name", sample=_short(name))
    elif _FENCING & set(name):
        yield Hit("type", "right-to-left", "name", score=0.5)
    last = BY_EXTENSION.get(extension(name))
    acts = last is not None and last.family in DANGEROUS
    pieces = [piece.strip().lower() for piece in visible(name).rstrip(". ").split(".")]
    before = [BY_EXTENSION[piece] for piece in pieces[1:-1] if piece in BY_EXTENSION]
    if acts and any(kind.family in _READ for kind in before):
        yield Hit("type", "double-extension", "name", sample=_short(pieces[-1]))
    if _GAP.search(name):
        yield Hit("type", "hidden-extension", "name", score=1.0 if acts else 0.5)
    elif "\0" in name or "::" in name or any(unicodedata.category(c) == "Cc" for c in name):
        yield Hit("type", "hidden-extension", "name", score=1.0 if acts else 0.6)
    elif any(unicodedata.category(c) == "Cf" for c in name if c not in _TURNING | _FENCING) and acts:
        yield Hit("type", "hidden-extension", "name")
    if name.rstrip(". \u00a0\u3000") != name:
        yield Hit("type", "trailing-characters", "name", score=1.0 if acts else 0.3)


def _mismatches(name: str, media_type: str, kind: Kind) -> Iterator[Hit]:
    if kind == EMPTY:
        return
    claims = {
        "extension": BY_EXTENSION.get(extension(name)),
        "declared type": BY_MEDIA_TYPE.get(media_type.partition(";")[0].strip().lower()),
    }
    for where, claimed in claims.items():
        if claimed is None or claimed.family in DANGEROUS or _fits(kind, claimed):
            continue
        # An inner format is not known for every real file of its kind: only a claim with a sure mark can fail.
        score = 1.0 if kind.family in DANGEROUS else 0.4
        yield Hit("type", "mismatch", where, sample=_short(kind.name), score=score)


def _fits(kind: Kind, claimed: Kind) -> bool:
    if kind.family in DANGEROUS:
        return False
    if kind == claimed or kind.container == claimed.name or claimed.name in ("pgp", "der", "pst", "sqlite"):
        return True
    if claimed.family is Family.TEXT or claimed.container == "text":
        return kind.container == "text"
    alike = {claimed.family, kind.family} <= {Family.MEDIA} or "ole" in (kind.name, claimed.name)
    return alike and (kind.container in ("", "ole"))


_FOREIGN = (
    (b"Rar!\x1a\x07", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"BZh91AY&SY", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"Salted__", "openssl"),
    (b"age-encryption.org/v1", "age"),
    (b"This program cannot be run in DOS mode", "pe"),
    (b"<script", "html"),
    (b"<?php", "php"),
    (b"<hta:application", "hta"),
)


def _polyglots(kind: Kind, data: bytes) -> Iterator[Hit]:
    """A second file within the file, for the reader who goes by another mark than the first bytes."""
    if kind.container not in ("zip", "ole") and kind.family not in (Family.ARCHIVE, *DANGEROUS):
        end = zip_end(data)
        if end is not None and any(True for _ in zip_members(data)):
            # A zip file kept whole in a pdf or a mail has something behind it; one that waits to be found has not.
            at_the_end = end + 22 + int.from_bytes(data[end + 20 : end + 22], "little") == len(data)
            yield Hit("type", "polyglot", "zip", score=1.0 if at_the_end else 0.5)
    if kind.container == "text" or kind.family not in (Family.PICTURE, Family.MEDIA):
        return
    lowered = data.lower()
    for mark, title in _FOREIGN:
        if mark in (lowered if mark.startswith(b"<") else data):
            yield Hit("type", "polyglot", title)
    if _has_gzip(data):
        yield Hit("type", "polyglot", "gzip")


def _has_gzip(data: bytes) -> bool:
    """By its header (RFC 1952 section 2.3): three bytes alone come about by chance."""
    at = -1
    while (at := data.find(b"\x1f\x8b\x08", at + 1)) >= 0:
        if (
            data[at + 3 : at + 4] < b"\x20"
            and data[at + 8 : at + 9] in _GZIP_EXTRA
            and data[at + 9 : at + 10] in _GZIP_OS
        ):
            return True
    return False


_GZIP_EXTRA = (b"\0", b"\2", b"\4")
_GZIP_OS = (*(bytes([number]) for number in range(14)), b"\xff")


def _short(text: str) -> str:
    return text if len(text) <= 4 else text[:4] + "\u2026"
