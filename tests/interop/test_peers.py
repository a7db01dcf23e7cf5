"""What we write, others' programs read, and the other way round, or we know why not."""

import pytest

from tests.interop.cases import Case
from tests.interop.suite import CASES
from tests.interop.world import World


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_peer_and_we_read_each_other_as_the_table_says(case: Case, world: World) -> None:
    assert case.seen(world) == case.expected
