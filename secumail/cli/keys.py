"""`secumail keys`: versions, rotation and retirement for the operator; shredding for an administrator."""

import asyncio
import os
import sys
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from secumail.cli.answers import Account
from secumail.cli.client import Client, logged_in
from secumail.cli.operator import HERE, Access, HomeOption, reached
from secumail.cli.output import Json, emit, local, progress_console, say, tabulate
from secumail.errors import Refused, Transient
from secumail.installation.home import Home
from secumail.installation.rotation import Rotation, ScopeStatus
from secumail.sealing.identities import Identities
from secumail.sealing.keyring import KeyRing, import_key_file
from secumail.sealing.kms import all_scopes
from secumail.sealing.wraps import holder, rotated_scopes
from secumail.settings import KeySettings

T = TypeVar("T")

commands = typer.Typer(no_args_is_help=True)
_keys = typer.Typer(no_args_is_help=True, help="Keys: their versions, rotation, destruction.")
commands.add_typer(_keys, name="keys")

TRANSPORT = "transport"
_PATIENCE = 60.0
"""Seconds without a single wrap brought up after which nobody seems to be working."""

Scopes = Annotated[list[str] | None, typer.Argument(metavar="SCOPE...", help="As `secumail keys ls` names them.")]
All = Annotated[bool, typer.Option("--all", help="Every scope that anything is stored under.")]


@dataclass(frozen=True)
class Place:
    """Where an installation's keys are, and the way to its database."""

    access: Access
    settings: KeySettings
    keys: Path
    authority: Path

    @classmethod
    def open(cls, directory: Path) -> "Place":
        """From SECUMAIL_KEYS and SECUMAIL_AUTHORITY where set, else from the home."""
        given = os.environ
        keys, authority = given.get("SECUMAIL_KEYS"), given.get("SECUMAIL_AUTHORITY")
        if keys is None or authority is None:
            home = Home.open(directory)
            keys, authority = keys or str(home.keys), authority or str(home.authority)
        try:
            settings = KeySettings()
        except ValidationError as error:
            raise Refused("no-such-kms", "SECUMAIL_KMS names no back end.", "Set it to file or to pkcs11.") from error
        return cls(Access.open(directory), settings, Path(keys), Path(authority))

    def rotation(self) -> Rotation:
        """The scopes; Refused where they are not within reach."""
        try:
            ring = KeyRing(self.keys, all_scopes(), self.settings.token)
        except OSError as error:
            raise Refused(
                "no-keys-here", f"The key file {Path(error.filename or '').name} can't be read here.",
                "Run this where the installation's keys are, as the user who made them, or name their directory in"
                " SECUMAIL_KEYS.",
            ) from error  # fmt: skip
        return Rotation(self.access.database(), ring, self.authority)


@_keys.command("ls")
def list_keys(directory: HomeOption = HERE, as_json: Json = False) -> None:
    """Every scope with its versions and what is stored under them, and the services' transport key pairs."""
    place = Place.open(directory)

    async def look() -> tuple[Any, Any]:
        rotation = place.rotation()
        return await rotation.status(), await rotation.pairs()

    scopes, pairs = _done(look())
    if as_json:
        emit(
            {
                "kept": place.settings.kms,
                "scopes": [_document(status) for status in scopes],
                "transport": [
                    {"id": p.id, "service": p.service, "created": p.created.isoformat(), "mails": p.mails}
                    for p in pairs
                ],
            }
        )
        return
    tabulate(
        ("scope", "of", "kept in", ">version", "begun", ">stored", ">under older ones"),
        (
            (
                s.scope,
                ", ".join(s.services),
                "a token" if place.settings.kms == "pkcs11" else "a file",
                s.current,
                local(s.versions[s.current].isoformat()),
                None if s.wraps is None else sum(s.wraps.values()),
                None if s.wraps is None else _older(s),
            )
            for s in scopes
        ),
    )
    say("")
    tabulate(("transport key pair", "age", ">mails under way"), ((p.id, _age(p.created), p.mails) for p in pairs))


