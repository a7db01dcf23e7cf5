"""What the kernel's unit tests share."""

from pathlib import Path

import pytest

from secumail.sealing.kms import Token
from tests import softhsm
from tests.unit.kernel.keys import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """Fresh keys of all services."""
    return Installation(tmp_path)


@pytest.fixture
def token() -> Token:
    """A PKCS#11 token."""
    return softhsm.token()
