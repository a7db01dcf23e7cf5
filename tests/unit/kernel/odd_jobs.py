"""`python -m tests.unit.kernel.odd_jobs`: a confined process that does what it is told, good or bad."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator

from secumail.confined import Frame, serve


def work(head: str, files: list[bytes]) -> Iterator[Frame]:
    match head:
        case "echo":
            yield from ((number, (file,)) for number, file in enumerate(files))
        case "environment":
            yield sorted(os.environ), ()
        case "grow":
            yield len(bytearray(1 << 32)), ()
        case "write":
            with tempfile.NamedTemporaryFile() as file:
                file.write(files[0])
                file.flush()
                yield file.name, ()
        case "compute":
            while True:
                pass
        case "start another":
            yield subprocess.Popen(["sleep", "600"]).pid, ()
            time.sleep(600)
        case "wait":
            yield "waiting", ()
            time.sleep(600)
        case "die":
            yield "dying", ()
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    serve(work, memory=1 << 30, cpu=1, scratch=0 if "TMPDIR" not in os.environ else 1 << 20)
