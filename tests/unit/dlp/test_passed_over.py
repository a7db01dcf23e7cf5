"""Bytes that readers of a format pass over are read all the same, or said to be what nobody reads."""

import io
import struct
import tarfile
import zipfile
import zlib

import pytest

from services.dlp.extraction.walk import extract
from services.dlp.findings import Hit
from services.dlp.message import File, Found, Passage
from tests.unit.dlp import hiding, specimens

SECRET = b"the falcon flies at noon"


def read(data: bytes, name: str = "a.bin") -> list[Found]:
    return list(extract([File(1, "attachment 1", name, "", data)]))


def told(found: list[Found]) -> bool:
    """Read, or held for what was not."""
    unread = any(isinstance(one, Hit) and one.detector == "unscannable" and one.score == 1 for one in found)
    return unread or any(isinstance(one, Passage) and "falcon" in one.text for one in found)


def packed(size: int | None = None, name: str = "x.txt", extra: bytes = b"") -> bytes:
    """A zip file of one member, of which the directory may tell another size."""
    whole = io.BytesIO()
    member = zipfile.ZipInfo(name)
    member.extra = extra
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, SECRET if not extra else b"hi", zipfile.ZIP_DEFLATED)
    data = bytearray(whole.getvalue())
    if size is not None:
        at = data.index(b"PK\x01\x02")
        struct.pack_into("<II", data, at + 16, zlib.crc32(SECRET[:size]), struct.unpack_from("<I", data, at + 20)[0])
        struct.pack_into("<I", data, at + 24, size)
    return bytes(data)


def tarred(kind: bytes = tarfile.REGTYPE, between: bytes = b"", slack: bytes = b"", body: bytes = b"hi") -> bytes:
    header = tarfile.TarInfo("a.txt")
    header.type, header.size = kind, len(body)
    content = bytearray(body.ljust(512, b"\0"))
    content[len(body) : len(body) + len(slack)] = slack
    first = header.tobuf() + bytes(content)
    return first + between.ljust(-(-len(between) // 512) * 512, b"\0") + first + bytes(1024)


def jpeg(*segments: bytes, scan: bytes = b"") -> bytes:
    scanned = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + scan
    return b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0" + b"".join(segments) + scanned + b"\xff\xd9"


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def pixels(stream: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", stream), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


GIF = specimens.gif()
WAVE = b"RIFF\xff\xff\0\0WAVEdata" + struct.pack("<I", len(SECRET)) + SECRET
PLACES = {
    "zip: a member whose directory entry says it is empty": packed(0),
    "zip: a member that is longer than its directory entry says": packed(4),
    "zip: a folder with a content": packed(name="folder/"),
    "zip: an extra field": packed(extra=b"\x99\x99" + struct.pack("<H", len(SECRET)) + SECRET),
    "tar: a type that no standard knows": tarred(b"Z", body=SECRET),
    "tar: between the members": tarred(between=SECRET),
    "tar: behind a member's end": tarred(slack=SECRET),
    "cpio: behind its end": hiding.through_libarchive("cpio", "a", b"hi") + SECRET,
    "png: behind the pixels": pixels(zlib.compress(b"\0\0") + SECRET),
    "png: an archive behind the pixels": pixels(zlib.compress(b"\0\0") + hiding.zipped({"x": SECRET})),
    "png: more pixels than there are": pixels(zlib.compress(b"\0\0" + SECRET)),
    "png: no pixels": pixels(SECRET),
    "jpeg: a segment of no use": jpeg(segment(0xF0, SECRET)),
    "jpeg: a comment behind the scan": jpeg(scan=b"\x12\x34" + segment(0xFE, SECRET)),
    "jpeg: in the scan": jpeg(scan=SECRET),
    "gif: an extension that nobody knows": GIF[:-1] + b"\x21\x77" + bytes([len(SECRET)]) + SECRET + b"\0;",
    "gif: behind a byte that begins no block": GIF[:-1] + b"\x77" + SECRET,
    "wav: for sound": WAVE,
}


@pytest.mark.parametrize("place", PLACES)
def test_what_readers_pass_over_is_not(place: str) -> None:
    assert told(read(PLACES[place]))


def test_what_is_as_it_should_be_is_no_trouble() -> None:
    for data in (packed(), tarred(), GIF, jpeg(), pixels(zlib.compress(b"\0\0")), specimens.png(), specimens.jpeg()):
        assert not [one for one in read(data) if isinstance(one, Hit) and one.score == 1 and one.rule != "ocr-failed"]
