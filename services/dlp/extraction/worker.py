"""The process in which a mail's files are read: it is given no secrets and no disk to fill."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from secumail.confined import Frame, serve
from services.dlp.danger import examine
from services.dlp.extraction import frames
from services.dlp.extraction.pieces import Limits
from services.dlp.extraction.walk import extract

CPU = 30
"""Seconds of computing for one mail, at the least."""


def main() -> None:
    """`python -m services.dlp.extraction.worker MEMORY SECONDS LANGUAGES`, as `child` starts it."""
    memory, limits = int(sys.argv[1]), Limits(seconds=float(sys.argv[2]), languages=sys.argv[3])

    def work(told: Any, contents: Sequence[bytes]) -> Iterator[Frame]:
        for found in extract(frames.files_of(told, contents), limits, examine):
            yield frames.of_found(found), ()

    serve(work, memory=memory, cpu=max(CPU, int(limits.seconds) + 10))


if __name__ == "__main__":
    main()
