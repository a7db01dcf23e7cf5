"""`python -m services.stego.worker MEMORY`: works on pictures, job after job from standard input, in bounded memory.

What it is asked and answers: services.stego.workers, the other end.
"""

import base64
import resource
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import IO, Any

from secumail.errors import Refused
from services.stego import frames, hiding


def main() -> int:
    """Until standard input ends."""
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold keys
    given, said = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            head, files = frames.read(given)
        except frames.Broken:
            return 0
        answer(said, head, files)


def answer(said: IO[bytes], head: dict[str, Any], files: Sequence[bytes]) -> None:
    """One job: frames of progress, then its outcome."""
    try:
        outcome, made = _done(said, head, files)
    except Refused as refused:
        told = {"code": refused.code, "words": refused.words, "fix": refused.fix, "status": refused.status}
        frames.write(said, {"refused": told})
    except MemoryError:
        words = "Working on the picture takes more memory than there is for one."
        told = {"code": "cover-memory", "words": words, "fix": "Scale the picture down.", "status": 422}
        frames.write(said, {"refused": told})
    else:
        frames.write(said, {"done": outcome}, made)


def _done(said: IO[bytes], head: dict[str, Any], files: Sequence[bytes]) -> tuple[Any, list[bytes]]:
    if head["job"] == "judge":
        return asdict(hiding.judge(files[0])), []
    if head["job"] == "together":
        return hiding.together(files), []
    key = base64.b64decode(head["key"])
    if head["job"] == "reveal":
        return None, [hiding.reveal(files, key)]
    payload, *covers = files

    def progress(done: int, of: int) -> None:
        frames.write(said, {"progress": [done, of]})

    hidden = hiding.hide(covers, payload, key, head["rate"], progress)
    told = [{"kind": one.kind, "digest": one.digest.hex(), "look": one.look} for one in hidden]
    return told, [one.file for one in hidden]


if __name__ == "__main__":
    raise SystemExit(main())
