"""`python -m tests.chaos.doomed <service>`: a real service that dies at points its test has named.

The service is the one that production runs, wired by its own bootstrap.py; only the seams to the outside are watched:
each write that goes to MongoDB (seen by a command listener of the driver), each publish, each ack. Before and after
each of them is a point. The points of one handling are counted; at a named one the process ends, like one that
was killed with signal 9: nothing is flushed, closed or finished. A parent with the modules loaded forks it anew.
"""

import functools
import importlib
import os
import runpy
import signal
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aio_pika
from pymongo import monitoring

from secumail import topology
from secumail.audit import Sealer
from secumail.bus.asking import Asking
from secumail.contracts.commands.dlp import Reject, Release
from secumail.installation import services
from secumail.installation.home import Home
from secumail.installation.process import Program
from secumail.spool.redrive import Redriver
from secumail.spool.spool import Spool

DIED = 9
_DIRECTORY = "DOOM"
_WRITES = frozenset({"insert", "update", "delete", "findAndModify"})
_BEGIN = "begin"

Name = Callable[..., str | None]


@dataclass(frozen=True)
class Doom:
    """What test and service tell each other, as files: where to die, where it died, which points there are.

    A handling is known by a name, such as `step-<mail id>`.
    """

    directory: Path

    def kill_at(self, handling: str, *points: str) -> None:
        """Die at each of these points, one after the other, when `handling` gets there.

        A point is given in words, or by its number (from 0) where a handling comes by the same words twice.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        fresh = self.directory / f".{handling}"
        fresh.write_text("\n".join(points))
        fresh.replace(self._plan(handling))

    def waiting(self) -> dict[str, list[str]]:
        """The points where nothing has died yet."""
        return {path.stem: self.planned(path.stem) for path in sorted(self.directory.glob("*.plan"))}

    def planned(self, handling: str) -> list[str]:
        """The points where one handling is still to die."""
        try:
            return self._plan(handling).read_text().splitlines()
        except FileNotFoundError:
            return []

    def points(self, handling: str) -> list[str]:
        """The points that the first run of a handling went through, in words."""
        try:
            first = self._trail(handling).read_text().split(_BEGIN)[1]
        except FileNotFoundError:
            return []
        return first.split("\n")[1:-1]

    def deaths(self) -> list[str]:
        """Every death: where it was, in words."""
        path = self.directory / "deaths"
        return path.read_text().splitlines() if path.exists() else []

    def note(self, handling: str, words: str) -> None:
        """A handling came to a point."""
        self._append(self._trail(handling), words)

    def die(self, handling: str, point: str, words: str) -> None:
        """The end, for this once."""
        left = [other for other in self.planned(handling) if other != point]
        if left:
            self.kill_at(handling, *left)
        else:
            self._plan(handling).unlink()
        self._append(self.directory / "deaths", f"{handling.partition('-')[0]} {words}")
        os._exit(DIED)

    def _append(self, path: Path, line: str) -> None:
        with path.open("a") as file:
            file.write(f"{line}\n")

    def _plan(self, handling: str) -> Path:
        return self.directory / f"{handling}.plan"

    def _trail(self, handling: str) -> Path:
        return self.directory / f"{handling}.trail"


def doom(home: Home, service: str) -> Doom:
    """The one of an installation's service."""
    return Doom(home.path / "doom" / service)


def program(home: Home, service: str, **environment: str) -> Program:
    """The service as a Stack runs it, doomed. It works on one mail at a time, so that points can be told apart."""
    normal = services.program(home, service)
    directory = doom(home, service).directory
    directory.mkdir(parents=True, exist_ok=True)
    return replace(
        normal,
        argv=[sys.executable, "-m", "tests.chaos.doomed", service],
        environment={**normal.environment, _DIRECTORY: str(directory), "SECUMAIL_IN_FLIGHT": "1", **environment},
    )


