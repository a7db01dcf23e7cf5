"""Places in which a word can hide in a file, each made from scratch: a name, and the file that hides the word there."""

from __future__ import annotations

import base64
import binascii
import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from email.message import EmailMessage

import libarchive
import numpy as np
import segno
import zxingcpp
from PIL import Image, ImageDraw, ImageFont, ImageOps
from pypdf import PdfWriter
from pypdf.annotations import FreeText
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    TextStringObject,
)

Place = Callable[[str], tuple[str, bytes]]
PLACES: dict[str, Place] = {}

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'


def place(name: str) -> Callable[[Place], Place]:
    def keep(make: Place) -> Place:
        assert name not in PLACES
        PLACES[name] = make
        return make

    return keep


def zipped(members: Mapping[str, str | bytes], comment: bytes = b"") -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = comment
    return whole.getvalue()


def tarred(members: Mapping[str, bytes], mode: str = "w", **info: str) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode=mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for field, value in info.items():
                setattr(member, field, value)
            archive.addfile(member, io.BytesIO(content))
    return whole.getvalue()


def through_libarchive(kind: str, name: str, content: bytes, compression: str | None = None) -> bytes:
    blocks: list[bytes] = []

    def keep(block: bytes) -> int:
        blocks.append(bytes(block))
        return len(block)

    with libarchive.custom_writer(keep, kind, compression) as archive:
        archive.add_file_from_memory(name, len(content), content)
    return b"".join(blocks)


# --- OOXML ---------------------------------------------------------------------------------------------

_BODY = f"<w:document {_W}><w:body><w:p><w:r><w:t>Minutes</w:t></w:r></w:p></w:body></w:document>"


def docx(**parts: str | bytes) -> bytes:
    members: dict[str, str | bytes] = {"[Content_Types].xml": "<Types/>", "word/document.xml": _BODY}
    members.update({path.replace("__", "/"): content for path, content in parts.items()})
    return zipped(members)


def body(inner: str) -> bytes:
    return zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": f"<w:document {_W}>{inner}</w:document>"})


_DOCX_BODIES = {
    "text": "<w:p><w:r><w:t>{}</w:t></w:r></w:p>",
    "a table": "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc></w:tr></w:tbl>",
    "hidden text": "<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>{}</w:t></w:r></w:p>",
    "a tracked deletion": "<w:p><w:del w:author='x'><w:r><w:delText>{}</w:delText></w:r></w:del></w:p>",
    "a tracked insertion": "<w:p><w:ins><w:r><w:t>{}</w:t></w:r></w:ins></w:p>",
    "a field code": "<w:p><w:r><w:instrText>DOCPROPERTY {}</w:instrText></w:r></w:p>",
    "a text box": "<w:p><w:r><w:pict><v:textbox xmlns:v='v'><w:txbxContent><w:p><w:r><w:t>{}</w:t></w:r></w:p>"
    "</w:txbxContent></v:textbox></w:pict></w:r></w:p>",
    "an alternative text": "<w:p><w:r><wp:docPr xmlns:wp='w' id='1' name='Picture' descr='{}'/></w:r></w:p>",
    "a content control": "<w:sdt><w:sdtPr><w:alias w:val='{}'/></w:sdtPr></w:sdt>",
    "a fallback": "<mc:AlternateContent xmlns:mc='m'><mc:Fallback><w:p><w:r><w:t>{}</w:t></w:r></w:p></mc:Fallback>"
    "</mc:AlternateContent>",
    "an XML comment": "<!-- {} -->",
}
_UNSEEN = {
    "a deletion": "<w:del><w:r><w:delText>xyz</w:delText></w:r></w:del>",
    "what was moved away": "<w:moveFrom><w:r><w:t>xyz</w:t></w:r></w:moveFrom>",
    "hidden letters": "<w:r><w:rPr><w:vanish/></w:rPr><w:t>xyz</w:t></w:r>",
    "white letters": "<w:r><w:rPr><w:color w:val='FFFFFF'/></w:rPr><w:t>xyz</w:t></w:r>",
    "a field": "<w:r><w:instrText>PAGE</w:instrText></w:r>",
    "a text box": "<w:r><w:pict><v:textbox xmlns:v='v'><w:txbxContent><w:p><w:r><w:t>xyz</w:t></w:r></w:p>"
    "</w:txbxContent></v:textbox></w:pict></w:r>",
    "tiny letters": "<w:r><w:rPr><w:sz w:val='2'/></w:rPr><w:t>xyz</w:t></w:r>",
}
for _name, _xml in _UNSEEN.items():
    PLACES[f"docx, around {_name}"] = lambda word, xml=_xml: (
        "a.docx",
        body(f"<w:p><w:r><w:t>the {word[:3]}</w:t></w:r>{xml}<w:r><w:t>{word[3:]} flies</w:t></w:r></w:p>"),
    )
for _name, _xml in _DOCX_BODIES.items():
    PLACES[f"docx, {_name}"] = lambda word, xml=_xml: ("a.docx", body(xml.format(word)))


@place("docx, runs that part the word")
def _(word: str) -> tuple[str, bytes]:
    runs = "".join(f"<w:r><w:rPr><w:b/><w:sz w:val='{i}'/></w:rPr><w:t>{c}</w:t></w:r>" for i, c in enumerate(word))
    return "a.docx", body(f"<w:p>{runs}</w:p>")


@place("docx, letters of a symbol font")
def _(word: str) -> tuple[str, bytes]:
    runs = "".join(f"<w:r><w:sym w:font='Wingdings' w:char='F0{ord(c):02X}'/></w:r>" for c in word)
    return "a.docx", body(f"<w:p>{runs}</w:p>")


