"""Ways by which other products, as their users complain, are got round: each is closed. (In texts: test_disguises.)"""

import base64
import io
from collections.abc import Iterable, Sequence
from email.message import EmailMessage

import pytest
from PIL import Image, ImageDraw, ImageFont

from services.dlp.black_words import BlackWord, Words
from services.dlp.extraction.pieces import Limits
from services.dlp.extraction.tesseract import LANGUAGES
from services.dlp.extraction.walk import extract
from services.dlp.findings import Hit
from services.dlp.inspection import inspect
from services.dlp.lists import Lists
from services.dlp.message import Extract, File, Found, Passage
from services.dlp.policy import Rules, Verdict
from tests.unit.dlp import hiding
from tests.unit.dlp.test_unreadable_files import LOCKED, LOCKED_7Z

MB = 1 << 20
RULES = Rules.compile(Lists(words=Words.of([BlackWord(term="falconry")])))
PADDING = b"All work and no play makes Jack a dull boy.\n"


def a_mail(data: bytes = b"", name: str = "a.bin", body: str = "See the file.") -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "ada@northwind.example", "bob@elsewhere.example", "Numbers"
    mail.set_content(body)
    if data:
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()


def verdict(raw: bytes, extractor: Extract = extract) -> Verdict:
    _, decision = inspect(
        raw, "ada@northwind.example", ["bob@elsewhere.example"], RULES, ["northwind.example"], extractor
    )
    [only] = decision.verdicts
    return only


def held_by(raw: bytes, extractor: Extract = extract) -> str:
    found = verdict(raw, extractor)
    return found.code if found.action == "hold" else found.action


# --- padding, time, size -----------------------------------------------------------------------------------


