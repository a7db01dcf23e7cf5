"""HTML is taken apart without losing a word of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dlp.markup import split


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("fal<b>con</b>", "falcon"),
        ("fal<!-- x -->con", "falcon"),
        ("<nobr>fal</nobr><ruby>con</ruby>", "falcon"),
        ("<p>one</p><p>two</p>", "one two"),
        ("<td>one<td>two", "one two"),
        ("<svg><text>fal<tspan>con</tspan></text></svg>", "falcon"),
        ('<text><tspan x="9" dy="0">the</tspan><tspan x="9" dy="1.2em">falcon</tspan></text>', "the falcon"),
        ("fal&#99;on &lt;b&gt;", "falcon <b>"),
        ("&#0000000000000102;alcon", "falcon"),
        ("1 < 2 and 2 > 1", "1 < 2 and 2 > 1"),
        ('<a title="x > y">falcon</a>', "falcon"),
        ('<a b=c"d>fal<b>con</b>', "falcon"),
        ("<style>p {}</style>falcon", "falcon"),
        ("<script>if (a<b) {}</SCRIPT >falcon", "falcon"),
        ("falcon <a href=", "falcon <a href="),
        ("<?xml version='1'?><!doctype html>falcon", "falcon"),
    ],
)
def test_what_shows_is_what_a_reader_sees(source: str, shown: str) -> None:
    assert " ".join(split(source).shown.split()) == shown


@pytest.mark.parametrize(
    "source",
    [
        "<!-- falcon -->",
        "<!-- falcon",
        '<img alt="falcon">',
        "<img alt=falcon>",
        "<style>falcon",
        "<script>falcon</script>",
        "<!doctype falcon>",
        "<p data-x='&#102;alcon'>",
        '<a b="> falcon',
    ],
)
def test_what_does_not_show_is_read_all_the_same(source: str) -> None:
    assert "falcon" in "\n".join(split(source)[:2])


@given(st.lists(st.sampled_from(["<p>", "</b>", "<!--", "-->", '"', "'", "=", "<a b=", ">", "<style>", "word "])))
def test_no_word_is_lost_however_broken_the_markup(pieces: list[str]) -> None:
    source = "".join(pieces)
    assert "".join(split(source)[:2]).count("word") == source.count("word")


@given(st.text(st.sampled_from("<>!-/&#;ax0='\" \n\ud800"), max_size=60))
def test_no_text_makes_splitting_raise(source: str) -> None:
    shown, hidden, _ = split(source)
    assert isinstance(shown, str) and isinstance(hidden, str)


@pytest.mark.parametrize(
    "source",
    [
        'the fa<span style="display:none">zz</span>lcon',
        "the fa<span style='DISPLAY : none;color:red'>zz<span>zz</span></span>lcon",
        "the fa<i hidden>zz</i>lcon",
        'the fa<i style="display:n&#111;ne">zz</i>lcon',
        'the fa<b style="font-size:0">zz</b>lcon',
        'the fa<b style="font-size:1px;">zz</b>l<b style="visibility: hidden">zz</b>con',
        'the fa<font style="mso-hide:all">zz</font>lcon',
        "<style>p {color: red} p .x, #y {display: none}</style>the fa<b class='z x'>zz</b>l<i id=y>zz</i>con",
        "<style>@media all {s {display:none}}</style>the fa<s>zz</s>lcon",
        'the falcon<span style="display:none"> and all the rest',
        '<img style="display:none">the falcon',
    ],
)
def test_words_go_on_over_what_a_style_keeps_from_view(source: str) -> None:
    shown, _, seen = split(source)
    assert " ".join((seen or shown).split()) == "the falcon"


@pytest.mark.parametrize(
    "source",
    [
        "the fa<b>zz</b>lcon",
        '<p style="font-size:10px;opacity:0.5">the falcon</p>',
        '<p style="font-size:0.9em">the falcon</p>',
        "<style>.x {display: none}</style><p class=y>the falcon</p>",
        '<input type="hidden" value="x">the falcon',
    ],
)
def test_where_all_is_seen_there_is_no_second_reading(source: str) -> None:
    assert split(source).seen == ""
