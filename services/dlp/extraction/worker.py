"""The process in which a mail's files are read: started by `child`, it is given no secrets and no disk to fill.

Each job is a frame of files, the answer a frame for each thing found and an empty one. A limit of the system ends the
process, and whoever started it takes that for an answer.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import resource
import sys

from services.dlp.danger import examine
from services.dlp.extraction import frames
from services.dlp.extraction.pieces import Limits
from services.dlp.extraction.walk import extract

MEMORY = 2 << 30
"""Bytes of address space."""
CPU = 30
"""Seconds of computing for one mail."""

_NO_NEW_PRIVILEGES = 38


def confine(memory: int) -> None:
    """Bound the memory; write no file, and gain no right."""
    ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def allow(seconds: int) -> None:
    """Computing time for one more job."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds, hard))


def main() -> None:
    confine(int(sys.argv[1]) if len(sys.argv) > 1 else MEMORY)
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else Limits().seconds
    # The libraries log what they stumble over, with the words they stumbled over.
    logging.disable(logging.CRITICAL)
    gc.freeze()
    given, said = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            files = frames.read_files(given)
        except frames.Broken:
            return
        allow(CPU)
        for found in extract(files, Limits(seconds=seconds), examine):
            frames.write_found(said, found)
        frames.write_end(said)
        del files


if __name__ == "__main__":
    main()
