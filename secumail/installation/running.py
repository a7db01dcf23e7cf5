"""A whole installation as one running thing: brought up in the foreground or behind, looked at, brought down."""

import asyncio
import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from secumail.errors import Refused
from secumail.installation import seed
from secumail.installation.home import Home
from secumail.installation.probes import http_status, listens
from secumail.installation.process import Record, State, end_orphans, open_log, records
from secumail.installation.supervisor import Stack, holder, is_running
from secumail.topology import SERVICES

SUPERVISOR = "supervisor"
_START_WITHIN = 150.0
_STOP_WITHIN = 90.0
_ASK_AGAIN = 0.3

Seed = Callable[[Home], Awaitable[None]]


@dataclass(frozen=True)
class Status:
    """One process as an operator sees it. `uptime` in seconds and `rss` in bytes are 0 for one that is down."""

    name: str
    state: str
    pid: int
    restarts: int
    uptime: float
    rss: int
    ready: bool


async def serve(home: Home, on_ready: Callable[[], None], seeding: Seed = seed.run) -> None:
    """Bring everything up, seed, report with `on_ready`, and keep it up until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    up = asyncio.create_task(_up(home, on_ready, seeding))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({up, stopping}, return_when=asyncio.FIRST_COMPLETED)
    # Even when it is still starting, what runs already is stopped in order.
    stopping.cancel()
    up.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await up


async def _up(home: Home, on_ready: Callable[[], None], seeding: Seed) -> None:
    async with Stack(home):
        await seeding(home)
        _ready_mark(home).touch()
        try:
            on_ready()
            await asyncio.Event().wait()
        finally:
            _ready_mark(home).unlink(missing_ok=True)


def detach(home: Home) -> None:
    """Bring everything up behind; returns when it is ready. Refused, with the log's name, when it fails."""
    home.save()
    with open_log(home, SUPERVISOR) as log:
        supervisor = os.fork()  # not a new interpreter: importing everything again would take a second
        if supervisor == 0:
            _live_behind(home, log)
    deadline = time.monotonic() + _START_WITHIN
    while not is_up(home):
        ended, _ = os.waitpid(supervisor, os.WNOHANG)
        if ended or time.monotonic() > deadline:
            said = home.log(SUPERVISOR).read_text().rstrip().rpartition("\n")[2]
            raise Refused("not-up", f"It did not come up: {said}", f"More is in {home.log(SUPERVISOR)}")
        time.sleep(0.05)


def _live_behind(home: Home, log: int) -> NoReturn:
    os.setsid()
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 1
    try:
        asyncio.run(serve(home, lambda: None))
        code = 0
    except Refused as refused:
        print(f"{refused.words} {refused.fix}", file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def is_up(home: Home) -> bool:
    """Whether a supervisor has brought this installation up and seeded it."""
    return is_running(home) and _ready_mark(home).exists()


def down(home: Home) -> bool:
    """Stop it in order, wherever it was started; whether there was anything to stop."""
    supervisor = holder(home)
    if supervisor is None:
        return bool(end_orphans(home))
    os.kill(supervisor, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_WITHIN
    while is_running(home):
        if time.monotonic() > deadline:
            raise Refused(
                "not-down", f"The supervisor, process {supervisor}, does not end.",
                f"Run: kill -9 {supervisor}; secumail down",
            )  # fmt: skip
        time.sleep(0.05)
    return True


async def status(home: Home) -> Sequence[Status]:
    """Every process of the installation, with its readiness asked for now."""
    found = records(home)
    order = ("epmd", "broker", "database", *SERVICES)
    found.sort(key=lambda record: order.index(record.name) if record.name in order else len(order))
    return await asyncio.gather(*(_status(home, record) for record in found))


async def status_when_ready(home: Home, within: float) -> Sequence[Status]:
    """The status once all processes are ready, or after `within` seconds as it is then."""
    deadline = time.monotonic() + within
    while True:
        found = await status(home)
        if (found and all(each.ready for each in found)) or time.monotonic() >= deadline:
            return found
        await asyncio.sleep(_ASK_AGAIN)


async def _status(home: Home, record: Record) -> Status:
    process = record.process()
    if process is None:
        state = record.state if record.state in (State.PAUSED, State.STOPPED) else State.STOPPED
        return Status(record.name, state, 0, record.restarts, 0.0, 0, False)
    return Status(
        record.name,
        record.state,
        record.pid,
        record.restarts,
        round(time.time() - record.started, 1),
        process.memory_info().rss,
        await _answers(home, record.name),
    )


async def _answers(home: Home, name: str) -> bool:
    if name in home.ports.health:
        return await http_status(home.ports.health[name], "/readyz") == 200
    ports = {"epmd": home.ports.epmd, "broker": home.ports.amqps, "database": home.ports.mongodb}
    return await listens(ports[name])


def _ready_mark(home: Home) -> Path:
    return home.path / "ready"
