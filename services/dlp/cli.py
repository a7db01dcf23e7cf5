"""dlp's commands: the quarantine and the sent log, for reviewers. The lists are in cli_lists, `scan` is in cli_scan."""

from typing import Annotated

import typer

from secumail.cli.answers import Decided, HeldMail
from secumail.cli.client import Client, logged_in
from secumail.cli.output import Json, chosen, emit, local, pairs, say, short, tabulate
from secumail.errors import Refused
from services.dlp import cli_documents, cli_lists, cli_scan
from services.dlp.cli_scan import finding_words

commands = typer.Typer(no_args_is_help=True)
quarantine = typer.Typer(no_args_is_help=True, help="Mails held for review. For reviewers.")
commands.add_typer(quarantine, name="quarantine")
commands.add_typer(cli_lists.lists, name="lists")
cli_lists.lists.add_typer(cli_documents.documents, name="documents")
commands.command("scan")(cli_scan.scan)

AT_ONCE = 200
"""Mails decided in one request: the API's limit."""

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="As `ls` shows them; beginnings will do.")]
Every = Annotated[bool, typer.Option("--all", help="Every mail that is held now.")]
Note = Annotated[str, typer.Option(help="Why: for the record.")]
Limit = Annotated[int, typer.Option(min=1, help="How many.")]


@quarantine.command("ls")
def list_held(
    limit: Limit = 50,
    sender: Annotated[str, typer.Option(help="Part of the sender's address.")] = "",
    recipient: Annotated[str, typer.Option(help="Part of a recipient's address.")] = "",
    reason: Annotated[str, typer.Option(help="The code that holds it, or a word of the reason.")] = "",
    as_json: Json = False,
) -> None:
    """Held mails, newest first; those that match all that is asked for."""
    asked = {k: v for k, v in (("sender", sender), ("recipient", recipient), ("reason", reason)) if v}
    _list("/quarantine", limit, as_json, "Nothing like that is held." if asked else "Nothing is held.", **asked)


@quarantine.command()
def show(id: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """One held mail: the rule that holds it, what it found, and the mail itself."""
    with logged_in() as client:
        held: HeldMail = client.get(f"/quarantine/{_chosen(client, id)}")
    if as_json:
        emit(held)
        return
    pairs(
        (
            ("Held by", f"{held['code']}: {held['reason']}"),
            *(("Found", finding_words(found)) for found in held["findings"]),
            ("From", held["sender"]),
            ("To", ", ".join(held["recipients"])),
            ("Subject", held["message"]["subject"]),
            ("Way", f"secumail trace {held['mail']}"),
        )
    )
    say(f"\n{held['message']['text'].rstrip()}")


@quarantine.command()
def release(ids: Ids = None, every: Every = False, note: Note = "", as_json: Json = False) -> None:
    """Let held mails go, in your name. Exit code 1 where one could not be."""
    _decide("release", "released", ids or [], every, note, as_json)


@quarantine.command()
def reject(ids: Ids = None, every: Every = False, note: Note = "", as_json: Json = False) -> None:
    """Refuse held mails for good. Exit code 1 where one could not be."""
    _decide("reject", "refused", ids or [], every, note, as_json)


@commands.command("sent-log")
def sent_log(limit: Limit = 50, as_json: Json = False) -> None:
    """Mails that passed, newest first. For reviewers."""
    _list("/sent-log", limit, as_json, "No mail has passed yet.")


def _list(path: str, limit: int, as_json: bool, nothing: str, **asked: str) -> None:
    with logged_in() as client:
        rows = list(client.rows(path, limit, **asked))
    if as_json:
        emit(rows)
    elif rows:
        columns = ("id", "at", "from", "to", "subject")
        tabulate(
            columns, ((short(r["id"]), local(r["at"]), r["sender"], ", ".join(r["to"]), r["subject"]) for r in rows)
        )
    else:
        say(nothing)


def _decide(act: str, done: str, given: list[str], every: bool, note: str, as_json: bool) -> None:
    if every is bool(given):
        raise Refused("which-mails", "Neither mails nor --all, or both.", "Name the mails, or say --all.")
    results: list[Decided] = []
    with logged_in() as client:
        ids = [row["id"] for row in client.rows("/quarantine")] if every else [_chosen(client, id_) for id_ in given]
        for start in range(0, len(ids), AT_ONCE):
            results += client.post(f"/quarantine/{act}", {"ids": ids[start : start + AT_ONCE], "note": note})
    if as_json:
        emit(results)
    else:
        for result in results:
            say(f"{short(result['id'])}: {done if result['done'] else result['words']}")
        if not results:
            say("Nothing is held.")
    raise typer.Exit(0 if all(result["done"] for result in results) else 1)


def _chosen(client: Client, given: str) -> str:
    return chosen(given, (row["id"] for row in client.rows("/quarantine", 1000)), "held mails")
