"""The dictionary finds what comparing every pattern at every place finds, and looks only where a match may stand."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.dlp import dictionary
from services.dlp.dictionary import Dictionary
from services.dlp.strings import Strings

Row = tuple[int, int, int]

# Few different letters, so that there is much to find; some of two, three and four bytes, and a zero byte.
LETTERS = st.sampled_from("aab\0é漢🦅")
PATTERNS = st.lists(st.text(LETTERS, min_size=1, max_size=40), max_size=30)


def found(
    patterns: Sequence[str], text: str, opens: list[bool] | None = None, closes: list[bool] | None = None
) -> list[Row]:
    everywhere = [True] * len(text)
    arrays = (np.array(everywhere if flags is None else flags, np.bool_) for flags in (opens, closes))
    return sorted(map(tuple, Dictionary(Strings.of(patterns)).matches(text, *arrays)))


def compared(patterns: Sequence[str], text: str) -> list[Row]:
    return sorted(
        (number, start, start + len(pattern))
        for number, pattern in enumerate(patterns)
        for start in range(len(text))
        if text.startswith(pattern, start)
    )


@given(PATTERNS, st.text(LETTERS, max_size=120))
@example(["a" * size for size in range(1, 40)], "a" * 100)
@example(["ab", "ab", "a"], "xabx")
def test_every_occurrence_of_every_pattern_is_found(patterns: list[str], text: str) -> None:
    assert found(patterns, text) == compared(patterns, text)


@given(PATTERNS, st.text(LETTERS, min_size=1, max_size=60), st.data())
def test_nothing_is_found_but_where_it_may_begin_and_end(patterns: list[str], text: str, data: st.DataObject) -> None:
    flags = st.lists(st.booleans(), min_size=len(text), max_size=len(text))
    opens, closes = data.draw(flags), data.draw(flags)
    expected = [row for row in compared(patterns, text) if opens[row[1]] and closes[row[2] - 1]]
    assert found(patterns, text, opens, closes) == expected


def test_patterns_of_every_size_are_found_far_into_a_long_text() -> None:
    chance = random.Random(7)
    patterns = ["".join(chance.choices("abcdefgh", k=size)) for size in range(1, 900)]
    padding = "#" * 50_000
    text = f"#{padding}".join(patterns[:3]) + padding + "#".join(patterns[3:])
    assert {number for number, _, _ in found(patterns, text)} == set(range(len(patterns)))


def test_what_lies_across_two_windows_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns, text = ["falcon", "project falcon", "plän"], "project falcon plän " * 20
    expected = compared(patterns, text)
    for window in (1, 2, 7, 19, 64):
        monkeypatch.setattr(dictionary, "WINDOW", window)
        assert found(patterns, text) == expected


def test_ten_thousand_look_alikes_of_a_pattern_are_told_apart() -> None:
    patterns = [f"project falcon number {number:05}" for number in range(10_000)]
    text = "project falcon number 04711 and project falcon number 0471"
    assert found(patterns, text) == [(4711, 0, 27)]


def test_a_list_without_patterns_finds_nothing() -> None:
    assert found([], "falcon") == []
    assert found(["falcon"], "") == []


@given(st.lists(st.text(max_size=5)))
def test_packed_strings_are_the_same_strings(strings: list[str]) -> None:
    packed = Strings.of(strings)
    assert list(packed) == strings
    assert [packed[place] for place in range(len(packed))] == strings
    assert packed == Strings.of(iter(strings))
    assert list(packed[1:]) == strings[1:]
