"""The compiled loops of winnowing give what their definitions give, whatever the text; kept indexes rest on it."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.dlp.detectors.winnowing import among, grams, winnow

WHOLE = (1 << 64) - 1

texts = st.text(max_size=200) | st.text("ab", max_size=300)
hashes = st.lists(st.integers(0, 5) | st.integers(0, WHOLE), max_size=100)


def mixed(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & WHOLE
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & WHOLE
    return value ^ (value >> 31)


def hash_of(gram: list[int]) -> int:
    value = 0
    for code in gram:
        value = value * 0x9E3779B97F4A7C15 + mixed((code + 0x9E3779B97F4A7C15) & WHOLE)
    return mixed(value & WHOLE)


@given(texts, st.integers(1, 60))
@example("", 1)
@example("\0", 1)
@example("a\udfff\U0010ffff", 3)
def test_the_hash_of_a_gram_is_that_of_its_characters_alone(text: str, width: int) -> None:
    codes = list(map(ord, text))
    expected = [hash_of(codes[start : start + width]) for start in range(len(codes) - width + 1)]
    assert grams(np.array(codes, np.uint32), width).tolist() == expected
    if all(code < 256 for code in codes):
        assert grams(np.frombuffer(bytes(codes), np.uint8), width).tolist() == expected


@given(hashes, st.integers(1, 20))
@example([], 1)
@example([7], 16)
@example([*range(40)], 16)
@example([*range(40, 0, -1)], 16)
@example([3] * 40, 16)
def test_of_every_window_the_least_hash_is_kept_and_neighbours_once(values: list[int], window: int) -> None:
    width = min(window, len(values))
    least = [min(values[start : start + width]) for start in range(len(values) - width + 1)] if values else []
    expected = [one for place, one in enumerate(least) if not place or one != least[place - 1]]
    assert winnow(np.array(values, np.uint64), window).tolist() == expected


def test_a_text_has_the_fingerprints_it_always_had() -> None:
    text = np.frombuffer(b"theindexesofyesterdayfindthecopiesoftomorrowaslongasnohashchanges", np.uint8)
    assert winnow(grams(text, 48), 16).tolist() == [1825197616692639769, 1698984459551714236]


@given(hashes, hashes, st.integers(1, 9))
@example([], [], 1)
@example([0, WHOLE, WHOLE], [0, 0, WHOLE], 1)
def test_a_hash_is_known_where_it_is_among_the_others(values: list[int], others: list[int], bits: int) -> None:
    shift, ordered = 64 - bits, sorted(others)
    starts = [sum(one >> shift < bucket for one in ordered) for bucket in range((1 << bits) + 1)]
    known = among(np.array(values, np.uint64), np.array(ordered, np.uint64), np.array(starts, np.uint32), shift)
    assert known.tolist() == [value for value in values if value in others]


def test_places_that_are_not_there_are_an_error() -> None:
    one, none = np.array([WHOLE], np.uint64), np.zeros(0, np.uint64)
    with pytest.raises(IndexError):
        among(one, one, np.zeros(2, np.uint32), 63)
    with pytest.raises(IndexError):
        among(one, none, np.array([0, 0, 1], np.uint32), 63)
    with pytest.raises(ValueError, match="64 bits"):
        among(one, one, np.zeros(3, np.uint32), 64)


@pytest.mark.parametrize("size", [0, -1])
def test_a_gram_and_a_window_hold_something(size: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        grams(np.zeros(3, np.uint8), size)
    with pytest.raises(ValueError, match="at least one"):
        winnow(np.zeros(3, np.uint64), size)
