"""Bytes that readers of a format pass over are read all the same, or said to be what nobody reads."""

import base64
import bz2
import gzip
import io
import struct
import tarfile
import zipfile
import zlib

import pytest

from services.dlp import reading
from services.dlp.danger import examine
from services.dlp.extraction.walk import extract
from services.dlp.findings import Hit
from services.dlp.message import File, Found, Passage
from tests.unit.dlp import hiding, specimens

SECRET = b"the falcon flies at noon"


def read(data: bytes, name: str = "a.bin") -> list[Found]:
    return list(extract([File(1, "attachment 1", name, "", data)], examine=examine))


def told(found: list[Found]) -> bool:
    """Read, or held for what was not."""
    unread = any(isinstance(one, Hit) and one.detector == "unscannable" and one.score == 1 for one in found)
    unread = unread or any(isinstance(one, Hit) and one.detector == "type" and one.score == 1 for one in found)
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


def bmp(before: bytes = b"", behind: bytes = b"") -> bytes:
    """64 by 64 pixels of grey, in rows from below."""
    header = struct.pack("<IiiHHIIiiII", 40, 64, 64, 1, 24, 0, 64 * 64 * 3, 0, 0, 0, 0)
    head = b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + 16 + len(before))
    return head + header + bytes(16) + before + b"\x80" * (64 * 64 * 3) + behind


NOISE = bytes((n * n * 7919 >> 7) % 256 for n in range(8000))
SONG = (b"\xff\xfb\x90\x00" + bytes(413)) * 400
GIF = specimens.gif()
WAVE = b"RIFF\xff\xff\0\0WAVEdata" + struct.pack("<I", len(SECRET)) + SECRET
SHOWN = b"BT /F 12 Tf 9 9 Td [(the fal) -20 (con flies)] TJ ET"


def nameless(stream: bytes, said: bytes = b"/Filter /FlateDecode") -> bytes:
    """A document with an object before its table of objects, which does not name it."""
    document = hiding.pdf()
    at = document.rindex(b"xref\n", 0, document.rindex(b"startxref"))
    stray = b"77 0 obj\n<< " + said + b" /Length %d >>\nstream\n" % len(stream) + stream + b"\nendstream\nendobj\n"
    return document[:at] + stray + document[at:].replace(b"%d\n%%%%EOF" % at, b"%d\n%%%%EOF" % (at + len(stray)))


