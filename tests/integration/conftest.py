"""What the kernel's integration tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from secumail import topology
from secumail.installation.home import Home, Ports
from secumail.installation.supervisor import Stack
from tests.integration.ground import Ground


@pytest.fixture(scope="session")
async def bare(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """A broker and a database of our own, without services."""
    home = Home(Path(tmp_path_factory.mktemp("ground")), Ports.free())
    async with Stack(home, services=()):
        ground = Ground(home)
        for service in topology.SERVICES:
            await ground.service(service)
        yield ground
        await ground.close()


@pytest.fixture
async def ground(bare: Ground) -> Ground:
    """The same, with all queues and collections empty."""
    await bare.clear()
    return bare
