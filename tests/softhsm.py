"""A SoftHSM of the test run's own: its library, and a token with a PIN file."""

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from secumail.sealing.kms import Token

MODULE = Path(os.environ.get("SECUMAIL_PKCS11_MODULE", "/usr/lib/softhsm/libsofthsm2.so"))
LABEL = "secumail-tests"
_PIN = "2718281828"


@cache
def token() -> Token:
    """The run's one token: the library reads its configuration once in a process. Processes we start get it too."""
    folder = Path(tempfile.mkdtemp(prefix="softhsm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--so-pin", _PIN, "--pin", _PIN],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "pin").write_text(_PIN)
    return Token(MODULE, LABEL, folder / "pin")
