"""`secumail up`, `down`, `status`, `readyz`, `doctor`: one installation on this machine."""

import asyncio
import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from secumail.errors import Refused
from secumail.installation import doctor as diagnosis
from secumail.installation import running
from secumail.installation.home import BASE_PORT, DEMO_DOMAIN, Home, Ports
from secumail.installation.running import Status

commands = typer.Typer(no_args_is_help=True)
console = Console()

HomeOption = Annotated[Path, typer.Option("--home", envvar="SECUMAIL_HOME", help="The installation's directory.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
PortOption = Annotated[
    int | None,
    typer.Option(envvar="SECUMAIL_BASE_PORT", help=f"HTTPS; the others lie behind it. [{BASE_PORT}, or as before]"),
]
DomainsOption = Annotated[
    str | None,
    typer.Option(envvar="SECUMAIL_DOMAINS", help=f"Mail domains, comma-separated. [{DEMO_DOMAIN}, or as before]"),
]
_HOME = Path(".run")


@commands.command()
def up(
    directory: HomeOption = _HOME,
    port: PortOption = None,
    domains: DomainsOption = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return when all is ready; it runs behind.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start broker, database and the six services, and show where they are. Ctrl-C stops them."""
    with _clear_words(as_json):
        home = _home(directory, port, domains)
        if running.is_up(home):
            _show_up(Home.open(home.path), as_json, "It is already up.")
        elif detach:
            running.detach(home)
            _show_up(home, as_json, "")
        else:
            asyncio.run(running.serve(home, lambda: _show_up(home, as_json, "")))


@commands.command()
def down(directory: HomeOption = _HOME, as_json: JsonOption = False) -> None:
    """Stop it in order, wherever it was started."""
    with _clear_words(as_json):
        stopped = running.down(Home.open(directory))
        if as_json:
            typer.echo(json.dumps({"stopped": stopped}))
        else:
            console.print("Stopped." if stopped else "Nothing was running.")


@commands.command()
def status(directory: HomeOption = _HOME, as_json: JsonOption = False) -> None:
    """Every process: pid, state, restarts, uptime, memory, readiness."""
    with _clear_words(as_json):
        home = Home.open(directory)
        found = asyncio.run(running.status(home))
        if as_json:
            typer.echo(json.dumps({"up": running.is_up(home), "processes": [asdict(each) for each in found]}))
        else:
            console.print(_process_table(found))


@commands.command()
def readyz(
    directory: HomeOption = _HOME,
    wait: Annotated[bool, typer.Option("--wait", help="Ask again until everything is ready.")] = False,
    within: Annotated[float, typer.Option(min=0, help="Seconds that --wait may take.")] = 60,
    as_json: JsonOption = False,
) -> None:
    """Whether everything can do its work: exit code 0, else 1."""
    with _clear_words(as_json):
        found = asyncio.run(running.status_when_ready(Home.open(directory), within if wait else 0))
        late = [each.name for each in found if not each.ready]
        is_ready = bool(found) and not late
        if as_json:
            typer.echo(json.dumps({"ready": is_ready, "waiting_for": late}))
        else:
            console.print("ready" if is_ready else f"not ready: {', '.join(late) or 'nothing was started'}")
        raise typer.Exit(0 if is_ready else 1)


@commands.command()
def doctor(directory: HomeOption = _HOME, port: PortOption = None, as_json: JsonOption = False) -> None:
    """Check this machine and the installation; every fault comes with its fix. Exit code 1 where there is one."""
    with _clear_words(as_json):
        findings = asyncio.run(diagnosis.examine(_home(directory, port, None)))
        if as_json:
            typer.echo(json.dumps([asdict(finding) for finding in findings]))
        else:
            console.print(_finding_table(findings))
        raise typer.Exit(1 if any(finding.ok is False for finding in findings) else 0)


def _home(directory: Path, port: int | None, domains: str | None) -> Home:
    home = Home.open(directory) if (directory / "installation.json").exists() else Home(directory)
    if port is not None:
        home = replace(home, ports=Ports.from_base(port))
    if domains is not None:
        home = replace(home, domains=tuple(name.strip() for name in domains.split(",") if name.strip()))
    return home


def _show_up(home: Home, as_json: bool, note: str) -> None:
    logins = json.loads(home.logins.read_text()) if home.logins.exists() else []
    found = {
        "mail": home.url,
        "api": f"{home.url}/api/v1/openapi.json",
        "certificate": str(home.ca),
        "logs": str(home.logs),
    }
    if as_json:
        typer.echo(json.dumps({"up": True, **found, "logins": logins}))
        return
    table = Table(title="SecuMail", title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("Mail", found["mail"])
    table.add_row("API", found["api"])
    for login in logins:
        table.add_row("Log in", f"{login['address']}   {login['password']}   ({login['who']})")
    table.add_row("Trust", f"{found['certificate']} (the browser asks once where it is not imported)")
    table.add_row("Logs", f"{found['logs']}/<name>.log")
    table.add_row("Stop", "Ctrl-C, or: secumail down")
    table.add_row("Reset", "make reset")
    console.print(table)
    if note:
        console.print(note)


def _process_table(found: Sequence[Status]) -> Table:
    table = Table()
    table.add_column("process")
    table.add_column("state")
    table.add_column("ready")
    for title in ("pid", "restarts", "uptime", "memory"):
        table.add_column(title, justify="right")
    for each in found:
        table.add_row(
            each.name,
            each.state,
            "yes" if each.ready else "no",
            str(each.pid) if each.pid else "",
            str(each.restarts),
            f"{each.uptime:.0f} s" if each.pid else "",
            f"{each.rss / 2**20:.0f} MiB" if each.pid else "",
        )
    return table


def _finding_table(findings: Sequence[diagnosis.Finding]) -> Table:
    table = Table(show_header=False, box=None)
    for finding in findings:
        mark = {True: "[green]ok[/]", False: "[red]fault[/]", None: "[dim]-[/]"}[finding.ok]
        fix = f"\n[bold]{finding.fix}[/]" if finding.ok is False else ""
        table.add_row(mark, finding.what, f"{finding.found}{fix}")
    return table


@contextlib.contextmanager
def _clear_words(as_json: bool) -> Iterator[None]:
    """A refusal is shown as its words and its fix, never as a traceback."""
    try:
        yield
    except Refused as refused:
        if as_json:
            typer.echo(json.dumps({"code": refused.code, "error": refused.words, "fix": refused.fix}))
        else:
            Console(stderr=True).print(f"{refused.words}\n{refused.fix}", highlight=False, markup=False)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    commands()
