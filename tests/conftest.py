"""A private installation for the whole run: real broker, real database, six services, started on free ports."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from secumail.installation.home import Home, Ports
from secumail.installation.supervisor import Stack
from tests.people import Office


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The running installation. Tests that break things start their own."""
    home = Home(Path(tmp_path_factory.mktemp("installation")), Ports.free())
    async with Stack(home) as running:
        yield running


@pytest.fixture(scope="session")
async def office(stack: Stack) -> AsyncIterator[Office]:
    """The organisation on it."""
    opened = Office(stack.home)
    yield opened
    await opened.close()
