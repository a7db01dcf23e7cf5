"""Dangerous files in miniature, made byte by byte: enough of each format to be recognised, nothing that runs."""

import io
import struct
import zipfile
import zlib

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HARMLESS = "Sub Totals()\r\n  Range(1).Value = 2\r\nEnd Sub\r\n"
RUNS_BY_ITSELF = "Sub Document_Open()\r\n  Shell Environ(1)\r\nEnd Sub\r\n"


def pe() -> bytes:
    return b"MZ".ljust(60, b"\0") + struct.pack("<I", 128) + bytes(64) + b"PE\0\0\x64\x86" + bytes(200)


def elf() -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\x3e\0" + bytes(60)


def mach_o(magic: bytes = b"\xcf\xfa\xed\xfe") -> bytes:
    return magic + b"\x07\0\0\x01" + bytes(60)


def java_class() -> bytes:
    return b"\xca\xfe\xba\xbe\0\0\0\x41" + bytes(60)


def shortcut() -> bytes:
    return b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F" + bytes(60)


def png(after: bytes = b"") -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"") + after


def jpeg(after: bytes = b"") -> bytes:
    return b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0" + b"\xff\xd9" + after


def gif() -> bytes:
    return b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def locked(data: bytes) -> bytes:
    """A zip file whose directory says that all members are encrypted."""
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data = data[: at + 8] + bytes([data[at + 8] | 1]) + data[at + 9 :]
        at = data.find(b"PK\x01\x02", at + 4)
    return data


def damaged(data: bytes) -> bytes:
    """A zip file whose members are not what their checksums say, by one bit of each (APPNOTE 4.3.12)."""
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data = data[: at + 16] + bytes([data[at + 16] ^ 1]) + data[at + 17 :]
        at = data.find(b"PK\x01\x02", at + 4)
    return data


def docx(extra: dict[str, bytes] | None = None, document: bytes = b"<w:document/>", folder: str = "word") -> bytes:
    members = {"[Content_Types].xml": b"<Types/>", "_rels/.rels": b"<Relationships/>"}
    return zipped(members | {f"{folder}/document.xml": document} | (extra or {}))


def relationships(kind: str, target: str, mode: str = "External") -> bytes:
    base = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    one = f'<Relationship Id="r1" Type="{base}/{kind}" Target="{target}" TargetMode="{mode}"/>'
    return f"<Relationships>{one}</Relationships>".encode()


def compound(streams: dict[str, bytes], clsid: bytes = bytes(16)) -> bytes:
    """A compound file (MS-CFB) of flat streams; those under 4096 bytes lie in the small stream, as they must."""
    small = bytearray()
    small_table: list[int] = []
    sectors: list[bytes] = []
    table: list[int] = []

    def place(data: bytes) -> int:
        first = len(sectors)
        pieces = [data[at : at + 512].ljust(512, b"\0") for at in range(0, len(data), 512)]
        sectors.extend(pieces)
        table.extend([*range(first + 1, first + len(pieces)), 0xFFFFFFFE])
        return first if pieces else 0xFFFFFFFE

    def entry(name: str, kind: int, start: int, size: int, id: bytes = bytes(16)) -> bytes:
        title = name.encode("utf-16-le")
        head = title.ljust(64, b"\0") + struct.pack("<HBBIII", len(title) + 2, kind, 1, *[0xFFFFFFFF] * 3)
        return head + id + bytes(20) + struct.pack("<IQ", start, size)

    entries = []
    for name, data in streams.items():
        if len(data) >= 4096:
            entries.append(entry(name, 2, place(data), len(data)))
            continue
        first, count = len(small) // 64, -(-len(data) // 64)
        small += data.ljust(count * 64, b"\0")
        small_table += [*range(first + 1, first + count), 0xFFFFFFFE][:count] if count else []
        entries.append(entry(name, 2, first, len(data)))
    root = entry("Root Entry", 5, place(bytes(small)) if small else 0xFFFFFFFE, len(small), clsid)
    directory = place(b"".join([root, *entries]))
    mini = place(struct.pack(f"<{len(small_table)}I", *small_table)) if small_table else 0xFFFFFFFE
    own = len(sectors)
    count = -(-len(table) // 127)
    table += [0xFFFFFFFD] * count
    sectors.append(struct.pack(f"<{len(table)}I", *table).ljust(512 * count, b"\xff"))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, 1, directory, 0, 4096, mini, 1, 0xFFFFFFFE, 0)
    header += struct.pack(f"<{count}I", *range(own, own + count))
    return header.ljust(512, b"\xff") + b"".join(sectors)


def vba(source: str) -> bytes:
    """A module stream: compiled code, then the source compressed (MS-OVBA section 2.4.1), all in literals."""
    text = f'Attribute VB_Name = "Module1"\r\n{source}'.encode()
    out = bytearray(b"\x01")
    for at in range(0, len(text), 3584):
        piece = text[at : at + 3584]
        body = b"".join(b"\0" + piece[here : here + 8] for here in range(0, len(piece), 8))
        out += struct.pack("<H", 0xB000 | (len(body) - 1)) + body
    return b"\x01compiled" * 20 + bytes(out)


def macros(source: str, **streams: bytes) -> bytes:
    return compound({"_VBA_PROJECT": b"\xcc\x61" + bytes(20), "Module1": vba(source), **streams})


def package(name: str, data: bytes) -> bytes:
    """An OLE 1.0 package: a file in a document, as dragging one in makes it."""
    title = name.encode() + b"\0"
    body = b"\x02\0" + title + title + b"\0\0\x03\0" + struct.pack("<I", len(title)) + title
    body += struct.pack("<I", len(data)) + data
    return struct.pack("<I", len(body)) + body


def workbook(sheet_type: int, before: int = 0) -> bytes:
    """With so many empty records before its one sheet."""
    name = b"Sheet1"
    sheet = struct.pack("<IBB", 64, 0, sheet_type) + bytes([len(name), 0]) + name
    records = struct.pack("<HH", 0x809, 4) + b"\0\x06\x05\0" + bytes(4) * before
    records += struct.pack("<HH", 0x85, len(sheet)) + sheet
    return compound({"Workbook": (records + struct.pack("<HH", 10, 0)).ljust(5000, b"\0")})


def onenote(*files: bytes) -> bytes:
    section = bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3") + bytes(1000)
    for data in files:
        section += bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac") + struct.pack("<QIQ", len(data), 0, 0) + data
    return section + bytes(64)


def pdf(objects: bytes = b"", packed: bytes = b"", filters: bytes = b"/FlateDecode") -> bytes:
    body = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n" + objects
    if packed:
        body += b"\n9 0 obj\n<< /Type /ObjStm /N 1 /First 4 /Filter " + filters + b" >>\nstream\n"
        body += packed + b"\nendstream\nendobj\n"
    return body + b"\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
