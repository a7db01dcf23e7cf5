"""The compiled loop finds the end of a tag where the definition does, as browsers do, in linear time."""

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.dlp.tag_ends import tag_ends

OPENS = re.compile(r"</?[A-Za-z][^\s/>]*")
WHOLE = re.compile(r"(?:[^>=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s>\"'][^\s>]*+)?)*+>")


def defined(source: str, start: int) -> tuple[int, int] | None:
    opens = OPENS.match(source, start)
    if not opens:
        return None
    whole = WHOLE.match(source, opens.end())
    return opens.end(), whole.end() if whole else -1


@given(st.text(st.sampled_from("<>/=\"' \n\t\0aB\x1c\u00a0\u2003é中\U0001f600\udc80")), st.text())
@example("", "")
@example("<", "")
@example("</", "")
@example("<a", "")
@example("<a=", "")
@example("<a='", "'>")
@example("</a =\u2003'>'", ">")
def test_a_tag_ends_where_the_definition_says(markup: str, text: str) -> None:
    source = f"{markup}{text}"
    for start in range(len(source) + 1):
        assert tag_ends(source, start) == defined(source, start)


@pytest.mark.parametrize(
    ("source", "inside"),
    [
        ("<p>x", ""),
        ('<a title="1 > 0" href=x>y', ' title="1 > 0" href=x'),
        ("<a title='>' >y", " title='>' "),
        ('<a "b>c" d>e', ' "b'),  # a quote that no "=" precedes quotes nothing
        ('<a b="c>d', ' b="c'),  # nor does one that is not closed
        ("<br/>", "/"),
    ],
)
def test_a_tag_is_read_as_browsers_read_it(source: str, inside: str) -> None:
    found = tag_ends(source, 0)
    assert found is not None
    name_end, end = found
    assert source[name_end : end - 1] == inside


def test_places_that_are_not_there_open_no_tag() -> None:
    assert [tag_ends("<a>", place) for place in (-1, 3, 9)] == [None, None, None]


@pytest.mark.parametrize("piece", ["<a b=", "=", "='", '="', "='\"", "= ", "<"])
def test_a_megabyte_without_an_end_takes_no_long(piece: str) -> None:
    started = time.process_time()
    assert tag_ends("<a " + piece * (1_000_000 // len(piece)), 0) == (2, -1)
    assert time.process_time() - started < 1
