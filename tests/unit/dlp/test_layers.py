"""What is encoded in a text is read by every detector, or the mail is held for it: nothing deeper passes as clean."""

import base64
import bz2
import gzip
import io
import lzma
import random
import re
import string
import zipfile
import zlib
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dlp import layers
from services.dlp.detectors import credentials, encodings, personal_data
from services.dlp.detectors.fingerprints import SHORTEST, Index, register
from services.dlp.layers import MAX_DEPTH, unfold
from services.dlp.lists import Lists
from services.dlp.message import Message, Passage
from services.dlp.policy import Rules, decide
from services.dlp.reading import read
from services.dlp.terms import Matcher

MATCHER = Matcher.compile(["operation bluebell"])
SECRET = "the operation bluebell begins on Monday"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


ENCODINGS: dict[str, Callable[[str], str]] = {
    "base64": b64,
    "base64, wrapped": lambda text: base64.encodebytes(text.encode()).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "hex, spaced": lambda text: text.encode().hex(" "),
    "percent": percent,
    "percent of percents": lambda text: quote(percent(text)),
    "references": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "quoted-printable": lambda text: "".join(f"={byte:02X}" for byte in text.encode()),
    "escapes": lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    "full-width": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "zero-width": "\u200b".join,
}
GROWING = ("references", "escapes", "percent", "percent of percents", "quoted-printable", "hex, spaced", "zero-width")


def is_found(passage: Passage) -> bool:
    return any(occurrence.total for occurrence in MATCHER.search([passage]))


def is_reported(passage: Passage) -> bool:
    return any(hit.detector == "unscannable" and hit.score == 1 for hit in encodings.find([passage]))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(sorted(ENCODINGS)), max_size=8).filter(lambda names: sum(n in GROWING for n in names) < 5)
)
def test_nested_encodings_are_found_or_the_mail_is_held_for_them(names: list[str]) -> None:
    text = SECRET
    for name in names:
        text = ENCODINGS[name](text)
    passage = Passage("body", f"Hello,\n\n{text}\n\nyours\n")
    assert is_found(passage) or is_reported(passage), names


@pytest.mark.parametrize("depth", range(1, MAX_DEPTH + 6))
def test_base64_within_base64_is_found_or_the_mail_is_held_for_it(depth: int) -> None:
    text = SECRET
    for _ in range(depth):
        text = b64(text)
    passage = Passage("body", f"Hello,\n\n{text}\n\nyours\n")
    assert is_found(passage) == (depth <= MAX_DEPTH)
    assert is_reported(passage) == (depth > MAX_DEPTH)


def test_what_is_encoded_too_deep_holds_a_mail_by_default() -> None:
    text = SECRET
    for _ in range(MAX_DEPTH + 1):
        text = b64(text)
    message = Message("", (Passage("body", text),))
    rules = Rules.compile(Lists())
    found = decide(message, "a@x.example", ["b@y.example"], rules, ["x.example"], hits=rules.detect(message))
    (verdict,) = found.verdicts
    assert (verdict.action, verdict.code) == ("hold", "unscannable")
    assert "too-deep" in verdict.reason


def test_what_grows_too_big_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "ROOM", 100)
    monkeypatch.setattr(layers, "GROWTH", 1)
    text = b64(b64(b64(SECRET * 3)))
    assert unfold(text, 1).unopened == {"too-big"}
    assert [hit.rule for hit in encodings.find([Passage("body", text, growth=1)])] == ["too-big"]


def test_of_a_whole_mail_no_more_than_its_room_is_unfolded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "TOTAL", 100_000)
    part = base64.encodebytes(base64.encodebytes(SECRET.encode() * 400)).decode()
    mail = "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    mail += "".join(f"--x\r\nContent-Type: text/plain\r\n\r\n{part}\r\n" for _ in range(20)) + "--x--\r\n"
    passages = read(mail.encode()).passages
    unfolded = [layer for passage in passages for layer in passage.unfolded.layer if layer.view]
    assert sum(len(layer.text) for layer in unfolded) <= 100_000
    assert {hit.rule for hit in encodings.find(passages)} == {"too-big"}


