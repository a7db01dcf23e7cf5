"""auth's commands: the organisation's accounts, for administrators."""

import sys
from typing import Annotated, Any

import typer

from secumail.cli.answers import Account
from secumail.cli.client import Client, logged_in
from secumail.cli.output import Json, emit, say, tabulate
from secumail.errors import Refused

commands = typer.Typer(no_args_is_help=True)
accounts = typer.Typer(no_args_is_help=True, help="The organisation's accounts. For administrators.")
commands.add_typer(accounts, name="accounts")

Who = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its address or its id.")]


@accounts.command("ls")
def list_accounts(as_json: Json = False) -> None:
    """All accounts."""
    with logged_in() as client:
        rows: list[Account] = client.get("/accounts")
    if as_json:
        emit(rows)
        return
    columns = ("address", "name", "roles", "status", "id")
    tabulate(
        columns, ((a["address"], a["display_name"], ", ".join(a["roles"]), a["status"], a["account"]) for a in rows)
    )


@accounts.command()
def add(
    address: str,
    name: Annotated[str, typer.Option(help="The name people see.")] = "",
    role: Annotated[list[str] | None, typer.Option(help="member (also without), reviewer, administrator.")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from a pipe.")] = False,
    as_json: Json = False,
) -> None:
    """Open an account."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    given = {"address": address, "display_name": name, "password": password}
    with logged_in() as client:
        opened = client.post("/accounts", {**given, "roles": list(dict.fromkeys(["member", *(role or [])]))})
    if as_json:
        emit(opened)
    else:
        say(f"Opened: {address} ({opened['account']})")


@accounts.command()
def roles(
    who: Who,
    role: Annotated[list[str], typer.Argument(metavar="ROLE...", help="All it shall have: member, reviewer, ...")],
    as_json: Json = False,
) -> None:
    """Give an account its roles, and no others."""
    _change(who, {"roles": role}, as_json)


@accounts.command()
def suspend(who: Who, as_json: Json = False) -> None:
    """Suspend an account: its sessions end at once, mail to it bounces."""
    _change(who, {"status": "suspended"}, as_json)


@accounts.command()
def reinstate(who: Who, as_json: Json = False) -> None:
    """Reinstate a suspended account."""
    _change(who, {"status": "active"}, as_json)


def _change(who: str, change: dict[str, Any], as_json: bool) -> None:
    with logged_in() as client:
        account = _account(client, who)
        client.patch(f"/accounts/{account['account']}", change)
    if as_json:
        emit({**account, **change})
    else:
        say(f"{account['address']}: done.")


def _account(client: Client, who: str) -> Account:
    rows: list[Account] = client.get("/accounts")
    for row in rows:
        if who.casefold() in (row["address"].casefold(), row["account"]):
            return row
    raise Refused("no-such-account", "There is no such account.", "Look at them with: secumail accounts ls", 404)
