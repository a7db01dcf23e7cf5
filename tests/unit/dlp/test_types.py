"""A file is what its bytes are, and a name or type that says otherwise is told."""

import time
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.dlp.danger import examine
from services.dlp.files.types import extension, kind_of
from tests.unit.dlp import specimens

OPEN_DOCUMENT = b"PK\x03\x04" + bytes(22) + b"\x08\0\0\0mimetypeapplication/vnd.oasis.opendocument.text"


def lies(name: str, media_type: str, data: bytes) -> dict[str, float]:
    return {hit.rule: hit.score for hit in examine(name, media_type, data) if hit.detector == "type"}


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"Dear all,\r\nsee you at ten.\r\n", "text"),
        ("Grüße aus Köln".encode("utf-16"), "text"),
        (b"<!DOCTYPE html><p>hi", "html"),
        (b"\xef\xbb\xbf <html><body>hi", "html"),
        (b"<?xml version='1.0'?><note/>", "xml"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "svg"),
        (b"{\\rtf1 hi}", "rtf"),
        (b"Subject: hi\r\nMIME-Version: 1.0\r\n\r\nhi", "eml"),
        (b"BEGIN:VCALENDAR\r\n", "calendar"),
        (specimens.pdf(), "pdf"),
        (b"\n\n" + specimens.pdf(), "pdf"),
        (specimens.png(), "png"),
        (specimens.jpeg(), "jpeg"),
        (specimens.gif(), "gif"),
        (b"RIFF\x24\0\0\0WEBPVP8 " + bytes(40), "webp"),
        (b"\0\0\0\x18ftypheic\0\0\0\0" + bytes(40), "heif"),
        (b"\0\0\0\x18ftypisom\0\0\0\0" + bytes(40), "mp4"),
        (specimens.zipped({"a.txt": b"hi"}), "zip"),
        (b"some bytes before \0" + specimens.zipped({"a.txt": b"hi"}), "zip"),
        (specimens.docx(), "docx"),
        (specimens.docx(folder="xl"), "xlsx"),
        (specimens.docx(folder="ppt"), "pptx"),
        (OPEN_DOCUMENT, "odf"),
        (specimens.zipped({"META-INF/MANIFEST.MF": b"", "A.class": b""}), "jar"),
        (specimens.docx({"META-INF/MANIFEST.MF": b"", "A.class": b""}), "jar"),
        (specimens.zipped({"AndroidManifest.xml": b"", "classes.dex": b""}), "apk"),
        (specimens.compound({"WordDocument": b"x"}), "doc"),
        (specimens.workbook(0), "xls"),
        (specimens.compound({"a": b"x"}, bytes.fromhex("84100c0000000000c000000000000046")), "msi"),
        (b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(30), "7z"),
        (b"\x1f\x8b\x08\0" + bytes(10), "gzip"),
        (b"a.txt".ljust(257, b"\0") + b"ustar\x0000" + bytes(300), "tar"),
        (specimens.pe(), "pe"),
        (specimens.elf(), "elf"),
        (specimens.mach_o(), "mach-o"),
        (specimens.mach_o(b"\xca\xfe\xba\xbe\0\0\0\x02"), "mach-o"),
        (specimens.java_class(), "class"),
        (b"#!/usr/bin/env python3\nprint()", "python"),
        (b"#!/bin/sh\n\0\0binary", "shell"),
        (b"\x00\x13\x07\x99" * 40, "unknown"),
    ],
)
def test_the_bytes_say_what_a_file_is(data: bytes, kind: str) -> None:
    assert kind_of("", "", data).name == kind


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("plan.pdf", "pdf"),
        ("PLAN.PDF", "pdf"),
        ("plan", ""),
        ("setup.exe. . ", "exe"),
        ("setup.e\u200bxe", "exe"),
        ("setup.\uff45xe", "exe"),
        ("setup.exe::$DATA", "exe"),
        ("folder.exe/plan", ""),
        ("folder\\plan.pdf", "pdf"),
    ],
)
def test_the_extension_is_the_one_a_desktop_acts_on(name: str, ending: str) -> None:
    assert extension(name) == ending


@pytest.mark.parametrize(
    ("name", "media_type", "data"),
    [
        ("plan.pdf", "application/pdf", specimens.pdf()),
        ("photo.JPG", "image/pjpeg", specimens.jpeg()),
        ("notes.txt", "text/plain", b"hi there"),
        ("page.html", "text/html", b"just words"),
        ("table.csv", "text/csv", b"a,b\n1,2\n"),
        ("a.docx", specimens.WORD, specimens.docx()),
        ("a.zip", "application/zip", specimens.docx()),
        ("a.doc", "application/msword", specimens.compound({"WordDocument": b"x"})),
        ("anything.bin", "application/octet-stream", specimens.png()),
        ("report v1.2 final.pdf", "application/pdf", specimens.pdf()),
        ("minutes.2026.11.22.txt", "text/plain", b"hi"),
        ("plan.pdf.zip", "application/zip", specimens.zipped({"plan.pdf": b"x"})),
        ("\u05d3\u05d5\u05d7.pdf", "application/pdf", specimens.pdf()),
        ("empty.pdf", "application/pdf", b""),
        ("smime.p7s", "application/pkcs7-signature", b"\x30\x82\x01\x02\x06" + bytes(200)),
        ("holiday.zip", "", specimens.zipped({"a.jpg": specimens.jpeg()})),
    ],
)
def test_a_file_that_is_what_it_says_is_let_be(name: str, media_type: str, data: bytes) -> None:
    assert not examine(name, media_type, data)


