"""Write THIRD-PARTY-NOTICES.md: what SecuMail runs on, with versions and licences, from installed metadata.

    python scripts/notices.py            writes the file
    python scripts/notices.py --check    fails if the file is not what it would write

Walks from the dependencies in pyproject.toml (the services' and the command's, not the developers') to
everything they need on this platform.
"""

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
NOTICES = ROOT / "THIRD-PARTY-NOTICES.md"
FOR_DEVELOPERS = {"dev"}

# The few packages whose metadata name their licence in words of their own -> its SPDX expression.
SPDX: Mapping[str, str] = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "CC0": "CC0-1.0",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
}

# And those whose metadata name none, or a family: as their licence files say, with what a library inside is under.
UNNAMED: Mapping[str, str] = {"jpeglib": "MPL-2.0", "rpgp-py": "MIT"}
BINDINGS: Mapping[str, str] = {"pysequoia": "Apache-2.0, with sequoia-openpgp inside: LGPL-2.0-or-later"}

SERVERS = (
    ("RabbitMQ", "MPL-2.0", "message broker; in no image of SecuMail"),
    ("MongoDB Community Server", "SSPL-1.0", "database; in no image of SecuMail"),
    ("CPython", "PSF-2.0", "interpreter; in every image"),
    ("Debian", "various: /usr/share/doc of an image", "system below the interpreter; in every image"),
)

PREFACE = """\
# Third-party notices

SecuMail is licensed under Apache-2.0 (see LICENSE). This repository holds no code of others;
SecuMail runs on the packages below, which an installation fetches from their publishers. A package
brings its full licence text in its own metadata (`*.dist-info`, in an image under `/opt/secumail`).
So do the compiled libraries inside some packages, with licences of their own: among them OpenSSL in
cryptography, OpenBLAS and the Fortran runtime (GPL-3.0 with the runtime library exception) in
numpy, and the image and font libraries in pillow.

`python scripts/notices.py` writes this file from the metadata of the installed packages.
"""


@dataclass(frozen=True)
class Notice:
    """One installed package."""

    name: str
    version: str
    licence: str


def requirements(groups: Mapping[str, list[str]]) -> Iterator[Requirement]:
    """What the groups that run in production ask for."""
    for group, lines in groups.items():
        if group not in FOR_DEVELOPERS:
            yield from map(Requirement, lines)


def licence(package: Distribution) -> str:
    """The licence as an SPDX expression. A ValueError where the metadata leave it open."""
    if (known := BINDINGS.get(package.name) or UNNAMED.get(package.name)) is not None:
        return known

    def stated(field: str) -> list[str]:
        return package.metadata.get_all(field) or []

    classified = [line.rpartition(" :: ")[2] for line in stated("Classifier") if line.startswith("License ::")]
    for words in (*stated("License-Expression"), *classified, *stated("License")):
        if words in SPDX:
            return SPDX[words]
        if words in stated("License-Expression") or re.fullmatch(r"[A-Z]+|[A-Za-z]+-[\d.]+(-Clause)?", words):
            return words
    raise ValueError(f"{package.name} does not name its licence: look it up and add its words to SPDX")


def notices(groups: Mapping[str, list[str]]) -> list[Notice]:
    """Everything that the groups need, directly or not, by name."""
    found: dict[str, Notice] = {}
    followed = set()
    needed = list(requirements(groups))
    while needed:
        requirement = needed.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in followed:
            continue
        followed.add((name, extras))
        package = distribution(requirement.name)
        found[name] = Notice(package.name, package.version, licence(package))
        needed += [
            further
            for further in map(Requirement, package.requires or [])
            if further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in (*extras, ""))
        ]
    return [found[name] for name in sorted(found)]


def render() -> str:
    """The whole file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"kernel": project["dependencies"], **project["optional-dependencies"]}
    lines = [
        PREFACE,
        "## Python packages",
        "",
        "| Package | Version | Licence |",
        "|---|---|---|",
        *(f"| {each.name} | {each.version} | {each.licence} |" for each in notices(groups)),
        "",
        "## Servers and images",
        "",
        "| Program | Licence | Use |",
        "|---|---|---|",
        *(f"| {name} | {terms} | {use} |" for name, terms, use in SERVERS),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the file, or compare with it; 0 if all is well."""
    text = render()
    if "--check" in sys.argv[1:]:
        if NOTICES.read_text() == text:
            return 0
        sys.stderr.write(f"{NOTICES.name} is out of date: run python scripts/notices.py\n")
        return 1
    NOTICES.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
