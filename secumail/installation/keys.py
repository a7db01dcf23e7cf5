"""The keys an installation starts with: scope keys, the services' public identities, the authority."""

import subprocess
import sys

from secumail.errors import Refused
from secumail.installation.home import Home, private_directory
from secumail.sealing import identities
from secumail.sealing.kms import all_scopes, create_key_files


def prepare_keys(home: Home) -> None:
    """Make what is missing. Existing keys stay: losing one loses what it sealed."""
    private_directory(home.authority)
    create_key_files(home.keys, all_scopes())
    identities.write(home.identities, home.keys)
    if not (home.authority / "ca.pem").exists():
        _create_authority(home)


def _create_authority(home: Home) -> None:
    """By crypto's own command, since the kernel knows no service and no S/MIME."""
    argv = [
        sys.executable, "-m", "services.crypto.cli", str(home.authority),
        "--keys", str(home.keys), "--offline", str(home.path / "offline"), "--organisation", home.domains[0],
    ]  # fmt: skip
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise Refused("no-authority", "The mail authority could not be made.", f"See: {' '.join(argv[1:4])} ...")
