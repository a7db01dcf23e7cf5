"""The page a guest sees: everything that comes from a mail is text on it, and nothing else."""

import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from html.parser import HTMLParser
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secumail.errors import Refused
from secumail.mailbox.entry import Meta
from secumail.sealing.hpke import PrivateKey
from services.gateway import page
from services.gateway.page import Answering, Shown
from services.gateway.pickup import Inside
from services.gateway.plain_text import words
from services.gateway.reading import Attachment
from services.gateway.reply import reply

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PLACE = "/pickup/abc"
KEY = PrivateKey.generate()


class Seen(HTMLParser):
    """A page as a browser takes it apart: its tags, and its text but for the style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.labelled: set[str] = set()
        self.named: set[str] = set()
        self.text = ""
        self.attributes: set[str] = set()
        self._style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        given = dict(attrs)
        if tag == "label":
            self.labelled.add(given.get("for") or "")
        if tag in ("input", "textarea") and given.get("type") != "hidden":
            self.named.add(given.get("id") or "")
        self._style = tag == "style"

    def handle_data(self, data: str) -> None:
        self.text += "" if self._style else data


def shown(text: str = "Good morning", **others: str) -> str:
    """A page with a mail."""
    fields = {"sender": "ada@northwind.example", "to": "carol@elsewhere.example", "date": "", "subject": "Plans"}
    mail = Shown(**{**fields, "signature": "Signed.", **others}, text=text, attachments=[Attachment(1, text, "", b"x")])
    return page.mail("northwind.example", PLACE, mail, Answering(5, "0" * 32, text), NOW)


@settings(max_examples=60)
@given(st.text(alphabet=st.sampled_from("<>&\"'/=ab \n;-!"), max_size=80))
def test_nothing_in_a_mail_becomes_part_of_the_page(text: str) -> None:
    plain, odd = Seen(shown("x")), Seen(shown(text, subject=text, sender=text, to=text, date=text, signature=text))
    assert set(odd.tags) <= {*plain.tags}
    assert odd.attributes <= plain.attributes
    for form in (page.ask("o", PLACE, text, text, text), page.said("o", text, text, text)):
        assert {"script", "img", "a", "b"} & set(Seen(form).tags) <= {"b"}


def test_a_text_is_shown_as_it_was_written() -> None:
    text = 'Dear <b>Carol</b>,\n\n  1 < 2 && "x"'
    assert text in Seen(shown(text)).text


def test_the_page_needs_no_script_and_nothing_from_elsewhere() -> None:
    for html in (shown(), page.ask("o", PLACE, "hint"), page.said("o", "Gone", "It is gone.")):
        seen = Seen(html)
        assert not {"script", "img", "link", "iframe", "object"} & set(seen.tags)
        assert "://" not in html
        assert not [name for name in seen.attributes if name.startswith("on") or name == "style"]
    policy = page.HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_every_field_has_a_label_and_the_page_a_language_and_a_title() -> None:
    for html in (shown(), page.ask("northwind.example", PLACE, "hint", "Wrong.")):
        seen = Seen(html)
        assert seen.named and seen.named <= seen.labelled
        assert '<html lang="en">' in html
        assert re.search(r"<title>[^<]+northwind\.example</title>", html)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hello <b>Carol</b>,</p><p>see&nbsp;you &lt;soon&gt;.</p>", "Hello Carol,\n\nsee you <soon>."),
        ("<head><title>T</title><style>p{}</style></head>one<br>two<script>alert(1)</script>", "one\ntwo"),
        ("a<!-- <p>hidden</p> -->b", "ab"),
        ("1 < 2 <unclosed", "1 < 2 <unclosed"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a\tb"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("<p>one</p> <p> </p><br>\r\n<div>two</div>", "one\n\ntwo"),
        pytest.param(
            "a" + "&#32;" * 400_000 + "b", "a" + " " * 400_000 + "b", id="a megabyte of blanks, in linear time"
        ),
    ],
)
def test_an_html_mail_is_shown_as_its_words(html: str, text: str) -> None:
    assert words(html) == text


@settings(max_examples=80)
@given(st.text(alphabet=st.sampled_from("<>/!-abscript \n&;"), max_size=120))
def test_any_html_has_words(html: str) -> None:
    assert isinstance(words(html), str)


# --- replies -----------------------------------------------------------------------------------------------

MAIL = Meta(subject="Plans", message_id="<1@northwind.example>")


def inside(address: str = "carol@elsewhere.example") -> Inside:
    """A guest who is in."""
    return Inside(KEY, address, "ada@northwind.example")


@settings(max_examples=40)
@given(st.text(min_size=1, max_size=300).filter(str.strip), st.text(max_size=200))
def test_a_reply_is_one_mail_from_the_guest_to_the_sender_whatever_was_typed(text: str, subject: str) -> None:
    answered = Meta(subject=subject, message_id=f"<{subject}@x>")
    mail = message_from_bytes(reply(inside(), answered, text, uuid4(), NOW), policy=default)
    assert (mail["From"], mail["To"]) == ("carol@elsewhere.example", "ada@northwind.example")
    assert [len(mail.get_all(name) or []) for name in ("From", "To", "Subject", "Date", "Message-ID")] == [1] * 5
    assert mail.get_content_type() == "text/plain"
    assert not {"Bcc", "Cc", "Reply-To"} & set(mail.keys())


def test_a_reply_answers_the_mail() -> None:
    raw = reply(inside(), MAIL, "Schön, see you.\nCarol", uuid4(), NOW)
    mail = message_from_bytes(raw, policy=default)
    assert mail["Subject"] == "Re: Plans"
    assert mail["In-Reply-To"] == mail["References"] == "<1@northwind.example>"
    assert mail.get_content().splitlines() == ["Schön, see you.", "Carol"]
    again = message_from_bytes(reply(inside(), Meta(subject="RE: Plans"), "x", uuid4(), NOW), policy=default)
    assert (again["Subject"], again["In-Reply-To"]) == ("RE: Plans", None)
    assert "kärl@elsewhere.example".encode() in reply(inside("kärl@elsewhere.example"), MAIL, "x", uuid4(), NOW)


@pytest.mark.parametrize(
    ("text", "code"), [("", "reply-empty"), (" \n", "reply-empty"), ("x" * 100_001, "reply-too-long")]
)
def test_a_reply_of_nothing_or_of_too_much_is_refused(text: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        reply(inside(), MAIL, text, uuid4(), NOW)
    assert refused.value.code == code
