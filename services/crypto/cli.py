"""crypto's commands: the mail authority."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from secumail.errors import Refused
from secumail.sealing.keyring import KeyRing
from secumail.sealing.kms import Scope
from secumail.sealing.wraps import AUTHORITY
from secumail.settings import KeySettings
from services.crypto import cli_offline
from services.crypto.adapters.authority_files import Issuer, bring, create, read_p12, read_pem, renew

commands = typer.Typer(no_args_is_help=True)
commands.add_typer(cli_offline.commands)

Directory = Annotated[Path, typer.Argument(help="Where ca.pem and issuing.key are (SECUMAIL_AUTHORITY).")]
Keys = Annotated[Path, typer.Option(help="The directory with crypto.authority.key.")]
Encrypted = Annotated[bool, typer.Option("--password", help="Ask for the password of the key's file.")]


@commands.command("create-authority")
def create_authority(
    directory: Annotated[Path, typer.Argument(help="Where ca.pem and issuing.key go (SECUMAIL_AUTHORITY).")],
    keys: Keys,
    offline: Annotated[Path, typer.Option(help="Where the root's private key goes: take it offline from there.")],
    organisation: Annotated[str, typer.Option(help="The name in the certificates.")],
) -> None:
    """Make the organisation's mail authority, once: an offline root, and the issuing CA that crypto uses."""
    made = asyncio.run(create(directory, offline, organisation, _scope(keys)))
    typer.echo(f"made: {directory / 'ca.pem'}" if made else "the authority is there already")


@commands.command("renew-authority")
def renew_authority(
    directory: Directory,
    keys: Keys,
    root_key: Annotated[Path, typer.Option(help="The root's private key (mail-root.key), back for a moment.")],
    password: Encrypted = False,
) -> None:
    """Replace the issuing CA by a new one of the same root. The former stays, to revoke what it has issued."""
    _tell(asyncio.run(renew(directory, root_key.read_bytes(), _asked(password), _scope(keys))))


@commands.command("import-authority")
def import_authority(
    directory: Directory,
    keys: Keys,
    p12: Annotated[Path | None, typer.Option(help="A PKCS #12 file with certificate, key and chain.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="Or PEM: the CA's certificate, then its chain.")] = None,
    key: Annotated[Path | None, typer.Option(help="And its private key, PEM.")] = None,
    password: Encrypted = False,
) -> None:
    """Issue with a CA of your own from now on. One that was here before stays, to revoke what it has issued."""
    if p12 is not None and certificate is None and key is None:
        certificates, private = read_p12(p12.read_bytes(), _asked(password))
    elif p12 is None and certificate is not None and key is not None:
        certificates, private = read_pem(certificate.read_bytes(), key.read_bytes(), _asked(password))
    else:
        raise Refused("ca-file", "It is not clear which files to read.", "Give --p12, or --certificate and --key.")
    _tell(asyncio.run(bring(directory, certificates, private, _scope(keys))))


def _scope(keys: Path) -> Scope:
    return KeyRing(keys, [AUTHORITY], KeySettings().token)[AUTHORITY]


def _asked(password: bool) -> str | None:
    return str(typer.prompt("Password of the file", hide_input=True)) if password else None


def _tell(issuer: Issuer) -> None:
    made = issuer.authority.certificate
    typer.echo(f"issues from now on: {made.subject.rfc4514_string()}, until {made.not_valid_after_utc:%Y-%m-%d}")
    typer.echo("Restart crypto, and publish the new certificates (GET /api/v1/authority.pem).")


if __name__ == "__main__":
    commands()
