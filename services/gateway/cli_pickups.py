"""gateway's commands: pickups. Their sender's list and an end to them; and, for who is outside, the mail itself."""

import base64
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from secumail.cli.answers import PickedUp, Pickup
from secumail.cli.client import Client, logged_in
from secumail.cli.output import Json, chosen, emit, local, pairs, say, short, size, tabulate
from secumail.errors import Refused
from secumail.multipart_signed import split
from services.gateway.reading import view

commands = typer.Typer(no_args_is_help=True)
pickups = typer.Typer(no_args_is_help=True, help="Mails you have sent with a password, to be picked up.")
commands.add_typer(pickups, name="pickups")

_STATES = {
    "waiting": "not opened yet",
    "opened": "opened",
    "locked": "locked: too many wrong passwords",
    "revoked": "taken back",
    "expired": "expired",
}


@pickups.command("ls")
def ls(
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 25,
    links: Annotated[bool, typer.Option("--links", help="Show the links, too.")] = False,
    as_json: Json = False,
) -> None:
    """Your pickups, newest first: who has opened which."""
    with logged_in() as client:
        kept: list[Pickup] = client.get("/pickups", limit=limit)
    if as_json:
        emit(kept)
    elif not kept:
        say("No mail of yours waits to be picked up.")
    else:
        table(kept)
        for one in kept if links else ():
            say(f"{short(one['id'])}  {one['link']}")


@pickups.command("revoke")
def revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="As `pickups ls` shows it; its beginning will do.")],
    as_json: Json = False,
) -> None:
    """Take a mail back: its key is gone at once, and nobody opens it any more."""
    with logged_in() as client:
        known = (one["id"] for one in client.get("/pickups", limit=200))
        whole = chosen(id, known, "pickups")
        client.delete(f"/pickups/{whole}")
    if as_json:
        emit({"id": whole, "revoked": True})
    else:
        say("Taken back.")


@commands.command()
def pickup(
    link: Annotated[str, typer.Argument(metavar="URL", help="The link you were given.")],
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from a pipe.")] = False,
    save: Annotated[Path | None, typer.Option(metavar="DIR", help="Write mail and attachments there.")] = None,
    ca: Annotated[
        Path | None, typer.Option(envvar="SECUMAIL_TLS_CA", help="PEM of the authority to trust. [the system's]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Open a mail that waits behind a link. It needs no account, only the password its sender told you."""
    base, token = _parts(link)
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else typer.prompt("Password", hide_input=True)
    try:
        with Client(base, str(ca) if ca is not None else None) as client:
            mail: PickedUp = client.post(f"/pickups/{token}/open", {"password": password})
    except Refused as refused:
        if refused.code == "not-trusted":
            fix = "Name the authority that the sender's organisation has given you: --ca FILE"
            raise Refused(refused.code, refused.words, fix) from refused
        raise
    written = _saved(base64.b64decode(mail["raw"]), save) if save is not None else []
    if as_json:
        emit(mail)
        return
    _show(mail)
    for path in written:
        say(f"Written: {path}", error=True)


def table(kept: Sequence[Pickup]) -> None:
    """Pickups for a person."""
    tabulate(
        ("id", "mail", "recipient", "", "opened", "until", ">wrong passwords left", ">replies"),
        (
            (
                short(one["id"]),
                short(one["mail"]),
                one["recipient"],
                _STATES.get(one["state"], one["state"]),
                local(one["opened"][-1]) if one["opened"] else "",
                local(one["expires"]),
                one["attempts_left"],
                one["replies"],
            )
            for one in kept
        ),
    )


def links(made: Iterable[tuple[str, str]]) -> None:
    """The links of a mail that was just sent."""
    for recipient, link in made:
        say(f"{recipient}: {link}")
    say("Hand over each link yourself, and the password another way: no mail goes outside yet.")


def _parts(link: str) -> tuple[str, str]:
    """Where to ask, and for what."""
    parts = urlsplit(link)
    head, _, token = parts.path.rpartition("/")
    if parts.scheme != "https" or head != "/pickup" or not token:
        raise Refused("no-link", "This is no link to a mail.", "Give all of it: https://HOST/pickup/...")
    return f"{parts.scheme}://{parts.netloc}", token


def _saved(raw: bytes, directory: Path) -> list[Path]:
    directory.mkdir(parents=True, exist_ok=True)
    files = [(directory / "mail.eml", raw)]
    for one in view(split(raw)[0]).attachments:
        taken = {path.name for path, _ in files}
        name = one.name if one.name not in taken else f"{one.number}-{one.name}"
        files.append((directory / name, one.data))
    for path, data in files:
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError as error:
            raise Refused("file-exists", f"{path} is there already.", "Give an empty directory.") from error
    return [path for path, _ in files]


def _show(mail: PickedUp) -> None:
    attachments = (
        (f"Attachment {a['number']}", f"{a['name']} ({a['type']}, {size(a['size'])})") for a in mail["attachments"]
    )
    pairs(
        (
            ("From", mail["sender"]),
            ("To", ", ".join((*mail["to"], *mail["cc"]))),
            ("Date", mail["date"]),
            ("Subject", mail["subject"]),
            ("Signature", mail["signature"]["words"]),
            *attachments,
            ("Until", local(mail["expires"])),
        )
    )
    say(f"\n{mail['text'].rstrip()}")
