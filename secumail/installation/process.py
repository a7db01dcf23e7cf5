"""One child process: started, watched, started again with a growing pause when it dies, stopped in order.

What is known of a child stands in a small JSON record, so that `secumail status` and a later `up` find it. A
pid alone proves nothing (numbers are used again): it counts only together with the process's start time.
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from secumail.errors import Refused
from secumail.installation.home import Home, private_directory, write_private
from secumail.installation.program import Program

INFRASTRUCTURE = ("broker", "database", "epmd")
"""What services stand on: it stops after them."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
_STEADY_AFTER = 60.0
LOG_LIMIT = 16 * 2**20
_FAILED_STARTS = 4
_POLL = 0.05


class State(StrEnum):
    """How a child fares."""

    STARTING = "starting"
    READY = "ready"
    PAUSED = "paused"  # it died, and is started again after a pause
    STOPPED = "stopped"


@dataclass(frozen=True)
class Record:
    """A child as others see it: `started` is its process's start time (seconds since 1970)."""

    name: str
    pid: int
    started: float
    state: State
    restarts: int

    def process(self) -> psutil.Process | None:
        """The living process, or None where it is gone and its number perhaps another's."""
        if self.pid == 0:
            return None
        try:
            process = psutil.Process(self.pid)
            alive = process.create_time() == self.started and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if alive else None

    @classmethod
    def read(cls, path: Path) -> "Record":
        """A record as `Child` keeps it."""
        kept = json.loads(path.read_text())
        return cls(**kept | {"state": State(kept["state"])})


def records(home: Home) -> list[Record]:
    """What every process of this installation left, in the order of their names."""
    return [Record.read(path) for path in sorted(home.records.glob("*.json"))]


class NotReady(Refused):
    """A child does not come up."""

    def __init__(self, name: str, words: str, log: Path) -> None:
        super().__init__("not-ready", f"{name} {words}.", f"Its log says why: {log}")


class Child:
    """A program kept alive from `start` to `stop`."""

    def __init__(self, program: Program, home: Home) -> None:
        self.program = program
        self.restarts = 0
        self.state = State.STOPPED
        self._home = home
        self._process: asyncio.subprocess.Process | None = None
        self._started = 0.0
        self._keeper: asyncio.Task[None] | None = None
        self._greeter: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The program's name."""
        return self.program.name

    @property
    def pid(self) -> int | None:
        """The pid of the living process, None while there is none."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def start(self) -> None:
        """Start it, and keep it alive from now on."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name=self.name)

    async def ready(self, within: float = 90.0) -> None:
        """Wait until it can do its work. NotReady when it dies again and again, or after `within` seconds."""
        deadline = time.monotonic() + within
        before = self.restarts
        while self.state is not State.READY:
            for task in (self._keeper, self._greeter):
                if task is not None and task.done() and not task.cancelled():
                    task.result()  # what made it fail is the caller's to see
            if self.restarts - before >= _FAILED_STARTS:
                raise NotReady(self.name, "dies as often as it is started", self._home.log(self.name))
            if time.monotonic() > deadline:
                raise NotReady(self.name, f"is not ready after {within:.0f} s", self._home.log(self.name))
            await asyncio.sleep(_POLL)

    async def stop(self) -> None:
        """End it (SIGTERM, and SIGKILL after its grace) and keep it down."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), self.program.grace)
            except TimeoutError:
                process.kill()
                await process.wait()
        self._note(State.STOPPED)

    async def kill(self) -> None:
        """SIGKILL, as an accident would; it is started again after a pause."""
        process = self._process
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def restart(self) -> None:
        """End it if it lives, start it now, wait until it is ready."""
        await self.stop()
        self.start()
        await self.ready()

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while True:
            process = await self._spawn()
            began = time.monotonic()
            self._greeter = asyncio.create_task(self._greet())
            try:
                await process.wait()
            finally:
                self._greeter.cancel()
            if time.monotonic() - began > _STEADY_AFTER:
                pause = FIRST_PAUSE
            self.restarts += 1
            self._note(State.PAUSED)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _spawn(self) -> asyncio.subprocess.Process:
        with open_log(self._home, self.name) as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.program.argv,
                env=self.program.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                # Ctrl-C reaches the whole foreground group; but stopping has an order.
                start_new_session=True,
                umask=0o077,
            )
        with contextlib.suppress(psutil.NoSuchProcess):
            self._started = psutil.Process(self._process.pid).create_time()
        self._note(State.STARTING)
        return self._process

    async def _greet(self) -> None:
        while True:
            if await self.program.ready():
                self._note(State.READY)
                return
            await asyncio.sleep(_POLL)

    def _note(self, state: State) -> None:
        self.state = state
        record = Record(self.name, self.pid or 0, self._started, state, self.restarts)
        write_private(self._home.records / f"{self.name}.json", json.dumps(asdict(record)))


@contextlib.contextmanager
def open_log(home: Home, name: str) -> Iterator[int]:
    """The descriptor of a process's log, opened for appending; a log beyond 16 MiB is set aside first."""
    private_directory(home.logs)
    path = home.log(name)
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def end_orphans(home: Home) -> list[str]:
    """End what a killed supervisor left behind, and nothing else, services first; returns the names."""
    left = [record for record in records(home) if record.process() is not None]
    _end([record for record in left if record.name not in INFRASTRUCTURE])
    _end([record for record in left if record.name in INFRASTRUCTURE])
    return [record.name for record in left]


def _end(left: Sequence[Record], grace: float = 20.0) -> None:
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        for record in left:
            if (process := record.process()) is not None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
        deadline = time.monotonic() + patience
        # Not psutil's own waiting: that also waits until init has collected what ended long ago.
        while any(record.process() is not None for record in left) and time.monotonic() < deadline:
            time.sleep(_POLL)
