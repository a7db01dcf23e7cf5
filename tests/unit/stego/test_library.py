"""Which of the organisation's pictures carry a mail."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stego.library import LibraryCover, choose
from services.stego.refusals import CoverRefused
from services.stego.terms import Judged


def cover(room: int) -> LibraryCover:
    judged = Judged("png", 800, 600, 1000, {"careful": room // 3, "normal": room, "maximum": room * 8}, 0, 1.0, ())
    return LibraryCover(uuid4(), "garden.png", 1000, judged, datetime(2026, 11, 22, tzinfo=UTC), None)


def test_any_picture_that_carries_the_mail_alone_may_be_taken():
    free = [cover(100), cover(500), cover(900)]
    taken = {choose(free, 400, "normal")[0].judged.room["normal"] for _ in range(60)}
    assert taken == {500, 900}


@given(st.lists(st.integers(0, 5000), max_size=12), st.integers(1, 20_000))
def test_what_is_chosen_carries_the_mail_in_as_few_as_can_be(rooms, size):
    free = [cover(room) for room in rooms]
    try:
        chosen = choose(free, size, "normal")
    except CoverRefused as refused:
        assert sum(rooms) < size
        assert refused.code == ("cover-library-short" if rooms else "cover-library-empty")
        return
    assert sum(one.judged.room["normal"] for one in chosen) >= size
    assert sum(sorted(rooms, reverse=True)[: len(chosen) - 1]) < size


def test_a_careful_rate_takes_more_pictures():
    free = [cover(900), cover(900), cover(900)]
    assert [len(choose(free, 800, rate)) for rate in ("careful", "normal", "maximum")] == [3, 1, 1]


def test_too_little_is_said_with_the_way_out():
    with pytest.raises(CoverRefused) as caught:
        choose([cover(900)], 5000, "normal")
    assert "of your own" in caught.value.fix
