"""The words that a picture shows are read like any other; what is not read is said."""

import base64
import io
import struct
import time
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from services.dlp.extraction.child import Extractor
from services.dlp.extraction.ocr import FRAMES
from services.dlp.extraction.pieces import Limits
from services.dlp.extraction.tesseract import missing
from services.dlp.extraction.walk import extract
from services.dlp.findings import Hit
from services.dlp.message import File, Found, Passage
from tests.pictures import photograph
from tests.unit.dlp import hiding

LANGUAGES = "eng+deu"
WORDS = "Project Falcon", "meets the heron", "in Düsseldorf"


def picture(*lines: str, ink: str = "black", paper: str = "white", letters: int = 22) -> Image.Image:
    image = Image.new("RGB", (420, 60 + 40 * len(lines)), paper)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines or WORDS):
        draw.text((20, 20 + 40 * number), line, fill=ink, font=ImageFont.load_default(letters))
    return image


def saved(image: Image.Image, kind: str = "PNG", quality: int = 75) -> bytes:
    whole = io.BytesIO()
    image.save(whole, kind, quality=quality)
    return whole.getvalue()


def read(data: bytes, name: str = "a.png", limits: Limits | None = None) -> list[Found]:
    file = File(1, f"attachment 1 ({name})", name, "application/octet-stream", data)
    return list(extract([file], limits or Limits(languages=LANGUAGES, seconds=60)))


def shown(found: list[Found]) -> str:
    return " ".join(passage.text for passage in found if isinstance(passage, Passage) and "words" in passage.name)


def rules(found: list[Found]) -> dict[str, float]:
    return {hit.rule: hit.score for hit in found if isinstance(hit, Hit)}


def sheared(image: Image.Image) -> bytes:
    """With the orientation a camera writes."""
    turned = image.rotate(90, expand=True)
    exif = turned.getexif()
    exif[0x0112] = 6
    whole = io.BytesIO()
    turned.save(whole, "JPEG", exif=exif)
    return whole.getvalue()


def see_through(image: Image.Image, ink: int = 0) -> bytes:
    """Black letters on nothing, or white: on paper of their colour there would be none."""
    mask = image.convert("L").point(lambda grey: 255 - grey)
    empty = Image.new("RGBA", image.size, (ink, ink, ink, 0))
    empty.putalpha(mask)
    return saved(empty)


def paged(image: Image.Image) -> bytes:
    whole = io.BytesIO()
    blank = Image.new("RGB", image.size, "white")
    blank.save(whole, "TIFF", save_all=True, append_images=[image])
    return whole.getvalue()


def of_pdf(image: Image.Image) -> bytes:
    return saved(image, "PDF")


def fax(image: Image.Image) -> bytes:
    whole = io.BytesIO()
    image.convert("1").save(whole, "PDF")
    return whole.getvalue()


def drawn(image: Image.Image, kind: str = "PNG") -> bytes:
    """A picture as legacy Office keeps it: behind its record's head, a digest and a tag (MS-ODRAW 2.2.23)."""
    body = bytes(17) + saved(image, kind)
    return b"\x00\x6e\x1e\xf0" + struct.pack("<I", len(body)) + body


def of_xls(image: Image.Image) -> bytes:
    """In a drawing that goes on over several records, as those of more than 8 KB do."""
    drawing = bytes(24) + drawn(image)
    blocks = [drawing[start : start + 4000] for start in range(0, len(drawing), 4000)]
    records = [(0x809, bytes(16)), (0xEB, blocks[0]), *((0x3C, block) for block in blocks[1:]), (0x0A, b"")]
    return hiding.compound({"Workbook": b"".join(struct.pack("<HH", kind, len(b)) + b for kind, b in records)})


