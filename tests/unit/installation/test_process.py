"""A child process under supervision: real processes, no broker."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from secumail.installation import process as supervision
from secumail.installation.home import Home
from secumail.installation.process import Child, NotReady, Program, Record, State, end_orphans, records

SLEEPER = "import time; print('here', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(600)"
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def program(home: Home, code: str, grace: float = 10) -> Program:
    async def ready() -> bool:
        return "here" in home.log("child").read_text()

    return Program("child", [sys.executable, "-c", code], dict(os.environ), ready, grace)


async def until(condition: Callable[[], bool], within: float = 15) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.02)


async def test_a_child_is_ready_when_its_probe_says_so_and_gone_after_stop(home: Home) -> None:
    child = Child(program(home, SLEEPER), home)
    child.start()
    await child.ready()
    assert child.pid is not None
    (record,) = records(home)
    assert (record.pid, record.state, record.restarts) == (child.pid, State.READY, 0)

    await child.stop()

    assert child.pid is None
    assert not psutil.pid_exists(record.pid)
    assert records(home)[0].state is State.STOPPED


async def test_a_killed_child_comes_back_and_the_restart_is_counted(home: Home) -> None:
    child = Child(program(home, SLEEPER), home)
    child.start()
    await child.ready()
    first = child.pid

    await child.kill()
    await until(lambda: child.pid not in (None, first))

    assert records(home)[0].restarts == 1
    await child.stop()


async def test_a_child_that_dies_again_and_again_is_given_up_with_the_name_of_its_log(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.01)
    child = Child(program(home, "raise SystemExit('no configuration')"), home)
    child.start()
    with pytest.raises(NotReady) as failure:
        await child.ready()
    assert str(home.log("child")) in failure.value.fix
    assert "no configuration" in home.log("child").read_text()
    await child.stop()


async def test_a_child_that_does_not_end_when_asked_is_killed_after_its_grace(home: Home) -> None:
    child = Child(program(home, STUBBORN, grace=0.2), home)
    child.start()
    await child.ready()
    pid = child.pid
    await asyncio.wait_for(child.stop(), 5)
    assert pid is not None
    assert not psutil.pid_exists(pid)


async def test_a_restarted_child_is_another_process(home: Home) -> None:
    child = Child(program(home, SLEEPER), home)
    child.start()
    await child.ready()
    first = child.pid
    await child.restart()
    assert child.pid != first
    await child.stop()


def test_a_number_used_again_by_another_process_is_not_taken_for_ours() -> None:
    me = psutil.Process()
    record = Record("child", me.pid, me.create_time(), State.READY, 0)
    assert record.process() is not None
    assert replace(record, started=me.create_time() - 100).process() is None
    assert replace(record, pid=0).process() is None


async def test_orphans_are_ended_and_strangers_are_not(home: Home) -> None:
    stranger = await asyncio.create_subprocess_exec(sys.executable, "-c", SLEEPER, stdout=asyncio.subprocess.DEVNULL)
    child = Child(program(home, SLEEPER), home)
    child.start()
    await child.ready()
    (record,) = records(home)
    reused = replace(record, name="reused", pid=stranger.pid, started=record.started - 3600)
    (home.records / "reused.json").write_text(json.dumps(asdict(reused)))

    assert await asyncio.to_thread(end_orphans, home) == ["child"]

    assert psutil.pid_exists(stranger.pid)
    stranger.kill()
    await stranger.wait()
    await child.stop()


async def test_a_log_that_has_grown_too_long_is_set_aside_at_the_next_start(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "LOG_LIMIT", 10)
    home.logs.mkdir()
    home.log("child").write_text("twenty characters ...")
    child = Child(program(home, SLEEPER), home)
    child.start()
    await child.ready()
    await child.stop()
    assert home.log("child").read_text() == "here\n"
    assert (home.logs / "child.log.1").read_text() == "twenty characters ..."
