"""gateway's commands: log in, read one's mail, put it in order. Sending is in cli_sending."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from secumail.cli import session
from secumail.cli.answers import FolderCount, Mail, Myself, SessionBegun
from secumail.cli.client import Client, logged_in
from secumail.cli.output import Json, chosen, emit, local, pairs, plain, say, short, size, tabulate
from secumail.cli.session import Session
from secumail.errors import Refused
from secumail.installation.home import Home
from services.gateway import cli_certificates, cli_openpgp, cli_pickups, cli_sending

commands = typer.Typer(no_args_is_help=True)
commands.add_typer(cli_sending.commands)
commands.add_typer(cli_pickups.commands)
commands.add_typer(cli_certificates.commands)
commands.add_typer(cli_openpgp.commands)

FOLDERS = ("inbox", "sent", "archive", "trash")
_FLAGS = {"seen": "", "flagged": "!", "answered": "<"}

MailId = Annotated[str, typer.Argument(metavar="ID", help="As a list shows it; its beginning will do.")]


# --- sessions ---------------------------------------------------------------------------------------------


@commands.command()
def login(
    address: str,
    url: Annotated[str | None, typer.Option(envvar="SECUMAIL_URL", help="[the installation here]")] = None,
    ca: Annotated[
        Path | None, typer.Option(envvar="SECUMAIL_TLS_CA", help="PEM of the authority to trust. [the installation's]")
    ] = None,
    directory: Annotated[
        Path, typer.Option("--home", envvar="SECUMAIL_HOME", help="The installation's directory.")
    ] = Path(".run"),
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from a pipe.")] = False,
    as_json: Json = False,
) -> None:
    """Log in. The session is kept in a file that only you can read, and ends some minutes after its last use."""
    if url is None:
        home = Home.open(directory)
        url, ca = home.url, ca or home.ca
    trusted = str(ca.absolute()) if ca else None
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else typer.prompt("Password", hide_input=True)
    with Client(url, trusted) as client:
        begun: SessionBegun = client.post("/sessions", {"address": address, "password": password})
    session.keep(Session(url, trusted, begun["address"], begun["token"]))
    if as_json:
        emit({name: value for name, value in begun.items() if name != "token"})  # it is in the file, not in logs
    else:
        say(f"Logged in as {begun['address']} ({', '.join(begun['roles'])}).")


@commands.command()
def logout(as_json: Json = False) -> None:
    """Log out: the session's key is gone at once."""
    try:
        with logged_in() as client:
            client.delete("/sessions/current")
    except Refused as refused:
        if refused.status != 401:  # over already: that is what was wanted
            raise
    session.forget()
    if as_json:
        emit({"logged_in": False})
    else:
        say("Logged out.")


@commands.command()
def whoami(as_json: Json = False) -> None:
    """Who is logged in."""
    with logged_in() as client:
        me: Myself = client.get("/sessions/current")
    if as_json:
        emit(me)
    else:
        say(f"{me['display_name']} <{me['address']}>, {', '.join(me['roles'])}")


# --- reading ----------------------------------------------------------------------------------------------


@commands.command()
def folders(as_json: Json = False) -> None:
    """How many mails lie where."""
    with logged_in() as client:
        counts: list[FolderCount] = client.get("/folders")
    if as_json:
        emit(counts)
    else:
        tabulate(("folder", ">mails", ">unseen"), ((c["folder"], c["mails"], c["unseen"]) for c in counts))


@commands.command()
def inbox(
    folder: Annotated[str, typer.Option(help=f"Of: {', '.join(FOLDERS)}.")] = "inbox",
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 25,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    as_json: Json = False,
) -> None:
    """A folder's mails, newest first."""
    with logged_in() as client:
        rows = list(client.rows("/messages", None if every else limit, folder=_folder(folder)))
    if as_json:
        emit(rows)
        return
    if not rows:
        say(f"Nothing in {folder}.")
        return
    who = "to" if folder == "sent" else "from"
    tabulate(
        ("id", "", "at", who, "subject", ">size"),
        (
            (
                short(row["id"]),
                _marks(row["flags"]) + ("@" if row["attachments"] else ""),
                local(row["at"]),
                ", ".join(row["to"]) if folder == "sent" else row["sender"],
                row["subject"],
                size(row["size"]),
            )
            for row in rows
        ),
    )


