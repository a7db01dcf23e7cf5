"""Sound and film are told by their whole layout; what only begins like them is unknown, and waits for a reviewer."""

import struct

import pytest

from services.dlp.extraction.walk import extract
from services.dlp.files.types import is_text
from services.dlp.findings import Hit
from services.dlp.message import File
from tests.unit.dlp import hiding

ANYTHING = bytes(range(256)) * 64


def rules(data: bytes) -> set[str]:
    found = extract([File(1, "attachment 1", "a", "", data)])
    return {one.rule for one in found if isinstance(one, Hit) and one.detector == "unscannable"}


def page(number: int) -> bytes:
    return b"OggS\0\0" + struct.pack("<QIII", number, 7, number, 0) + b"\2\xff\x10" + bytes(255 + 16)


def flv_tag() -> bytes:
    return b"\x08\0\0\x20" + bytes(7 + 32) + struct.pack(">I", 43)


def riff(kind: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    body = kind + b"".join(name + struct.pack("<I", len(data)) + data for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def asf(guid: str, body: bytes) -> bytes:
    return bytes.fromhex(guid) + struct.pack("<Q", 24 + len(body)) + body


FRAME = b"\xff\xfb\x90\x00" + bytes(413)
CLUSTER = hiding.element(0x1F43B675, hiding.element(0xE7, b"\0"), hiding.element(0xA3, bytes(100)))
LIVE = b"\x1f\x43\xb6\x75\x01" + b"\xff" * 7 + ANYTHING
"""A cluster written while it was recorded."""
PACK = b"\0\0\1\xba\x44" + bytes(9)
RECORDINGS = {
    "mp3": hiding.mp3((b"TIT2", b"\0song")) + FRAME * 9,
    "mp3 with tags behind it": FRAME * 9 + b"TAG" + b"song".ljust(125, b"\0"),
    "mp3 with a damage in it": FRAME * 60 + bytes(500) + FRAME * 60,
    "mp3 that is cut off": FRAME * 20 + FRAME[:100],
    "wav": riff(b"WAVE", (b"fmt ", bytes(16)), (b"data", ANYTHING)),
    "avi": riff(b"AVI ", (b"LIST", b"hdrlavih" + bytes(60)), (b"LIST", b"movi" + bytes(100))),
    "ogg": b"".join(map(page, range(9))),
    "flac": hiding.flac() + b"\xff\xf8" + ANYTHING,
    "midi": b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0",
    "m4a": hiding.m4a("song"),
    "webm": hiding.matroska(CLUSTER, CLUSTER),
    "webm of unknown length": hiding.matroska(CLUSTER) + LIVE,
    "wma": asf("3026b2758e66cf11a6d900aa0062ce6c", bytes(30)) + asf("3626b2758e66cf11a6d900aa0062ce6c", ANYTHING),
    "mpeg": (PACK + b"\0\0\1\xe0\0\x40" + bytes(64)) * 9 + b"\0\0\1\xb9",
    "flv": b"FLV\1\5\0\0\0\x09\0\0\0\0" + flv_tag() * 9,
    "amr": b"#!AMR\n" + (b"\x3c" + bytes(31)) * 9,
}


@pytest.mark.parametrize("kind", RECORDINGS)
def test_a_recording_is_noted(kind: str) -> None:
    assert rules(RECORDINGS[kind]) == {"recording"}


@pytest.mark.parametrize("kind", [kind for kind in RECORDINGS if " " not in kind])
@pytest.mark.parametrize("length", [8, 12, 16, 24])
def test_what_only_begins_like_one_is_unknown(kind: str, length: int) -> None:
    assert "unknown" in rules(RECORDINGS[kind][:length] + ANYTHING)


def test_a_tag_as_long_as_the_file_is_no_recording() -> None:
    assert "unknown" in rules(b"ID3\3\0\0\0\1\0\0" + ANYTHING)


def test_a_song_before_it_does_not_make_it_one() -> None:
    assert "unknown" in rules(FRAME * 20 + ANYTHING)


@pytest.mark.parametrize("content", [bytes(8000), ANYTHING])
def test_room_that_a_recording_keeps_is_empty(content: bytes) -> None:
    mp4 = hiding.m4a("song") + hiding.atom(b"free", content)
    wav = riff(b"WAVE", (b"fmt ", bytes(16)), (b"JUNK", content), (b"data", bytes(99)))
    webm = hiding.matroska(CLUSTER, hiding.element(0xEC, content))
    for recording in (mp4, wav, webm):
        assert ("unknown" in rules(recording)) is any(content)


def test_bytes_behind_zeros_or_behind_a_text_are_no_text() -> None:
    noise = bytes((n * n * 7919 >> 7) % 256 for n in range(40_000))
    assert not is_text(bytes(8192) + noise)
    assert not is_text(b"\xff\xfe" + noise)
    assert not is_text("hello world ".encode("utf-16-le") * 5000 + noise)
    assert not is_text(b"hello world " * 100_000 + noise)
    assert is_text(b"hello world " * 100_000 + bytes(8000) + b"hello world " * 100_000)
    assert is_text("Grüße, 世界 \u26a1".encode("utf-16-le") * 1000)


@pytest.mark.parametrize("text", [b"\xff\xfe\x00", b"\xff\xfeh\0i", b"\xfe\xff\0h\0i\0"])
def test_a_text_that_is_cut_off_within_a_character_is_one(text: bytes) -> None:
    assert is_text(text)
