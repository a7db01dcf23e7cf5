"""A private installation for the whole run: real broker, real database, six services, started on free ports."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from secumail.installation.home import Home, Ports
from secumail.installation.supervisor import Stack
from tests.people import Office

ALONE = {"chaos", "contract", "deploy", "e2e", "integration", "interop"}


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In two processes at once, tests that share an installation stay together and in order."""
    root = config.rootpath / "tests"
    for item in items:
        folder, *deeper = item.path.relative_to(root).parts
        item.add_marker(pytest.mark.xdist_group(folder if folder in ALONE else "/".join((folder, *deeper))))


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
