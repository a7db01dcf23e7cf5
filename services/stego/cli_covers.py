"""stego's commands on a server: what pictures are worth, and the organisation's library of them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from secumail.cli.client import logged_in
from secumail.cli.output import Json, chosen, emit, local, say, short, size, tabulate
from services.stego.terms import RATES

covers = typer.Typer(no_args_is_help=True, help="The organisation's pictures to hide mails in; each is used once.")

Pictures = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Photographs.")]


@covers.command()
def add(pictures: Pictures, as_json: Json = False) -> None:
    """Add photographs. They are judged: one that is too smooth, or was used before, is refused."""
    with logged_in() as client:
        added = [client.upload("/covers", path.read_bytes(), name=path.name) for path in pictures]
    if as_json:
        emit(added)
    else:
        _table(added)
        say("Destroy the originals: who has one can compare it with the picture that carried a mail.", error=True)


@covers.command("list")
def list_covers(as_json: Json = False) -> None:
    """The pictures that are still to be used, oldest first."""
    with logged_in() as client:
        rows = client.get("/covers")
    if as_json:
        emit(rows)
    else:
        _table(rows)


@covers.command()
def remove(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="As `list` shows it.")], as_json: Json = False
) -> None:
    """Remove pictures."""
    with logged_in() as client:
        known = {row["id"]: row["id"] for row in client.get("/covers")}
        removed = [known[chosen(given, known, "pictures")] for given in ids]
        for id_ in removed:
            client.delete(f"/covers/{id_}")
    if as_json:
        emit(removed)
    else:
        say(f"{len(removed)} removed.")


@covers.command()
def judge(pictures: Pictures, as_json: Json = False) -> None:
    """Whether pictures would do for `send --cover`, and how many bytes they carry. Exit code 1 where one won't do."""
    with logged_in() as client:
        worths = client.judge([(path.name, path.read_bytes()) for path in pictures])
    if as_json:
        emit(worths)
    else:
        rows = [
            (one["name"], *_rooms(one["room"]), " ".join([*one["notes"], one["words"], one["fix"]]))
            for one in worths["covers"]
        ]
        if worths["together"] is not None and len(rows) > 1:
            rows.append(("together", *_rooms(worths["together"]), ""))
        tabulate(("picture", *(f">{rate}" for rate in RATES), ""), rows)
    raise typer.Exit(0 if worths["together"] is not None else 1)


def _table(rows: list[dict[str, Any]]) -> None:
    tabulate(
        ("id", "name", "pixels", ">size", *(f">{rate}" for rate in RATES), "added", ""),
        (
            (
                short(row["id"]), row["name"], f"{row['width']} x {row['height']}", size(row["size"]),
                *_rooms(row["room"]), local(row["at"]), "taken" if row["taken"] else "",
            )
            for row in rows
        ),
    )  # fmt: skip


def _rooms(room: dict[str, int] | None) -> list[str]:
    return [f"{room[rate]:,}" if room is not None else "" for rate in RATES]
