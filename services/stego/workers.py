"""Hiding and revealing in confined processes (secumail.confined): what strangers' pictures can do ends there."""

import asyncio
import base64
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar

from secumail.confined import Confined, Ended, Frame, Pool
from secumail.errors import Refused
from services.stego.refusals import CoverRefused
from services.stego.terms import RATES, Hidden, Judged, Progress, Rate

WALL = 300.0
"""Seconds a job may take: 16 million pixels in colour took 25 on a core."""
MEMORY = 4 * 2**30
"""Bytes of address space of a process. A picture of 16 million pixels in colour took 1.2 GiB, of that 1.0 in memory."""

FILES_LIMIT = 640 * 2**20
"""Bytes of the files of a job: sixteen of the largest pictures, and the largest payload."""

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """services.stego.hiding in other processes, one job at a time each. Blocking; `apart` is for an event loop.

    A process is started when it is first needed, and kept. `wall` is in seconds for a job, `memory` in bytes.
    """

    def __init__(self, processes: int = 1, wall: float = WALL, memory: int = MEMORY) -> None:
        self._wall = wall
        # Threads of its own: who waits here for a process must not keep others from the event loop's few.
        self._threads = ThreadPoolExecutor(processes, "pictures")
        arguments = [str(memory), str(round(wall) + 1)]
        self._pool = Pool(processes, lambda: Confined("services.stego.worker", arguments, wall=wall, scratch=True))

    async def apart(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One of the methods below, in a thread, in the current trace."""
        call = partial(copy_context().run, partial(work, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def judge(self, file: bytes) -> Judged:
        """As services.stego.hiding.judge."""
        ((told, _),) = self._job({"job": "judge"}, [file])
        return Judged(**{**told, "notes": tuple(told["notes"])})

    def together(self, files: Sequence[bytes]) -> dict[Rate, int]:
        """As services.stego.hiding.together."""
        ((told, _),) = self._job({"job": "together"}, files)
        return {rate: told[rate] for rate in RATES}

    def hide(
        self,
        files: Sequence[bytes],
        payload: bytes,
        key: bytes,
        rate: Rate,
        progress: Progress = lambda done, of: None,
    ) -> list[Hidden]:
        """As services.stego.hiding.hide. `progress` is told how many pictures are done, of how many."""
        head = {"job": "hide", "key": base64.b64encode(key).decode(), "rate": rate}
        frames = self._job(head, [payload, *files], lambda done: progress(done, len(files)))
        return [Hidden(file, told["kind"], bytes.fromhex(told["digest"]), told["look"]) for told, (file,) in frames]

    def reveal(self, files: Sequence[bytes], key: bytes) -> bytes:
        """As services.stego.hiding.reveal."""
        head = {"job": "reveal", "key": base64.b64encode(key).decode()}
        ((_, (payload,)),) = self._job(head, files)
        return payload

    def close(self) -> None:
        """End the processes that are idle. They end with this one at the latest."""
        self._pool.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _job(
        self, head: dict[str, Any], files: Sequence[bytes], done: Callable[[int], None] = lambda count: None
    ) -> list[Frame]:
        if sum(len(file) for file in files) > FILES_LIMIT:
            raise Refused(
                "pictures-too-large",
                f"The files have more than {FILES_LIMIT // 2**20} MB together.",
                "Give the pictures of one hidden message at a time.",
                413,
            )
        # A process that ends in work may have been ended from outside: the job is begun once more in a fresh one.
        for _ in range(2):
            try:
                return self._tried(head, files, done)
            except Ended as ended:
                if ended.late:
                    raise CoverRefused(
                        "too-long",
                        f"Working on the picture took more than {self._wall:.0f} seconds.",
                        "Scale the picture down.",
                    ) from ended
        raise CoverRefused("unworkable", "The process that works on the picture ended, twice.")

    def _tried(self, head: dict[str, Any], files: Sequence[bytes], done: Callable[[int], None]) -> list[Frame]:
        frames: list[Frame] = []
        with self._pool.taken() as process:
            for frame in process.job(head, files):
                frames.append(frame)
                if "refused" not in frame[0]:
                    done(len(frames))
        if "refused" in frames[-1][0]:
            raise Refused(**frames[-1][0]["refused"])
        return frames
