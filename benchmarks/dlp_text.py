"""What it costs to search a mail's text for black words, and what is found in mails that are clean: a report.

    python -m benchmarks.dlp_text [--terms 100000 1000000] [--mails 6046]

The mails are the real ones of `tests/corpus.py`; the terms are drawn from the mails' own words (5 % single words, 65 %
phrases of two or three words at random, 30 % codes such as prj-4821377) with a fixed seed. Each mail is read and
searched; in the same run, on the same texts, a plain Aho-Corasick automaton over the folded texts shows what no view at
all would cost. All on one core; each list is measured in a process of its own.
"""

import argparse
import json
import multiprocessing
import random
import resource
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ahocorasick_rs import AhoCorasick, MatchKind

from services.dlp.message import read
from services.dlp.terms import Matcher
from services.dlp.words import fold
from tests import corpus

SEED = 20261122


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
    vocabulary = sorted({word for text in texts for word in text.split() if word.isalpha() and len(word) < 20})
    listed = terms(count, vocabulary)

    before = _memory()
    begun = time.process_time()
    matcher = Matcher.compile(listed)
    build = time.process_time() - begun
    memory = _memory() - before

    took: list[float] = []
    views: Counter[str] = Counter()
    mails: Counter[str] = Counter()
    for file, raw in zip(files, raws, strict=True):
        begun = time.process_time()
        occurrences = matcher.search(read(raw).passages)
        took.append(time.process_time() - begun)
        seen = Counter({occurrence.view or "plain": 0 for occurrence in occurrences})
        for occurrence in occurrences:
            views[occurrence.view or "plain"] += occurrence.count
        if "spam" not in file.parts[-2]:
            mails.update(seen.keys())
    reading = _timed(lambda: [read(raw) for raw in raws])

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
        "reading alone, mails a second": round(len(raws) / reading),
        "plain automaton, build s": round(plain_build, 2),
        "plain automaton, mails a second (search only)": round(len(raws) / searching),
        "occurrences by view": dict(views.most_common()),
        "clean mails with a find, by view": dict(mails.most_common()),
        "clean mails": sum("spam" not in file.parts[-2] for file in files),
    }


def _timed(act: Any) -> float:
    begun = time.process_time()
    act()
    return time.process_time() - begun


def _memory() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--terms", type=int, nargs="+", default=[100_000, 1_000_000])
    options.add_argument("--mails", type=int, default=corpus.COUNT)
    chosen = options.parse_args()
    files = corpus.files()
    files = files[:: max(len(files) // chosen.mails, 1)]
    for count in chosen.terms:
        with multiprocessing.get_context("spawn").Pool(1) as alone:
            print(json.dumps(alone.apply(measure, (count, files)), indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
