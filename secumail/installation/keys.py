"""The keys an installation starts with: scope keys, the services' public identities, the mail authority."""

import asyncio
import os
import sys

from secumail.errors import Refused
from secumail.installation.home import ROOT, Home, private_directory
from secumail.sealing import identities
from secumail.sealing.keyring import KeyRing, create_scopes
from secumail.sealing.kms import all_scopes
from secumail.settings import KeySettings


async def prepare_keys(home: Home) -> None:
    """Makes the keys that are missing; what is there stays. The authority is made by crypto's own command."""
    private_directory(home.keys)
    token = KeySettings().token
    create_scopes(home.keys, all_scopes(), token)
    identities.write(home.identities, KeyRing(home.keys, all_scopes(), token))
    if not (home.authority / "ca.pem").exists():
        await _create_authority(home)


async def _create_authority(home: Home) -> None:
    private_directory(home.authority)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.crypto.cli", "create-authority", str(home.authority),
        "--keys", str(home.keys), "--offline", str(private_directory(home.path / "offline")),
        "--organisation", home.domains[0],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    if await process.wait() != 0:
        raise Refused("no-authority", "The mail authority could not be made.", "The lines above say why.")
