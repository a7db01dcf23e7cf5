"""`secumail certificates`: one's certificates, their revocation, and the key as a file for a mail program."""

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from secumail.cli.answers import Certificate, CertificateShown
from secumail.cli.client import Client, logged_in
from secumail.cli.output import Json, chosen, emit, local, pairs, say, short, size, tabulate
from secumail.errors import Refused
from secumail.installation.home import write_private

commands = typer.Typer(no_args_is_help=True)
_certificates = typer.Typer(no_args_is_help=True, help="Certificates: whose there are, revocation, export.")
commands.add_typer(_certificates, name="certificates")

_WHOLE = 30
"""Hex digits from which on a serial number is taken to be a whole one: they are random, with 40 at most."""

SerialArgument = Annotated[str, typer.Argument(metavar="SERIAL", help="As `ls` shows it; its beginning will do.")]


class Reason(StrEnum):
    """RFC 5280 section 5.3.1."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"


class Format(StrEnum):
    """How the file is encrypted."""

    MODERN = "modern"
    LEGACY = "legacy"


@_certificates.command("ls")
def list_certificates(
    every: Annotated[bool, typer.Option("--all", help="Everybody's. For administrators.")] = False,
    as_json: Json = False,
) -> None:
    """Your certificates, and what they are for."""
    with logged_in() as client:
        rows = list(_rows(client, every))
    if as_json:
        emit(rows)
    elif rows:
        columns = ("serial", "for", "address", "from", "until", "", "")
        tabulate(columns, ((short(r["serial"]), r["kind"], r["address"], *_state(r)) for r in rows))
    else:
        say("None yet: a certificate is made when it is first needed.")


@_certificates.command()
def show(
    serial: SerialArgument,
    pem: Annotated[bool, typer.Option("--pem", help="The certificate itself, for other programs.")] = False,
    as_json: Json = False,
) -> None:
    """One certificate."""
    with logged_in() as client:
        shown: CertificateShown = client.get(f"/certificates/{_serial(client, serial)}")
    if as_json:
        emit(shown)
    elif pem:
        typer.echo(shown["pem"], nl=False)
    else:
        _tell(shown["certificate"])


@_certificates.command()
def revoke(
    serial: SerialArgument,
    reason: Annotated[Reason, typer.Option(help="Why; the public gets to know it.")] = Reason.UNSPECIFIED,
    as_json: Json = False,
) -> None:
    """Revoke a certificate for good. The next one is made when it is needed."""
    with logged_in() as client:
        shown: CertificateShown = client.post(
            f"/certificates/{_serial(client, serial)}/revoke", {"reason": reason.value}
        )
    if as_json:
        emit(shown)
    else:
        _tell(shown["certificate"])


@_certificates.command()
def export(
    serial: SerialArgument,
    output: Annotated[Path, typer.Option("-o", "--output", help="Write into this file.")],
    form: Annotated[
        Format,
        typer.Option("--format", help="legacy (triple DES) only for programs that read nothing else: gpgsm 2.2."),
    ] = Format.MODERN,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read two lines: your password, and one for the file.")
    ] = False,
) -> None:
    """Your key and certificate as a .p12 file, for Thunderbird and other mail programs."""
    if password_stdin:
        login, password = (sys.stdin.readline().rstrip("\r\n") for _ in range(2))
    else:
        login = typer.prompt("Your password", hide_input=True)
        password = typer.prompt("A password for the file", hide_input=True, confirmation_prompt=True)
    with logged_in() as client:
        body = {"password": password, "login_password": login, "format": form.value}
        p12 = client.download(f"/certificates/{_serial(client, serial)}/p12", body)
    write_private(output.absolute(), p12)
    say(f"Written: {output} ({size(len(p12))}). Delete it when your mail program has it.", error=True)


def _rows(client: Client, every: bool) -> Iterator[Certificate]:
    cursor: str | None = None
    while True:
        page = client.get("/certificates", all=every or None, cursor=cursor)
        yield from page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _serial(client: Client, given: str) -> str:
    wanted = given.lower()
    if not wanted.strip("0123456789abcdef") and len(wanted) >= _WHOLE:
        return wanted.lstrip("0")
    if not wanted.isalnum():
        raise Refused("id-unknown", f"{quote(given)} is no serial number.", "Look at: secumail certificates ls")
    return chosen(wanted, _serials(client), "certificates")


def _serials(client: Client) -> Iterator[str]:
    """One's own, and for an administrator everybody's."""
    yield from (row["serial"] for row in _rows(client, every=False))
    try:
        yield from (row["serial"] for row in _rows(client, every=True))
    except Refused as refused:
        if refused.status != 403:
            raise


def _tell(row: Certificate) -> None:
    begins, ends, state, reason = _state(row)
    pairs(
        (
            ("Serial", row["serial"]),
            ("Address", row["address"]),
            ("For", row["kind"]),
            ("Valid", f"{begins} to {ends}"),
            ("State", f"{state} {local(row['revoked'])}, {reason}" if row["revoked"] else state),
        )
    )


def _state(row: Certificate) -> tuple[str, str, str, str]:
    return local(row["begins"])[:10], local(row["ends"])[:10], row["status"], row["reason"] or ""