PLACES = {
    "pdf: a page that is no page of the document": hiding.pdf(hiding.stream(SHOWN)),
    "pdf: a small picture that is none": hiding.pdf(
        hiding.stream(zlib.compress(SECRET), Subtype="Image", Filter="FlateDecode")
    ),
    "pdf: an archive behind a small picture": hiding.pdf(
        hiding.stream(specimens.jpeg() + gzip.compress(SECRET), Subtype="Image", Filter="DCTDecode")
    ),
    "pdf: a packed stream that no table names": nameless(zlib.compress(SECRET)),
    "pdf: a page's content that no table names": nameless(zlib.compress(SHOWN)),
    "pdf: a picture that no table names": nameless(hiding.jpeg(SECRET.decode()), b"/Filter /DCTDecode"),
    "pdf: an archive that no table names": nameless(hiding.zipped({"x": SECRET}), b""),
    "pdf: an archive that is said to be fonts, named by none": nameless(zlib.compress(hiding.zipped({"x": SECRET}))),
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
    "jpeg: packed in a comment": jpeg(segment(0xFE, gzip.compress(SECRET))),
    "png: packed in a chunk of its own": hiding.png((b"prVt", bz2.compress(SECRET))),
    "gif: packed behind a comment": GIF[:-1] + b"\x21\xfe\x30" + gzip.compress(SECRET).ljust(48, b"\0") + b"\0;",
    "bmp: behind the pixels": bmp(behind=NOISE),
    "bmp: before the pixels": bmp(before=NOISE),
    "mp3: behind the sound": SONG + NOISE,
    "mp3: within the sound": SONG + NOISE + SONG,
    "mp3: packed in a tag": hiding.mp3((b"PRIV", b"x\0" + gzip.compress(SECRET))) + SONG,
    "m4a: packed in what is free": hiding.m4a("x") + hiding.atom(b"free", gzip.compress(SECRET)),
    "doc: around a comment's mark": hiding.compound({"WordDocument": bytes(700) + b"the fal\x05con flies\r"}),
    "doc: around an optional hyphen": hiding.compound(
        {"WordDocument": bytes(700) + "the fal\x1fcon flies\r".encode("utf-16-le")}
    ),
    "doc: around a field": hiding.compound({"WordDocument": bytes(700) + b"the fal\x13 PAGE \x14\x15con flies\r"}),
    "ppt: encrypted": hiding.compound(
        {
            "PowerPoint Document": bytes(40),
            "Current User": b"\0\0\xf6\x0f\x20\0\0\0\x14\0\0\0\xdf\xc4\xd1\xf3" + bytes(24),
        }
    ),
    "docx: unreadable bytes for an object": hiding.docx(**{"word/embeddings/oleObject1.bin": NOISE}),
    "yEnc": b"=ybegin line=128 size=24 name=x\r\n" + bytes((c + 42) % 256 for c in SECRET) + b"\r\n=yend size=24\r\n",
    "git: a patch to what is no text": b"--- a\n\nGIT binary patch\nliteral 24\n" + base64.b85encode(SECRET),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_readers_pass_over_is_not(place: str) -> None:
    assert told(read(PLACES[place]))


def cms(content: bytes, rest: bytes) -> bytes:
    """Signed data: what is signed (or only its type), then certificates and signatures."""
    kind = bytes.fromhex("06092a864886f70d010701")
    inner = bytes.fromhex("020101310d300b0609608648016503040201")
    inner += bytes([0x30, len(kind) + len(content)]) + kind + content + rest
    signed = bytes.fromhex("06092a864886f70d010702") + b"\xa0\x82" + struct.pack(">H", len(inner) + 4)
    body = signed + b"\x30\x82" + struct.pack(">H", len(inner)) + inner
    return b"\x30\x82" + struct.pack(">H", len(body)) + body


CERTIFICATES = b"\xa0\x82\x01\x04\x30\x82\x01\x00" + bytes(256)


def test_a_document_says_once_what_it_says() -> None:
    pages = {"pdf, text": "falconry", "pdf, a drawing no page shows": "falconry", "pdf, an attachment": "falconry"}
    for place, word in pages.items():
        name, data = hiding.PLACES[place](word)
        assert sum(one.text.count(word) for one in read(data, name) if isinstance(one, Passage)) == 1


def test_a_signature_is_no_trouble_and_what_only_looks_like_one_is() -> None:
    def unread(data: bytes) -> bool:
        return any(isinstance(one, Hit) and one.score == 1 for one in read(data, "smime.p7s"))

    assert not unread(cms(b"", CERTIFICATES))
    signs_something = cms(b"\xa0\x1a\x04\x18" + bytes(24), CERTIFICATES)
    assert unread(signs_something)
    assert unread(cms(b"", CERTIFICATES) + bytes(range(256)) * 60)
    assert unread(bytes.fromhex("308206092a864886f70d0107") + bytes(range(256)) * 60)


def test_a_piece_of_a_mail_is_not_let_pass() -> None:
    raw = b'Subject: x\nContent-Type: message/partial; id="a"; number=1; total=2\n\nSubject: y\n\nhello\n'
    assert [hit.rule for hit in reading.read(raw).troubles] == ["partial"]


def test_base64_goes_on_behind_its_padding() -> None:
    pieces = base64.b64encode(b"hell") + b"\n" + base64.b64encode(b" the falcon flies")
    raw = b"Subject: x\nContent-Transfer-Encoding: base64\n\n" + pieces + b"\n"
    assert any(passage.text == "hell the falcon flies" for passage in reading.read(raw).passages)


def test_a_list_that_writes_below_a_base64_text_does_no_harm() -> None:
    raw = b"Subject: x\nContent-Transfer-Encoding: base64\n\n" + base64.b64encode(b"the falcon") + b"\n--\nA list\n"
    assert any("the falcon" in passage.text for passage in reading.read(raw).passages)


@pytest.mark.parametrize("field", ["X-Note", "Comments", "Organization", "From", "Received", "Falcon"])
def test_the_fields_of_a_header_are_read(field: str) -> None:
    raw = f"{field}: the falcon flies <ada@northwind.example>\nSubject: x\n\nhello\n".encode()
    [header] = [passage.text for passage in reading.read(raw).passages if passage.name == "header"]
    assert "falcon" in header.lower()
    assert field in ("X-Note", "Comments", "Organization", "Falcon") or "northwind" not in header


def test_so_are_the_fields_of_a_part_and_of_a_mail_in_it() -> None:
    raw = (
        b'Subject: x\nContent-Type: multipart/mixed; boundary="the-falcon"\n\n--the-falcon\nContent-Type: text/plain\n'
        b"Content-Description: the heron\n\nhello\n--the-falcon\nContent-Type: message/rfc822\n\n"
        b"X-Note: the kestrel\nSubject: y\n\nhello\n--the-falcon--\n"
    )
    passages = reading.read(raw).passages
    for word, place in (("falcon", "header"), ("heron", "header"), ("kestrel", "attachment 1: header")):
        assert any(word in passage.text for passage in passages if passage.name == place)


def test_what_is_as_it_should_be_is_no_trouble() -> None:
    for data in (
        packed(),
        tarred(),
        GIF,
        jpeg(),
        pixels(zlib.compress(b"\0\0")),
        specimens.png(),
        specimens.jpeg(),
        bmp(),
        SONG,
    ):
        assert not [one for one in read(data) if isinstance(one, Hit) and one.score == 1 and one.rule != "ocr-failed"]


@pytest.mark.parametrize("place", ["pdf, text", "rtf, letters as numbers", "flac, a comment"])
def test_words_of_a_file_are_not_counted_again_where_its_bytes_are_looked_at(place: str) -> None:
    name, data = hiding.PLACES[place]("falconry")
    bytes_of_it = [one.text for one in read(data, name) if isinstance(one, Passage) and one.name.endswith("! bytes")]
    assert not any("falconry" in text for text in bytes_of_it)


@pytest.mark.parametrize(
    "address",
    [
        "data:image/png;charset=x;BASE64,{}",
        "data:image/png;base64&#44;{}",
        "data:image/png;base64,{}%3D",
        "DATA:x;Base64, {}",
    ],
)
def test_a_file_in_an_address_is_read_however_the_address_is_written(address: str) -> None:
    archive = base64.b64encode(hiding.zipped({"x.txt": SECRET})).decode().rstrip("=")
    page = f"<html><img src='{address.format(archive.replace('/', '%2F'))}'></html>"
    raw = f"Subject: x\nContent-Type: text/html\n\n{page}\n".encode()
    passages = reading.read(raw, extract).passages
    assert any("falcon" in passage.text and "x.txt" in passage.name for passage in passages)


@pytest.mark.parametrize(
    "page",
    ["<x>the fal<![CDATA[con]]></x>", "<!DOCTYPE x [<!ENTITY e 'con'>]><x>the fal&e;</x>"],
)
@pytest.mark.parametrize("name", ["; name=a.xml", ""])
def test_what_is_declared_as_xml_is_read_as_xml(page: str, name: str) -> None:
    raw = f"Subject: x\nContent-Type: text/xml{name}\n\n{page}\n".encode()
    message = reading.read(raw, extract)
    assert told([*message.troubles, *message.passages])


def test_a_flood_of_what_is_only_odd_hides_no_danger() -> None:
    parts = {f"word/activeX/activeX{n}.bin": b"" for n in range(300)}
    fields = b"<w:document><w:instrText>DDEAUTO c:\\\\x</w:instrText></w:document>"
    found = examine("a.docx", "", specimens.docx(parts, fields))
    assert any(hit.score == 1 for hit in found) and len(found) < 20


@pytest.mark.parametrize(
    "header",
    [
        'Content-Type: multipart/mixed; boundary="x"; boundary="y"',
        'Content-Type : multipart/mixed; boundary="x"',
        "Content-Disposition: attachment; filename=a.txt; filename=b.exe",
    ],
)
def test_a_header_that_readers_take_differently_is_not_read(header: str) -> None:
    raw = f"Subject: x\n{header}\n\n--x\n\nhello\n--x--\n".encode()
    assert reading.read(raw).unreadable is not None


def test_what_only_begins_like_a_font_is_unknown() -> None:
    for mark in (b"OTTO\0", b"\0\x01\0\0\0", b"wOFF", b"wOF2"):
        found = read(mark + bytes(range(256)) * 16)
        assert {one.rule for one in found if isinstance(one, Hit) and one.score == 1} == {"unknown"}
    table = b"name" + struct.pack(">III", 0, 28, 24)
    font = b"\0\x01\0\0\0\x01" + bytes(6) + table + SECRET
    assert {one.rule for one in read(font) if isinstance(one, Hit)} == {"font"}
