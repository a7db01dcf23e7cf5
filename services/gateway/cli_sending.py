"""gateway's commands: send, and see what became of it."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import uuid4

import typer
from rich.progress import track

from secumail.cli.answers import Lock, Recipient, Submission, Trace
from secumail.cli.client import Client, Hiding, Password, Rate, logged_in
from secumail.cli.output import Json, chosen, emit, local, pairs, progress_console, say, short, tabulate
from secumail.errors import Refused
from services.gateway import cli_pickups

commands = typer.Typer(no_args_is_help=True)
T = TypeVar("T")

WAIT = 30
"""Seconds that `--wait` waits for a mail: as long as the API does at once."""

STATES = {
    "accepted": "on its way",
    "reading-pictures": "the words in its pictures are being read",
    "queued": "on its way",
    "held": "held for review",
    "deferred": "will be tried again",
    "delivered": "delivered",
    "bounced": "could not be delivered",
    "rejected": "refused",
    "cancelled": "cancelled",
    "expired": "given up",
}


class Form(StrEnum):
    """How a mail is to be protected."""

    AUTO = "auto"
    SIGNED = "signed"
    SMIME = "smime"
    OPENPGP = "openpgp"


_FAILED = frozenset({"bounced", "rejected", "expired"})

SentId = Annotated[str, typer.Argument(metavar="ID", help="As `send` or `inbox --folder sent` shows it.")]


@dataclass(frozen=True)
class Sent:
    """What became of one file: `id` where it was accepted, `fault` where it was not."""

    file: str
    id: str | None = None
    recipients: int = 0
    submission: Submission | None = None
    fault: Refused | None = None
    pickups: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    @property
    def failed(self) -> bool:
        """Not accepted, or (where it was waited for) not settled, or not for everybody. Held is no failure."""
        if self.fault is not None:
            return True
        if self.submission is None:
            return False
        states = {recipient["state"] for recipient in self.submission["recipients"]}
        return not self.submission["settled"] or bool(states & _FAILED)

    @property
    def words(self) -> str:
        """In a few words."""
        if self.fault is not None:
            return f"{self.fault.words} {self.fault.fix}"
        if self.submission is None:
            return "accepted"
        counts: dict[str, int] = {}
        for recipient in self.submission["recipients"]:
            counts[_words(recipient)] = counts.get(_words(recipient), 0) + 1
        told = [
            f"{count} x {words}" if len(self.submission["recipients"]) > 1 else words for words, count in counts.items()
        ]
        return "; ".join([*told, *_stuck(self.submission)])

    def document(self) -> dict[str, object]:
        """For programs: `submission` as the API has it."""
        problem = {"code": self.fault.code, "error": self.fault.words, "fix": self.fault.fix} if self.fault else None
        return {
            "file": self.file, "id": self.id, "recipients": self.recipients, "failed": self.failed,
            "submission": self.submission, "pickups": dict(self.pickups), "warnings": list(self.warnings),
            "problem": problem,
        }  # fmt: skip


@commands.command()
def send(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Raw mails (RFC 5322); - is standard input.")],
    to: Annotated[list[str] | None, typer.Option("--to", help="A recipient, instead of those in the mail.")] = None,
    cover: Annotated[
        list[Path] | None, typer.Option(help="A photograph to hide the mail in. Repeat it, in the order to be shown.")
    ] = None,
    conceal: Annotated[bool, typer.Option("--conceal", help="Hide it in the organisation's own pictures.")] = False,
    cover_text: Annotated[str, typer.Option(help="The text of the mail that carries the pictures.")] = "",
    rate: Annotated[Rate, typer.Option(help="How much each picture is to carry; less is seen less.")] = "normal",
    form: Annotated[Form, typer.Option(help="How to protect it; `secumail forms` tells what each gets.")] = Form.AUTO,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read a password from a pipe: with it, who is outside picks it up.")
    ] = False,
    hint: Annotated[str, typer.Option(help="What reminds them of the password. It must not tell it.")] = "",
    expires_days: Annotated[int | None, typer.Option(min=1, help="How long it waits there. [28]")] = None,
    why: Annotated[str, typer.Option("--reason", help="Why it is sent, where it came back for a reason.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help=f"Until it has arrived or is held; {WAIT} s at most.")] = False,
    as_json: Json = False,
) -> None:
    """Send raw mails. Accepted means kept. Exit code 1 where one was refused, or (with --wait) did not arrive.

    A mail that is held for review has not failed.
    """
    pictures = tuple((path.name, path.read_bytes()) for path in cover or ())
    if pictures and len(files) > 1:
        raise Refused("one-mail-at-a-time", "A picture carries one mail.", "Send the mails one by one, or --conceal.")
    hiding = Hiding(pictures, cover_text, rate) if pictures or conceal else None
    if hiding is None and (cover_text or rate != "normal"):
        raise Refused(
            "not-hidden", "There is a cover text or a rate, but nothing to hide the mail in.",
            "Give photographs (--cover), or say --conceal.",
        )  # fmt: skip
    locked = _password(password_stdin, hint, expires_days, files)
    with logged_in() as client:
        done = [_sent(client, file, to or (), hiding, form, locked, why) for file in _watched(files, "sending")]
        if wait:
            done = [_settled(client, sent) for sent in _watched(done, "waiting")]
    if as_json:
        emit([sent.document() for sent in done])
    elif len(done) == 1 and done[0].fault is not None:
        raise done[0].fault
    else:
        for sent in done if len(done) == 1 else ():
            say(f"{sent.id}: {sent.words}")
        if len(done) > 1:
            _summary(done)
        if made := [link for sent in done for link in sent.pickups.items()]:
            cli_pickups.links(made)
        for warning in dict.fromkeys(warning for sent in done for warning in sent.warnings):
            say(warning, error=True)
    raise typer.Exit(1 if any(sent.failed for sent in done) else 0)


@commands.command()
def forms(
    to: Annotated[list[str], typer.Argument(metavar="ADDRESS...", help="Who the mail is to go to.")],
    form: Annotated[Form, typer.Option(help="How you wish it.")] = Form.AUTO,
    password: Annotated[bool, typer.Option("--password", help="A password comes with it, for those outside.")] = False,
    as_json: Json = False,
) -> None:
    """How a mail would be protected for each recipient, before it is sent. Exit code 1 where one would get nothing."""
    with logged_in() as client:
        locks: list[Lock] = client.post("/forms", {"to": to, "form": form, "password": password})
    if as_json:
        emit(locks)
    else:
        tabulate(("recipient", "form", ""), ((k["address"], k["form"] or "none", k["words"]) for k in locks))
    raise typer.Exit(1 if any(k["form"] is None for k in locks) else 0)


@commands.command()
def sent(id: SentId, as_json: Json = False) -> None:
    """What became of a mail you sent, recipient by recipient."""
    with logged_in() as client:
        submission: Submission = client.get(f"/submissions/{_sent_mail(client, id)}")
    if as_json:
        emit(submission)
        return
    say(f"Mail {submission['id']}, accepted {local(submission['accepted'])}")
    tabulate(
        ("recipient", "state", "form", ""),
        ((r["address"], STATES.get(r["state"], r["state"]), r["form"], r["words"]) for r in submission["recipients"]),
    )
    if submission["pickups"]:
        cli_pickups.table(submission["pickups"])
    for words in _stuck(submission):
        say(words)


@commands.command()
def appeal(
    id: SentId,
    text: Annotated[str, typer.Argument(help="Why it should go; only reviewers read it.")],
    as_json: Json = False,
) -> None:
    """Say something to the reviewers who hold a mail of yours; once."""
    with logged_in() as client:
        whole = _sent_mail(client, id)
        client.post(f"/submissions/{whole}/appeal", {"text": text})
    if as_json:
        emit({"id": whole, "appealed": True})
    else:
        say("The reviewers will read it with the mail.")


@commands.command()
def trace(id: SentId, as_json: Json = False) -> None:
    """The way of a mail, step by step."""
    with logged_in() as client:
        told: Trace = client.get(f"/submissions/{_sent_mail(client, id)}/trace")
    if as_json:
        emit(told)
        return
    parts = list(dict.fromkeys(step["mail"] for step in told["steps"] if step["mail"] != told["id"]))
    pairs((("Mail", told["id"]), ("Trace", told["trace"] or "not recorded")))
    before = 0
    rows = []
    for step in told["steps"]:
        part = f"part {parts.index(step['mail']) + 1} of {len(parts)}" if step["mail"] in parts else ""
        rows.append((step["after_ms"], f"+{step['after_ms'] - before}", step["actor"], step["step"], part))
        before = step["after_ms"]
    tabulate((">ms", ">", "who", "step", ""), rows)


def _password(from_pipe: bool, hint: str, days: int | None, files: Sequence[str]) -> Password | None:
    if not from_pipe:
        if hint or days is not None:
            raise Refused(
                "pickup-password-missing", "There is a hint or a number of days, but no password.",
                "Say --password-stdin, and give it by a pipe.",
            )  # fmt: skip
        return None
    if "-" in files:
        raise Refused("one-pipe", "Mail and password can't both come from the pipe.", "Give the mail as a file.")
    return Password(sys.stdin.readline().rstrip("\r\n"), hint, days)


def _sent(
    client: Client, file: str, to: Sequence[str], hiding: Hiding | None, form: str, password: Password | None, why: str
) -> Sent:
    name = "standard input" if file == "-" else file
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        # One key for this file, however often the client has to repeat itself.
        accepted = client.send(raw, to, hiding, uuid4().hex, form, password, why)
    except Refused as refused:
        return Sent(name, fault=refused)
    except OSError as error:
        return Sent(name, fault=Refused("file", f"{file}: {error.strerror}.", "Look at the file's name."))
    return Sent(name, accepted["id"], accepted["recipients"], None, None, accepted["pickups"], accepted["warnings"])


def _settled(client: Client, sent: Sent) -> Sent:
    if sent.id is None:
        return sent
    try:
        submission: Submission = client.get(f"/submissions/{sent.id}", wait=WAIT)
    except Refused as refused:
        return replace(sent, fault=refused)
    return replace(sent, submission=submission)


def _watched(work: Sequence[T], what: str) -> Iterable[T]:
    """Each piece of work in turn, with a progress bar on a terminal where there are several."""
    console = progress_console()
    if len(work) < 2 or not console.is_terminal:
        return work
    return track(work, what, console=console, transient=True)


def _summary(done: Sequence[Sent]) -> None:
    tabulate(
        ("file", "mail", "", "what became of it"),
        ((d.file, short(d.id or ""), "failed" if d.failed else "", d.words) for d in done),
    )
    failed = sum(d.failed for d in done)
    say(f"{len(done)} mails: {len(done) - failed} sent, {failed} failed.")


def _words(recipient: Recipient) -> str:
    state = STATES.get(recipient["state"], recipient["state"])
    return f"{state}: {recipient['words']}" if recipient["words"] else state


def _stuck(submission: Submission) -> list[str]:
    if submission["stuck"] is None:
        return []
    return [f"It stands still ({submission['stuck']}); nothing is lost. An operator has to look: secumail dead ls"]


def _sent_mail(client: Client, given: str) -> str:
    """The mail's id, from it or from the id of the entry in `sent`, or from the beginning of either."""
    if len(given) == 36:
        return given
    known: dict[str, str] = {}
    for row in client.rows("/messages", 200, folder="sent"):
        known |= {row["id"]: row["mail"], row["mail"]: row["mail"]}
    return known[chosen(given, known, "sent mails")]
