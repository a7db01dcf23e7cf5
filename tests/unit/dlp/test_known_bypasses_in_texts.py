"""Ways by which other products are got round in texts: each is closed. (In files: test_known_bypasses.)"""

import base64

import pytest

from services.dlp.black_words import BlackWord
from services.dlp.lists import Lists
from services.dlp.message import Message, Passage
from services.dlp.policy import Rules, Verdict, decide
from services.dlp.reading import read

RULES = Rules.compile(
    Lists(
        words=tuple(
            BlackWord(term=term) for term in ("top secret", "top secret document", "operation bluebell", "falcon")
        )
    )
)


def judged(message: Message) -> Verdict:
    found = RULES.detect(message)
    (verdict,) = decide(
        message, "ada@northwind.example", ["bob@elsewhere.example"], RULES, ["northwind.example"], hits=found
    ).verdicts
    return verdict


def of(*texts: str) -> Verdict:
    return judged(Message("", tuple(Passage(f"text {n}", text) for n, text in enumerate(texts))))


def test_a_secret_that_is_encoded_behind_a_megabyte_of_padding_is_found() -> None:
    padding = "Nothing to see in this line of the text, nor in the next. " * 20_000
    assert of(padding).action == "pass"
    assert of(f"{padding} {base64.b64encode(b'operation bluebell').decode()} {padding}").code == "black-word"


@pytest.mark.parametrize("text", ["70P S3cre7", "Topsec retdocum ent", "T0PS3CR3T", "t-o-p s-e-c-r-e-t", "TopSecret"])
def test_leetspeak_and_broken_spacing_hide_nothing(text: str) -> None:
    assert of(f"This is {text}, of course.").code == "black-word"


@pytest.mark.parametrize(
    "text",
    [
        "operation\u200b blue\u200bbell",
        "oper\u00adation blue\u00adbell",
        "\uff4f\uff50\uff45\uff52\uff41\uff54\uff49\uff4f\uff4e bluebell",
        "".join(chr(0xE0000 + ord(c)) for c in "operation bluebell"),
        "ope\u202er\u202cation blueb\ufe0fell",
    ],
    ids=["zero-width", "soft hyphens", "full-width", "tag characters", "bidi and variation selectors"],
)
def test_characters_that_do_not_show_hide_nothing(text: str) -> None:
    assert of(f"About {text}.").code == "black-word"


@pytest.mark.parametrize(
    "text",
    [
        "MD5 (disk.m2) = 9e107d9d372bb6826bd81d3542a419d6",
        "The public licence D1234567 is at http://192.0.2.7/lic?id=123456789, call +49 30 901820.",
        "born on 3 May 1971; passwd: hunter2hunter2; ada@northwind.example",
    ],
)
def test_weak_patterns_hold_no_mail(text: str) -> None:
    assert all(hit.score < 1 for hit in RULES.detect(Message("", (Passage("body", text),))))
    assert of(text).action == "pass"


def test_encodings_are_undone_without_being_asked_to() -> None:
    body = base64.b64encode(base64.b64encode(b"the operation bluebell is on")).decode()
    verdict = judged(read(f"Subject: x\r\n\r\n{body}\r\n".encode()))
    assert (verdict.code, verdict.findings[0].where) == ("black-word", "body, hidden in base64 within base64")


@pytest.mark.parametrize(
    "text",
    [
        "https://x.example/?q=f%61lcon",
        "https://x.example/?q=falc\\u006fn",
        "https://x.example/?q=&#102;alcon",
        "=?utf-8?q?about?= =66al=\ncon",
        "\u202e=66alcon",
    ],
)
def test_what_may_be_two_escapes_is_read_without_either(text: str) -> None:
    assert of(f"See {text} for it.").code == "black-word"


@pytest.mark.parametrize(
    "text", ["\u202enoclaf\u202c", "\u202enoclaf\nand so on", "&#8238;noclaf", "\u202eno\u202ec\u202elaf"]
)
def test_what_is_shown_backwards_is_read_forwards(text: str) -> None:
    assert of(f"About {text}.").code == "black-word"
