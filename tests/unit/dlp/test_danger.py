"""What acts when it is opened is found, under whatever name it comes; its harmless counterpart is let be."""

import gzip
import struct
import zlib
from email import message_from_bytes

import pytest

from services.dlp.danger import examine
from services.dlp.files.compound import Compound
from services.dlp.files.vba import decompress
from tests import corpus
from tests.unit.dlp import specimens
from tests.unit.dlp.specimens import HARMLESS, RUNS_BY_ITSELF, docx, macros, pdf, relationships, zipped


def stored(data: bytes) -> bytes:
    """Deflated without being made smaller: it stands there as it is."""
    return zlib.compress(data, 0)


def presentation(inner: bytes) -> bytes:
    """A presentation keeps its macros and objects compressed (MS-PPT section 2.10.34)."""
    packed = zlib.compress(inner)
    record = b"\x10\0\x11\x10" + struct.pack("<II", len(packed) + 4, len(inner)) + packed
    return specimens.compound({"PowerPoint Document": (bytes(100) + record).ljust(5000, b"\0")})


def found(data: bytes, name: str = "", media_type: str = "") -> dict[str, float]:
    return {hit.rule: hit.score for hit in examine(name, media_type, data) if hit.detector == "danger"}


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (specimens.pe(), "program"),
        (b"MZ" + bytes(100), "program"),
        (specimens.elf(), "program"),
        (specimens.mach_o(), "program"),
        (specimens.mach_o(b"\xfe\xed\xfa\xce"), "program"),
        (specimens.java_class(), "program"),
        (zipped({"META-INF/MANIFEST.MF": b"", "A.class": specimens.java_class()}), "program"),
        (zipped({"AndroidManifest.xml": b"", "classes.dex": b""}), "program"),
        (specimens.compound({"a": b"x"}, bytes.fromhex("84100c0000000000c000000000000046")), "program"),
        (b"\0asm\x01\0\0\0" + bytes(40), "program"),
        (b"ITSF\x03\0\0\0" + bytes(90), "program"),
        (b"#!/bin/bash\nrm -r x", "script"),
        (b"#! /usr/bin/env perl\n", "script"),
        (b"@ECHO OFF\r\ndel x", "script"),
        (b"<?php echo 1;", "script"),
        ("Windows Registry Editor Version 5.00\r\n".encode("utf-16"), "script"),
        (b"<html><HTA:APPLICATION id=x></html>", "script"),
        (b"<job><script language=VBScript>x</script></job>", "script"),
        (b"<?xml version='1.0'?><MMC_ConsoleFile>", "script"),
        (specimens.shortcut(), "shortcut"),
        (b"[InternetShortcut]\r\nURL=file://host/x", "shortcut"),
        (b"[Desktop Entry]\nExec=x", "shortcut"),
        (b"<?xml version='1.0'?><libraryDescription/>", "shortcut"),
        (b"full address:s:host", "shortcut"),
        (bytes(0x8001) + b"CD001" + bytes(3000), "disk-image"),
        (b"vhdxfile" + bytes(600), "disk-image"),
        (bytes(9000) + b"conectix" + bytes(504), "disk-image"),
        ((b"\xeb\x3c\x90" + bytes(51) + b"FAT16").ljust(510, b"\0") + b"\x55\xaa" + bytes(9000), "disk-image"),
    ],
)
@pytest.mark.parametrize("name", ["", "holiday.jpg"])
def test_programs_scripts_shortcuts_and_disks_are_known_under_any_name(data: bytes, rule: str, name: str) -> None:
    assert found(data, name)[rule] == 1.0


@pytest.mark.parametrize(
    ("endings", "rule"),
    [
        ("exe dll scr com pif cpl msi msp jar apk xll", "program"),
        ("sh bat cmd ps1 vbs vbe js jse wsf hta py reg pl rb inf msc iqy", "script"),
        ("lnk url desktop scf library-ms search-ms rdp webloc", "shortcut"),
        ("iso img vhd vhdx dmg", "disk-image"),
    ],
)
def test_a_name_that_a_desktop_would_run_is_enough(endings: str, rule: str) -> None:
    for ending in endings.split():
        assert found(b"\x00\x13\x07\x99" * 40, f"invoice.{ending}")[rule] == 1.0, ending