@pytest.mark.parametrize("text", ["Dear Bob, lunch at 12?", b64(SECRET), "", "%41%42", "&amp;" * 500, "=" * 5000])
def test_nothing_is_said_of_a_text_that_was_read(text: str) -> None:
    assert encodings.find([Passage("body", text)]) == ()


def a_zip(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("plan.txt", text)
    return file.getvalue()


def packed() -> dict[str, bytes]:
    return {
        "zip": a_zip(SECRET),
        "gzip": gzip.compress(SECRET.encode()),
        "zlib": zlib.compress(SECRET.encode()),
        "bzip2": bz2.compress(SECRET.encode()),
        "xz": lzma.compress(SECRET.encode()),
        "pdf": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n" + zlib.compress(SECRET.encode()),
        "bytes of no known kind": random.Random(3).randbytes(8000),
    }


WRITTEN: dict[str, Callable[[bytes], str]] = {
    "base64": lambda data: base64.b64encode(data).decode(),
    "base64, wrapped": lambda data: base64.encodebytes(data).decode(),
    "base64, quoted": lambda data: base64.encodebytes(data).decode().replace("\n", "\n> "),
    "base64, reversed": lambda data: base64.b64encode(data).decode()[::-1],
    "base64, twice": lambda data: base64.b64encode(base64.b64encode(data)).decode(),
    "hex": bytes.hex,
    "hex, spaced": lambda data: data.hex(" "),
    "base32": lambda data: base64.b32encode(data).decode(),
    "base64, in lines of six": lambda data: re.sub("(.{6})", r"\1\n", base64.b64encode(data).decode()),
    "hex, dotted": lambda data: data.hex("."),
    "decimal codes": lambda data: ", ".join(map(str, data)),
    "octal codes": lambda data: " ".join(f"{byte:03o}" for byte in data),
    "binary digits": lambda data: "\n".join(f"{byte:08b}" for byte in data),
    "a dump": lambda data: "\n".join(
        f"{place:08x}  {data[place : place + 16].hex(' ')}  |................|" for place in range(0, len(data), 16)
    ),
}


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("kind", packed())
def test_a_file_written_into_a_text_is_said_to_be_unread(kind: str, written: str) -> None:
    text = f"Hello Bob,\n\n{WRITTEN[written](packed()[kind])}\n\nBest regards\nAda\n"
    assert [hit.rule for hit in encodings.find([Passage("body", text)])] == ["packed-text"]


@pytest.mark.parametrize("written", [name for name in WRITTEN if name != "base64, reversed"])
@pytest.mark.parametrize(
    "data",
    [
        b"the\x01operation\x02bluebell\x03begins\x01on\x01Monday",
        random.Random(8).randbytes(90) + b"the operation bluebell begins" + random.Random(9).randbytes(60),
    ],
    ids=["with control characters", "among other bytes"],
)
def test_words_in_bytes_that_are_no_text_are_found(data: bytes, written: str) -> None:
    assert is_found(Passage("body", f"Hello Bob,\n\n{WRITTEN[written](data)}\n\nBest regards\nAda\n"))


def test_a_small_picture_or_a_number_is_no_file_to_be_opened() -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
    for data in (picture, random.Random(4).randbytes(300), b"\x99\x01\x0d\x04" + random.Random(5).randbytes(400)):
        assert encodings.find([Passage("body", WRITTEN["base64, wrapped"](data))]) == ()


def groups(letters: str, size: int, between: str = " ") -> str:
    draw = random.Random(6)
    return between.join("".join(draw.choices(letters, k=size)) for _ in range(2000))


@pytest.mark.parametrize(
    "text",
    [
        groups(string.ascii_lowercase, 6),
        f"xqcccf {groups(string.ascii_lowercase, 6)[:990]}",
        groups(string.ascii_letters, 8, "\r\n"),
        groups("acgt", 10),
        groups("ACDEFGHIKLMNPQRSTVWY", 10),
        groups("0123456789", 5),
        groups(string.ascii_lowercase + string.digits, 6, "-"),
        groups("0123456789", 16, ", "),
        "\n".join(f"{n % 28 + 1:02}/{n % 12 + 1:02}/{n % 9 + 20}" for n in range(4000)),
        groups(string.ascii_lowercase, 6, ""),
    ],
    ids=["words", "like cpio", "names", "genes", "proteins", "numbers", "licences", "cards", "dates", "one word"],
)
def test_thousands_of_words_or_numbers_of_one_size_are_no_file(text: str) -> None:
    assert encodings.find([Passage("body", text)]) == ()


TOKEN = "AKIAZQ3DRSTUVWXY2345"
CARD = "4111 1111 1111 1111"


def dressed() -> dict[str, Callable[[str], str]]:
    return {
        **ENCODINGS,
        "base64 of hex": lambda text: b64(text.encode().hex()),
        "Cyrillic look-alikes": lambda text: text.translate(str.maketrans("AEKX", "\u0410\u0415\u041a\u0425")),
        "letter by letter": " ".join,
        "dotted": ".".join,
    }


@pytest.mark.parametrize("disguise", dressed())
def test_a_credential_is_found_in_any_dress(disguise: str) -> None:
    (hit,) = credentials.find([Passage("body", f"Use\n{dressed()[disguise](f'the key {TOKEN} please')}\nfrom now on.")])
    assert (hit.rule, hit.score, hit.count) == ("aws-access-key", 1.0, 1)
    assert hit.where.startswith("body, hidden ") or disguise in ("full-width",)
    assert TOKEN not in hit.where + hit.sample


def test_a_value_that_stands_openly_is_not_counted_again_within() -> None:
    text = f"card {CARD} &amp; more, 100%25: {b64(f'card {CARD}')}"
    (hit,) = [hit for hit in personal_data.find([Passage("body", text)]) if hit.rule == "card"]
    assert (hit.where, hit.count, text[slice(*(hit.span or (0, 0)))]) == ("body", 1, CARD)


LETTERS = "".join(random.Random(5).choices("abcdefghijklmnopqrstuvwxyz      ", k=4000))
COPIES: dict[str, Callable[[str], str]] = {
    **dressed(),
    "look-alikes": lambda text: text.translate(str.maketrans("aceopxy", "\u0430\u0441\u0435\u043e\u0440\u0445\u0443")),
    "digits for letters": lambda text: text.translate(str.maketrans("oeast", "03457")),
    "soft hyphens": "\u00ad".join,
    "without spaces": lambda text: text.replace(" ", ""),
}


@pytest.mark.parametrize("disguise", COPIES)
def test_a_copy_is_found_in_any_dress(disguise: str) -> None:
    known = Index().add(register("plan", [LETTERS]))
    start = [place for place, c in enumerate(LETTERS) if c != " "][700]
    part = re.match(rf"(?:\w *){{{SHORTEST + 10}}}", LETTERS[start:])
    assert part is not None
    (hit, *_) = known.find([Passage("body", f"Hello Bob,\n\n{COPIES[disguise](part[0])}\n\nBest regards\n")])
    assert (hit.detector, hit.rule) == ("copy", "plan")


def test_a_credential_in_base64_in_a_whole_mail_is_found() -> None:
    mail = f"Subject: x\r\nContent-Type: text/html\r\n\r\n<p>{b64(f'the key is {TOKEN} now')}</p>\r\n".encode()
    (hit,) = Rules.compile(Lists()).detect(read(mail))
    assert (hit.rule, hit.where) == ("aws-access-key", "body, hidden in base64")


@pytest.mark.parametrize(
    "text",
    [
        "https://x.example/?q=op%65ration%20bluebell",
        "see &lt;p operation=20blue=62ell&gt; and",
        "&lt;a title='operation blue=\nbell'&gt;",
        "%253Cb operation=20bluebell%253E",
        "&lt;b =?utf-8?q?operation=20bluebell?=&gt;",
        "see &lt;p +AG8AcABlAHIAYQB0AGkAbwBuACAAYgBsAHUAZQBiAGUAbABs- x&gt; here",
        "\u202e operation=20bluebell",
        "\u202ellebeulb noitarepo\u202c",
    ],
)
def test_no_escape_that_is_undone_takes_what_another_hides(text: str) -> None:
    (found,) = MATCHER.search([Passage("body", text)])
    assert found.count == 1
