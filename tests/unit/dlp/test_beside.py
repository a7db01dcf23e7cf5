"""What everybody sees of a hidden mail is looked at like the mail: its cover text, its pictures and their names."""

import io

import pytest
from PIL import Image, PngImagePlugin

from services.dlp.black_words import BlackWord
from services.dlp.extraction.pieces import Limits
from services.dlp.extraction.walk import extract
from services.dlp.inspection import inspect
from services.dlp.lists import Lists
from services.dlp.message import File, Passage
from services.dlp.policy import Rules

MAIL = b"From: ada@northwind.example\r\nTo: bob@northwind.example\r\nSubject: x\r\n\r\nNothing here.\r\n"
RULES = Rules.compile(Lists(words=[BlackWord(term="falcon")]))


def picture(text: str) -> bytes:
    told = PngImagePlugin.PngInfo()
    told.add_text("Comment", text)
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "white").save(file, "PNG", pnginfo=told)
    return file.getvalue()


@pytest.mark.parametrize(
    ("beside", "held"),
    [
        ((), ""),
        (
            (Passage("cover text", "Our garden"), File(1, "cover 1 (garden.png)", "garden.png", "", picture("roses"))),
            "",
        ),
        ((Passage("cover text", "The Falcon has landed"),), "cover text"),
        ((Passage("pictures' names", "garden.png\nfalcon.png"),), "pictures' names"),
        ((File(1, "cover 1 (garden.png)", "garden.png", "", picture("falcon")),), "cover 1 (garden.png)"),
    ],
    ids=["nothing", "a garden", "in the text", "in a name", "in a picture"],
)
def test_a_word_in_what_is_seen_of_a_hidden_mail_holds_it(beside: tuple[Passage | File, ...], held: str) -> None:
    def read(files):
        return extract(files, Limits(), lambda *_: ())

    _, decision = inspect(MAIL, "ada@northwind.example", ["bob@northwind.example"], RULES, [], read, beside=beside)
    [verdict] = decision.verdicts
    assert (verdict.action, held in verdict.reason) == ("hold" if held else "pass", True)