SHOWN: dict[str, Callable[[Image.Image], bytes]] = {
    "png": saved,
    "jpeg": lambda image: saved(image, "JPEG"),
    "gif": lambda image: saved(image, "GIF"),
    "bmp": lambda image: saved(image, "BMP"),
    "webp": lambda image: saved(image, "WEBP"),
    "tiff, its second page": paged,
    "pdf, a scanned page": of_pdf,
    "pdf, a fax": fax,
    "docx": lambda image: hiding.docx(**{"word/media/image1.png": saved(image)}),
    "pptx in a zip": lambda image: hiding.zipped({"a.pptx": hiding.docx(**{"ppt/media/image1.jpg": saved(image)})}),
    "doc": lambda image: hiding.compound({"WordDocument": bytes(600), "Data": bytes(68) + drawn(image, "JPEG")}),
    "ppt": lambda image: hiding.compound({"PowerPoint Document": bytes(40), "Pictures": drawn(image)}),
    "xls": of_xls,
    "a camera's orientation": sheared,
    "lying on its side": lambda image: saved(image.rotate(90, expand=True)),
    "on its head": lambda image: saved(image.rotate(180)),
    "see-through": see_through,
    "see-through, white letters": lambda image: see_through(image, 255),
    "in colours as dark as each other": lambda image: saved(
        ImageOps.colorize(image.convert("L"), "#ff0000", "#008200")
    ),
    "behind another picture": lambda image: hiding.png() + saved(image),
    "html, a picture in a link": lambda image: (
        b"<html><img src='data:image/png;base64," + base64.b64encode(saved(image)) + b"'></html>"
    ),
}


@pytest.mark.parametrize("kind", SHOWN)
def test_the_words_a_picture_shows_are_read(kind: str) -> None:
    found = read(SHOWN[kind](picture(*WORDS)))
    assert all(word in shown(found) for word in ("Falcon", "heron")), rules(found)
    assert not {rule for rule, score in rules(found).items() if score == 1}


def test_letters_may_be_light_or_faint() -> None:
    assert "Falcon" in shown(read(saved(picture(*WORDS, ink="#e0e0e0", paper="#202020"))))
    assert "Falcon" in shown(read(saved(picture(*WORDS, ink="#f0f0f0"))))


@pytest.mark.parametrize("make", [saved, of_pdf])
def test_who_reads_no_pictures_says_that_they_wait(make: Callable[[Image.Image], bytes]) -> None:
    found = read(make(picture(*WORDS)), limits=Limits())
    assert rules(found) == {"picture": 0.5} and not shown(found)


def test_icons_and_trackers_are_not_read() -> None:
    for size in ((1, 1), (16, 16), (32, 32), (600, 7)):
        assert rules(read(saved(Image.new("RGB", size)))) == {"small-picture": 0.3}


def test_what_cannot_be_read_is_a_verdict_of_its_own() -> None:
    whole = saved(picture(*WORDS), "JPEG")
    assert rules(read(b"\0\0\0\x18ftypheic\0\0\0\0" + bytes(400))) == {"ocr-failed": 1.0}
    assert rules(read(whole[:200])) == {"ocr-failed": 1.0}
    assert "ocr-timeout" in rules(read(whole, limits=Limits(languages=LANGUAGES, seconds=0.2)))
    assert rules(read(whole, limits=Limits(languages="xyz"))) == {"ocr-failed": 1.0}


def test_too_many_pictures_are_not_all_read() -> None:
    two = hiding.zipped({"1.png": saved(picture("falcon")), "2.png": saved(picture("heron"))})
    found = read(two, limits=Limits(languages=LANGUAGES, pictures=1, seconds=60))
    assert rules(found) == {"ocr-too-many": 1.0} and "falcon" in shown(found)


def test_a_picture_of_too_many_pixels_is_not_decoded() -> None:
    bomb = saved(Image.new("1", (20_000, 20_000)))
    began = time.process_time()
    assert len(bomb) < 100_000 and rules(read(bomb)) == {"ocr-too-big": 1.0}
    assert time.process_time() - began < 1


