"""`python -m services.stego.worker MEMORY SECONDS`: works on pictures, job after job (secumail.confined).

What it is asked and answers: services.stego.workers, the other end.
"""

import base64
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from secumail.confined import Frame, serve
from secumail.errors import Refused
from services.stego import hiding
from services.stego.refusals import CoverRefused

_SCRATCH = 128 * 2**20
"""Bytes of a file in memory: a JPEG is read and written through one."""


def main() -> None:
    """Until nobody asks any more."""
    serve(_answers, memory=int(sys.argv[1]), cpu=int(sys.argv[2]), scratch=_SCRATCH)


def _answers(head: Any, files: Sequence[bytes]) -> Iterator[Frame]:
    """A job's results, or why there is none."""
    try:
        yield from _results(head, files)
    except Refused as refused:
        yield _refused(refused)
    except MemoryError:
        words = "Working on the picture takes more memory than there is for one."
        yield _refused(CoverRefused("memory", words, "Scale the picture down."))


def _results(head: Any, files: Sequence[bytes]) -> Iterator[Frame]:
    if head["job"] == "judge":
        yield asdict(hiding.judge(files[0])), ()
    elif head["job"] == "together":
        yield hiding.together(files), ()
    elif head["job"] == "reveal":
        yield {}, (hiding.reveal(files, base64.b64decode(head["key"])),)
    else:
        payload, *covers = files
        for one in hiding.hide_each(covers, payload, base64.b64decode(head["key"]), head["rate"]):
            yield {"kind": one.kind, "digest": one.digest.hex(), "look": one.look}, (one.file,)


def _refused(refused: Refused) -> Frame:
    told = {"code": refused.code, "words": refused.words, "fix": refused.fix, "status": refused.status}
    return {"refused": told}, ()


if __name__ == "__main__":
    main()
