"""One world for all tests here: keys are made once, agents end with the run."""

from collections.abc import Iterator

import pytest

from tests.interop.world import World, opened


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Two organisations and the peers."""
    with opened() as world:
        yield world
