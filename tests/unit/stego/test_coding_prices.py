"""Prices: dear where a change would show, cheap where it would not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.stego import coding
from services.stego.canvas import Canvas
from services.stego.coding import clustering, hill, prices, uerd
from tests.unit.stego.coding_pictures import LUMA, jpeg, photograph


def _filtered(plane, kernel):
    """A correlation by its definition, the picture mirrored at its edges."""
    reach = len(kernel) // 2
    padded = np.pad(plane, reach, "symmetric")
    result = np.zeros(plane.shape)
    for i, row in enumerate(kernel):
        for j, weight in enumerate(row):
            result += weight * padded[i : i + plane.shape[0], j : j + plane.shape[1]]
    return result


def test_hill_is_what_its_paper_says():
    plane = photograph(40, 53).elements
    high_pass = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]])
    spread = _filtered(np.abs(_filtered(plane, high_pass)), np.full((3, 3), 1 / 9))
    assert np.allclose(hill.prices(plane), _filtered(1 / spread, np.full((15, 15), 1 / 225)), rtol=1e-4)


def test_uerd_is_what_its_paper_says():
    canvas = jpeg(5, 6)
    steps = LUMA.astype(float)
    activity = np.abs(canvas.elements * steps).sum((2, 3)) - np.abs(canvas.elements[:, :, 0, 0]) * steps[0, 0]
    around = activity[1:4, 2:5].sum() - activity[2, 3]
    ours = uerd.prices(canvas.elements, LUMA)[2, 3]
    assert np.allclose(ours[3, 4], steps[3, 4] / (activity[2, 3] + around / 4))
    assert np.allclose(ours[0, 0], (steps[0, 1] + steps[1, 0]) / 2 / (activity[2, 3] + around / 4))


@pytest.mark.parametrize("canvas", [photograph(60, 60, flat=0.5), jpeg(20, 20, flat=0.5)], ids=["pixels", "jpeg"])
def test_flat_places_have_no_price_and_rough_ones_have(canvas):
    priced = prices.prices(canvas)
    assert np.all(np.isinf(priced[:, :3]))
    assert np.all(np.isfinite(priced[:, -3:]))
    assert priced.min() > 0


def test_texture_is_cheaper_than_smoothness():
    plane = photograph(100, 200).elements
    rough = np.abs(np.diff(plane.astype(int), axis=1)).mean(axis=0)
    priced = hill.prices(plane).mean(axis=0)[1:]
    assert np.corrcoef(rough, priced)[0, 1] < -0.5


def test_each_colour_is_priced_by_itself():
    canvas = photograph(50, 50, 3)
    assert np.array_equal(prices.prices(canvas)[..., 1], hill.prices(canvas.elements[..., 1]))


def test_coefficients_without_their_table_are_an_error_of_the_program():
    with pytest.raises(ValueError, match="quantisation"):
        prices.prices(Canvas(jpeg(4, 4).elements, "coefficients"))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([(), (3,)]))
def test_neighbours_never_lie_in_the_same_lattice(height, width, channels):
    lattices = clustering.lattices((height, width, *channels))
    assert lattices.max(initial=0) < clustering.LATTICES
    assert not np.any(lattices[1:] == lattices[:-1])
    assert not np.any(lattices[:, 1:] == lattices[:, :-1])


def test_the_trend_is_the_sum_of_the_neighbours_steps():
    moved = np.zeros((4, 5), np.int8)
    moved[1, 2] = moved[2, 1] = 1
    moved[3, 2] = -1
    trend = clustering.trend(moved)
    assert trend[2, 2] == 1
    assert trend[1, 1] == 2
    assert trend[0, 2] == 1
    assert trend[3, 3] == -1
    assert trend[1, 2] == 0


def test_a_survey_counts_what_may_change():
    assert coding.survey(photograph(100, 100, 3)).usable == 30_000
    canvas = jpeg(20, 20)
    assert coding.survey(canvas).usable == np.count_nonzero(canvas.elements.reshape(-1, 64)[:, 1:])
    flat = coding.survey(Canvas(np.full((100, 100), 9, np.int16), "pixels"))
    assert (flat.usable, flat.room, flat.roughness) == (0, 0, 0)


def test_rougher_pictures_are_called_rougher():
    noise = np.random.default_rng(1).normal(0, 1, (100, 100))
    soft, rough = (
        coding.survey(Canvas(np.round(128 + noise * strength).astype(np.int16), "pixels")).roughness
        for strength in (1, 5)
    )
    assert 0 < soft < rough


SURVEYS = [coding.survey(canvas) for canvas in (photograph(80, 80), photograph(90, 70, 3, flat=0.5), jpeg(20, 20))]


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 1))
def test_a_message_is_divided_wholly_and_within_each_room(share):
    total = int(sum(survey.room for survey in SURVEYS) * share)
    sizes = coding.allot(SURVEYS, total)
    assert sum(sizes) == total
    assert all(0 <= size <= survey.room for size, survey in zip(sizes, SURVEYS, strict=True))


def test_the_rougher_cover_gets_more():
    noise = np.random.default_rng(1).normal(0, 1, (100, 100))
    soft, rough = (
        coding.survey(Canvas(np.round(128 + noise * strength).astype(np.int16), "pixels")) for strength in (1, 5)
    )
    to_soft, to_rough = coding.allot([soft, rough], 300)
    assert to_rough > 2 * to_soft


def test_more_than_all_rooms_is_an_error_of_the_program():
    survey = coding.survey(photograph(80, 80))
    with pytest.raises(ValueError, match="more than"):
        coding.allot([survey, survey], 2 * survey.room + 1)
