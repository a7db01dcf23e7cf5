"""What the kernel's unit tests share."""

from pathlib import Path

import pytest

from secumail.sealing.kms import Token
from tests.unit.kernel import softhsm
from tests.unit.kernel.keys import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """Fresh keys of all services."""
    return Installation(tmp_path)


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> Token:
    """A PKCS#11 token."""
    return softhsm.token(tmp_path_factory.mktemp("softhsm"))
