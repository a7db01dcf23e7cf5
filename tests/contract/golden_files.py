"""The golden files: each contract's wire form, byte for byte. To renew them: python -m tests.contract.golden_files

Renewing keeps the rule: within a version, fields are only added. It refuses anything else.
"""

import json
from pathlib import Path

from tests.contract.examples import all_examples, wire

FOLDER = Path(__file__).parent / "golden"

RULE = (
    "Within a version a field may only be added, and with a default. If that is what you did, renew the file by "
    "`python -m tests.contract.golden_files` in the same commit. Anything else (a field gone, renamed, of another "
    "type or order) breaks services of the version before while they are replaced one by one: make a new model "
    "with the next version, and keep the old one until no queue can hold it."
)


def path(name: str) -> Path:
    """The file of one contract."""
    return FOLDER / f"{name}.json"


def only_adds(old: bytes, new: bytes) -> bool:
    """Whether every field of `old` is in `new` with the same value, at every depth."""
    return _within(json.loads(old), json.loads(new))


def renew() -> list[str]:
    """Write what is missing or has only grown; returns the names. ValueError for a change that breaks the rule."""
    renewed = []
    for name, example in all_examples().items():
        now = wire(example) + b"\n"
        file = path(name)
        if file.exists() and file.read_bytes() == now:
            continue
        if file.exists() and not only_adds(file.read_bytes(), now):
            raise ValueError(f"{name} has changed. {RULE}")
        file.write_bytes(now)
        renewed.append(name)
    return renewed


def _within(old: object, new: object) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return all(key in new and _within(value, new[key]) for key, value in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_within, old, new))
    return old == new


if __name__ == "__main__":
    for name in renew():
        print("renewed", name)
