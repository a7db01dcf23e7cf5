"""What it costs a dlp process to change over to lists of very many words while it filters mail: a report, no gate.

    python -m benchmarks.dlp_lists [--words 1000 100000 1000000] [--out benchmarks/results]

The words are those of `dlp_text`. Each list is measured in a process of its own that has loaded all a dlp process does.
The lists lie sealed, as in the database; a task filters real mails one after the other, as the consumer does, and
another wakes every millisecond, so that the longest time in which the loop did nothing else is seen. Broker and
database are not there: what they add is their own.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import platform
import re
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.dlp_text import terms
from secumail.sealing import stream
from secumail.service import settle
from services.dlp import bootstrap
from services.dlp.black_words import Words, words_from_csv
from services.dlp.inspection import HasFilesError, inspect, texts_alone
from services.dlp.lists import Lists
from services.dlp.policy import Rules
from tests import corpus

DOMAINS, ADA, EVE = ["northwind.example"], "ada@northwind.example", "eve@contoso.example"
SAMPLE = 400
"""Mails that are filtered in turn: small ones, without files."""
PULSE = 0.001


@dataclass(frozen=True)
class Sealed:
    """Words as they lie in the database."""

    key: bytes
    words: bytes
    reading: float
    """CPU seconds that it took to read them from CSV and check them."""


def seal(count: int) -> Sealed:
    """So many words, from CSV."""
    vocabulary = sorted({w for raw in _mails() for w in re.findall("[a-z]{4,19}", raw.decode("latin-1").lower())})
    csv = "".join(f"{term},{1_000 + place % 7},all\n" for place, term in enumerate(terms(count, vocabulary)))
    begun = time.process_time()
    words = words_from_csv(csv)
    reading = time.process_time() - begun
    key = stream.new_key()
    return Sealed(key, stream.seal(words.to_bytes(), key, "words"), reading)


def measure(count: int, sealed: Sealed) -> dict[str, Any]:
    """Change over to these words, in this process."""
    return asyncio.run(_measure(count, sealed))


async def _measure(count: int, sealed: Sealed) -> dict[str, Any]:
    assert bootstrap.wire  # what a dlp process has loaded is loaded
    settle()
    mails = _mails()
    rules = await asyncio.to_thread(Rules.compile, Lists())
    filtering = _Filtering(rules, mails)
    tasks = [asyncio.create_task(filtering.consume()), asyncio.create_task(filtering.watch())]
    await asyncio.sleep(2)
    before = filtering.seen(2)
    small = _resident()
    _forget_peak()

    def opened() -> Rules:
        words = Words.from_bytes(stream.open_sealed(sealed.words, sealed.key, "words"))
        return Rules.compile(Lists(version=1, words=words), rules)

    begun, wall = time.process_time(), time.monotonic()
    filtering.rules = await asyncio.to_thread(opened)
    took, wall = time.process_time() - begun, time.monotonic() - wall
    during = filtering.seen(wall)
    peak = _peak()
    await asyncio.sleep(2)
    after = filtering.seen(2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {
        "words": count,
        "reading CSV, CPU s": round(sealed.reading, 2),
        "sealed MB": round(len(sealed.words) / 1e6, 1),
        "changing over, wall s (mails are filtered meanwhile)": round(wall, 2),
        "changing over, CPU s (those mails included)": round(took, 2),
        "mails filtered a second: before, meanwhile, with the new words": [before[0], during[0], after[0]],
        "longest time the loop did nothing else, ms: before, meanwhile, after": [before[1], during[1], after[1]],
        "CPU of the loop for a mail, ms: before, meanwhile, after": [before[2], during[2], after[2]],
        "process MB: before, at most, after": [round(size / 1e6) for size in (small, peak, _resident())],
    }


class _Filtering:
    """Filters mails one after the other on the loop, and sees how long the loop is busy with one thing."""

    def __init__(self, rules: Rules, mails: list[bytes]) -> None:
        self.rules = rules
        self._mails = mails
        self._count = 0
        self._longest = 0.0
        self._spent = time.thread_time()

    async def consume(self) -> None:
        while True:
            for raw in self._mails:
                with contextlib.suppress(HasFilesError):
                    inspect(raw, ADA, [EVE], self.rules, DOMAINS, texts_alone)
                self._count += 1
                await asyncio.sleep(0)

    async def watch(self) -> None:
        while True:
            begun = time.monotonic()
            await asyncio.sleep(PULSE)
            self._longest = max(self._longest, time.monotonic() - begun - PULSE)

    def seen(self, seconds: float) -> tuple[int, float, float]:
        """Mails a second, the longest gap and the loop's CPU for a mail in milliseconds, since this was asked last."""
        spent = time.thread_time() - self._spent
        cost = round(spent / self._count * 1e3, 2) if self._count else 0.0
        seen = round(self._count / seconds), round(self._longest * 1e3, 1), cost
        self._count, self._longest, self._spent = 0, 0.0, self._spent + spent
        return seen


def _mails() -> list[bytes]:
    """Real mails of usual size without files: one that takes long by itself says nothing about the lists."""
    raws = (file.read_bytes() for file in corpus.files()[::7])
    return [raw for raw in raws if len(raw) < 8000 and b"multipart" not in raw.lower()][:SAMPLE]


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """The most that was resident since the peak was forgotten."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--words", type=int, nargs="+", default=[1000, 100_000, 1_000_000])
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    report: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
    }
    report["lists"] = []
    for count in chosen.words:
        with multiprocessing.get_context("spawn").Pool(1) as alone:
            sealed = alone.apply(seal, (count,))
        with multiprocessing.get_context("spawn").Pool(1) as alone:
            report["lists"].append(alone.apply(measure, (count, sealed)))
        print(json.dumps(report["lists"][-1], indent=2))
    if chosen.out:
        (chosen.out / "dlp_lists.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