def test_a_hidden_class_id_for_an_extension_is_a_shortcut() -> None:
    assert found(b"x", "plan.txt.{00021401-0000-0000-C000-000000000046}")["shortcut"] == 1.0


def test_a_type_that_names_a_script_is_enough_where_there_is_no_extension() -> None:
    assert found(b"go()", "", "application/javascript") == {"script": 1.0}
    assert not found(b"go()", "code.txt", "application/javascript")


def test_a_subject_that_ends_like_a_program_is_no_program() -> None:
    assert not found(b"Subject: x\r\nMIME-Version: 1.0\r\n\r\nhi", "Re: build.sh", "message/rfc822")


def test_a_name_ending_in_com_is_only_odd_if_the_content_is_known() -> None:
    assert found(b"just words", "notes for example.com", "text/plain") == {"program": 0.6}


def test_the_scanners_test_file_is_known() -> None:
    eicar = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + b"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
    assert found(eicar)["known-bad"] == 1.0
    assert found(eicar + b"\r\n")["known-bad"] == 1.0


def test_names_of_encrypted_members_are_judged_for_nobody_can_open_them() -> None:
    archive = zipped({"invoice.exe": b"x", "plan.pdf": b"x"})
    assert not found(archive)
    assert found(specimens.locked(archive)) == {"program": 1.0}


@pytest.mark.parametrize(
    "data",
    [
        macros(RUNS_BY_ITSELF),
        docx({"word/vbaProject.bin": macros(RUNS_BY_ITSELF)}),
        docx({"word/theme/picture1.png": macros(RUNS_BY_ITSELF)}),
        docx({"xl/vbaProject.bin": macros("Private Sub Workbook_Open()\r\nEnd Sub\r\n")}, folder="xl"),
        docx({"word/vbaProject.bin": macros("sub AUTOOPEN\r\nEnd Sub\r\n")}),
        specimens.compound({"_VBA_PROJECT": b"x", "a": specimens.vba("'\r\n" * 9000 + RUNS_BY_ITSELF)}),
        b"{\\rtf1{\\object{\\*\\objdata 01" + macros(RUNS_BY_ITSELF).hex().encode() + b"}}}",
    ],
)
def test_macros_that_run_by_themselves_are_sure(data: bytes) -> None:
    assert found(data)["macro-runs-by-itself"] == 1.0


@pytest.mark.parametrize(("source", "score"), [(HARMLESS, 0.7), ('Sub Go()\r\nCreateObject("x")\r\n', 0.9)])
def test_macros_that_wait_to_be_called_are_less_sure(source: str, score: float) -> None:
    assert found(docx({"word/vbaProject.bin": macros(source)})) == {"macro": score}


def test_a_macro_whose_source_was_taken_out_counts_as_the_worst() -> None:
    assert found(specimens.compound({"_VBA_PROJECT": b"x", "Module1": b"compiled"})) == {"macro-without-source": 1.0}


def test_a_macro_in_a_file_that_was_cut_off_is_still_seen() -> None:
    data = macros(RUNS_BY_ITSELF)
    header = data[:48] + struct.pack("<I", 4_000_000) + data[52:]
    assert found(header) == {"macro-without-source": 1.0}


def test_a_presentation_keeps_its_macros_compressed() -> None:
    assert found(presentation(macros(RUNS_BY_ITSELF)))["macro-runs-by-itself"] == 1.0


def test_compression_follows_the_example_of_the_specification() -> None:
    """MS-OVBA section 3.2.2."""
    packed = "012fb000236161616263646582660070616768696a013808616b6c00306d6e6f700671027004107273747576107778797a003c"
    assert decompress(bytes.fromhex(packed), 1000) == b"#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa"


def test_old_macro_sheets_are_sure_and_plain_sheets_are_let_be() -> None:
    assert found(specimens.workbook(1)) == {"xlm-macro": 1.0}
    assert found(docx({"xl/macrosheets/sheet1.xml": b"<x/>"}, folder="xl")) == {"xlm-macro": 1.0}
    assert not found(specimens.workbook(0))