def test_of_an_animation_a_few_frames_are_read_and_the_last_among_them() -> None:
    frames = [Image.new("L", (300, 90), 200 + number) for number in range(FRAMES + 3)]
    whole = io.BytesIO()
    frames[0].save(whole, "GIF", save_all=True, append_images=[*frames[1:], picture("Falcon").convert("L")])
    found = read(whole.getvalue())
    assert "Falcon" in shown(found) and rules(found) == {"frames": 0.5}


def test_all_pages_of_a_scan_are_read_though_the_first_is_small() -> None:
    pages = [Image.new("RGB", (40, 40), "white")] * (FRAMES + 2)
    whole = io.BytesIO()
    pages[0].save(whole, "TIFF", save_all=True, append_images=[*pages[1:], picture(*WORDS)])
    assert "Falcon" in shown(read(whole.getvalue()))
    assert rules(read(whole.getvalue(), limits=Limits())) == {"picture": 0.5}
    many = io.BytesIO()
    picture("falcon").save(many, "TIFF", save_all=True, append_images=[picture("heron")] * 2)
    found = read(many.getvalue(), limits=Limits(languages=LANGUAGES, pictures=2, seconds=60))
    assert rules(found) == {"ocr-too-many": 1.0}


def test_a_language_that_is_not_installed_is_named() -> None:
    assert missing("eng+deu") == () and missing("eng+tlh") == ("tlh",)


def test_the_confined_process_reads_pictures_as_well() -> None:
    extractor = Extractor(processes=1, wall=60, languages=LANGUAGES)
    try:
        file = File(1, "attachment 1 (a.png)", "a.png", "image/png", saved(picture(*WORDS)))
        assert "Falcon" in shown(list(extractor([file])))
    finally:
        extractor.close()


# --- pictures that carry something ------------------------------------------------------------------------


def hidden(photo: Image.Image, share: float) -> Image.Image:
    """With random bits in the lowest ones of a share of the samples."""
    chance = np.random.default_rng(5)
    samples = np.asarray(photo).copy().ravel()
    places = chance.permutation(samples.size)[: int(share * samples.size)]
    samples[places] = samples[places] & 0xFE | chance.integers(0, 2, places.size, np.uint8)
    return Image.fromarray(samples.reshape(np.asarray(photo).shape))


def signs(image: Image.Image, kind: str = "PNG") -> dict[str, float]:
    found = read(saved(image, kind), limits=Limits())
    return {hit.rule: hit.score for hit in found if isinstance(hit, Hit) and hit.detector == "stego"}


@pytest.mark.parametrize("seed", range(4))
def test_a_photograph_with_bits_in_it_is_odd_and_one_without_is_not(seed: int) -> None:
    photo = Image.open(io.BytesIO(photograph(320, 240, seed=seed))).convert("RGB")
    assert signs(photo) == {}
    assert signs(hidden(photo, 1.0)) == signs(hidden(photo, 0.4)) == {"lowest-bits": 0.5}
    assert signs(hidden(photo, 1.0), "BMP") == {"lowest-bits": 0.5}


def test_a_screenshot_is_not_odd() -> None:
    assert signs(picture(*WORDS)) == {}


def test_a_text_written_into_the_lowest_bits_is_read() -> None:
    photo = Image.open(io.BytesIO(photograph(320, 240, seed=9))).convert("RGB")
    samples = np.asarray(photo).copy().ravel()
    bits = np.unpackbits(np.frombuffer(b"56:the falcon flies to Heron GmbH at the end of the quarter", np.uint8))
    samples[: bits.size] = samples[: bits.size] & 0xFE | bits
    carrier = Image.fromarray(samples.reshape(np.asarray(photo).shape))
    assert signs(carrier) == {"text-in-lowest-bits": 0.9}
    found = read(saved(carrier), limits=Limits())
    assert any("falcon flies" in passage.text for passage in found if isinstance(passage, Passage))