@_keys.command()
def rotate(
    scopes: Annotated[
        list[str] | None,
        typer.Argument(metavar="SCOPE...", help="As `ls` names them; `transport`: new transport key pairs."),
    ] = None,
    every: All = False,
    wait: Annotated[bool, typer.Option(help="Show how far the services are; Ctrl-C does not stop them.")] = True,
    directory: HomeOption = HERE,
    as_json: Json = False,
) -> None:
    """Begin a new version of a scope's key. The services bring what is stored under it by themselves, unpaused."""
    place = Place.open(directory)
    if scopes == [TRANSPORT]:
        made = _done(_rotate_transport(place))
        if as_json:
            emit({"transport": made})
        else:
            say("\n".join(f"made: {id_}" for id_ in made))
        return
    wanted = _wanted(scopes, every)

    async def begin() -> dict[str, int]:
        rotation = place.rotation()
        return {scope: await rotation.rotate(scope) for scope in wanted}

    begun = _done(begin())
    if not as_json:
        say("\n".join(f"{scope}: version {version}" for scope, version in begun.items()))
    left = _done(_follow(place, wanted, quiet=as_json)) if wait else None
    if as_json:
        emit({"versions": begun, "left": left})
    elif wait:
        say("Nothing is stored under older versions any more. Destroy them, in ten minutes: secumail keys retire")


@_keys.command()
def retire(scopes: Scopes = None, every: All = False, directory: HomeOption = HERE, as_json: Json = False) -> None:
    """Destroy the older versions of a scope's key, once it is counted that nothing is stored under them."""
    place = Place.open(directory)
    wanted = _wanted(scopes, every)

    async def destroy() -> dict[str, list[int]]:
        rotation = place.rotation()
        return {scope: list(await rotation.retire(scope)) for scope in wanted}

    gone = _done(destroy())
    if as_json:
        emit({"retired": gone})
        return
    for scope, versions in gone.items():
        say(f"{scope}: " + (f"destroyed {_versions(versions)}" if versions else "there is only the current version"))


@_keys.command("import")
def bring_in(scopes: Scopes = None, every: All = False, directory: HomeOption = HERE, as_json: Json = False) -> None:
    """Bring key files into the PKCS#11 token that SECUMAIL_KMS=pkcs11 names. All stays readable; the files stay too."""
    place = Place.open(directory)
    token = place.settings.token
    if token is None:
        raise Refused(
            "no-token-named", "No PKCS#11 token is named.",
            "Set SECUMAIL_KMS=pkcs11, SECUMAIL_PKCS11_MODULE, SECUMAIL_PKCS11_TOKEN and SECUMAIL_PKCS11_PIN.",
        )  # fmt: skip
    from_files = _wanted(scopes, every, all_scopes())
    brought = [scope for scope in from_files if import_key_file(place.keys / f"{scope}.key", token)]
    if as_json:
        emit({"imported": brought})
        return
    say("\n".join(f"{scope}: {'imported' if scope in brought else 'the token has it already'}" for scope in from_files))
    if brought:
        say("Start all services with the token, take the key files off the machine, then: secumail keys rotate --all")


@_keys.command()
def renew(
    address: Annotated[str | None, typer.Argument(help="Somebody else's account. For administrators.")] = None,
    as_json: Json = False,
) -> None:
    """Give an account a new key at its next log-in. Mail is readable all the while."""
    with logged_in() as client:
        account = client.get("/sessions/current") if address is None else _account(client, address)
        client.post(f"/accounts/{account['account']}/renew")
    if as_json:
        emit({"account": account["account"], "address": account["address"]})
    else:
        say(f"{account['address']}: at the next log-in.")


@_keys.command()
def shred(
    address: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether this is meant.")] = False,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read your password from a pipe.")] = False,
    as_json: Json = False,
) -> None:
    """Destroy an account's keys: nobody will ever read its mail again. For administrators."""
    with logged_in() as client:
        account = _account(client, address)
        if not yes:
            say(f"All mail of {account['address']} will be unreadable for ever, for everybody.")
            typed = typer.prompt("Type the address to go on")
            if typed.casefold() != account["address"].casefold():
                raise Refused("not-confirmed", "That is another address; nothing was done.", "Begin again.")
        password = (
            sys.stdin.readline().rstrip("\r\n") if password_stdin else typer.prompt("Your password", hide_input=True)
        )
        client.post(f"/accounts/{account['account']}/shred", {"login_password": password})
    if as_json:
        emit({**account, "status": "shredded"})
    else:
        say(f"{account['address']}: its keys are gone.")


