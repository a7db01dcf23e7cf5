"""The coder's loops, which are compiled, do what their definitions say, written here plainly."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.stego.coding import gibbs, viterbi
from services.stego.coding.gibbs import DEAREST, UNIT
from services.stego.coding.viterbi import HEIGHT, LANES, WET

STATES = 2**HEIGHT


def drawn(seed: int, steps: int, rows: int, dearest: int = DEAREST):
    """Costs, columns, the ends of the rows and a syndrome, at random."""
    chance = np.random.default_rng(seed)
    costs = chance.integers(0, dearest + 1, (steps, LANES)).astype(np.uint16)
    columns = chance.integers(STATES // 2, STATES, steps).astype(np.uint16) | 1
    ends = [*np.sort(chance.choice(np.arange(1, steps), rows - 1, replace=False)).tolist(), steps]
    return costs, columns, np.array(ends), chance.integers(0, 2, (rows, LANES), dtype=np.uint8)


def syndrome(changed, columns, ends):
    """The rows that the changes of a lane give: each adds its column from the row of its step on."""
    rows = [0] * (len(ends) + HEIGHT)
    for step in np.flatnonzero(changed):
        first = sum(step >= end for end in ends)
        for bit in range(HEIGHT):
            rows[first + bit] ^= int(columns[step]) >> bit & 1
    return rows[: len(ends)]


def least(costs, columns, ends, target):
    """What the cheapest changes of a lane cost: of each state, which is what the rows from here on have in them."""
    metric = np.full(STATES, np.inf)
    metric[0] = 0
    step = 0
    for end, bit in zip(ends, target, strict=True):
        while step < end:
            metric = np.minimum(metric, metric[np.arange(STATES) ^ columns[step]] + costs[step])
            step += 1
        metric = np.append(metric[bit::2], np.full(STATES // 2, np.inf))
    return metric.min()


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10**6), steps=st.integers(14, 90), rows=st.integers(1, 12), dearest=st.sampled_from([2, 1600])
)
def test_the_changes_have_the_syndrome_and_the_least_cost(seed, steps, rows, dearest):
    costs, columns, ends, target = drawn(seed, steps, rows, dearest)
    changed = viterbi.changes(costs, columns, ends, target, viterbi.path(steps))
    for lane in (0, LANES - 1):
        assert syndrome(changed[:, lane], columns, ends) == target[:, lane].tolist()
        assert changed[:, lane] @ costs[:, lane].astype(int) == least(costs[:, lane], columns, ends, target[:, lane])


def test_memory_that_was_used_before_changes_nothing():
    path = viterbi.path(900)
    path[:] = 0xFFFF
    given_ = drawn(1, 900, 40)
    assert np.array_equal(viterbi.changes(*given_, path), viterbi.changes(*given_, viterbi.path(900)))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"costs": np.full((40, LANES), WET + 1, np.uint16)}, ValueError),
        ({"costs": np.zeros((40, LANES - 1), np.uint16)}, ValueError),
        ({"costs": np.zeros((39, LANES), np.uint16)}, IndexError),
        ({"columns": np.full(40, STATES // 2 - 1, np.uint16)}, ValueError),
        ({"columns": np.full(40, STATES, np.uint16)}, ValueError),
        ({"columns": np.full(39, STATES - 1, np.uint16)}, IndexError),
        ({"ends": np.array([10, 20, 41])}, IndexError),
        ({"target": np.zeros((3, LANES + 1), np.uint8)}, ValueError),
        ({"target": np.zeros((2, LANES), np.uint8)}, IndexError),
        ({"path": np.zeros((9, STATES // 2, LANES - 1), np.uint16)}, ValueError),
        ({"path": viterbi.path(31)}, IndexError),
    ],
)
def test_nothing_beside_the_arrays_is_read_or_written(change, error):
    names = dict(zip(("costs", "columns", "ends", "target"), drawn(1, 40, 3), strict=True))
    with pytest.raises(error):
        viterbi.changes(**{**names, "path": viterbi.path(40), **change})


def test_rows_that_are_no_bits_and_end_nowhere_are_survived():
    costs, columns, _, _ = drawn(1, 40, 3)
    rows = np.full((60, LANES), 255, np.uint8)
    changed = viterbi.changes(costs, columns, np.zeros(60, int), rows, viterbi.path(40))
    assert not changed.any()


PRICES = st.sampled_from([0, 0.01, 0.5, 1, 3, 40, 1e6, math.inf])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(PRICES, PRICES, st.booleans()), min_size=1, max_size=20), st.sampled_from([0.01, 0.7, 5]))
def test_entropies_and_costs_are_those_of_gibbs_distribution(elements, scale):
    toward, away = (np.array([element[i] for element in elements], np.float32) for i in (0, 1))
    turned = np.array([element[2] for element in elements], np.uint8)
    p, q = np.exp(-scale * toward.astype(float)), np.exp(-scale * away.astype(float))
    chances = np.array([p, q, np.ones_like(p)]) / (1 + p + q)
    whole = sum(-x * math.log2(x) for x in chances.flat if x)
    second = sum(
        -x * math.log2(x / (b + c)) for _, b, c in chances.T for x in (b, c) if x
    )  # of the steps that don't turn the second bit
    assert gibbs.entropies(toward, away, scale) == pytest.approx((whole / p.size, second / p.size), abs=1e-9)

    with np.errstate(divide="ignore"):
        odds = [-np.log(p / (1 + q)), -np.log(q)]
    first, other = (np.minimum(UNIT * odd + 0.5, DEAREST).astype(np.uint16) for odd in odds)
    first[np.isinf(toward)] = WET
    other[np.isinf(away) | (turned == 1)] = WET
    for found, expected in (
        (gibbs.first_costs(toward, away, scale), first),
        (gibbs.second_costs(away, turned, scale), other),
    ):
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_arrays_of_different_sizes_are_refused():
    two, three, bits = np.ones(2, np.float32), np.ones(3, np.float32), np.zeros(3, np.uint8)
    for loop in (gibbs.entropies, gibbs.first_costs):
        with pytest.raises(IndexError):
            loop(three, two, 1.0)
    with pytest.raises(IndexError):
        gibbs.second_costs(two, bits, 1.0)
