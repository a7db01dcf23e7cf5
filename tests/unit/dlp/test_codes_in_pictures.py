"""Codes for cameras in pictures: what they say is read like any other text or file, and photographs say nothing."""

import io
import resource
from email.message import EmailMessage

import numpy as np
import pytest
import zxingcpp
from PIL import Image, ImageDraw

from services.dlp.attachments import Attachment
from services.dlp.extraction.child import Extractor
from services.dlp.extraction.codes import codes_in
from services.dlp.extraction.ocr import small_words
from services.dlp.extraction.pieces import Budget, Inner, Limits, Sign, Small, Trouble
from services.dlp.extraction.tesseract import LANGUAGES
from services.dlp.extraction.walk import extract
from services.dlp.findings import Hit
from services.dlp.message import File, Found, Passage
from tests.pictures import textured
from tests.unit.dlp.hiding import code, codes, docx, lettered, qr, saved, zipped

PATIENT = Limits(languages=LANGUAGES, seconds=60)
MATRICES = zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.DataMatrix, zxingcpp.BarcodeFormat.Aztec


def read(picture: Image.Image | bytes, name: str = "photo.png", limits: Limits = PATIENT) -> list[Found]:
    data = picture if isinstance(picture, bytes) else saved(picture)
    return list(extract([File(1, name, name, "application/octet-stream", data)], limits))


def told(picture: Image.Image) -> dict[str, str]:
    """What the codes alone say, by their names."""
    return {f.name: f.data.decode() for f in codes_in(picture.convert("L")) if isinstance(f, Inner)}


def said(found: list[Found]) -> dict[str, str]:
    """What the codes say, by where they stand."""
    beside = "words in the picture", "bytes", "metadata"
    return {f.name: f.text for f in found if isinstance(f, Passage) and not f.name.endswith(beside)}


def hits(found: list[Found]) -> set[tuple[str, str, str, float]]:
    return {(hit.detector, hit.rule, hit.where, hit.score) for hit in found if isinstance(hit, Hit)}


def test_a_finding_says_which_code_of_which_picture() -> None:
    assert said(read(qr("the falcon flies"))) == {"photo.png ! QR Code": "the falcon flies"}
    inside = read(docx(**{"word/media/1.png": saved(qr("the falcon flies"))}), "a.docx")
    assert said(inside)["a.docx ! 1.png ! QR Code"] == "the falcon flies"


def test_a_text_may_go_on_in_the_next_code() -> None:
    both = codes(qr("falcon"), code(zxingcpp.BarcodeFormat.Code128, "heron"))
    assert told(both) == {"QR Code, Code 128": "falcon\nheron", "QR Code, Code 128, joined": "falconheron"}
    groups = {f.alternative for f in read(both) if isinstance(f, Passage) and "QR Code" in f.name}
    assert len(groups) == 2 and len({group[0] for group in groups if group}) == 1, "a word in both counts once"


@pytest.mark.parametrize("letters", [17, 400, 2900])
def test_a_code_says_as_much_as_one_can(letters: int) -> None:
    text = ("falcon " * 500)[:letters]
    assert told(qr(text, scale=3)) == {"QR Code": text}


def test_letters_of_any_alphabet_are_read() -> None:
    for content, encoding in (("Grüße vom Fälkchen", "latin1"), ("隼が飛ぶ", "shift_jis"), ("сокол летит", "utf-8")):
        said = [f.data for f in codes_in(qr(content, encoding=encoding)) if isinstance(f, Inner)]
        assert content.encode() in said


@pytest.mark.parametrize("kind", MATRICES)
def test_matrices_are_read_at_any_angle(kind: zxingcpp.BarcodeFormat) -> None:
    upright = code(kind, "the falcon", 5)
    for angle in range(0, 360, 45):
        turned = upright.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
        assert "the falcon" in told(turned).values(), angle


def test_a_code_on_a_photograph_is_read() -> None:
    photo = Image.fromarray(textured(600, 800, seed=4))
    photo.paste(qr("the falcon", scale=3), (520, 310))
    found = read(saved(photo, "JPEG"), "photo.jpg")
    assert said(found)["photo.jpg ! QR Code"] == "the falcon"


def test_colours_as_dark_as_each_other_hide_no_code() -> None:
    mask = qr("the falcon")
    coloured = Image.composite(Image.new("RGB", mask.size, "#008200"), Image.new("RGB", mask.size, "#ff0000"), mask)
    assert said(read(coloured)) == {"photo.png ! QR Code": "the falcon"}


def test_a_file_in_a_code_is_a_file_in_the_picture() -> None:
    packed = zipped({"x.txt": "the falcon"})
    found = read(qr(packed))
    assert said(found)["photo.png ! QR Code ! x.txt"] == "the falcon"
    assert {f.name for f in found if isinstance(f, Attachment)} == {"QR Code", "x.txt"}


def test_bytes_that_are_nothing_known_are_said_to_be_unread() -> None:
    secret = bytes(np.random.default_rng(1).integers(0, 256, 300, np.uint8))
    assert ("unscannable", "unknown", "photo.png ! QR Code", 1.0) in hits(read(qr(secret)))


def test_a_link_in_a_code_is_judged_like_one_in_a_page() -> None:
    for address, rule in (
        ("https://bank.example.com@203.0.113.9/login", "userinfo"),
        ("http://203.0.113.9/", "numeric-host"),
        ("https://xn--pple-43d.example/", "punycode"),
        ("javascript:alert(1)", "script-address"),
    ):
        assert rule in {sign.rule for sign in codes_in(qr(address)) if isinstance(sign, Sign)}
    assert not [sign for sign in codes_in(qr("https://www.northwind.example/menu")) if isinstance(sign, Sign)]
    assert ("link", "userinfo", "photo.png ! QR Code", 0.9) in hits(read(qr("https://a.example@b.example/")))


