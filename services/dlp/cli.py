"""dlp's commands: the quarantine and the sent log, for reviewers. The lists are in cli_lists, `scan` is in cli_scan."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from secumail.cli.answers import Decided, HeldMail, ReviewerDecision, Row
from secumail.cli.client import Client, logged_in
from secumail.cli.output import Json, chosen, emit, local, pairs, say, short, tabulate
from secumail.errors import Refused
from services.dlp import cli_documents, cli_lists, cli_rules, cli_scan, cli_trying, cli_words
from services.dlp.cli_scan import findings_table

commands = typer.Typer(no_args_is_help=True)
quarantine = typer.Typer(no_args_is_help=True, help="Mails held for review. For reviewers.")
commands.add_typer(quarantine, name="quarantine")
commands.add_typer(cli_lists.lists, name="lists")
cli_lists.lists.add_typer(cli_documents.documents, name="documents")
cli_lists.lists.add_typer(cli_words.words, name="words")
cli_lists.lists.command("try")(cli_trying.try_lists)
cli_lists.lists.command("time-zone")(cli_rules.time_zone)
cli_lists.lists.command("until")(cli_rules.until)
commands.command("scan")(cli_scan.scan)

SHOWN = 20
"""Lines of each table of a summary; --json has them all."""
AT_ONCE = 200
"""Mails decided in one request: the API's limit."""

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="As `ls` shows them; beginnings will do.")]
Every = Annotated[bool, typer.Option("--all", help="Every mail that waits now.")]
Note = Annotated[str, typer.Option(help="Why: for the record.")]
Limit = Annotated[int, typer.Option(min=1, help="How many.")]
BySender = Annotated[str, typer.Option("--sender", help="Part of the sender's address.")]
ByRecipient = Annotated[str, typer.Option("--recipient", help="Part of a recipient's address.")]
ByReason = Annotated[str, typer.Option("--reason", help="The code that holds it, or a word of the reason.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask before what a search found is decided.")]


@quarantine.command("ls")
def list_held(
    limit: Limit = 50,
    sender: BySender = "",
    recipient: ByRecipient = "",
    reason: ByReason = "",
    state: Annotated[str, typer.Option(help="waiting, released, rejected or expired.")] = "waiting",
    as_json: Json = False,
) -> None:
    """Held mails, newest first; those that match all that is asked for."""
    asked = _asked(sender, recipient, reason)
    with logged_in() as client:
        rows = list(client.rows("/quarantine", limit, state=state, **asked))
    if as_json:
        emit(rows)
    elif rows:
        _table(rows)
    else:
        say("Nothing like that is held." if asked or state != "waiting" else "Nothing is held.")


def _table(rows: list[Row]) -> None:
    shown = (
        (short(r["id"]), local(r["at"]), r["sender"], ", ".join(r["to"]), r["subject"], r["code"], _stands(r))
        for r in rows
    )
    tabulate(("id", "at", "from", "to", "subject", "held by", ""), shown)


def _stands(row: Row) -> str:
    missing = f"{row['missing']} reviewers" if row["missing"] > 1 else ""
    return ", ".join(part for part in (row["state"], missing, "appeal" if row["appealed"] else "") if part)