@commands.command()
def read(
    id: MailId,
    raw: Annotated[
        bool, typer.Option("--raw", help="As it was filed: with its signature, for other programs.")
    ] = False,
    original: Annotated[bool, typer.Option("--original", help="As it was sent, byte for byte.")] = False,
    reveal: Annotated[bool, typer.Option("--reveal", help="The mail that a picture of this one hides.")] = False,
    attachment: Annotated[int | None, typer.Option(min=1, metavar="N", help="The N-th attachment.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write into this file.")] = None,
    as_json: Json = False,
) -> None:
    """One mail, with what its signature is worth."""
    if sum((raw, original, reveal, attachment is not None)) > 1:
        raise Refused("one-at-a-time", "Only one of --raw, --original, --reveal, --attachment.", "Call it twice.")
    with logged_in() as client:
        place = f"/messages/{_mail(client, id)}"
        if raw or original or attachment is not None:
            part = "raw" if raw else "original" if original else f"attachments/{attachment}"
            _deliver(client.content(f"{place}/{part}"), output)
            return
        mail: Mail = client.post(f"{place}/reveal") if reveal else client.get(place)
    if as_json:
        emit(mail)
    elif output is not None:
        output.write_text(mail["text"])
        say(f"Written: {output}", error=True)
    else:
        show_mail(mail)


def _layers(mail: Mail) -> list[str]:
    """What is said of the layers; the signature has a line of its own."""
    return [layer["words"] for layer in mail["layers"] if layer["words"] != mail["signature"]["words"]]


def show_mail(mail: Mail) -> None:
    """A mail for a person: header, signature in words, attachments, text."""
    hidden = f"A picture hides a mail for you: secumail read {short(mail['id'])} --reveal" if mail["hidden"] else ""
    attachments = (
        (f"Attachment {a['number']}", f"{a['name']} ({a['type']}, {size(a['size'])})") for a in mail["attachments"]
    )
    pairs(
        (
            ("From", mail["sender"]),
            ("To", ", ".join(mail["to"])),
            *((("Cc", ", ".join(mail["cc"])),) if mail["cc"] else ()),
            ("Date", mail["date"]),
            ("Subject", mail["subject"]),
            *(("Protection", words) for words in _layers(mail)),
            ("Signature", mail["signature"]["words"]),
            *((("Beware", "Inside it names another author, whom nobody proves."),) if mail["forged_from"] else ()),
            *attachments,
            *((("Hidden", hidden),) if hidden else ()),
        )
    )
    text = mail["text"] or ("(only HTML: read it with --raw in a mail program)" if mail["html"] else "")
    say(f"\n{text.rstrip()}")


# --- putting in order -------------------------------------------------------------------------------------


@commands.command()
def flag(
    id: MailId,
    give: Annotated[list[str] | None, typer.Option("--set", help=f"Of: {', '.join(_FLAGS)}.")] = None,
    take: Annotated[list[str] | None, typer.Option("--clear", help="As above.")] = None,
    as_json: Json = False,
) -> None:
    """Set and clear flags of a mail."""
    if not give and not take:
        raise Refused("no-flag", "No flag to set or to clear.", f"Say --set or --clear with {', '.join(_FLAGS)}.")
    _change(id, {"set": give or [], "clear": take or []}, as_json)


@commands.command()
def move(id: MailId, folder: Annotated[str, typer.Argument(help=", ".join(FOLDERS))], as_json: Json = False) -> None:
    """Move a mail to another folder."""
    _change(id, {"folder": _folder(folder)}, as_json)


@commands.command()
def delete(
    id: MailId,
    for_ever: Annotated[bool, typer.Option("--for-ever", help="Not into the trash: for good.")] = False,
    as_json: Json = False,
) -> None:
    """Move a mail to the trash, or delete it for good."""
    if not for_ever:
        _change(id, {"folder": "trash"}, as_json)
        return
    with logged_in() as client:
        whole = _mail(client, id)
        client.delete(f"/messages/{whole}")
    _done({"id": whole, "deleted": True}, as_json)


def _change(given: str, change: dict[str, list[str] | str], as_json: bool) -> None:
    with logged_in() as client:
        whole = _mail(client, given)
        client.patch(f"/messages/{whole}", change)
    _done({"id": whole, **change}, as_json)


def _done(what: dict[str, object], as_json: bool) -> None:
    if as_json:
        emit(what)
    else:
        say("Done.")


def _mail(client: Client, given: str) -> str:
    newest = (row["id"] for name in FOLDERS for row in client.rows("/messages", 200, folder=name))
    return chosen(given, newest, "mails")


def _folder(name: str) -> str:
    if name not in FOLDERS:
        raise Refused("no-such-folder", f"There is no folder {name!r}.", f"Give one of: {', '.join(FOLDERS)}.")
    return name


def _deliver(data: bytes, output: Path | None) -> None:
    """Bytes into a file or a pipe; to a terminal only as text that can't steer it."""
    if output is not None:
        output.write_bytes(data)
        say(f"Written: {output} ({size(len(data))})", error=True)
    elif sys.stdout.isatty():
        say(plain(data.decode("utf-8", "replace")))
    else:
        typer.echo(data, nl=False)


def _marks(flags: list[str]) -> str:
    return ("" if "seen" in flags else "*") + "".join(_FLAGS.get(flag, "") for flag in flags)