def _account(client: Client, who: str) -> Account:
    rows: list[Account] = client.get("/accounts")
    for row in rows:
        if who.casefold() in (row["address"].casefold(), row["account"]):
            return row
    raise Refused("no-such-account", "There is no such account.", "Look at them with: secumail accounts ls", 404)


def _done(work: Coroutine[Any, Any, T]) -> T:
    """Like `reached`; a token that does not answer is a Refused too."""
    try:
        return reached(work)
    except Transient as error:
        raise Refused(
            error.code, "The PKCS#11 token does not answer.", "Look at its log and at SECUMAIL_PKCS11_MODULE."
        ) from error


async def _rotate_transport(place: Place) -> list[str]:
    return await place.rotation().rotate_transport(Identities.read(place.access.identities))


async def _follow(place: Place, scopes: Sequence[str], quiet: bool) -> int:
    """Wait until nothing is left under older versions; show how far it is."""
    rotation = place.rotation()
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=progress_console(), disable=quiet
    )
    bars: dict[str, Any] = {}
    before, moved = -1, time.monotonic()
    with progress:
        while True:
            began = time.monotonic()
            found = await rotation.status(scopes)
            for status in found:
                if status.scope not in bars:
                    bars[status.scope] = progress.add_task(status.scope, total=sum((status.wraps or {}).values()))
                total = sum((status.wraps or {}).values())
                progress.update(bars[status.scope], total=total, completed=total - status.left)
            left = sum(status.left for status in found)
            if left == 0:
                return left
            if left != before:
                before, moved = left, time.monotonic()
            if time.monotonic() > moved + _PATIENCE:
                idle = sorted({holder(status.scope) for status in found if status.left})
                raise Refused(
                    "not-moving", f"Nothing was brought up for a minute; {left} are left under older versions.",
                    f"Look whether these run, and at their logs: {', '.join(idle)}. They go on by themselves.",
                )  # fmt: skip
            # Counting reads every wrap: where there are many, the services need the database more than we do.
            await asyncio.sleep(max(0.5, 4 * (time.monotonic() - began)))


def _wanted(given: Sequence[str] | None, every: bool, known: Sequence[str] | None = None) -> Sequence[str]:
    known = known or rotated_scopes()
    if every is bool(given):
        raise Refused("which-scopes", "Neither scopes nor --all, or both.", "Name the scopes, or say --all.")
    for scope in given or ():
        if scope in all_scopes() and scope not in known:
            raise Refused(
                "nothing-wrapped", f"Nothing is stored under {scope}: it only looks up, derives or signs.",
                "Such keys have no versions (docs/keys.md says how each can be replaced).",
            )  # fmt: skip
        if scope not in known:
            raise Refused("no-such-scope", f"There is no scope {scope}.", "Look at them with: secumail keys ls")
    return tuple(given) if given else known


def _document(status: ScopeStatus) -> dict[str, Any]:
    return {
        "scope": status.scope,
        "services": status.services,
        "current": status.current,
        "versions": {str(version): began.isoformat() for version, began in status.versions.items()},
        "wraps": None if status.wraps is None else {str(version): n for version, n in sorted(status.wraps.items())},
        "left": status.left,
    }


def _older(status: ScopeStatus) -> str:
    older = {version: n for version, n in sorted((status.wraps or {}).items()) if version != status.current}
    if older:
        return ", ".join(f"{n} under {version}" for version, n in older.items())
    return "none: can be retired" if len(status.versions) > 1 else "none"


def _versions(versions: Sequence[int]) -> str:
    return f"version{'s' if len(versions) > 1 else ''} {', '.join(map(str, versions))}"


def _age(created: datetime) -> str:
    hours = (datetime.now(UTC) - created).total_seconds() / 3600
    return f"{hours / 24:.0f} d" if hours >= 48 else f"{hours:.0f} h" if hours >= 1 else "new"