@pytest.mark.parametrize("data", [specimens.pe(), specimens.elf(), b"#!/bin/sh\nls", specimens.shortcut()])
@pytest.mark.parametrize(("name", "media_type"), [("a.png", ""), ("", "image/png"), ("a.txt", "text/plain")])
def test_a_picture_or_text_that_is_a_program_is_sure(name: str, media_type: str, data: bytes) -> None:
    assert lies(name, media_type, data)["mismatch"] == 1.0


@pytest.mark.parametrize(
    ("name", "media_type", "data"),
    [
        ("a.png", "", specimens.jpeg()),
        ("a.pdf", "", b"just words"),
        ("", "image/png", b"\x00\x13\x07\x99" * 40),
        ("a.txt", "", specimens.png()),
        ("a.docx", "", specimens.zipped({"a.txt": b"hi"})),
    ],
)
def test_a_mismatch_of_harmless_kinds_is_only_odd(name: str, media_type: str, data: bytes) -> None:
    assert lies(name, media_type, data) == {"mismatch": 0.4}


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("invoice.pdf.exe", "double-extension"),
        ("photo.jpg.SCR", "double-extension"),
        ("invoice.pdf .js", "double-extension"),
        ("invoice\u202efdp.exe", "right-to-left"),
        ("invoice" + " " * 60 + ".exe", "hidden-extension"),
        ("invoice" + "\u3000" * 60 + ".exe", "hidden-extension"),
        ("invoice.exe\0.pdf"[:11] + "\0", "hidden-extension"),
        ("invoice.e\u200bxe", "hidden-extension"),
        ("invoice.exe::$DATA", "hidden-extension"),
        ("invoice.exe.", "trailing-characters"),
        ("invoice.exe\u00a0", "trailing-characters"),
    ],
)
def test_a_name_that_hides_its_extension_is_sure(name: str, rule: str) -> None:
    assert lies(name, "", b"\x00\x13\x07\x99" * 40)[rule] == 1.0


def test_a_harmless_name_that_ends_oddly_is_only_odd() -> None:
    assert lies("plan.pdf ", "", specimens.pdf()) == {"trailing-characters": 0.3}


ARCHIVE = specimens.zipped({"secret.txt": b"falcon"})


@pytest.mark.parametrize(
    ("data", "score"),
    [
        (specimens.png(ARCHIVE), 1.0),
        (specimens.jpeg(ARCHIVE), 1.0),
        (specimens.pdf() + ARCHIVE, 1.0),
        (b"just words\n" * 10_000 + ARCHIVE, 1.0),
        (specimens.pdf(ARCHIVE), 0.5),
        (specimens.png(b"Rar!\x1a\x07\x01\0"), 1.0),
        (specimens.png(b"7z\xbc\xaf\x27\x1c"), 1.0),
        (specimens.jpeg(b"<SCRIPT>go()</SCRIPT>"), 1.0),
        (specimens.gif() + b"<?php go(); ?>", 1.0),
        (specimens.png(specimens.pe() + b"This program cannot be run in DOS mode"), 1.0),
    ],
)
def test_a_second_file_within_a_file_is_found(data: bytes, score: float) -> None:
    assert lies("", "", data) == {"polyglot": score}


SAMPLES: tuple[Callable[[], bytes], ...] = (
    specimens.pe,
    specimens.png,
    specimens.docx,
    specimens.pdf,
    lambda: specimens.macros(specimens.RUNS_BY_ITSELF),
    lambda: specimens.workbook(1),
    lambda: specimens.onenote(specimens.pe()),
    lambda: specimens.png(ARCHIVE),
)


@given(st.text(max_size=40), st.sampled_from(["", "image/png", "text/html"]), st.binary(max_size=3000))
@example("", "", b"\0\0\1\0")
def test_no_bytes_make_it_fail(name: str, media_type: str, data: bytes) -> None:
    assert all(0 < hit.score <= 1 for hit in examine(name, media_type, data))


@given(st.sampled_from(SAMPLES), st.integers(0, 8000), st.binary(max_size=64), st.integers(0, 8000))
def test_no_cut_or_damage_makes_it_fail(sample: Callable[[], bytes], cut: int, noise: bytes, at: int) -> None:
    data = sample()
    data = data[:at] + noise + data[at + len(noise) :]
    assert all(0 < hit.score <= 1 for hit in examine("", "", data[: len(data) - cut % (len(data) + 1)]))


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 4_000_000,
        b"<a b=" * 800_000,
        b"%PDF-1.4 endobj " + b"stream\n/ObjStm endstream " * 160_000,
        b"%PDF-1.4 endobj " + b"/#4a" * 1_000_000,
        b"{\\rtf1 " + b"\\objdata 0" * 400_000,
        b"PK\x03\x04" + b"PK\x05\x06" * 1_000_000,
        b"PK\x03\x04"
        + (b"PK\x01\x02" + bytes(42)) * 80_000
        + b"PK\x05\x06"
        + bytes(8)
        + b"\0\x58\x3a\0\x04"
        + bytes(5),
        specimens.compound({"x": b"y" * 5000})[:76] + bytes(4_000_000),
        bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3") + bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac") * 250_000,
        specimens.docx(document=b"fldSimple" * 400_000),
        specimens.docx(document=b"instrText" * 400_000 + b">"),
        specimens.pdf() + b"4 0 obj << /Type /ObjStm >> stream endstream " * 90_000,
        b"=cmd|" * 200_000,
        b"-" * 1_000_000,
        b" " * 4_000_000,
    ],
    ids=lambda data: repr(data[:8]),
)
def test_time_is_bounded(data: bytes) -> None:
    started = time.process_time()
    examine("a.csv", "text/html", data)
    assert time.process_time() - started < 5
