"""What comes out of a mail can't steer a terminal, and ids may be given by their beginnings."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secumail.cli.output import chosen, plain
from secumail.errors import Refused
from tests.unit.cli.conftest import Run
from tests.unit.cli.faults import Answer, answering

IDS = ("6f3c1d52-6f0e-5a43-9d0c-52d1d9f7b6a1", "6f3caaaa-6f0e-5a43-9d0c-52d1d9f7b6a1")


@given(st.text(st.characters()))
def test_no_text_keeps_a_control_character(text: str) -> None:
    assert not {c for c in plain(text) if unicodedata.category(c) in ("Cc", "Cs")} - {"\n", "\t"}


@given(st.text(st.characters(exclude_categories=("C",))))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


def test_a_subject_with_terminal_commands_is_shown_harmless(run: Run, logged_in_at: Callable[[str], None]) -> None:
    row = {
        "id": IDS[0], "mail": IDS[1], "role": "received", "folder": "inbox", "flags": [], "size": 10,
        "at": "2026-11-22T10:00:00+00:00", "subject": "\x1b]0;owned\x07[red]x[/red] \u202egpj.exe",
        "sender": "eve@elsewhere.example", "to": [], "preview": "", "attachments": 0,
    }  # fmt: skip
    with answering(Answer(200, {"data": [row], "next_cursor": None})) as server:
        logged_in_at(server.url)
        shown, as_json = run("inbox").stdout, run("inbox", "--json").stdout
    assert "\x1b" not in shown + as_json
    assert "\u202e" not in shown + as_json
    assert "[red]x[/red]" in shown


def test_the_beginning_of_an_id_means_the_only_one_that_begins_so() -> None:
    assert chosen("6f3c1d", IDS, "mails") == IDS[0]
    assert chosen(IDS[1], (), "mails") == IDS[1]


@pytest.mark.parametrize(
    ("given_id", "words"), [("6f3c", "2 mails begin with 6f3c."), ("abcdef", "None of"), ("6f", "too short")]
)
def test_a_beginning_that_means_nothing_is_refused(given_id: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        chosen(given_id, IDS, "mails")