_PARTS = {
    "the header": "word/header1.xml",
    "the footer": "word/footer2.xml",
    "a footnote": "word/footnotes.xml",
    "an endnote": "word/endnotes.xml",
    "a comment": "word/comments.xml",
    "the glossary": "word/glossary/document.xml",
    "the styles": "word/styles.xml",
    "the settings": "word/settings.xml",
}
for _name, _path in _PARTS.items():
    PLACES[f"docx, {_name}"] = lambda word, path=_path: (
        "a.docx",
        docx(**{path: f"<w:x {_W}><w:p><w:r><w:t>{word}</w:t></w:r></w:p></w:x>"}),
    )


def _a_workbook(word: str) -> bytes:
    return xlsx(**{"xl/sharedStrings.xml": f"<sst><si><r><t>{word[:3]}</t></r><r><t>{word[3:]}</t></r></si></sst>"})


def _a_picture(word: str) -> bytes:
    return jpeg(word)


_RAW_PARTS: dict[str, tuple[str, Callable[[str], str | bytes]]] = {
    "properties": ("docProps/core.xml", lambda w: f"<cp xmlns:dc='dc'><dc:subject>{w}</dc:subject></cp>"),
    "custom properties": ("docProps/custom.xml", lambda w: f"<P><property name='{w}'/></P>"),
    "custom XML": ("customXml/item1.xml", lambda w: f"<data><secret>{w}</secret></data>"),
    "a link's target": ("word/_rels/document.xml.rels", lambda w: f"<R><R Target='https://example.com/{w}'/></R>"),
    "an embedded workbook": ("word/embeddings/b.xlsx", _a_workbook),
    "a chunk of HTML": ("word/chunk.html", lambda w: f"<html><p>{w}</p></html>"),
    "a chart": ("word/charts/chart1.xml", lambda w: f"<c xmlns:c='c'><c:v>{w}</c:v></c>"),
    "a diagram": ("word/diagrams/data1.xml", lambda w: f"<d {_A}><a:t>{w}</a:t></d>"),
    "a member nobody refers to": ("stray.txt", lambda w: w),
    "a member in a picture's clothes": ("word/media/image1.png", lambda w: zipped({"x.txt": w})),
    "a picture's comment": ("word/media/image1.jpeg", _a_picture),
    "a member's name": ("word/media/{}.bin", lambda w: b"\x00\x01"),
}
for _name, (_path, _make) in _RAW_PARTS.items():
    PLACES[f"docx, {_name}"] = lambda word, path=_path, make=_make: (
        "a.docx",
        docx(**{path.format(word): make(word)}),
    )


def xlsx(**parts: str) -> bytes:
    return zipped({"[Content_Types].xml": "<Types/>", **{path.replace("__", "/"): xml for path, xml in parts.items()}})


_XLSX = {
    "an inline string": ("xl/worksheets/sheet1.xml", "<c t='inlineStr'><is><t>{}</t></is></c>"),
    "a formula": ("xl/worksheets/sheet1.xml", "<c><f>CONCATENATE(&quot;{}&quot;,A1)</f></c>"),
    "a page header": ("xl/worksheets/sheet2.xml", "<ws><oddHeader>&amp;C {} </oddHeader></ws>"),
    "a hidden sheet's name": ("xl/workbook.xml", "<wb><sheet name='{}' state='veryHidden'/></wb>"),
    "a defined name": ("xl/workbook.xml", "<wb><definedName name='x'>&quot;{}&quot;</definedName></wb>"),
    "a comment": ("xl/comments1.xml", "<comments><comment><text><t>{}</t></text></comment></comments>"),
    "a validation's message": ("xl/worksheets/sheet1.xml", "<ws><dataValidation prompt='{}'/></ws>"),
    "a data connection": ("xl/connections.xml", "<c><connection description='{}'/></c>"),
    "a pivot cache": ("xl/pivotCache/pivotCacheDefinition1.xml", "<p><s v='{}'/></p>"),
}
for _name, (_path, _xml) in _XLSX.items():
    PLACES[f"xlsx, {_name}"] = lambda word, path=_path, xml=_xml: (
        "a.xlsx",
        xlsx(**{path: xml.format(word)}),
    )
PLACES["xlsx, escaped letters"] = lambda word: (
    "a.xlsx",
    xlsx(**{"xl/sharedStrings.xml": f"<sst><si><t>_x{ord(word[0]):04X}_{word[1:]}</t></si></sst>"}),
)
PLACES["xlsx, a formula that joins"] = lambda word: (
    "a.xlsx",
    xlsx(**{"xl/worksheets/s.xml": f'<c><f>"{word[:2]}"&amp;CHAR({ord(word[2])}) &amp; "{word[3:]}"</f></c>'}),
)
PLACES["xlsx, a shared string"] = lambda word: ("a.xlsx", _a_workbook(word))
_PPTX = {
    "a slide": ("ppt/slides/slide1.xml", f"<p {_A}><a:p><a:r><a:t>{{}}</a:t></a:r></a:p></p>"),
    "the notes": ("ppt/notesSlides/notesSlide1.xml", f"<p {_A}><a:p><a:r><a:t>{{}}</a:t></a:r></a:p></p>"),
    "the master": ("ppt/slideMasters/slideMaster1.xml", f"<p {_A}><a:p><a:r><a:t>{{}}</a:t></a:r></a:p></p>"),
    "a comment": ("ppt/comments/comment1.xml", "<p><cm><text>{}</text></cm></p>"),
    "a tag": ("ppt/tags/tag1.xml", "<p><tag name='x' val='{}'/></p>"),
}
for _name, (_path, _xml) in _PPTX.items():
    PLACES[f"pptx, {_name}"] = lambda word, path=_path, xml=_xml: (
        "a.pptx",
        xlsx(**{path: xml.format(word)}),
    )

# --- OpenDocument, EPUB -----------------------------------------------------------------------------------