@quarantine.command()
def show(id: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """One held mail: the rule that holds it, what it found, and the mail itself."""
    with logged_in() as client:
        held: HeldMail = client.get(f"/quarantine/{_chosen(client, id)}")
    if as_json:
        emit(held)
        return
    decided = (*held["votes"], *([held["decision"]] if held["decision"] else ()))
    needs = "two reviewers have to release it" if held["reviewers"] > 1 else ""
    pairs(
        (
            ("Held by", f"{held['code']}: {held['reason']}"),
            *((("State", ", ".join(part for part in (held["state"], needs) if part)),) if held["state"] else ()),
            *(("Reviewer", _decision_words(decision)) for decision in decided),
            *((("Sent because", held["why"]),) if held["why"] else ()),
            *((("Appeal", held["appeal"]["text"]),) if held["appeal"] else ()),
            ("From", held["sender"]),
            ("To", ", ".join(held["recipients"])),
            ("Subject", held["message"]["subject"]),
            ("Way", f"secumail trace {held['mail']}"),
        )
    )
    findings_table(held["findings"])
    say(f"\n{held['message']['text'].rstrip()}")


def _decision_words(decision: ReviewerDecision) -> str:
    note = f": {decision['note']}" if decision["note"] else ""
    return f"{decision['act']} by {decision['by']}, {local(decision['at'])}{note}"


@quarantine.command()
def release(
    ids: Ids = None,
    every: Every = False,
    sender: BySender = "",
    recipient: ByRecipient = "",
    reason: ByReason = "",
    yes: Yes = False,
    encrypted: Annotated[
        bool, typer.Option("--encrypted", help="It leaves encrypted only; who has no key gets nothing.")
    ] = False,
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Let held mails go, in your name: named ones, all, or those a search finds. Exit code 1 where one could not be.

    Where two reviewers are needed the first release is a vote.
    """
    given = _Given(tuple(ids or ()), every, _asked(sender, recipient, reason), yes)
    _decide("release", "released", given, {"note": note, "encrypted": encrypted}, as_json)


@quarantine.command()
def reject(
    ids: Ids = None,
    every: Every = False,
    sender: BySender = "",
    recipient: ByRecipient = "",
    reason: ByReason = "",
    yes: Yes = False,
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Refuse held mails for good: named ones, all, or those a search finds. Exit code 1 where one could not be."""
    given = _Given(tuple(ids or ()), every, _asked(sender, recipient, reason), yes)
    _decide("reject", "refused", given, {"note": note}, as_json)


@commands.command("sent-log")
def sent_log(
    limit: Limit = 50,
    summary: Annotated[
        bool, typer.Option("--summary", help="Counted by code, rule, domain and day, all of it or since a day.")
    ] = False,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="With --summary: the first day that counts.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Mails that passed, newest first, or in numbers. For reviewers."""
    with logged_in() as client:
        if summary:
            _summary(_summed(client, since.date().isoformat() if since is not None else None), as_json)
            return
        rows = list(client.rows("/sent-log", limit))
    if as_json:
        emit(rows)
    elif rows:
        shown = ((short(r["id"]), local(r["at"]), r["sender"], ", ".join(r["to"]), r["subject"], _how(r)) for r in rows)
        tabulate(("id", "at", "from", "to", "subject", "passed"), shown)
    else:
        say("No mail has passed yet.")


def _how(row: Row) -> str:
    by = f" by {row['rule']}" if row["rule"] else ""
    return f"{row['code']}{by}" + (f": {row['why']}" if row["why"] else "")


_COUNTED = ("codes", "rules", "senders", "recipients", "days")


def _summed(client: Client, since: str | None) -> dict[str, Any]:
    """The server's sums, which come in parts where the log is long, added up."""
    whole: dict[str, Any] = {"mails": 0, **{name: Counter() for name in _COUNTED}}
    cursor: str | None = None
    while True:
        part = client.get("/sent-log/summary", since=since, cursor=cursor)
        whole["mails"] += part["mails"]
        for name in _COUNTED:
            whole[name].update(part[name])
        cursor = part["next_cursor"]
        if cursor is None:
            return whole


def _summary(whole: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit(whole)
        return
    say(f"{whole['mails']} mails have passed.")
    for name, title in zip(_COUNTED, ("passed", "by rule", "from", "to", "on"), strict=True):
        counts: Counter[str] = whole[name]
        if counts:
            say("")
            # Days in their order, everything else by how often.
            ranked = sorted(counts.items()) if name == "days" else counts.most_common(SHOWN)
            tabulate((title, ">mails"), ranked)


def _asked(sender: str, recipient: str, reason: str) -> dict[str, str]:
    return {k: v for k, v in (("sender", sender), ("recipient", recipient), ("reason", reason)) if v}


@dataclass(frozen=True)
class _Given:
    """Which mails to decide on: named ones, every one, or those a search finds."""

    ids: tuple[str, ...]
    every: bool
    asked: dict[str, str]
    yes: bool

    def mails(self, client: Client, act: str) -> list[str]:
        """Their entries; none where the person, shown what the search found, says no."""
        if [bool(self.ids), self.every, bool(self.asked)].count(True) != 1:
            raise Refused(
                "which-mails", "Say either which mails, or --all, or what to search for.",
                "Name the mails, say --all, or search with --sender, --recipient, --reason.",
            )  # fmt: skip
        if self.ids:
            return [_chosen(client, given) for given in self.ids]
        rows = list(client.rows("/quarantine", None, **self.asked))
        if self.asked and rows and not self.yes:
            _table(rows)
            which = "this mail" if len(rows) == 1 else f"these {len(rows)} mails"
            if not typer.confirm(f"{act.title()} {which}?", err=True):
                return []
        return [row["id"] for row in rows]


def _decide(act: str, done: str, given: _Given, how: dict[str, object], as_json: bool) -> None:
    results: list[Decided] = []
    with logged_in() as client:
        ids = given.mails(client, act)
        for start in range(0, len(ids), AT_ONCE):
            results += client.post(f"/quarantine/{act}", {"ids": ids[start : start + AT_ONCE], **how})
    if as_json:
        emit(results)
    else:
        for result in results:
            say(f"{short(result['id'])}: {_outcome(result, done)}")
        if not results:
            say("Nothing was decided.")
    raise typer.Exit(0 if all(result["done"] for result in results) else 1)


def _outcome(result: Decided, done: str) -> str:
    if not result["done"]:
        return str(result["words"])
    return "your vote counts; another reviewer has to release it too" if result["missing"] else done


def _chosen(client: Client, given: str) -> str:
    return chosen(given, (row["id"] for row in client.rows("/quarantine", 1000)), "held mails")