def test_a_megabyte_of_padding_before_the_word() -> None:
    padding = PADDING * (MB // len(PADDING))
    assert held_by(a_mail(body=f"{padding.decode()}falconry")) == "black-word"
    assert held_by(a_mail(padding + b"falconry", "a.txt")) == "black-word"


def test_many_megabytes_of_text_before_the_word() -> None:
    data = PADDING * (15 * MB // len(PADDING)) + b"falconry"
    texts = [found.text for found in extract([File(1, "a", "a.txt", "", data)]) if isinstance(found, Passage)]
    assert texts[-1].endswith("falconry")


@pytest.mark.parametrize("megabytes", [30, 100])
def test_more_text_than_is_searched_is_never_let_pass(megabytes: int) -> None:
    data = PADDING * (megabytes * MB // len(PADDING)) + b"falconry"
    assert rules(extract([File(1, "a", "a.txt", "", data)])) == {"too-big"}


@pytest.mark.parametrize("rule", ["timeout", "crashed", "memory", "too-big"])
def test_what_was_not_read_to_its_end_is_not_let_pass(rule: str) -> None:
    def gives_up(files: Sequence[File]) -> Iterable[Found]:
        return [Hit("unscannable", rule, file.where) for file in files]

    assert held_by(a_mail(b"\x00\x01"), gives_up) == "unscannable"


def test_limits_count_decoded_bytes() -> None:
    """A megabyte is one however it is written, and what is packed counts as unpacked."""
    words = b"\xc3\xa9" * (MB // 2)
    narrow = Limits(total=2 * MB, text=2 * MB)
    written = base64.encodebytes(words)
    assert len(written) > 1.3 * MB
    mail = b"Subject: x\nContent-Transfer-Encoding: base64\nContent-Type: text/plain; charset=utf-8\n\n" + written
    assert not rules(extract([File(1, "a", "a.eml", "message/rfc822", mail)], narrow))
    packed = hiding.zipped({"a.txt": words * 3})
    assert len(packed) < MB / 50
    assert rules(extract([File(1, "a", "a.zip", "", packed)], narrow)) & {"too-big", "ratio"}


def rules(found: Iterable[Found]) -> set[str]:
    return {hit.rule for hit in found if isinstance(hit, Hit) and hit.score == 1}


# --- locks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LOCKED)
def test_what_a_password_locks(kind: str) -> None:
    assert held_by(a_mail(LOCKED[kind]())) == "unscannable"


@pytest.mark.parametrize("locked", LOCKED_7Z)
def test_a_7z_file_that_a_password_locks(locked: str) -> None:
    assert held_by(a_mail(base64.b64decode(LOCKED_7Z[locked]), "a.7z")) == "unscannable"


# --- places ------------------------------------------------------------------------------------------------

IN_FILES = [
    *(place for place in hiding.PLACES if place.startswith("docx, ")),
    *("zip, in 14 others", "zip, behind a picture", "pdf, properties", "pdf, an annotation", "pdf, a form field"),
    *("xlsx, a comment", "pptx, the notes", "tar.gz, a member", "7z, a member", "iso, a member"),
]


def with_pictures(files: Sequence[File]) -> Iterable[Found]:
    return extract(files, Limits(languages=LANGUAGES, seconds=60))


@pytest.mark.parametrize("place", IN_FILES)
def test_the_places_that_are_not_looked_into(place: str) -> None:
    name, data = hiding.PLACES[place]("falconry")
    assert held_by(a_mail(data, name), with_pictures) == "black-word"


def test_letters_of_a_symbol_font() -> None:
    """Wingdings and Symbol: private code points in a text, a number in a document (w:sym)."""
    private = "".join(chr(0xF000 + ord(letter)) for letter in "falconry")
    assert held_by(a_mail(body=f"See {private} there.")) == "black-word"
    assert held_by(a_mail(*reversed(hiding.PLACES["docx, letters of a symbol font"]("falconry")))) == "black-word"


def test_an_emoji_before_the_word() -> None:
    assert held_by(a_mail(body="\U0001f600\U0001f468\u200d\U0001f469 falconry")) == "black-word"


# --- a picture instead of text -----------------------------------------------------------------------------


def screenshot(words: str) -> bytes:
    image = Image.new("RGB", (420, 100), "white")
    ImageDraw.Draw(image).text((20, 30), words, fill="black", font=ImageFont.load_default(24))
    whole = io.BytesIO()
    image.save(whole, "PNG")
    return whole.getvalue()


def seeing(files: Iterable[File]) -> Iterable[Found]:
    return extract(files, Limits(languages="eng", seconds=60))


def test_a_picture_instead_of_text() -> None:
    assert held_by(a_mail(screenshot("The falconry plan"), "a.png"), seeing) == "black-word"
    assert held_by(a_mail(screenshot("Lunch at noon"), "a.png"), seeing) == "pass"


@pytest.mark.parametrize("kind", ["x-mail", "external-body", "delivery-status", "disposition-notification", "http"])
def test_a_picture_in_a_mail_under_another_name(kind: str) -> None:
    inner = a_mail(screenshot("falconry"), "a.png")
    assert held_by(b"Content-Type: message/%b\r\n\r\n%b" % (kind.encode(), inner), seeing) == "black-word"
    plain = EmailMessage()
    plain.set_content(screenshot("falconry"), "image", "png", cte="binary")
    del plain["Content-Transfer-Encoding"]
    raw = b"Content-Type: message/%b\r\n\r\n%b" % (kind.encode(), plain.as_bytes())
    assert held_by(raw, seeing) in ("black-word", "unscannable")


def test_a_picture_that_cannot_be_read() -> None:
    def hurried(files: Iterable[File]) -> Iterable[Found]:
        return extract(files, Limits(languages="eng", seconds=0.01))

    assert held_by(a_mail(screenshot("The falconry plan"), "a.png"), hurried) == "unscannable"


# --- a trusted program as a cipher ---------------------------------------------------------------------------


def test_bytes_that_are_no_known_kind_of_file() -> None:
    assert held_by(a_mail(bytes(range(256)) * 40)) == "unscannable"