_ODF = {
    "text": ("content.xml", "<o xmlns:t='t'><t:p>fore<t:span>{}</t:span></t:p></o>".replace("fore", "")),
    "a comment": ("content.xml", "<o xmlns:f='f'><f:annotation>{}</f:annotation></o>"),
    "a deletion": ("content.xml", "<o xmlns:t='t'><t:deletion><t:p>{}</t:p></t:deletion></o>"),
    "the header": ("styles.xml", "<o xmlns:t='t'><t:header><t:p>{}</t:p></t:header></o>"),
    "properties": ("meta.xml", "<o xmlns:m='m'><m:user-defined m:name='x'>{}</m:user-defined></o>"),
    "an embedded object": ("Object 1/content.xml", "<o xmlns:t='t'><t:p>{}</t:p></o>"),
}
for _name, (_path, _xml) in _ODF.items():
    PLACES[f"odt, {_name}"] = lambda word, path=_path, xml=_xml: (
        "a.odt",
        zipped({"mimetype": "application/vnd.oasis.opendocument.text", path: xml.format(word)}),
    )
for _name, _beside in {
    "a comment": "<f:annotation><t:p>x</t:p></f:annotation>",
    "a note": "<t:note><t:note-citation>1</t:note-citation><t:note-body><t:p>x</t:p></t:note-body></t:note>",
}.items():
    PLACES[f"odt, around {_name}"] = lambda word, beside=_beside: (
        "a.odt",
        zipped(
            {
                "mimetype": "application/vnd.oasis.opendocument.text",
                "content.xml": f"<o xmlns:f='f' xmlns:t='t'><t:p>the {word[:3]}{beside}{word[3:]}</t:p></o>",
            }
        ),
    )
PLACES["epub, a chapter"] = lambda word: (
    "a.epub",
    zipped({"mimetype": "application/epub+zip", "c.xhtml": f"<html><body><p>{word}</p></body></html>"}),
)

# --- archives -------------------------------------------------------------------------------------------

PLACES["zip, a member"] = lambda word: ("a.zip", zipped({"x.txt": word}))
PLACES["zip, a member's name"] = lambda word: ("a.zip", zipped({f"{word}.txt": "x"}))
PLACES["zip, the comment"] = lambda word: ("a.zip", zipped({"x.txt": "x"}, word.encode()))
PLACES["zip, before it"] = lambda word: ("a.zip", f"{word}\n".encode() + zipped({"x.txt": "x"}))
PLACES["zip, behind it"] = lambda word: ("a.zip", zipped({"x.txt": "x"}) + f"\nmore {word}".encode())
PLACES["zip, one behind another"] = lambda word: ("a.zip", zipped({"x.txt": word}) + zipped({"y.txt": "y"}))
PLACES["zip, behind a picture"] = lambda word: ("a.jpg", jpeg("") + zipped({"x.txt": word}))
PLACES["zip, a UTF-16 text"] = lambda word: ("a.zip", zipped({"x.txt": word.encode("utf-16")}))
PLACES["zip, a UTF-16 text without its mark"] = lambda word: ("a.zip", zipped({"x": f"the {word}".encode("utf-16-le")}))
PLACES["zip, in 14 others"] = lambda word: ("a.zip", _nested(word, 14))
PLACES["tar, a member"] = lambda word: ("a.tar", tarred({"x.txt": word.encode()}))
PLACES["tar, behind the end"] = lambda word: ("a.tar", tarred({"x": b"x"}) + tarred({"y.txt": word.encode()}))
PLACES["tar, an owner"] = lambda word: ("a.tar", tarred({"x": b"x"}, uname=word))
PLACES["tar.gz, a member"] = lambda word: ("a.tgz", gzip.compress(tarred({"x.txt": word.encode()})))
PLACES["gz, its content"] = lambda word: ("a.gz", gzip.compress(word.encode()))
PLACES["gz, a second stream"] = lambda word: ("a.gz", gzip.compress(b"x ") + gzip.compress(word.encode()))
PLACES["gz, behind it"] = lambda word: ("a.gz", gzip.compress(b"x") + f" behind: {word}".encode())
PLACES["xz, its content"] = lambda word: ("a.xz", lzma.compress(word.encode()))
PLACES["bz2, its content"] = lambda word: ("a.bz2", bz2.compress(word.encode()))
PLACES["bz2 of xz of gz"] = lambda word: ("a", bz2.compress(lzma.compress(gzip.compress(word.encode()))))
PLACES["7z, a member"] = lambda word: ("a.7z", through_libarchive("7zip", "x.txt", word.encode()))
PLACES["7z, behind it"] = lambda word: ("a.7z", through_libarchive("7zip", "x.txt", b"x") + word.encode())
PLACES["cpio, a member"] = lambda word: ("a.cpio", through_libarchive("cpio_newc", "x.txt", word.encode()))
PLACES["iso, a member"] = lambda word: ("a.iso", through_libarchive("iso9660", "x.txt", word.encode()))
PLACES["tar.zst, a member"] = lambda word: ("a.tzst", through_libarchive("ustar", "x.txt", word.encode(), "zstd"))
PLACES["ar, a member"] = lambda word: ("a.deb", through_libarchive("ar_bsd", "x.txt", word.encode()))


@place("gz, the name in its header")
def _(word: str) -> tuple[str, bytes]:
    whole = io.BytesIO()
    with gzip.GzipFile(f"{word}.txt", "wb", fileobj=whole) as file:
        file.write(b"x")
    return "a.gz", whole.getvalue()


@place("zip, a member the directory leaves out")
def _(word: str) -> tuple[str, bytes]:
    hidden, shown = zipped({"hidden.txt": word}), zipped({"shown.txt": "x"})
    local = hidden[: hidden.index(b"PK\x01\x02")]
    directory = shown.index(b"PK\x01\x02")
    end = bytearray(shown[directory:])
    struct.pack_into("<I", end, 42, len(local))
    struct.pack_into("<I", end, end.index(b"PK\x05\x06") + 16, len(local) + directory)
    return "a.zip", local + shown[:directory] + bytes(end)


