"""`secumail`: the commands of the kernel and of each service that is installed, under one roof."""

import importlib
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import entry_points
from typing import Any

import typer
from typer.core import TyperGroup

from secumail import __version__
from secumail.cli import output
from secumail.errors import Refused

_FIRST = ("gateway", "auth", "dlp")
"""Services whose commands are asked for most; they also load fastest."""
_KERNEL = ("dead", "audit", "keys", "demo", "stack")


def _sources() -> Iterator[Callable[[], Any]]:
    """What gives the commands of each part, in the order in which they are looked through."""
    services = {point.name: point for point in entry_points(group="secumail.cli")}
    for name in sorted(services, key=lambda name: (name not in _FIRST, name)):
        yield services[name].load
    for name in _KERNEL:
        yield partial(_kernel_part, name)


def _kernel_part(name: str) -> Any:
    return importlib.import_module(f"secumail.cli.{name}").commands


class Commands(TyperGroup):
    """Loads one part after another until it has the command asked for: a mail is read without a database driver.

    A part that is not in this image (ImportError) just lacks its commands. A Refused ends any command with its
    words and its fix, and exit code 1.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._waiting = _sources()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, its part loaded when needed."""
        while cmd_name not in self.commands and self._load_next():
            continue
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        """All commands."""
        while self._load_next():
            continue
        return sorted(super().list_commands(ctx))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a fault that is nobody's surprise is told in two lines."""
        try:
            return super().invoke(ctx)
        except Refused as refused:
            output.refuse(refused, ctx)
        except OSError as error:
            if error.filename is None:
                raise
            words = f"{error.filename}: {error.strerror}."
            output.refuse(Refused("file", words, "Look at the file's name and at who may read or write it."), ctx)
        raise typer.Exit(1)

    def _load_next(self) -> bool:
        load = next(self._waiting, None)
        if load is None:
            return False
        try:
            part = load()
        except ImportError:
            return True
        self.commands = {**typer.main.get_group(part).commands, **self.commands}
        return True


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def secumail(version: bool = typer.Option(False, "--version", help="Show the version.")) -> None:
    """An organisation's mail, safe by construction."""
    if version:
        output.say(__version__)
        raise typer.Exit


def run() -> None:
    """The entry point `secumail`."""
    app(prog_name="secumail")


if __name__ == "__main__":
    run()