@pytest.mark.parametrize(
    "data",
    [
        docx(document=b"<w:instrText>DDEAUTO c:\\\\windows</w:instrText>"),
        docx(document=b"".join(b"<w:r><w:instrText>%c</w:instrText></w:r>" % c for c in b" DDE x")),
        docx(document=b'<w:fldSimple w:instr="DDE cmd x">'),
        docx({"xl/externalLinks/externalLink1.xml": b'<ddeLink ddeService="cmd"/>'}, folder="xl"),
        specimens.compound({"WordDocument": b"text \x13 DDEAUTO c:\\x \x15".ljust(4100, b" ")}),
        b"{\\rtf1{\\field{\\*\\fldinst DDEAUTO x}}}",
    ],
)
def test_dde_is_sure(data: bytes) -> None:
    assert found(data)["dde"] == 1.0


def test_a_table_whose_cell_is_a_command_is_sure() -> None:
    assert found(b"name,sum\n=cmd|'/c calc'!A0,1\n", "a.csv") == {"dde": 1.0}
    assert not found(b"name,sum\n=SUM(A1:A2),-1\n+49 30 1234,x|y\n", "a.csv")


@pytest.mark.parametrize(
    ("kind", "target", "score"),
    [
        ("attachedTemplate", "https://evil.test/a.dotm", 1.0),
        ("attachedTemplate", "\\\\evil.test\\a.dotm", 1.0),
        ("oleObject", "mhtml:https://evil.test/a!x", 1.0),
        ("frame", "&#104;ttp://evil.test/", 1.0),
        ("attachedTemplate", "file:///C:/Templates/Letter.dotm", 0.3),
    ],
)
def test_what_a_document_loads_from_elsewhere_is_told(kind: str, target: str, score: float) -> None:
    data = docx({"word/_rels/settings.xml.rels": relationships(kind, target)})
    assert found(data) == {f"external-{kind.lower()}": score}


def test_links_and_pictures_of_a_document_are_let_be() -> None:
    links = relationships("hyperlink", "https://northwind.example/")
    inside = relationships("oleObject", "embeddings/a.bin", mode="Internal")
    assert not found(docx({"word/_rels/document.xml.rels": links, "word/_rels/b.rels": inside}))


def test_a_program_packed_into_a_document_is_found_with_its_way() -> None:
    inner = specimens.compound({"\x01Ole10Native": specimens.package("setup.exe", specimens.pe())})
    hits = examine("", "", docx({"word/embeddings/oleObject1.bin": inner}))
    assert ("program", "word/embeddings/oleObject1.bin ! object 1", 1.0) in {(h.rule, h.where, h.score) for h in hits}


def test_objects_of_the_equation_editor_and_objects_that_update_are_sure() -> None:
    assert found(specimens.compound({"Equation Native": b"x"}))["equation-object"] == 1.0
    assert found(b"{\\rtf1{\\object\\objupdate{\\*\\objdata 00}}}")["ole-object"] == 1.0
    assert found(b"{\\rtf1{\\object{\\*\\objdata 00}}}")["ole-object"] == 0.6


def test_a_notebook_is_judged_by_the_files_in_it() -> None:
    assert found(specimens.onenote(specimens.png())) == {"embedded-file": 0.4}
    assert found(specimens.onenote(specimens.png(), specimens.pe())) == {"embedded-file": 0.4, "program": 1.0}
    assert not found(specimens.onenote())


SCRIPT = b"\n3 0 obj << /S /JavaScript /JS (go) >> endobj"


@pytest.mark.parametrize(
    ("data", "hits"),
    [
        (pdf(b"3 0 obj << /S /Launch /F (x) >> endobj"), {"pdf-launch": 1.0}),
        (pdf(packed=zlib.compress(b"3 0 << /S /Launch >>")), {"pdf-launch": 1.0}),
        (pdf(packed=b"2f4c61756e6368>", filters=b"/ASCIIHexDecode"), {"pdf-launch": 1.0}),
        (pdf(b"3 0 obj << /S /L#61unch >> endobj"), {"pdf-launch": 1.0, "pdf-hidden-name": 1.0}),
        (pdf(b"3 0 obj << /S /#4aavaScript /J#53 (go) >>"), {"pdf-javascript": 0.7, "pdf-hidden-name": 1.0}),
        (pdf(SCRIPT), {"pdf-javascript": 0.7}),
        (pdf(SCRIPT + b"<< /OpenAction 3 0 R >>"), {"pdf-javascript-on-opening": 0.9}),
        (pdf(SCRIPT + b"<< /AA << /O 3 0 R >> >>"), {"pdf-javascript-on-opening": 0.9}),
        (pdf(b"3 0 obj << /Type /EmbeddedFile >>"), {"pdf-embedded-file": 0.4}),
        (pdf(b"3 0 obj << /F (setup.exe) /EF 4 0 R >>"), {"pdf-embedded-program": 1.0}),
        (pdf(b"3 0 obj << /Subtype /RichMedia >>"), {"pdf-rich-media": 0.7}),
        (pdf(b"<< /OpenAction [3 0 R /FitH] /Title (Launch /JSON) /AAPL /JSX >>"), {}),
        (pdf(b"5 0 obj << /Length 9 >> stream\n/JS /Launch\nendstream"), {}),
        (pdf(packed=gzip.compress(b"not what it says")), {}),
    ],
)
def test_a_pdf_is_judged_by_its_actions(data: bytes, hits: dict[str, float]) -> None:
    assert found(data) == hits