def _nested(word: str, times: int) -> bytes:
    data = word.encode()
    for _ in range(times + 1):
        data = zipped({"x": data})
    return data


# --- PDF ------------------------------------------------------------------------------------------------


def pdf(change: Callable[[PdfWriter], object] | None = None, shown: str = "Minutes", **options: object) -> bytes:
    writer = PdfWriter()
    page = writer.add_blank_page(300, 300)
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): DictionaryObject({NameObject("/F"): font})})
    content = DecodedStreamObject()
    content.set_data(f"BT /F 12 Tf 20 {options.get('height', 100)} Td ({shown}) Tj ET".encode())
    page[NameObject("/Contents")] = writer._add_object(content)
    if change is not None:
        change(writer)
    whole = io.BytesIO()
    writer.write(whole)
    return whole.getvalue()


def _drawing(word: str) -> Callable[[PdfWriter], object]:
    def add(writer: PdfWriter) -> None:
        form = DecodedStreamObject()
        form.set_data(f"BT /F 12 Tf ({word}) Tj ET".encode())
        form.update({NameObject("/Subtype"): NameObject("/Form"), NameObject("/Type"): NameObject("/XObject")})
        writer._add_object(form)

    return add


def _field(word: str) -> Callable[[PdfWriter], object]:
    def add(writer: PdfWriter) -> None:
        field = DictionaryObject({NameObject("/T"): TextStringObject("f"), NameObject("/V"): TextStringObject(word)})
        form = DictionaryObject({NameObject("/Fields"): ArrayObject([writer._add_object(field)])})
        writer._root_object[NameObject("/AcroForm")] = form

    return add


def _script(word: str) -> Callable[[PdfWriter], object]:
    def add(writer: PdfWriter) -> None:
        action = {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject(f"// {word}")}
        writer._root_object[NameObject("/OpenAction")] = DictionaryObject(action)

    return add


def stream(content: bytes, **keys: str) -> Callable[[PdfWriter], object]:
    def add(writer: PdfWriter) -> None:
        stream = DecodedStreamObject()
        stream.set_data(content)
        stream.update({NameObject(f"/{key}"): NameObject(f"/{value}") for key, value in keys.items()})
        writer._add_object(stream)

    return add


PLACES["pdf, text"] = lambda word: ("a.pdf", pdf(shown=word))
PLACES["pdf, off the page"] = lambda word: ("a.pdf", pdf(shown=word, height=-900))
PLACES["pdf, properties"] = lambda word: ("a.pdf", pdf(lambda w: w.add_metadata({"/Subject": word})))
PLACES["pdf, XMP"] = lambda word: (
    "a.pdf",
    pdf(stream(f"<x:xmpmeta xmlns:x='x'>{word}</x:xmpmeta>".encode(), Type="Metadata", Subtype="XML")),
)
PLACES["pdf, an annotation"] = lambda word: (
    "a.pdf",
    pdf(lambda w: w.add_annotation(0, FreeText(text=word, rect=(1, 1, 90, 90)))),
)
PLACES["pdf, a form field"] = lambda word: ("a.pdf", pdf(_field(word)))
PLACES["pdf, the outline"] = lambda word: ("a.pdf", pdf(lambda w: w.add_outline_item(title=word, page_number=0)))
PLACES["pdf, an attachment"] = lambda word: (
    "a.pdf",
    pdf(lambda w: w.add_attachment("x.docx", body(_DOCX_BODIES["text"].format(word)))),
)
PLACES["pdf, an attachment's name"] = lambda word: ("a.pdf", pdf(lambda w: w.add_attachment(f"{word}.bin", b"x")))
PLACES["pdf, a script"] = lambda word: ("a.pdf", pdf(_script(word)))
PLACES["pdf, a drawing no page shows"] = lambda word: ("a.pdf", pdf(_drawing(word)))
PLACES["pdf, a stream no object refers to"] = lambda word: ("a.pdf", pdf(stream(word.encode())))
PLACES["pdf, behind it"] = lambda word: ("a.pdf", pdf() + word.encode())
PLACES["pdf, before it"] = lambda word: ("a.pdf", f"{word}\n".encode() + pdf())
PLACES["pdf, with a zip behind it"] = lambda word: ("a.pdf", pdf() + zipped({"x.txt": word}))


@place("pdf, an earlier revision")
def _(word: str) -> tuple[str, bytes]:
    first = pdf(_field(word))
    from pypdf import PdfReader

    writer = PdfWriter(io.BytesIO(first), incremental=True)
    writer._root_object[NameObject("/AcroForm")] = DictionaryObject()
    fields = PdfReader(io.BytesIO(first)).trailer["/Root"]["/AcroForm"].raw_get("/Fields")[0].idnum
    writer._replace_object(fields, DictionaryObject({NameObject("/T"): TextStringObject("g")}))
    whole = io.BytesIO()
    writer.write(whole)
    return "a.pdf", whole.getvalue()


# --- rich text, legacy Office, Outlook ----------------------------------------------------------------------

_RTF = {
    "text": "{}",
    "hidden text": "{{\\v {}}}",
    "a comment": "{{\\*\\annotation {}}}",
    "properties": "{{\\info{{\\title {}}}{{\\author x}}}}",
    "the footer": "{{\\footer {}}}",
    "a field code": "{{\\field{{\\*\\fldinst HYPERLINK {} }}}}",
    "letters where digits should be": "{{\\pict the {} flies}}",
    "a control word": "\\{} x",
    "the name of a group": "{{\\*\\{} x}}",
}
for _name, _rtf in _RTF.items():
    PLACES[f"rtf, {_name}"] = lambda word, rtf=_rtf: (
        "a.rtf",
        ("{\\rtf1\\ansi\\ansicpg1252 Minutes " + rtf.format(word) + "}").encode(),
    )
