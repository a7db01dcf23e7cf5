"""A process that reads what strangers made: bounded in memory, time and rights, and begun anew where it ended.

A service keeps a `Pool` of them; `serve` is the other end. Between the two go frames: a head of JSON, and bytes after
it. No pickles: what comes back may come from whoever took the process over by a file it read.
"""

import contextlib
import ctypes
import gc
import json
import logging
import os
import queue
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias

FRAME_LIMIT = 2**30
"""Bytes of a frame."""

Frame: TypeAlias = tuple[Any, Sequence[bytes]]
"""What JSON can say (not None, which ends a job), and bytes that go with it."""

_ROOT = Path(__file__).parents[1]
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LIBARCHIVE", "TESSDATA_PREFIX")
_NO_NEW_PRIVILEGES = 38
_SHARED_MEMORY, _PREFIX = Path("/dev") / "shm", "secumail-"
_SIZES = struct.Struct(">II")


class Broken(Exception):
    """The other side has ended, or says what is no frame."""


class Ended(Exception):
    """The process ended in a job; `late`: because its time was over."""

    def __init__(self, late: bool) -> None:
        super().__init__("late" if late else "crashed")
        self.late = late


class Confined:
    """One process that runs the module `name`, which calls `serve`.

    `wall` is in seconds for a job. With `scratch` it may write files: into a folder in memory that goes with it.
    """

    def __init__(self, name: str, arguments: Sequence[str] = (), *, wall: float, scratch: bool = False) -> None:
        self._wall = wall
        self._late = False
        self._scratch = _scratch() if scratch else None
        # Nothing of the service's environment but what finds libraries: its secrets are named there.
        environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
        environment |= {"LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        if self._scratch is not None:
            environment["TMPDIR"] = self._scratch.name
        # A session of its own: a signal from the terminal must not turn the mail in work into one that crashed.
        self._popen = subprocess.Popen(
            [sys.executable, "-m", name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_ROOT,
            env=environment,
            start_new_session=True,
        )
        if self._popen.stdin is None or self._popen.stdout is None:
            raise RuntimeError("the process has no pipes")
        self._given: IO[bytes] = self._popen.stdin
        self._said: IO[bytes] = self._popen.stdout

    @property
    def ended(self) -> bool:
        """Whether it is no longer there."""
        return self._popen.poll() is not None

    def job(self, head: Any, files: Sequence[bytes] = ()) -> Generator[Frame, None, None]:
        """What it answers. Raises Ended. Who stops listening ends it: it would answer the next with the rest."""
        timer = threading.Timer(self._wall, self._too_late)
        timer.daemon = True
        timer.start()
        try:
            write(self._given, head, files)
            while (frame := read(self._said))[0] is not None:
                yield frame
        except (OSError, Broken) as error:
            self.end()
            raise Ended(self._late or self._popen.returncode == -signal.SIGXCPU) from error
        except GeneratorExit:
            self.end()
            raise
        finally:
            timer.cancel()

    def _too_late(self) -> None:
        self._late = True
        self._kill()

    def _kill(self) -> None:
        # With the programs it has started, which are of its session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    def end(self) -> None:
        """End it, whatever it does."""
        self._kill()
        for stream in (self._given, self._said):
            with contextlib.suppress(OSError):
                stream.close()
        self._popen.wait()
        if self._scratch is not None:
            self._scratch.cleanup()


class Pool:
    """At most so many processes, each started when it is first needed, and kept. For several threads at once."""

    def __init__(self, processes: int, start: Callable[[], Confined]) -> None:
        self._start = start
        self._idle: queue.LifoQueue[Confined | None] = queue.LifoQueue()
        for _ in range(processes):
            self._idle.put(None)

    @contextlib.contextmanager
    def taken(self) -> Iterator[Confined]:
        """A process for one job, when there is one."""
        process = self._idle.get()
        try:
            if process is None or process.ended:
                process = None
                process = self._start()
            yield process
        finally:
            self._idle.put(None if process is None or process.ended else process)

    def warm(self) -> None:
        """Start them ahead of the first job; they boot while others work."""
        for process in [self._idle.get() for _ in range(self._idle.qsize())]:
            self._idle.put(self._start() if process is None or process.ended else process)

    def close(self) -> None:
        """End those that are idle. All end with this process at the latest."""
        for _ in range(self._idle.qsize()):
            process = self._idle.get_nowait()
            if process is not None:
                process.end()
            self._idle.put(None)


def serve(work: Callable[[Any, list[bytes]], Iterable[Frame]], *, memory: int, cpu: int, scratch: int = 0) -> None:
    """The other end: job after job until nobody asks any more.

    `memory` is in bytes of address space, `cpu` in seconds of computing for a job, `scratch` in bytes of a file that
    may be written. A limit of the system ends the process, and whoever started it takes that for an answer.
    """
    ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold mail and keys
    resource.setrlimit(resource.RLIMIT_FSIZE, (scratch, scratch))
    # Libraries log what they stumble over, with the words they stumbled over.
    logging.disable(logging.CRITICAL)
    gc.freeze()
    given, said = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            head, files = read(given)
        except Broken:
            return
        _allow(cpu)
        for answer in work(head, files):
            write(said, *answer)
        write(said, None)
        del head, files


def write(stream: IO[bytes], head: Any, files: Sequence[bytes] = ()) -> None:
    """One frame. Lone surrogates in strings become question marks."""
    told = json.dumps([head, [len(file) for file in files]], ensure_ascii=False).encode("utf-8", "replace")
    stream.write(_SIZES.pack(len(told), sum(map(len, files))))
    stream.write(told)
    for file in files:
        stream.write(file)
    stream.flush()


def read(stream: IO[bytes]) -> tuple[Any, list[bytes]]:
    """One frame. Raises Broken."""
    told, rest = _SIZES.unpack(_exactly(stream, _SIZES.size))
    if told + rest > FRAME_LIMIT:
        raise Broken
    try:
        head, sizes = json.loads(_exactly(stream, told))
        lengths = [int(size) for size in sizes]
    except (ValueError, TypeError) as error:
        raise Broken from error
    if sum(lengths) != rest or any(length < 0 for length in lengths):
        raise Broken
    return head, [_exactly(stream, length) for length in lengths]


def _exactly(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) != length:
        raise Broken
    return data


def _scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory. What others left who were killed is swept away: it may hold what they worked on."""
    for left in _SHARED_MEMORY.glob(f"{_PREFIX}*-*"):
        owner = left.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.TemporaryDirectory(dir=_SHARED_MEMORY, prefix=f"{_PREFIX}{os.getpid()}-")


def _allow(seconds: int) -> None:
    """Computing time for one more job."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds, hard))