@pytest.mark.parametrize(
    ("page", "hits"),
    [
        ("<script>go()</script>", {"html-script": 0.8}),
        ("<body onload='go()'>", {"html-script": 0.8}),
        ("<a href='java&#115;cript:go()'>x</a>", {"html-script": 0.8}),
        ("<iframe src='https://x.test'></iframe>", {"html-frame": 0.6}),
        ("<meta http-equiv=Refresh content='0; URL=https://x.test'>", {"html-refresh": 0.7}),
        ("<form action=/x><input name=a></form>", {"html-form": 0.5}),
        ("<form action=/x><input type=PASSWORD></form>", {"html-form": 0.5, "html-password-form": 0.9}),
        ("<object data=x></object>", {"html-object": 0.8}),
        (
            "<script>a.href=URL.createObjectURL(new Blob([atob(x)]))</script>",
            {"html-script": 0.8, "html-smuggling": 1.0},
        ),
        ("<p>a &lt;script&gt; is <!-- <script> --> not one; <b class=onload>x</b>", {}),
        ("<meta http-equiv='content-type' content='text/html'><a href='https://x.test'>x</a>", {}),
    ],
)
def test_a_page_that_comes_as_a_file_is_judged_by_what_acts_in_it(page: str, hits: dict[str, float]) -> None:
    assert found(f"<!doctype html>{page}".encode(), "a.html", "text/html") == hits
    assert found(f"<!doctype html>{page}".encode("utf-16"), "a.html", "text/html") == hits


@pytest.mark.parametrize(
    "inside", ["<script>go()</script>", "<g onload='go()'/>", "<a xlink:href='javascript:go()'/>", "<foreignObject/>"]
)
def test_a_drawing_with_a_script_is_sure_and_a_drawing_without_is_let_be(inside: str) -> None:
    assert found(f"<svg xmlns='x'>{inside}</svg>".encode(), "a.svg") == {"svg-script": 1.0}
    assert not found(b"<svg xmlns='x'><path d='M0 0'/><a href='https://x.test'/></svg>", "a.svg")


def test_a_style_sheet_with_a_script_is_sure() -> None:
    assert found(b"<?xml version='1.0'?><x><msxsl:script>go()</msxsl:script></x>") == {"xml-script": 1.0}


def test_prose_like_a_script_is_never_sure() -> None:
    assert found(b'Set x = CreateObject("WScript.Shell")', "a.txt") == {"script-like-text": 0.6}
    assert not found(b"Shall we invoke the shell expression of interest?", "a.txt")


def test_a_document_without_anything_active_is_let_be() -> None:
    for data in (
        docx(),
        docx(folder="xl"),
        specimens.compound({"WordDocument": b"hi".ljust(5000)}),
        pdf(),
        b"{\\rtf1 hi}",
    ):
        assert not examine("", "", data)


def test_of_real_mails_only_those_with_a_script_or_shortcut_are_held() -> None:
    """Honest mails, those with nothing but text left out for time: people did send each other these three files."""
    held = set()
    for file in corpus.files():
        raw = file.read_bytes()
        if "ham" not in file.parent.name or b"ontent-Type: multipart/mixed" not in raw:
            continue
        for part in message_from_bytes(raw).walk():
            data, name = part.get_payload(decode=True), str(part.get_filename() or "")
            if isinstance(data, bytes) and (part.get_content_maintype() != "text" or name):
                held |= {(name, hit.rule) for hit in examine(name, part.get_content_type(), data) if hit.score == 1}
    assert held == {("rotate", "script"), ("swasort", "script"), ("Liberalism in America.url", "shortcut")}