PLACES["rtf, a short object"] = lambda word: (
    "a.rtf",
    b"{\\rtf1 Minutes {\\*\\blipuid " + binascii.hexlify(word.encode()) + b"}}",
)
PLACES["rtf, letters as numbers"] = lambda word: (
    "a.rtf",
    ("{\\rtf1 " + "".join(f"\\u{ord(c)}?" if i % 2 else f"\\'{ord(c):02x}" for i, c in enumerate(word)) + "}").encode(),
)
for _name, _code in {
    "a bookmark": r"{\*\bkmkstart x}{\*\bkmkend x}",
    "hidden letters": r"{\v xyz}",
    "hidden letters without a group": r"\v xyz\v0 ",
    "a deletion": r"{\deleted xyz}",
    "a footnote": r"{\footnote xyz}",
}.items():
    PLACES[f"rtf, around {_name}"] = lambda word, code=_code: (
        "a.rtf",
        (r"{\rtf1 the " + word[:3] + code + word[3:] + " flies}").encode(),
    )
PLACES["rtf, a word of parted formats"] = lambda word: (
    "a.doc",
    ("{\\rtf1 " + "".join(f"{{\\b\\fs{20 + i} {c}}}" for i, c in enumerate(word)) + "}").encode(),
)


@place("rtf, an object")
def _(word: str) -> tuple[str, bytes]:
    inner = zipped({"x.txt": word})
    names = b"\x02\x00x.zip\x00c:\\x.zip\x00\x00\x00\x03\x00" + struct.pack("<I", 6) + b"x.zip\x00"
    packed = names + struct.pack("<I", len(inner)) + inner
    ole1 = b"\x01\x05\x00\x00\x02\x00\x00\x00" + struct.pack("<I", 8) + b"Package\x00" + bytes(8)
    ole1 += struct.pack("<I", len(packed)) + packed
    return "a.rtf", b"{\\rtf1 x{\\object\\objemb{\\*\\objdata " + binascii.hexlify(ole1) + b"}}}"


def compound(streams: Mapping[str, bytes], linked: bool = True) -> bytes:
    """An OLE compound file (MS-CFB, version 3) with all streams in its root, in ordinary sectors."""
    sectors: list[bytes] = []
    table: list[int] = []
    entries = [("Root Entry", 5, -2, 0)]
    for name, content in streams.items():
        padded = content + bytes(max(4096, -len(content) % 512 + len(content)) - len(content))
        padded += bytes(-len(padded) % 512)
        start = len(sectors)
        sectors += [padded[i : i + 512] for i in range(0, len(padded), 512)]
        table += [*range(start + 1, len(sectors)), -2]
        entries.append((name, 2, start, len(padded)))
    directory = b""
    for number, (name, kind, start, size) in enumerate(entries):
        raw = name.encode("utf-16-le") + b"\x00\x00"
        right = number + 1 if 0 < number < len(entries) - 1 else -1
        child = 1 if number == 0 and len(entries) > 1 and linked else -1
        directory += raw.ljust(64, b"\x00") + struct.pack("<HBBiii", len(raw), kind, 1, -1, right, child)
        directory += bytes(36) + struct.pack("<iQ", start, size)
    directory += bytes(-len(directory) % 512)
    first = len(sectors)
    sectors += [directory[i : i + 512] for i in range(0, len(directory), 512)]
    table += [*range(first + 1, len(sectors)), -2]
    table.append(-3)
    fat = struct.pack(f"<{len(table)}i", *table).ljust(512, b"\xff")
    assert len(fat) == 512
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH", 62, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIiIIiIiI", 0, 1, first, 0, 4096, -2, 0, -2, 0)
    header += struct.pack("<i", len(sectors)) + b"\xff" * (108 * 4)
    return header + b"".join(sectors) + fat


def workbook(word: str, wide: bool = False) -> bytes:
    def record(kind: int, content: bytes) -> bytes:
        return struct.pack("<HH", kind, len(content)) + content

    def string(text: str) -> bytes:
        raw = text.encode("utf-16-le" if wide else "latin-1")
        return struct.pack("<HB", len(text), wide) + raw

    # The next string's length is a letter's code: only who counts can tell where the word ends.
    shared = struct.pack("<II", 2, 2) + string(f"the {word}") + string("A" * 65)
    return record(0x809, bytes(16)) + record(0xFC, shared) + record(0x0A, b"")


def formula(word: str) -> bytes:
    tokens = b"\x17" + struct.pack("<BB", len(word), 0) + word.encode() + b"\x42\x01\x70"
    content = bytes(20) + struct.pack("<H", len(tokens)) + tokens
    return struct.pack("<HH", 6, len(content)) + content


PLACES["doc, 8-bit text"] = lambda word: ("a.doc", compound({"WordDocument": bytes(600) + f"The {word}.\r".encode()}))
PLACES["doc, UTF-16 text"] = lambda word: (
    "a.doc",
    compound({"WordDocument": bytes(600) + f"The {word}.\r".encode("utf-16-le")}),
)
PLACES["doc, a stream outside the tree of streams"] = lambda word: (
    "a.doc",
    compound({"Notes": bytes(600) + f"The {word}.\r".encode()}, linked=False),
)
PLACES["doc, properties"] = lambda word: (
    "a.doc",
    compound({"\x05SummaryInformation": b"\x01\x02\x00" + word.encode() + bytes(4)}),
)
PLACES["doc, an embedded document"] = lambda word: (
    "a.doc",
    compound({"Package": body(_DOCX_BODIES["text"].format(word))}),
)
PLACES["doc, an attached file"] = lambda word: (
    "a.doc",
    compound(
        {
            "\x01Ole10Native": struct.pack("<I", 500)
            + b"\x02\x00x\x00y\x00"
            + bytes(4)
            + struct.pack("<I", 2)
            + b"y\x00"
            + struct.pack("<I", len(zipped({"x": word})))
            + zipped({"x": word})
        }
    ),
)
PLACES["xls, a string"] = lambda word: ("a.xls", compound({"Workbook": workbook(word)}))
PLACES["xls, a wide string"] = lambda word: ("a.xls", compound({"Workbook": workbook(word, True)}))
PLACES["xls, a formula"] = lambda word: ("a.xls", compound({"Workbook": formula(word)}))


