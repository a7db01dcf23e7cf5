"""A link whose text names another place than it leads to is noticed; an honest one is not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dlp.danger import examine
from services.dlp.links import MAX_LINKS, lying
from services.dlp.reading import read


def rules(html: str) -> set[str]:
    return {hit.rule for hit in lying(html)}


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://www.northwind.example/plan">www.northwind.example</a>',
        '<a href="https://login.northwind.example/">northwind.example</a>',
        '<a href="https://shop.northwind.co.uk/">https://www.northwind.co.uk/offers</a>',
        '<a href="https://lists.example/u?1">unsubscribe</a>',
        '<a href="https://nodejs.example/">Node.js</a>',
        '<a href="https://drop.example/1">plan.pdf</a>',
        '<a href="mailto:anna@northwind.example">anna@northwind.example</a>',
        '<a href="#top">up</a> <a name="top">www.northwind.example</a>',
        '<a href="https://user@northwind.example/">ours</a>',
        '<a href="https://bücher.example/">books</a>',
        '<a href="https://пример.example/">a Russian word</a>',
        '<img src="data:image/png;base64,iVBORw0KGgo=">',
        '<!-- <a href="javascript:go()">x</a> -->',
        "<p>1 < 2</p>",
    ],
)
def test_an_honest_link_is_let_be(html: str) -> None:
    assert not lying(html)


@pytest.mark.parametrize(
    ("html", "rule"),
    [
        ('<a href="https://evil.example.net/">www.northwind.example</a>', "other-host"),
        ('<a href="https://evil.test/"><b>https://north</b>wind.example/login</a>', "other-host"),
        ('<a href="https://evil.test/">north\u200bwind.example</a>', "other-host"),
        ('<a href="https:\\\\evil.test/">northwind.example</a>', "other-host"),
        ('<a href="//evil.test/">northwind.example</a>', "other-host"),
        ('<a href="ht\ntps://evil.test/">northwind.example', "other-host"),
        ('<a href="&#104;ttps://evil.test/">northwind.example</a>', "other-host"),
        ('<a href="https://evil。test/">northwind.example</a>', "other-host"),
        ('<a href="https://www.northwind.example@evil.test/">our site</a>', "userinfo"),
        ('<a href="https://www%2Enorthwind%2Eexample@evil.test/">our site</a>', "userinfo"),
        ('<a href="http://192.0.2.7/login">our site</a>', "numeric-host"),
        ('<a href="http://3221225991/login">our site</a>', "numeric-host"),
        ('<a href="http://0xC0000207/login">our site</a>', "numeric-host"),
        ('<a href="http://[2001:db8::1]/login">our site</a>', "numeric-host"),
        ('<a href="https://xn--bcher-kva.example/">books</a>', "punycode"),
        ('<a href="https://n\u043erthwind.example/">ours</a>', "mixed-script"),
        ('<a href="https://xn--nrthwind-i2g.example/">ours</a>', "mixed-script"),
        ('<a href="https://\u0430\u0440\u0440\u04cf\u0435.example/">ours</a>', "lookalike-host"),
        ('<a href=" java\tscript:go()">here</a>', "script-address"),
        ("<a href='&#x6a;avascript:go()'>here</a>", "script-address"),
        ('<a href="VBScript:go()">here</a>', "script-address"),
        ('<a href="data:text/html;base64,PHNjcmlwdD4=">here</a>', "data-address"),
        ('<form action="http://192.0.2.7/"><input name=a></form>', "numeric-host"),
        ('<button formaction="javascript:go()">x</button>', "script-address"),
        ('<area href="https://www.northwind.example@evil.test/">', "userinfo"),
    ],
)
def test_a_link_that_lies_is_named_by_its_trick(html: str, rule: str) -> None:
    assert rule in rules(html)


def test_hits_are_counted_by_rule_show_little_and_never_hold_a_mail_alone() -> None:
    hits = lying('<a href="https://evil.test/">northwind.example</a>' * 3)
    (hit,) = hits
    assert (hit.detector, hit.rule, hit.count, hit.sample) == ("link", "other-host", 3, "evil…")
    assert hit.score < 1


def test_links_beyond_the_bound_are_said_to_be_unread() -> None:
    mail = b"Content-Type: text/html\r\n\r\n" + b'<a href="https://www.northwind.example/">x</a>\r\n' * (MAX_LINKS + 1)
    assert [(hit.detector, hit.rule, hit.where, hit.score) for hit in read(mail).troubles] == [
        ("unscannable", "too-many", "body", 1.0)
    ]
    assert read(mail[: len(mail) // 2]).troubles == ()


def test_the_links_of_a_mail_and_of_a_page_in_a_file_are_looked_at() -> None:
    page = b'<html><a href="https://evil.test/">northwind.example</a>'
    (hit,) = read(b"Content-Type: text/html\r\n\r\n" + page).dangers
    assert (hit.detector, hit.where) == ("link", "body")
    assert "other-host" in {hit.rule for hit in examine("page.html", "text/html", page)}


@given(st.text(alphabet="<a href=\"=htps:/.@&#;x>'\\\n%-[]", max_size=400))
def test_no_text_makes_it_fail(html: str) -> None:
    assert all(hit.score < 1 for hit in lying(html))


@pytest.mark.parametrize(
    "piece",
    ["<a href=", "<a href='", '<a href="x">', "<a b=", "</", "<!--", "&#1;", "https://a@", "<a href=//a.b>a.b", "<x "],
)
def test_time_grows_with_the_length_alone(piece: str) -> None:
    started = time.process_time()
    lying(piece * (400_000 // len(piece)))
    assert time.process_time() - started < 4