def test_parts_too_big_to_read_are_said_to_be_unread() -> None:
    hits = examine("", "", docx(document=b" " * (17 << 20)))
    assert [(hit.detector, hit.rule) for hit in hits] == [("unscannable", "too-big")]


def test_object_streams_too_big_to_read_are_said_to_be_unread() -> None:
    hits = examine("", "", pdf(packed=zlib.compress(b" " * (17 << 20))))
    assert [(hit.detector, hit.rule) for hit in hits] == [("unscannable", "too-big")]


FILLER = b"' and more of the same\r\n" * 200_000
"""Nearly five megabytes."""


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (specimens.compound({"WordDocument": FILLER + b"\x13 DDEAUTO c:\\x \x15"}), "dde"),
        (specimens.compound({"_VBA_PROJECT": b"x", "a": FILLER[: 1 << 20] + specimens.vba(RUNS_BY_ITSELF)}), "macro-"),
        (specimens.compound({"_VBA_PROJECT": b"x", "a": specimens.vba("'\r\n" * 99_999 + RUNS_BY_ITSELF)}), "macro-"),
        (specimens.workbook(1, before=30_000), "xlm-macro"),
        (FILLER + b"powershell -enc AAAA\n", "script-like-text"),
        (docx(document=b"<w:fldSimple w:rsid='" + bytes(600) + b"' w:instr='DDE cmd x'>"), "dde"),
        (b"{\\rtf1{\\*\\template C:\\\\x}{\\*\\template http://host/x}}", "external-attachedtemplate"),
        (pdf(packed=zlib.compress(b"<</S /Launch>>"), filters=b" " * 3000 + b"/FlateDecode"), "pdf-launch"),
        (pdf(b"% stream\n5 0 obj\n<< /S /Launch >>\nendobj\n", packed=zlib.compress(b"<<>>")), "pdf-launch"),
        (pdf(packed=stored(b"endstream <</S /Launch>>")), "pdf-launch"),
    ],
)
def test_what_acts_is_found_however_much_stands_before_it(data: bytes, rule: str) -> None:
    assert any(name.startswith(rule) for name in found(data))


def test_a_command_far_down_a_table_is_found() -> None:
    assert found(b"a,b\n" * 300_000 + b"c,=cmd|'/c calc'!A0\n", "sales.csv") == {"dde": 1.0}


@pytest.mark.parametrize(
    "data",
    [
        b"<html>" + b"<p>hello</p>" * 800_000,
        specimens.compound({"_VBA_PROJECT": b"x", "a": specimens.vba("'" + "x" * (3 << 20))}),
        docx({f"word/embeddings/{n}.bin": specimens.compound({"a": bytes(4000)}) for n in range(1001)}),
        docx({f"word/embeddings/{n}.bin": bytes(15 << 20) for n in range(6)}),
        specimens.damaged(docx({"word/settings.xml": b"<w:settings>" + bytes(range(256)) + b"</w:settings>"})),
        presentation(macros(HARMLESS) + bytes(20 << 20)),
    ],
    ids=["page", "macros", "files", "sizes", "damage", "object"],
)
def test_what_is_too_big_or_too_much_to_be_looked_at_is_said_to_be_unread(data: bytes) -> None:
    assert {hit.score for hit in examine("", "", data) if hit.detector == "unscannable"} == {1.0}


def test_files_in_files_in_files_are_not_passed_over() -> None:
    data = b"hello"
    for _ in range(6):
        data = docx({"word/embeddings/object.docx": data})
    assert [hit.rule for hit in examine("", "", data)] == ["too-deep"]


def test_a_compound_file_gives_back_what_was_put_in() -> None:
    streams = {"small": b"a" * 100, "empty": b"", "big": bytes(range(256)) * 40}
    file = Compound(specimens.compound(streams))
    assert {entry.name: file.read(entry, 1 << 20) for entry in file.streams()} == streams


def test_streams_laid_over_one_another_are_read_a_bounded_number_of_times() -> None:
    file = Compound(specimens.compound({"big": b"x" * 6000}))
    (entry,) = file.streams()
    assert sum(len(file.read(entry, 6000)) for _ in range(100)) <= 8 * 9000
    assert file.exhausted