def test_photographs_pages_and_noise_say_nothing() -> None:
    page = Image.new("L", (900, 600), 255)
    for line in range(20, 580, 22):
        ImageDraw.Draw(page).text((20, line), "The quick brown fox |||| jumps over 13 lazy dogs ||| " * 2, fill=0)
    coarse = np.kron(np.random.default_rng(2).integers(0, 2, (100, 150), np.uint8) * 255, np.ones((4, 4), np.uint8))
    pictures = [Image.fromarray(textured(480, 640, seed=seed)) for seed in range(3)]
    for picture in (*pictures, page, Image.fromarray(coarse)):
        assert told(picture) == {}


def test_more_codes_than_are_surely_read_are_too_many() -> None:
    many = Image.new("L", (11 * 58, 10 * 58), 255)
    for number in range(110):
        many.paste(qr(f"word{number}", 2, version=1), (number % 11 * 58, number // 11 * 58))
    assert Trouble("ocr-too-many") in list(codes_in(many))


def test_the_confined_process_reads_codes_in_the_largest_picture() -> None:
    largest = Image.new("L", (8000, 6200), 255)
    largest.paste(qr("the falcon", scale=1), (7000, 5000))
    extractor = Extractor(processes=1, wall=90, languages=LANGUAGES)
    try:
        found = list(extractor([File(1, "photo.png", "photo.png", "image/png", saved(largest))]))
    finally:
        extractor.close()
    assert said(found) == {"photo.png ! QR Code": "the falcon"} and not hits(found)


def test_who_reads_no_pictures_reads_codes_in_icons_alone() -> None:
    assert said(read(qr("falcon", scale=1), limits=Limits())) == {"photo.png ! QR Code": "falcon"}
    waiting = read(qr("falcon"), limits=Limits())
    assert hits(waiting) == {("unscannable", "picture", "photo.png", 0.5)} and not said(waiting)


def test_bars_are_read_in_a_picture_that_is_long_and_has_no_room_for_letters() -> None:
    bars = code(zxingcpp.BarcodeFormat.Code128, "the falcon flies on", 1)
    strip = bars.resize((3000, bars.height), Image.Resampling.NEAREST).crop((0, 40, 3000, 47))
    for limits in (Limits(), PATIENT):
        assert said(read(strip, limits=limits)) == {"photo.png ! Code 128": "the falcon flies on"}


# --- small pictures ------------------------------------------------------------------------------------------


def shown(found: list[Found]) -> dict[str, str]:
    return {f.name.removesuffix(" ! words in the picture"): f.text for f in found if isinstance(f, Passage)}


def computing() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_forty_small_pictures_are_read_at_once() -> None:
    before = computing()
    read(lettered("falcon"))
    one = computing() - before
    pictures = {f"{number}.png": saved(lettered(f"falcon {number}", 100, 30)) for number in range(40)}
    before = computing()
    found = shown(read(zipped(pictures), "a.zip"))
    assert computing() - before < 12 * one
    assert sum(f"falcon {number}" in found[f"a.zip ! {number}.png"] for number in range(40)) >= 38


def test_each_small_picture_keeps_its_place() -> None:
    inner, outer = EmailMessage(), EmailMessage()
    inner.add_attachment(saved(lettered("heron")), "image", "png", filename="i.png")
    outer["Subject"] = inner["Subject"] = "x"
    outer.add_attachment(inner)
    outer.add_attachment(saved(lettered("falcon")), "image", "png", filename="o.png")
    found = shown(read(outer.as_bytes(), "a.eml"))
    (where_heron,) = [where for where, text in found.items() if "heron" in text]
    (where_falcon,) = [where for where, text in found.items() if "falcon" in text]
    assert where_heron.startswith("a.eml ! ") and "i.png" in where_heron and "o.png" in where_falcon


def test_small_pictures_beyond_a_number_are_said_to_be_unread() -> None:
    pictures = {f"{number}.png": saved(lettered(f"falcon {number}")) for number in (1, 2, 3)}
    two = Limits(languages=LANGUAGES, seconds=60, small_pictures=2)
    found = read(zipped(pictures | {"4.png": pictures["1.png"]}), "a.zip", two)
    assert hits(found) == {("unscannable", "ocr-too-many", "a.zip ! 3.png", 1.0)}
    assert "falcon 1" in shown(found)["a.zip ! 4.png"]


def test_words_of_small_pictures_beyond_the_room_for_texts_are_said_to_be_too_big() -> None:
    found = read(saved(lettered("falcon")), "a.png", Limits(languages=LANGUAGES, seconds=60, text=3))
    assert hits(found) == {("unscannable", "too-big", "a.png", 1.0)}


def test_small_pictures_that_take_too_long_are_said_to_be_unread() -> None:
    over = Budget(Limits(languages=LANGUAGES, seconds=0))
    pictures = [lettered(f"falcon {number}") for number in range(40)]
    waiting = [Small(*picture.size, picture.tobytes(), "a") for picture in pictures]
    assert small_words(waiting, over) == [Trouble("ocr-timeout", "a")] * 40


def test_pages_that_nobody_has_looked_at_are_not_passed_over() -> None:
    whole = io.BytesIO()
    blank = Image.new("L", (20, 20), 255)
    blank.save(whole, "TIFF", save_all=True, append_images=[blank] * 60)
    assert ("unscannable", "ocr-too-many", "a.tif", 1.0) in hits(read(whole.getvalue(), "a.tif"))