@place("ppt, a document in it")
def _(word: str) -> tuple[str, bytes]:
    inner = compound({"WordDocument": bytes(600) + f"Minutes {word}".encode()})
    packed = struct.pack("<I", len(inner)) + zlib.compress(inner)
    atom = b"\x10\x00\x11\x10" + struct.pack("<I", len(packed)) + packed
    return "a.ppt", compound({"PowerPoint Document": bytes(40) + atom, "Current User": bytes(40)})


PLACES["ppt, a slide"] = lambda word: (
    "a.ppt",
    compound(
        {"PowerPoint Document": struct.pack("<HHI", 0, 4000, 2 * len(word)) + word.encode("utf-16-le") + bytes(8)}
    ),
)
PLACES["msg, the body"] = lambda word: ("a.msg", compound({"__substg1.0_1000001F": f"the {word}".encode("utf-16-le")}))
PLACES["msg, HTML"] = lambda word: (
    "a.msg",
    compound({"__substg1.0_10130102": f"<html>{word[:3]}<b>{word[3:]}</b></html>".encode()}),
)
PLACES["msg, rich text"] = lambda word: (
    "a.msg",
    compound({"__substg1.0_10090102": packed_rtf(f"{{\\rtf1 {word}}}".encode())}),
)
PLACES["msg, an attachment"] = lambda word: ("a.msg", compound({"__substg1.0_37010102": zipped({"x.txt": word})}))


def packed_rtf(rtf: bytes, size: int | None = None) -> bytes:
    literal = b"".join(b"\x00" + rtf[i : i + 8] for i in range(0, len(rtf), 8))
    return struct.pack("<II", len(literal) + 12, len(rtf) if size is None else size) + b"LZFu" + bytes(4) + literal


def tnef(*attributes: tuple[int, int, bytes]) -> bytes:
    whole = b"\x78\x9f\x3e\x22\x01\x00"
    for level, number, value in attributes:
        whole += struct.pack("<BHHI", level, number, 6, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)
    return whole


def mapi(kind: int, number: int, value: bytes) -> bytes:
    return struct.pack("<IHHII", 1, kind, number, 1, len(value)) + value + bytes(-len(value) % 4)


PLACES["tnef, the body"] = lambda word: ("winmail.dat", tnef((1, 0x800C, word.encode() + b"\x00")))
PLACES["tnef, a property"] = lambda word: (
    "winmail.dat",
    tnef((1, 0x9003, mapi(0x1F, 0x0037, word.encode("utf-16-le") + b"\x00\x00"))),
)
PLACES["tnef, rich text"] = lambda word: (
    "winmail.dat",
    tnef((1, 0x9003, mapi(0x102, 0x1009, packed_rtf(f"{{\\rtf1 {word}}}".encode())))),
)
PLACES["tnef, behind no properties"] = lambda word: (
    "winmail.dat",
    tnef((1, 0x9003, bytes(4) + mapi(0x1E, 0x0037, word.encode())[4:])),
)
PLACES["tnef, behind the last attribute"] = lambda word: ("winmail.dat", tnef((1, 0x8004, b"x")) + word.encode())
PLACES["tnef, rich text that says it is shorter"] = lambda word: (
    "winmail.dat",
    tnef((1, 0x9003, mapi(0x102, 0x1009, packed_rtf(f"{{\\rtf1 {word}}}".encode(), 8)))),
)
PLACES["tnef, an attachment"] = lambda word: (
    "winmail.dat",
    tnef((2, 0x9002, bytes(14)), (2, 0x800F, zipped({"x.txt": word})), (2, 0x8010, b"x.zip\x00")),
)

# --- texts ----------------------------------------------------------------------------------------------


@place("eml, its own attachment")
def _(word: str) -> tuple[str, bytes]:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "ada@northwind.example", "Numbers"
    mail.set_content("See the file.")
    mail.add_attachment(zipped({"x.txt": word}), maintype="application", subtype="zip", filename="b.zip")
    return "a.eml", mail.as_bytes()


@place("eml, in a zip")
def _(word: str) -> tuple[str, bytes]:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "ada@northwind.example", word
    mail.set_content("x")
    return "a.zip", zipped({"inner": mail.as_bytes()})


@place("mbox, the second mail")
def _(word: str) -> tuple[str, bytes]:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "ada@northwind.example", "x"
    mail.set_content(word, cte="base64")
    one = b"From ada Mon Jan  1 00:00:00 2026\n" + mail.as_bytes().replace(b"x", b"y", 1) + b"\n"
    return "a.mbox", one.replace(word.encode(), b"y") + one


def _html(word: str) -> bytes:
    return f"<html><head><title>x</title></head><body>{word}</body></html>".encode()


