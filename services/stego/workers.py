"""Processes that work on pictures: one job at a time each, a time limit, and a fresh one for whichever ended."""

import base64
import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from secumail.errors import Refused
from services.stego import frames
from services.stego.refusals import CoverRefused
from services.stego.terms import Hidden, Judged, Progress, Rate

WALL = 300.0
"""Seconds a job may take: 16 million pixels in colour took 26 on a core."""
MEMORY = 4 * 2**30
"""Bytes of address space of a process. A picture of 16 million pixels in colour took 1.4 GiB, of that 1.2 in memory."""

_ROOT = Path(__file__).parents[2]
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH")


class Workers:
    """Hiding and revealing in other processes. Safe to call from several threads, of which some then wait.

    A process is started when it is first needed, and kept.
    """

    def __init__(self, processes: int = 1, wall: float = WALL, memory: int = MEMORY) -> None:
        self._wall = wall
        self._memory = memory
        self._idle: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        for _ in range(processes):
            self._idle.put(None)

    def judge(self, file: bytes) -> Judged:
        """As services.stego.hiding.judge."""
        (outcome, _) = self._job({"job": "judge"}, [file])
        return Judged(**{**outcome, "notes": tuple(outcome["notes"])})

    def together(self, files: Sequence[bytes]) -> dict[Rate, int]:
        """As services.stego.hiding.together."""
        outcome: dict[Rate, int] = self._job({"job": "together"}, files)[0]
        return outcome

    def hide(
        self,
        files: Sequence[bytes],
        payload: bytes,
        key: bytes,
        rate: Rate,
        progress: Progress = lambda done, of: None,
    ) -> list[Hidden]:
        """As services.stego.hiding.hide."""
        head = {"job": "hide", "key": base64.b64encode(key).decode(), "rate": rate}
        told, made = self._job(head, [payload, *files], progress)
        return [
            Hidden(file, one["kind"], bytes.fromhex(one["digest"]), one["look"])
            for file, one in zip(made, told, strict=True)
        ]

    def reveal(self, files: Sequence[bytes], key: bytes) -> bytes:
        """As services.stego.hiding.reveal."""
        head = {"job": "reveal", "key": base64.b64encode(key).decode()}
        return self._job(head, files)[1][0]

    def _job(
        self, head: dict[str, Any], files: Sequence[bytes], progress: Progress = lambda done, of: None
    ) -> tuple[Any, list[bytes]]:
        process = self._idle.get()
        try:
            if process is not None and not process.ended:
                with contextlib.suppress(_Ended):
                    return process.job(head, files, progress, self._wall)
            # A process that ends in work may have been ended from outside: the job is begun once more in a fresh one.
            for _ in range(2):
                process = _Process(self._memory)
                with contextlib.suppress(_Ended):
                    return process.job(head, files, progress, self._wall)
            raise CoverRefused("unworkable", "The process that works on the picture ended, twice.")
        finally:
            self._idle.put(process)

    def close(self) -> None:
        """End the processes that are idle. They end with this one at the latest."""
        for _ in range(self._idle.qsize()):
            process = self._idle.get_nowait()
            if process is not None:
                process.end()
            self._idle.put(None)


class _Ended(Exception):
    """The process has ended in a job."""


class _Process:
    """One process, with the pipes to it."""

    def __init__(self, memory: int) -> None:
        # The JPEG library puts pictures down in temporary files: in memory, in a folder that goes with the process.
        self._folder = tempfile.TemporaryDirectory(dir="/dev/shm", prefix="pictures-")
        # Nothing of the service's environment but what finds libraries: its secrets are named there. A session of its
        # own: a signal from the terminal must not turn the mail in work into one that crashed.
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "services.stego.worker", str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_ROOT,
            env={**environment, "LANG": "C.UTF-8", "TMPDIR": self._folder.name, "OMP_NUM_THREADS": "1"},
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

    def job(
        self, head: dict[str, Any], files: Sequence[bytes], progress: Progress, wall: float
    ) -> tuple[Any, list[bytes]]:
        timer = threading.Timer(wall, self._too_late)
        timer.daemon = True
        timer.start()
        try:
            frames.write(self._given, head, files)
            while True:
                told, made = frames.read(self._said)
                if "progress" in told:
                    progress(*told["progress"])
                elif "refused" in told:
                    raise Refused(**told["refused"])
                else:
                    return told["done"], made
        except (OSError, frames.Broken) as error:
            self.end()
            if self._late:
                raise CoverRefused(
                    "too-long", f"Working on the picture took more than {wall:.0f} seconds.", "Scale the picture down."
                ) from error
            raise _Ended from error
        finally:
            timer.cancel()

    def _too_late(self) -> None:
        self._late = True
        self._popen.send_signal(signal.SIGKILL)

    def end(self) -> None:
        self._popen.kill()
        for stream in (self._given, self._said):
            with contextlib.suppress(OSError):
                stream.close()
        self._popen.wait()
        self._folder.cleanup()
