"""How `secumail` talks: tables and words for people, JSON for programs, two lines for a fault.

Whatever comes out of a mail is shown without control characters, so that no mail can steer a terminal.
"""

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from secumail.errors import Refused

_JSON = "secumail.json"
_PIPED_WIDTH = 160
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
"""Characters that turn the reading direction: they make `gpj.exe` look like `exe.jpg`."""

_STYLES = {
    "delivered": "green",
    "good": "green",
    "yes": "green",
    "held": "yellow",
    "held for review": "yellow",
    "could not be delivered": "red",
    "refused": "red",
    "deferred": "yellow",
    "stuck": "red",
    "bounced": "red",
    "rejected": "red",
    "expired": "red",
    "failed": "red",
}


def _console(*, stderr: bool) -> Console:
    piped = not (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, width=_PIPED_WIDTH if piped else None, highlight=False, markup=False, emoji=False)


def _remember(context: typer.Context, value: bool) -> bool:
    # `meta` is shared by all contexts of one call: a fault is shown far above the command that met it.
    context.meta[_JSON] = value
    return value


Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.", callback=_remember)]


def emit(data: Any) -> None:
    """JSON, on one line of ASCII."""
    typer.echo(json.dumps(data))


def say(text: str, *, error: bool = False) -> None:
    """Text for a person; never wrapped."""
    _console(stderr=error).print(Text(plain(text)), soft_wrap=True)


def refuse(refused: Refused, context: typer.Context) -> None:
    """A fault: what is wrong, and how to mend it."""
    if context.meta.get(_JSON):
        emit({"code": refused.code, "error": refused.words, "fix": refused.fix})
    else:
        say(f"{refused.words}\n{refused.fix}", error=True)


def tabulate(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table. A column whose title begins with `>` is set flush right; None is an empty cell."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in columns:
        table.add_column(title.removeprefix(">"), justify="right" if title.startswith(">") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    _console(stderr=False).print(table)


def pairs(rows: Iterable[tuple[str, object]]) -> None:
    """Names and values, one pair a line."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, _cell(value))
    _console(stderr=False).print(table)


def progress_console() -> Console:
    """Where progress is shown: beside the output, so that a pipe gets the output alone."""
    return _console(stderr=True)


def plain(text: str) -> str:
    """The text with every character that could steer a terminal or turn its direction made visible as U+FFFD."""
    return "".join(c if c in "\n\t" or (unicodedata.category(c) not in ("Cc", "Cs") and c not in _BIDI) else "\ufffd"
                   for c in text.replace("\r\n", "\n"))  # fmt: skip


def local(at: str) -> str:
    """An API's time as this machine's clock shows it, to the second."""
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def size(count: int) -> str:
    """Bytes in words."""
    return f"{count} B" if count < 1024 else f"{count / 1024:.0f} kB" if count < 2**20 else f"{count / 2**20:.1f} MB"


def short(id_: str) -> str:
    """The beginning of an id, as tables show it; commands take it too (`chosen`)."""
    return id_[:8]


def chosen(given: str, ids: Iterable[str], what: str) -> str:
    """The id that `given` means: a whole one, or the beginning of exactly one of `ids` (asked only then)."""
    if len(given) == 36:
        return given
    if len(given) < 4:
        raise Refused("id-too-short", f"{given!r} is too short for an id.", "Give at least its first 4 characters.")
    found = {id_ for id_ in ids if id_.startswith(given.lower())}
    if len(found) == 1:
        return found.pop()
    if found:
        raise Refused("id-ambiguous", f"{len(found)} {what} begin with {given}.", "Give more of the id.")
    raise Refused("id-unknown", f"None of your newest {what} begins with {given}.", "Give the whole id, or look again.")


def _cell(value: object) -> Text:
    words = " ".join(plain("" if value is None else str(value)).split("\n"))
    return Text(words, style=_STYLES.get(words, ""))
