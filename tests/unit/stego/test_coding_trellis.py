"""The syndrome-trellis code finds the cheapest changes there are, and the layers lose little to the bound."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.stego.coding import layers, trellis
from services.stego.coding.layers import Code
from services.stego.coding.trellis import HEIGHT, WET, Infeasible

KEY = bytes(range(32))


def _matrix(columns, steps: int, rows: int):
    """The parity-check matrix of one run, written out."""
    lead = 2 * steps // (rows + 2)
    ends = [lead + (row + 1) * (steps - lead) // rows for row in range(rows)]
    matrix = np.zeros((rows, steps), np.uint8)
    for step in range(steps):
        first = next(row for row, end in enumerate(ends) if step < end)
        for bit in range(HEIGHT):
            if first + bit < rows:
                matrix[first + bit, step] = columns[step] >> bit & 1
    return matrix


@pytest.mark.parametrize(("steps", "rows"), [(12, 4), (40, 3), (100, 50), (300, 17)])
def test_a_message_is_the_product_of_a_band_matrix_and_the_parities(steps, rows):
    columns = trellis.columns(KEY, 0, steps)
    parities = np.random.default_rng(1).integers(0, 2, (steps, 4), dtype=np.uint8)
    product_ = _matrix(columns, steps, rows) @ parities.astype(int) % 2
    assert np.array_equal(trellis.extract(parities, columns, rows), product_)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_no_other_changes_with_the_same_message_are_cheaper(seed, rows):
    steps = 12
    rng = np.random.default_rng(seed)
    columns = trellis.columns(KEY, seed, steps)
    matrix = _matrix(columns, steps, rows)
    costs = rng.integers(0, 300, (steps, 3)).astype(np.uint16)
    parities = rng.integers(0, 2, costs.shape, dtype=np.uint8)
    message = rng.integers(0, 2, (rows, 3), dtype=np.uint8)
    changed = trellis.changes(parities, costs, columns, message, trellis.path(steps))
    every = np.array(list(product([0, 1], repeat=steps)))
    for lane in range(3):
        right = np.all((every ^ parities[:, lane]) @ matrix.T % 2 == message[:, lane], axis=1)
        least = (every[right] @ costs[:, lane].astype(int)).min()
        assert changed[:, lane] @ costs[:, lane].astype(int) == least


def test_a_cover_longer_than_one_run_spells_its_message():
    steps, rows = 40_000, 900
    rng = np.random.default_rng(1)
    columns = trellis.columns(KEY, 0, steps)
    parities = rng.integers(0, 2, (steps, 2), dtype=np.uint8)
    costs = rng.integers(1, 1000, parities.shape).astype(np.uint16)
    message = rng.integers(0, 2, (rows, 2), dtype=np.uint8)
    changed = trellis.changes(parities, costs, columns, message, trellis.path(steps))
    assert np.array_equal(trellis.extract(parities ^ changed, columns, rows), message)


def test_what_must_not_change_does_not_and_a_message_that_needs_it_is_infeasible():
    steps, rows = 400, 20
    rng = np.random.default_rng(1)
    columns = trellis.columns(KEY, 0, steps)
    parities = rng.integers(0, 2, (steps, 8), dtype=np.uint8)
    message = rng.integers(0, 2, (rows, 8), dtype=np.uint8)
    costs = np.where(rng.random(parities.shape) < 0.5, WET, 100).astype(np.uint16)
    changed = trellis.changes(parities, costs, columns, message, trellis.path(steps))
    assert not np.any(changed[costs == WET])
    with pytest.raises(Infeasible):
        trellis.changes(parities, np.full_like(costs, WET), columns, message, trellis.path(steps))


def test_more_rows_than_steps_are_refused():
    with pytest.raises(ValueError, match="can't carry"):
        trellis.extract(np.zeros((20, 1), np.uint8), trellis.columns(KEY, 0, 20), 19)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2, 0.4])
def test_the_distortion_stays_within_a_fifth_of_the_bound(rate):
    """The bound: what the best random steps of so many bits cost (Fridrich, Filler, 2007)."""
    rng = np.random.default_rng(5)
    size = 2**17
    prices = np.exp(rng.normal(0, 1, size)).astype(np.float32)
    elements = rng.integers(1, 255, size).astype(np.int16)
    message = rng.integers(0, 2, int(rate * size), dtype=np.uint8)
    code = Code(KEY, 1, layers.share(elements, prices, prices, rate))
    stego = layers.embed(elements, prices, prices, message, code, trellis.path(size))
    scale = layers.scale_for(prices, prices, rate)
    odds = np.exp(-scale * prices.astype(float))
    bound = np.sum(prices * 2 * odds / (1 + 2 * odds))
    assert np.array_equal(layers.extract(stego, message.size, code), message)
    assert np.sum(prices[stego != elements]) < 1.20 * bound


@pytest.mark.parametrize("share", [0, 60, 128, 200, 256])
def test_any_share_of_the_layers_is_read_as_it_was_written(share):
    rng = np.random.default_rng(share)
    elements = rng.integers(-500, 500, 5003).astype(np.int16)
    up, down = (rng.random(elements.size).astype(np.float32) for _ in range(2))
    message = rng.integers(0, 2, 1001, dtype=np.uint8)
    code = Code(KEY, 1, share)
    stego = layers.embed(elements, up, down, message, code, trellis.path(elements.size))
    assert np.array_equal(layers.extract(stego, message.size, code), message)
    assert np.abs(stego - elements).max() == 1


def test_a_step_that_is_forbidden_one_way_is_taken_the_other_way():
    rng = np.random.default_rng(1)
    elements = rng.integers(0, 256, 6000).astype(np.int16)
    price = np.ones(elements.size, np.float32)
    infinite = np.full_like(price, np.inf)
    message = rng.integers(0, 2, 800, dtype=np.uint8)
    stego = layers.embed(elements, price, infinite, message, Code(KEY, 1, 128), trellis.path(elements.size))
    assert np.all(stego - elements >= 0)
    assert np.any(stego != elements)