class Handling:
    """One run of a handler, and how many points it has come through."""

    def __init__(self, given: Doom, name: str) -> None:
        self._doom = given
        self._name = name
        self._deaths = given.planned(name)
        self._passed = 0
        given.note(name, _BEGIN)

    def reach(self, words: str) -> None:
        """Come to a point, and perhaps not beyond."""
        self._doom.note(self._name, words)
        for point in (words, str(self._passed)):
            if point in self._deaths:
                self._doom.die(self._name, point, words)
        self._passed += 1


_DECISIONS = (Release, Reject)
_handling: ContextVar[Handling | None] = ContextVar("handling", default=None)


def reach(words: str) -> None:
    """A point; outside any handling it is none."""
    handling = _handling.get()
    if handling is not None:
        handling.reach(words)


class Writes(monitoring.CommandListener):
    """The driver's own view: called right before a command goes out and right after its answer is there."""

    def __init__(self) -> None:
        self._under_way: dict[int, str] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in _WRITES:
            words = f"{event.command_name} {event.command[event.command_name]}"
            self._under_way[event.request_id] = words
            reach(f"before {words}")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        words = self._under_way.pop(event.request_id, None)
        nothing_written = event.command_name == "findAndModify" and event.reply.get("value") is None
        if words is not None and not nothing_written:
            reach(f"after {words}")

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._under_way.pop(event.request_id, None)


def watch_seams() -> None:
    """Points before and after each write, publish and ack."""
    monitoring.register(Writes())

    def published(exchange: aio_pika.Exchange, _message: Any, key: str, **_options: Any) -> str:
        return f"publish {key if exchange.name == topology.EVENTS else exchange.name}"

    _around(aio_pika.Exchange, "publish", published)
    _around(aio_pika.IncomingMessage, "ack", lambda *_, **__: "ack")


def name_handlings(given: Doom) -> None:
    """A handling begins where the spool is asked for a step, or a background task takes its turn."""

    def begin(owner: type, method: str, name: Name, inner: bool = False) -> None:
        original = getattr(owner, method)

        @functools.wraps(original)
        async def begun(*args: Any, **options: Any) -> Any:
            # What is done within another handling (a bounce within its mail's step) is part of that one.
            called = None if inner and _handling.get() is not None else name(*args)
            if called is not None:
                _handling.set(Handling(given, called))
            return await original(*args, **options)

        setattr(owner, method, begun)

    begin(Spool, "step", lambda _, event, *__: f"step-{event.mail}")
    begin(Spool, "submit", lambda _, mail: f"submit-{mail.id}", inner=True)
    begin(Spool, "advance", lambda _, record, change: f"{change.step}-{record.id}", inner=True)
    begin(Asking, "ask", lambda _, command, *__: f"decide-{command.mail}" if isinstance(command, _DECISIONS) else None)
    for owner in (Sealer, Redriver):
        begin(owner, "turn", lambda *_, name=owner.__name__: name.lower())


def _around(owner: type, method: str, words: Callable[..., str]) -> None:
    original = getattr(owner, method)

    @functools.wraps(original)
    async def watched(*args: Any, **options: Any) -> Any:
        seam = words(*args, **options)
        reach(f"before {seam}")
        result = await original(*args, **options)
        reach(f"after {seam}")
        return result

    setattr(owner, method, watched)


def main(service: str) -> int:
    """Fork the service for as long as it dies by its doom; any other end is this process's end."""
    for part in ("bootstrap", "settings"):
        importlib.import_module(f"services.{service}.{part}")
    watch_seams()
    name_handlings(Doom(Path(os.environ[_DIRECTORY])))
    child = 0
    stopping = False

    def stop(*_: Any) -> None:
        nonlocal stopping
        stopping = True
        if child:
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    while not stopping:
        child = os.fork()
        if child == 0:
            _live(service)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != DIED:
            return os.waitstatus_to_exitcode(status)
    return 0


def _live(service: str) -> None:
    """The service's own __main__, in the child."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    code = 1
    try:
        runpy.run_module(f"services.{service}", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
