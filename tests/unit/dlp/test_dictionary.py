"""The dictionary finds what comparing every pattern at every place finds, and looks only where a match may stand."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.dlp.dictionary import Dictionary
from services.dlp.strings import Strings

Row = tuple[int, int, int]

# Few different letters, so that there is much to find; some of two, three and four bytes, and a zero byte.
LETTERS = st.sampled_from("aab\0é漢🦅")
PATTERNS = st.lists(st.text(LETTERS, min_size=1, max_size=40), max_size=30)


def found(
    patterns: Sequence[str],
    text: str,
    opens: list[bool] | None = None,
    closes: list[bool] | None = None,
    least: int = 0,
) -> list[Row]:
    """Numbers, and where in the text matches start and end, in characters."""
    seats = [place for place, character in enumerate(text) for _ in encoded(character)]
    everywhere = [True] * len(text)
    flags = (np.array(everywhere if flags is None else flags, np.uint8) for flags in (opens, closes))
    rows = Dictionary(Strings.of(patterns)).matches(encoded(text), np.array(seats, np.int32), *flags, least)
    return [(number, seats[start], seats[end - 1] + 1) for number, start, end in rows]


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def compared(patterns: Sequence[str], text: str) -> list[Row]:
    """In the order of their places, those that begin together by their ends."""
    rows = (
        (number, start, start + len(pattern))
        for number, pattern in enumerate(patterns)
        for start in range(len(text))
        if text.startswith(pattern, start)
    )
    return sorted(rows, key=lambda row: (row[1:], -row[0]))


@given(PATTERNS, st.text(LETTERS, max_size=120))
@example(["a" * size for size in range(1, 40)], "a" * 100)
@example(["ab", "ab", "a"], "xabx")
@example(["", "a"], "aa")
def test_every_occurrence_of_every_pattern_is_found(patterns: list[str], text: str) -> None:
    assert found(patterns, text) == compared([pattern or "nowhere" for pattern in patterns], text)


@given(st.data())
def test_and_so_with_any_characters(data: st.DataObject) -> None:
    text = data.draw(st.text(min_size=1))
    begin = st.integers(0, len(text) - 1)
    parts = st.tuples(begin, st.integers(1, 30)).map(lambda part: text[part[0] : part[0] + part[1]])
    patterns = data.draw(st.lists(parts | st.text(min_size=1), max_size=10))
    assert found(patterns, text) == compared(patterns, text)


@given(PATTERNS, st.text(LETTERS, min_size=1, max_size=60), st.data())
def test_nothing_is_found_but_where_it_may_begin_and_end(patterns: list[str], text: str, data: st.DataObject) -> None:
    flags = st.lists(st.booleans(), min_size=len(text), max_size=len(text))
    opens, closes, least = data.draw(flags), data.draw(flags), data.draw(st.integers(0, 20))
    expected = [
        row
        for row in compared(patterns, text)
        if opens[row[1]] and closes[row[2] - 1] and len(encoded(patterns[row[0]])) >= least
    ]
    assert found(patterns, text, opens, closes, least) == expected


def test_patterns_of_every_size_are_found_far_into_a_long_text() -> None:
    chance = random.Random(7)
    patterns = ["".join(chance.choices("abcdefgh", k=size)) for size in range(1, 900)]
    padding = "#" * 50_000
    text = f"#{padding}".join(patterns[:3]) + padding + "#".join(patterns[3:])
    assert {number for number, _, _ in found(patterns, text)} == set(range(len(patterns)))


def test_ten_thousand_look_alikes_of_a_pattern_are_told_apart() -> None:
    patterns = [f"project falcon number {number:05}" for number in range(10_000)]
    text = "project falcon number 04711 and project falcon number 0471"
    assert found(patterns, text) == [(4711, 0, 27)]


def test_a_list_without_patterns_finds_nothing() -> None:
    assert found([], "falcon") == []
    assert found(["falcon"], "") == []


@pytest.mark.parametrize(("seats", "flags"), [(5, 6), (7, 5), (0, 0)])
def test_a_text_with_fewer_seats_or_places_than_bytes_is_an_error(seats: int, flags: int) -> None:
    places = np.arange(seats, dtype=np.int32)
    anywhere = np.ones(flags, np.uint8)
    with pytest.raises(IndexError):
        list(Dictionary(Strings.of(["falcon"])).matches(b"falcons", places, anywhere, anywhere))


@given(st.lists(st.text(max_size=5)))
def test_packed_strings_are_the_same_strings(strings: list[str]) -> None:
    packed = Strings.of(strings)
    assert list(packed) == strings
    assert [packed[place] for place in range(len(packed))] == strings
    assert packed == Strings.of(iter(strings))
    assert list(packed[1:]) == strings[1:]
