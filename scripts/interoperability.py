"""Writes docs/interoperability.md: which program reads which form, by trying each with the programs installed here.

python -m scripts.interoperability
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.interop.cases import Way
from tests.interop.suite import CASES
from tests.interop.world import World, opened

FILE = Path(__file__).resolve().parents[1] / "docs" / "interoperability.md"

Cell = tuple[str, str, Way]
"""Form, peer, who reads whose."""

_TABLES = {"S/MIME": ("openssl", "gpgsm", "NSS"), "OpenPGP": ("gpg", "OpenPGP.js"), "Zip": ("7-Zip",)}
_HEADINGS = {Way.THEY_READ: "They read what SecuMail writes", Way.WE_READ: "SecuMail reads what they write"}
_NOT_TRIED = "-"

_INTRO = """\
# Interoperability

What other programs read of SecuMail's mail, and SecuMail of theirs. Every cell is what
`python -m scripts.interoperability` saw when it ran the programs; `make test T=tests/interop` runs the same cases and
fails where the page is wrong. **yes**: the content is the same to the byte, and the reader names the right signer.
**no**: in the program's own words. **-**: the program doesn't have the form, or nobody writes it.

The mails are what `secumail protect --form ...` makes: signed inside and encrypted outside, header fields protected
(RFC 9788), so that only who decrypts one sees its subject. NSS is the library inside Thunderbird, here in Debian's
version; OpenPGP.js is the one inside Mailvelope.

Seen with {versions}.
"""


def seen(world: World) -> dict[Cell, str]:
    """Every case, tried."""
    return {(case.form, case.peer, case.way): case.seen(world) for case in CASES}


def versions(world: World) -> list[str]:
    """Of the peers, as they name themselves."""
    peers = (world.openssl, world.gpgsm, world.nss, world.gpg, world.openpgpjs, world.sevenzip)
    return [peer.version() for peer in peers]


def page(cells: Mapping[Cell, str], versions: Iterable[str]) -> str:
    """The document."""
    return "\n".join([_INTRO.format(versions=", ".join(versions)), *_tables(cells)])


def read(text: str) -> dict[Cell, str]:
    """The cells of a page; `page` undone."""
    ways = {heading: way for way, heading in _HEADINGS.items()}
    cells: dict[Cell, str] = {}
    way, peers = Way.THEY_READ, list[str]()
    for line in text.splitlines():
        if line.startswith("### "):
            way, peers = ways[line.removeprefix("### ")], []
        elif row := re.fullmatch(r"\| (.+) \|", line):
            form, *found = row[1].split(" | ")
            if not peers:
                peers = found
            else:
                cells |= {(form, peer, way): cell for peer, cell in zip(peers, found, strict=True)}
    return {place: cell for place, cell in cells.items() if cell != _NOT_TRIED}


def _tables(cells: Mapping[Cell, str]) -> Iterator[str]:
    for title, peers in _TABLES.items():
        yield f"## {title}\n"
        for way, heading in _HEADINGS.items():
            forms = dict.fromkeys(form for form, peer, one in cells if peer in peers and one is way)
            if not forms:
                continue
            yield f"### {heading}\n"
            yield f"| Form | {' | '.join(peers)} |"
            yield f"|---|{'---|' * len(peers)}"
            for form in forms:
                found = (cells.get((form, peer, way), _NOT_TRIED) for peer in peers)
                yield f"| {form} | {' | '.join(found)} |"
            yield ""


def main() -> None:
    """Try everything, write the page."""
    with opened() as world:
        FILE.write_text(page(seen(world), versions(world)))


if __name__ == "__main__":
    main()
