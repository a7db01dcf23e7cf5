"""crypto's commands: the mail authority."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from secumail.sealing.kms import KeyFile
from services.crypto.adapters.authority_files import create

commands = typer.Typer(no_args_is_help=True)


@commands.command("create-authority")
def create_authority(
    directory: Annotated[Path, typer.Argument(help="Where ca.pem and issuing.key go (SECUMAIL_AUTHORITY).")],
    keys: Annotated[Path, typer.Option(help="The directory with crypto.authority.key.")],
    offline: Annotated[Path, typer.Option(help="Where the root's private key goes: take it offline from there.")],
    organisation: Annotated[str, typer.Option(help="The name in the certificates.")],
) -> None:
    """Make the organisation's mail authority, once: an offline root, and the issuing CA that crypto uses."""
    made = asyncio.run(create(directory, offline, organisation, KeyFile(keys / "crypto.authority.key")))
    typer.echo(f"made: {directory / 'ca.pem'}" if made else "the authority is there already")


if __name__ == "__main__":
    commands()
