"""A private installation for the whole run: real broker, real database, six services, started on free ports."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from secumail.installation.home import Home, Ports
from secumail.installation.supervisor import Stack
from tests.people import Office

TOGETHER = {"chaos", "contract", "deploy", "e2e", "integration", "interop"}


class ByFolder(LoadScopeScheduling):
    """In two processes at once, tests that share an installation stay together and in order."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return next((folder for folder in path.split("/") if folder in TOGETHER), path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFolder:
    """Asked by pytest-xdist."""
    return ByFolder(config, log)


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
