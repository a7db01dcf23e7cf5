"""Reads files in other processes, and says of files that ended one that they did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

from secumail.confined import Broken, Confined, Ended, Pool
from services.dlp.extraction import frames
from services.dlp.extraction.pieces import Limits
from services.dlp.findings import Hit
from services.dlp.message import File, Found

WALL = 30.0
"""Seconds a job may take before its process is ended."""
MEMORY = 2 << 30
"""Bytes of address space of a process."""


class Extractor:
    """An `Extract` that reads in other processes. Safe to call from several threads, of which some then wait.

    `wall` is in seconds for a job, `memory` in bytes of address space for a process. With `languages` ("eng+deu")
    the words in pictures are read, which may take two thirds of `wall`; without, such pictures wait.
    """

    def __init__(self, processes: int = 2, wall: float = WALL, memory: int = MEMORY, languages: str = "") -> None:
        seconds = wall * 2 / 3 if languages else min(Limits().seconds, wall * 2 / 3)
        arguments = str(memory), str(seconds), languages
        self._pool = Pool(processes, lambda: Confined("services.dlp.extraction.worker", arguments, wall=wall))
        self.warm = self._pool.warm
        self.close = self._pool.close

    def __call__(self, files: Sequence[File]) -> Iterator[Found]:
        """What the files carry. Where the process ended: what it had found, and a hit that says so."""
        with self._pool.taken() as process:
            try:
                with closing(process.job(*frames.of_files(files))) as answers:
                    for told, _ in answers:
                        yield frames.found_of(told)
            except (Ended, Broken) as error:
                process.end()
                rule = "timeout" if isinstance(error, Ended) and error.late else "crashed"
                yield from (Hit("unscannable", rule, file.where) for file in files)
