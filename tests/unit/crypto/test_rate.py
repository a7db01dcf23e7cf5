"""Signing is bounded for each account, and comes back with time."""

from hypothesis import given
from hypothesis import strategies as st

from services.crypto.rate import Rate


@given(st.integers(1, 50), st.lists(st.floats(0, 30), min_size=1, max_size=200))
def test_no_span_of_time_holds_much_more_than_was_allowed_in_it(most: int, waits: list[float]) -> None:
    rate, now = Rate(most, 60), 0.0
    taken = []
    for wait in waits:
        now += wait
        if rate.take("ada", now):
            taken.append(now)
    for start in taken:
        # A full bucket, and what came back meanwhile.
        assert sum(start <= at < start + 60 for at in taken) <= 2 * most
        assert sum(at == start for at in taken) <= most


@given(st.integers(1, 50))
def test_all_that_is_allowed_can_be_had_at_once_and_again_later(most: int) -> None:
    rate = Rate(most, 60)
    assert [rate.take("ada", 1.0) for _ in range(most + 1)] == [True] * most + [False]
    assert rate.take("bob", 1.0), "others are not in the way"
    assert [rate.take("ada", 61.5) for _ in range(most + 1)] == [True] * most + [False]