PLACES["html, text in a comment"] = lambda word: ("a.html", _html(f"<!-- {word} -->"))
PLACES["html, a script"] = lambda word: ("a.html", _html(f"<script>var x = '{word}'</script>"))
PLACES["html, split by tags"] = lambda word: ("a.html", _html(f"{word[:2]}<b>{word[2:4]}</b><!-- x -->{word[4:]}"))
PLACES["html, in UTF-16"] = lambda word: ("a.html", _html(word).decode().encode("utf-16"))
PLACES["html, a file in a link"] = lambda word: (
    "a.html",
    _html(f"<a href='data:application/zip;base64,{base64.b64encode(zipped({'x': word})).decode()}'>x</a>"),
)
PLACES["svg, a line of a label"] = lambda word: (
    "a.svg",
    f'<svg><text><tspan x="1" dy="0">Project</tspan><tspan x="1" dy="9">{word}</tspan></text></svg>'.encode(),
)
PLACES["svg, text"] = lambda word: ("a.svg", f"<svg><text>{word[:3]}<tspan>{word[3:]}</tspan></text></svg>".encode())
PLACES["svg, a description"] = lambda word: ("a.svg", f"<svg><desc>{word}</desc></svg>".encode())
PLACES["xhtml, before a list in a list"] = lambda word: (
    "a.xml",
    f"<?xml version='1.0'?><ul><li>the {word}<ul><li>flies</li></ul></li></ul>".encode(),
)
PLACES["xml, parted by an element nobody knows"] = lambda word: (
    "a.xml",
    f"<?xml version='1.0'?><para>the {word[:3]}<emphasis>{word[3:]}</emphasis> flies</para>".encode(),
)
PLACES["drawio, a diagram"] = lambda word: (
    "a.drawio",
    b"<mxfile><diagram id='1'>"
    + base64.b64encode(zlib.compress(f"%3Cx%3E{word}%3C/x%3E".encode())[2:-4])
    + b"</diagram></mxfile>",
)
PLACES["xml, an instruction"] = lambda word: ("a.xml", f"<?xml version='1.0'?><?say {word}?><x/>".encode())
PLACES["xml, character data"] = lambda word: ("a.xml", f"<?xml version='1.0'?><x><![CDATA[{word}]]></x>".encode())
PLACES["ics, a folded line"] = lambda word: (
    "a.ics",
    f"BEGIN:VCALENDAR\r\nSUMMARY:the {word[:4]}\r\n {word[4:]}\r\nEND:VCALENDAR\r\n".encode(),
)
PLACES["vcf, a picture that is an archive"] = lambda word: (
    "a.vcf",
    b"BEGIN:VCARD\r\nPHOTO;ENCODING=b;TYPE=JPEG:" + base64.b64encode(zipped({"x": word})) + b"\r\nEND:VCARD\r\n",
)
PLACES["csv, a cell"] = lambda word: ("a.csv", f"a,b\r\n1,{word}\r\n".encode())
PLACES["json, a value"] = lambda word: ("a.json", f'{{"a": "{word}"}}'.encode())
PLACES["txt, a uuencoded archive"] = lambda word: (
    "a.txt",
    b"begin 644 x.zip\n" + _uu(zipped({"x": word})) + b"`\nend\n",
)


def _uu(data: bytes) -> bytes:
    return b"".join(binascii.b2a_uu(data[i : i + 45]) for i in range(0, len(data), 45))


# --- pictures and recordings --------------------------------------------------------------------------------


def jpeg(comment: str) -> bytes:
    said = comment.encode()
    return b"\xff\xd8\xff\xfe" + struct.pack(">H", len(said) + 2) + said + b"\xff\xda\x00\x02\x11\x22\xff\xd9"


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\x00\x00"))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(*c) for c in chunks) + pixels + chunk(b"IEND", b"")


PLACES["jpeg, a comment"] = lambda word: ("a.jpg", jpeg(word))
PLACES["jpeg, behind it"] = lambda word: ("a.jpg", jpeg("x") + b" behind: " + word.encode())
PLACES["png, a text"] = lambda word: ("a.png", png((b"tEXt", b"Comment\x00" + word.encode())))
PLACES["png, a packed text"] = lambda word: ("a.png", png((b"zTXt", b"Comment\x00\x00" + zlib.compress(word.encode()))))
PLACES["png, an international text"] = lambda word: (
    "a.png",
    png((b"iTXt", b"C\x00\x01\x00\x00\x00" + zlib.compress(word.encode()))),
)
PLACES["png, behind it"] = lambda word: ("a.png", png() + zipped({"x.txt": word}))
PLACES["gif, a comment"] = lambda word: (
    "a.gif",
    b"GIF89a\x01\x00\x01\x00\x00\x00\x00!\xfe" + bytes([len(word)]) + word.encode() + b"\x00;",
)


def saved(image: Image.Image, kind: str = "PNG") -> bytes:
    whole = io.BytesIO()
    image.save(whole, kind)
    return whole.getvalue()


def qr(content: str | bytes, scale: int = 4, **options: object) -> Image.Image:
    """A QR code by a writer that shares nothing with the reader."""
    whole = io.BytesIO()
    segno.make(content, **({"micro": False} | options)).save(whole, kind="png", scale=scale)
    return Image.open(whole).convert("L")


def code(kind: zxingcpp.BarcodeFormat, content: str, scale: int = 4) -> Image.Image:
    drawn = np.array(zxingcpp.create_barcode(content, kind).to_image(scale=scale))
    return ImageOps.expand(Image.fromarray(drawn), 20, 255)


def codes(*images: Image.Image) -> Image.Image:
    """Codes side by side."""
    sheet = Image.new("L", (sum(image.width for image in images), max(image.height for image in images)), 255)
    left = 0
    for image in images:
        sheet.paste(image, (left, 0))
        left += image.width
    return sheet


