"""Runs a peer's program, bounded in time."""

import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

WITHIN = 30.0


class PeerMissing(Exception):
    """The program is not installed; it doesn't skip a test, it fails it."""

    def __init__(self, program: str) -> None:
        super().__init__(f"{program} is not installed. Install it: make bootstrap corpus")


class PeerRefused(Exception):
    """The peer did not do it; `reason` is the line in which it says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Ran:
    """What a program left: its exit code and what it wrote."""

    code: int
    out: bytes
    err: str

    def refused(self, *telling: str) -> NoReturn:
        """Raise PeerRefused with the first line that has one of the words `telling`, else the last line."""
        if self.code < 0:
            raise PeerRefused(f"ended by {signal.strsignal(-self.code)}")
        lines = [line.strip() for line in self.err.splitlines() if line.strip()] or [f"exit code {self.code}"]
        raise PeerRefused(next((line for word in telling for line in lines if word in line), lines[-1]))


def run(*argv: str | Path, given: bytes = b"", within: float = WITHIN) -> Ran:
    """Run `argv` with `given` on its standard input."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, input=given, capture_output=True, timeout=within, check=False)
    except FileNotFoundError as error:
        raise PeerMissing(words[0]) from error
    except subprocess.TimeoutExpired as error:
        raise PeerRefused(f"{words[0]} took longer than {within:g} s") from error
    return Ran(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))
