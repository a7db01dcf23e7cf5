"""A word is found wherever in a file it hides, and what can't be looked into is said to be so."""

import re

import pytest

from services.dlp.attachments import Attachment
from services.dlp.extraction.pieces import Limits
from services.dlp.extraction.tesseract import LANGUAGES
from services.dlp.extraction.walk import extract
from services.dlp.message import File, Found, Passage
from tests.unit.dlp.hiding import PLACES

CANARY = "falconry"


def found_in(name: str, data: bytes) -> list[Found]:
    file = File(1, f"attachment 1 ({name})", name, "application/octet-stream", data)
    return list(extract([file], Limits(languages=LANGUAGES, seconds=60)))


@pytest.mark.parametrize("place", PLACES)
def test_a_word_is_found_where_it_hides(place: str) -> None:
    found = found_in(*PLACES[place](CANARY))
    whole = re.compile(rf"\b{CANARY}\b")
    assert any(whole.search(f.text) for f in found if isinstance(f, Passage)), [
        f for f in found if not isinstance(f, Attachment)
    ]