def lettered(word: str, width: int = 150, height: int = 60, letters: int = 16) -> Image.Image:
    image = Image.new("L", (width, height), 255)
    font = ImageFont.load_default(letters)
    ImageDraw.Draw(image).text((width // 2, height // 2), word, fill=0, font=font, anchor="mm")
    return image


def inverted_on_its_side(image: Image.Image) -> Image.Image:
    return ImageOps.invert(image).rotate(90, expand=True)


_BARS = zxingcpp.BarcodeFormat.Code128
for _name, _show in {
    "a QR code": qr,
    "a QR code, light on dark and on its side": lambda word: inverted_on_its_side(qr(word)),
    "a QR code that slants": lambda word: qr(word).rotate(33, Image.Resampling.BICUBIC, expand=True, fillcolor=255),
    "a QR code of an icon's size": lambda word: qr(word, scale=1),
    "a Micro QR code": lambda word: qr(word, micro=True),
    "a QR code of a packed file": lambda word: qr(gzip.compress(word.encode())),
    "a QR code in UTF-16": lambda word: qr(word.encode("utf-16")),
    "a text in two QR codes": lambda word: codes(qr(f"the {word[:3]}"), qr(word[3:])),
    "a Data Matrix": lambda word: code(zxingcpp.BarcodeFormat.DataMatrix, word),
    "an Aztec code": lambda word: code(zxingcpp.BarcodeFormat.Aztec, word),
    "PDF417": lambda word: code(zxingcpp.BarcodeFormat.PDF417, word),
    "bars": lambda word: code(_BARS, word),
    "bars that slant": lambda word: code(_BARS, word).rotate(40, Image.Resampling.BICUBIC, expand=True, fillcolor=255),
    "a small picture": lettered,
    "a small picture of light letters": lambda word: ImageOps.invert(lettered(word)),
    "a small picture, no higher than its letters": lambda word: lettered(word, 60, 16, 12),
    "a small picture on its head": lambda word: lettered(word).rotate(180),
}.items():
    PLACES[f"png, {_name}"] = lambda word, show=_show: ("a.png", saved(show(word)))
for _name, _show in {"a QR code": qr, "a small picture": lettered}.items():
    PLACES[f"docx, {_name}"] = lambda word, show=_show: ("a.docx", docx(**{"word/media/1.png": saved(show(word))}))
    PLACES[f"pdf, {_name}"] = lambda word, show=_show: ("a.pdf", saved(show(word), "PDF"))
PLACES["jpeg, a Data Matrix"] = lambda word: (
    "a.jpg",
    saved(code(zxingcpp.BarcodeFormat.DataMatrix, word), "JPEG"),
)
PLACES["gif, a QR code"] = lambda word: ("a.gif", saved(qr(word), "GIF"))
PLACES["pdf, a QR code of a point for each of its squares"] = lambda word: ("a.pdf", saved(qr(word, scale=1), "PDF"))
PLACES["mp3, a title"] = lambda word: (
    "a.mp3",
    b"ID3\x03\x00\x00\x00\x00\x10\x00TIT2\x00\x00\x00\x20\x00\x00\x00" + f"the {word} song".encode() + bytes(40),
)
PLACES["wav, a comment"] = lambda word: (
    "a.wav",
    b"RIFF" + struct.pack("<I", 12 + 16) + b"WAVELIST" + struct.pack("<I", 16) + word.encode().ljust(16, b"\x00"),
)


def mp3(*tags: tuple[bytes, bytes]) -> bytes:
    """Tags of ID3 2.3 before a frame of silence."""
    fields = b"".join(name + struct.pack(">IH", len(body), 0) + body for name, body in tags)
    size = bytes((len(fields) + 10) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + size + fields + bytes(10) + b"\xff\xfb\x90\x00" + bytes(413)


def flac(*blocks: tuple[int, bytes]) -> bytes:
    packed = b"".join(bytes([kind]) + len(body).to_bytes(3, "big") + body for kind, body in blocks)
    return b"fLaC\x00\x00\x00\x22" + bytes(34) + packed + b"\x81\x00\x00\x00"


def vorbis(comment: str) -> bytes:
    raw = comment.encode()
    return struct.pack("<I", 1) + b"x" + struct.pack("<II", 1, len(raw)) + raw


def atom(name: bytes, *inner: bytes) -> bytes:
    body = b"".join(inner)
    return struct.pack(">I", len(body) + 8) + name + body


def m4a(title: str) -> bytes:
    data = atom(b"data", struct.pack(">II", 1, 0), title.encode())
    listed = atom(b"ilst", atom(b"\xa9nam", data))
    handler = atom(b"hdlr", bytes(8), b"mdirappl", bytes(9))
    tags = atom(b"udta", atom(b"meta", bytes(4), handler, listed))
    return atom(b"ftyp", b"M4A \0\0\0\0") + atom(b"moov", tags) + atom(b"mdat", bytes(64))


def element(number: int, *inner: bytes) -> bytes:
    body = b"".join(inner)
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return raw + (0x10000000 | len(body)).to_bytes(4, "big") + body


def matroska(*inner: bytes) -> bytes:
    return element(0x1A45DFA3, element(0x4282, b"webm")) + element(0x18538067, *inner)


PLACES["mp3, a short title"] = lambda word: ("a.mp3", mp3((b"TIT2", b"\x01\xff\xfe" + word.encode("utf-16-le"))))
PLACES["mp3, its cover"] = lambda word: (
    "a.mp3",
    mp3((b"APIC", b"\x00image/png\x00\x03front\x00" + png((b"tEXt", b"Title\x00" + word.encode())))),
)
PLACES["flac, a comment"] = lambda word: ("a.flac", flac((4, vorbis(f"TITLE={word}"))))
PLACES["m4a, a title"] = lambda word: ("a.m4a", m4a(word))
PLACES["webm, a tag"] = lambda word: (
    "a.webm",
    matroska(element(0x1254C367, element(0x7373, element(0x67C8, element(0x4487, word.encode()))))),
)
PLACES["mkv, an attached archive"] = lambda word: (
    "a.mkv",
    matroska(element(0x1941A469, element(0x61A7, element(0x466E, b"x.zip"), element(0x465C, zipped({"x.txt": word}))))),
)
PLACES["unknown bytes"] = lambda word: ("a.bin", bytes(range(32)) * 4 + word.encode() + bytes(range(32)) * 4)
