"""gateway's commands for keys of people outside, and for one's own OpenPGP key."""

import base64
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from secumail.cli.client import logged_in
from secumail.cli.output import Json, chosen, emit, local, pairs, say, short, size, tabulate
from secumail.errors import Refused

commands = typer.Typer(no_args_is_help=True)
peers = typer.Typer(no_args_is_help=True, help="Keys of people outside, that mail to them is encrypted to.")
openpgp = typer.Typer(no_args_is_help=True, help="Your OpenPGP key.")
commands.add_typer(peers, name="peers")
commands.add_typer(openpgp, name="openpgp")

_GROUP = 4

PeerId = Annotated[str, typer.Argument(metavar="ID", help="As `peers ls` shows it; its beginning will do.")]


class Peer(TypedDict):
    """One of GET /peers."""

    id: str
    address: str
    kind: str
    fingerprint: str
    state: str
    words: str
    learned_from: str
    learned: str
    ends: str | None
    other: str | None
    gcm: bool
    everyone: bool


@peers.command("ls")
def list_peers(as_json: Json = False) -> None:
    """The keys that your mail to people outside is encrypted to."""
    with logged_in() as client:
        rows: list[Peer] = client.get("/peers")
    if as_json:
        emit(rows)
        return
    if not rows:
        say("No keys of people outside are known. Add one: secumail peers add ADDRESS FILE")
        return
    tabulate(
        ("id", "address", "kind", "state", "until", "for"),
        (
            (
                short(row["id"]),
                row["address"],
                row["kind"],
                row["state"],
                local(row["ends"]) if row["ends"] else None,
                "everyone" if row["everyone"] else "you",
            )
            for row in rows
        ),
    )


@peers.command("add")
def add_peer(
    address: str,
    file: Annotated[Path, typer.Argument(help="A certificate (PEM, DER) or a public OpenPGP key (armored, binary).")],
    everyone: Annotated[bool, typer.Option("--everyone", help="For the whole organisation; administrators.")] = False,
    as_json: Json = False,
) -> None:
    """Pin a key for an address outside. Another key than the pinned one waits until you confirm it."""
    try:
        key = base64.b64encode(file.read_bytes()).decode()
    except OSError as error:
        raise Refused("no-such-file", f"{file} can't be read.", "Look at the name and at its permissions.") from error
    with logged_in() as client:
        row: Peer = client.post("/peers", {"address": address, "key": key, "everyone": everyone})
    _show(row, as_json)


@peers.command("confirm")
def confirm_peer(
    id: PeerId,
    fingerprint: Annotated[str, typer.Argument(help="Of the key that waits, as its owner says it.")],
    as_json: Json = False,
) -> None:
    """Use the key that waits, after you have compared its fingerprint with the key's owner (not by mail)."""
    with logged_in() as client:
        whole = chosen(id, (row["id"] for row in client.get("/peers")), "peers")
        row: Peer = client.post(f"/peers/{whole}/confirm", {"fingerprint": fingerprint})
    _show(row, as_json)


@peers.command("rm")
def remove_peer(id: PeerId, as_json: Json = False) -> None:
    """Forget a key."""
    with logged_in() as client:
        whole = chosen(id, (row["id"] for row in client.get("/peers")), "peers")
        client.delete(f"/peers/{whole}")
    if as_json:
        emit({"id": whole, "removed": True})
    else:
        say("Done.")


@openpgp.command("export")
def export(
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write into this file.")] = None,
    as_json: Json = False,
) -> None:
    """Your public OpenPGP key, in ASCII armor, to give to others."""
    with logged_in() as client:
        armored = client.content("/openpgp/key")
    if output is not None:
        output.write_bytes(armored)
        say(f"Written: {output} ({size(len(armored))})", error=True)
    elif as_json:
        emit({"key": armored.decode()})
    else:
        typer.echo(armored, nl=False)


def _show(row: Peer, as_json: bool) -> None:
    if as_json:
        emit(row)
        return
    pairs(
        (
            ("Id", short(row["id"])),
            ("Address", row["address"]),
            ("Kind", row["kind"]),
            ("Fingerprint", _grouped(row["fingerprint"])),
            *((("Waiting", _grouped(row["other"])),) if row["other"] else ()),
            ("State", row["words"]),
        )
    )


def _grouped(fingerprint: str) -> str:
    return " ".join(fingerprint[at : at + _GROUP] for at in range(0, len(fingerprint), _GROUP))
