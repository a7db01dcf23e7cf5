"""Keeps the processes that read files: one job at a time each, a time limit, and a fresh one for whichever ended."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from services.dlp.extraction import frames
from services.dlp.extraction.pieces import Limits
from services.dlp.extraction.worker import MEMORY
from services.dlp.findings import Hit
from services.dlp.message import File, Found

WALL = 30.0
"""Seconds a job may take before its process is ended."""

_ROOT = Path(__file__).parents[3]
_PASSED_ON = ("PATH", "LIBARCHIVE", "LD_LIBRARY_PATH")


class Extractor:
    """An `Extract` that reads in other processes. Safe to call from several threads, of which some then wait.

    A process is started when it is first needed, and kept. `wall` is in seconds for a job, `memory` in bytes of
    address space for a process.
    """

    def __init__(self, processes: int = 2, wall: float = WALL, memory: int = MEMORY) -> None:
        self._wall = wall
        self._memory = memory
        self._idle: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        for _ in range(processes):
            self._idle.put(None)

    def __call__(self, files: Sequence[File]) -> Iterator[Found]:
        """What the files carry. Where the process ended: what it had found, and a hit that says so."""
        process = self._idle.get()
        try:
            process = self._started(process)
            yield from process.job(files, self._wall)
        finally:
            self._idle.put(None if process is None or process.ended else process)

    def warm(self) -> None:
        """Start the processes ahead of the first mails that need them; they boot while others work."""
        waiting = [self._idle.get() for _ in range(self._idle.qsize())]
        for process in waiting:
            self._idle.put(self._started(process))

    def _started(self, process: _Process | None) -> _Process:
        if process is not None and not process.ended:
            return process
        return _Process(self._memory, min(Limits().seconds, self._wall * 2 / 3))

    def close(self) -> None:
        """End the processes that are idle. They end with this one at the latest."""
        for _ in range(self._idle.qsize()):
            process = self._idle.get_nowait()
            if process is not None:
                process.end()
            self._idle.put(None)


class _Process:
    """One process, with the pipes to it."""

    def __init__(self, memory: int, seconds: float) -> None:
        # Nothing of the service's environment but what finds libraries: its secrets are named there. A session of its
        # own: a signal from the terminal must not turn the mail in work into one that crashed.
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "services.dlp.extraction.worker", str(memory), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_ROOT,
            env={**environment, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
        )
        if self._popen.stdin is None or self._popen.stdout is None:
            raise RuntimeError("the process has no pipes")
        self._given: IO[bytes] = self._popen.stdin
        self._said: IO[bytes] = self._popen.stdout
        self._late = False

    @property
    def ended(self) -> bool:
        return self._popen.poll() is not None

    def job(self, files: Sequence[File], wall: float) -> Iterator[Found]:
        timer = threading.Timer(wall, self._too_late)
        timer.daemon = True
        timer.start()
        try:
            frames.write_files(self._given, files)
            while (found := frames.read_found(self._said)) is not None:
                yield found
        except (OSError, frames.Broken):
            self.end()
            rule = "timeout" if self._late or self._popen.returncode == -signal.SIGXCPU else "crashed"
            yield from (Hit("unscannable", rule, file.where) for file in files)
        except GeneratorExit:
            # Who asked has stopped listening: the process would answer the next with the rest.
            self.end()
            raise
        finally:
            timer.cancel()

    def _too_late(self) -> None:
        self._late = True
        self._popen.kill()

    def end(self) -> None:
        self._popen.kill()
        for stream in (self._given, self._said):
            with contextlib.suppress(OSError):
                stream.close()
        self._popen.wait()
