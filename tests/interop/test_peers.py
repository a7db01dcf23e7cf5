"""What we write, others' programs read, and the other way round, or we know why not."""

import pytest

from tests.interop.cases import Case
from tests.interop.peers import PeerMissing
from tests.interop.peers.running import run
from tests.interop.suite import CASES
from tests.interop.world import World


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_peer_and_we_read_each_other_as_the_table_says(case: Case, world: World) -> None:
    assert case.seen(world) == case.expected


def test_a_peer_that_is_not_installed_fails_and_says_what_to_do() -> None:
    with pytest.raises(PeerMissing, match="make bootstrap corpus"):
        run("a-program-that-nobody-has")
