"""Keyed orders: every place once, the same for ever."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.stego.coding import permutation

KEY = bytes(range(32))
NOWHERE = np.zeros(0, np.int32)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5000), st.integers(0, 7), st.integers(1, 4))
def test_each_place_comes_once_among_its_class(size, nonce, classes):
    classed = (np.arange(size) % classes).astype(np.uint8)
    for number, places in enumerate(permutation.order(KEY, nonce, classed, NOWHERE)):
        assert np.array_equal(np.sort(places), np.flatnonzero(classed == number))


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5000), st.data())
def test_places_that_were_drawn_are_different_and_left_out_of_the_order(size, data):
    count = data.draw(st.integers(0, size // 2))
    drawn = permutation.draw(KEY, size, count)
    (rest,) = permutation.order(KEY, 0, np.zeros(size, np.uint8), drawn)
    assert np.array_equal(np.sort(np.concatenate((drawn, rest))), np.arange(size))


def test_a_longer_draw_begins_like_a_shorter_one():
    assert np.array_equal(permutation.draw(KEY, 1000, 400)[:30], permutation.draw(KEY, 1000, 30))


def test_more_than_half_is_not_drawn():
    with pytest.raises(ValueError, match="half"):
        permutation.draw(KEY, 100, 51)


def test_more_than_the_index_has_room_for_is_not_ordered():
    """Zeros that are nowhere in memory: one byte, looked at 2^27 + 1 times."""
    with pytest.raises(ValueError, match="more than"):
        permutation.order(KEY, 0, np.broadcast_to(np.uint8(0), permutation.MOST + 1), NOWHERE)


def test_keys_and_nonces_give_orders_of_their_own():
    classed = np.zeros(1000, np.uint8)
    orders = {
        permutation.order(key, nonce, classed, NOWHERE)[0].tobytes() for key in (KEY, KEY[::-1]) for nonce in range(4)
    }
    assert len(orders) == 8


def test_places_are_spread_evenly():
    (places,) = permutation.order(KEY, 0, np.zeros(100_000, np.uint8), NOWHERE)
    counts = np.histogram(places[:10_000], bins=10, range=(0, 100_000))[0]
    assert np.all(np.abs(counts - 1000) < 150)


def test_the_orders_are_those_of_the_format():
    (places,) = permutation.order(KEY, 3, np.zeros(5000, np.uint8), permutation.draw(KEY, 5000, 100))
    assert (
        hashlib.sha256(places.astype("<i4").tobytes()).hexdigest()
        == "4608bd3acd54af6a77a3adc35d09e9f668ec793fb16fc6ee955d7cf1edad2000"
    )
    assert (
        hashlib.sha256(permutation.keystream(KEY, 3, 2**20 + 5)).hexdigest()
        == "2f095491440b048880904d44b59337df3e6896df3816fedb7b6fbbe9f100a4a5"
    )
