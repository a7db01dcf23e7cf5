"""Takes Rich Text apart: all its words wherever they stand, and the objects in it as files."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from services.dlp.charsets import decode
from services.dlp.extraction.pieces import Budget, Inner, Piece, Text
from services.dlp.extraction.texts import as_seen, runs

_TOKEN = re.compile(
    rb"\\([A-Za-z]{1,32}+)(-?[0-9]{1,10}+)? ?|\\'([0-9A-Fa-f]{2})|\\([^A-Za-z])|([{}])|([^\\{}\r\n]++)|[\r\n]++"
)
_BREAKS = frozenset(
    [
        *(
            b"par",
            b"line",
            b"tab",
            b"cell",
            b"row",
            b"sect",
            b"page",
            b"nestcell",
            b"nestrow",
        ),
        *(
            b"column",
            b"lbr",
        ),
    ]
)
# Groups that begin with one of these stand for themselves; other groups may begin and end within a word.
_APART = frozenset(
    [
        *(
            b"fonttbl",
            b"colortbl",
            b"stylesheet",
            b"info",
            b"title",
            b"subject",
            b"author",
            b"operator",
            b"manager",
        ),
        *(
            b"company",
            b"category",
            b"keywords",
            b"comment",
            b"doccomm",
            b"hlinkbase",
            b"header",
            b"headerl",
            b"headerr",
        ),
        *(
            b"headerf",
            b"footer",
            b"footerl",
            b"footerr",
            b"footerf",
            b"footnote",
            b"annotation",
            b"atnid",
            b"atnauthor",
        ),
        *(
            b"atnref",
            b"pict",
            b"object",
            b"objdata",
            b"objclass",
            b"objname",
            b"fldinst",
            b"shptxt",
            b"sp",
        ),
        *(
            b"sn",
            b"sv",
            b"listtable",
            b"revtbl",
            b"userprops",
            b"propname",
            b"staticval",
            b"xe",
            b"tc",
        ),
        *(
            b"txe",
            b"rxe",
            b"bkmkstart",
            b"bkmkend",
            b"datafield",
            b"generator",
            b"xmlnstbl",
        ),
    ]
)
# Text that a reader sees nothing of, as it is hidden or was deleted.
_UNSEEN = (b"v", b"deleted", b"webhidden")
_HEX = frozenset(
    [
        *(
            b"objdata",
            b"pict",
            b"datastore",
            b"themedata",
            b"colorschememapping",
            b"blipuid",
            b"passwordhash",
            b"datafield",
        ),
    ]
)
# Words of the format that are words of English as well: no message.
_USUAL = frozenset(
    b"annotation author blue box brdr bullet caps category cell colon column comment company field footer footnote"
    b" green header hidden highlight info keywords landscape line link list listname lock manager object operator"
    b" outline page par pict protect red result row sect shading shadow slides space strike sub subject super tab"
    b" template title version".split()
)
_SYMBOLS = {b"~": b" ", b"_": b"-", b"-": b"", b"\n": b"\n", b"\r": b"\n"}
_PAGES = re.compile(rb"\\ansicpg([0-9]{3,5})")


def read_rtf(data: bytes, budget: Budget) -> Iterator[Piece]:
    """Hidden text, comments, properties and field codes are words like any other."""
    found = _PAGES.search(data[:4096])
    reading = _Reading(data, f"cp{found[1].decode()}" if found else "cp1252")
    reading.run(budget)
    yield from as_seen(_joined(reading.text), _joined(reading.seen))
    for number, digits in enumerate(reading.objects, 1):
        yield from _object(number, digits, reading.codec)
    # A program passes over words it does not know; a person who looks at the source reads them.
    yield Text("control words", "\n".join(decode(word) for word in sorted(reading.words - _USUAL)))


@dataclass(slots=True)
class _Group:
    """What a brace opens: `apart` from the text around it or otherwise `unseen` there, in `digits` of an object, and
    how many characters stand in for a `\\u` one."""

    apart: bool = False
    unseen: bool = False
    digits: bool = False
    width: int = 1
    fresh: bool = True


class _Reading:
    """One pass over the tokens."""

    def __init__(self, data: bytes, codec: str) -> None:
        self.data = data
        self.codec = codec
        self.position = 0
        self.text: list[str] = []
        self.seen: list[str] = []
        self.eight: list[bytes] = []
        self.digits: list[bytes] = []
        self.objects: list[bytes] = []
        self.group = _Group()
        self.outer: list[_Group] = []
        self.skip = 0
        self.words: set[bytes] = set()

    def run(self, budget: Budget) -> None:
        for tick in count():
            token = _TOKEN.match(self.data, self.position)
            if token is None:
                break
            if tick % 8192 == 0:
                budget.check()
            self.position = token.end()
            word, number, octet, symbol, brace, plain = token.groups()
            if brace:
                self.brace(brace)
                continue
            if word:
                self.word(word, number)
            elif octet:
                self.octet(octet)
            elif symbol:
                self.symbol(symbol)
            elif plain:
                self.plain(plain)
            self.group.fresh = self.group.fresh and symbol == b"*"
        self.flush()
        self.text.append(decode(self.data[self.position :]))

    def flush(self, more: str = "") -> None:
        said = decode(b"".join(self.eight), self.codec) + more if self.eight else more
        self.eight.clear()
        self.text.append(said)
        if not self.group.unseen:
            self.seen.append(said)

    def stand_apart(self) -> None:
        self.see(False)
        self.group.apart = True
        self.text.append("\n")

    def see(self, seen: bool) -> None:
        """From here on, in this group."""
        if self.group.unseen == seen:
            self.flush()
            self.group.unseen = not seen

    def brace(self, brace: bytes) -> None:
        if brace == b"{":
            self.outer.append(self.group)
            self.group = _Group(unseen=self.group.unseen, digits=self.group.digits, width=self.group.width)
            return
        closed, outer = self.group, self.outer.pop() if self.outer else _Group()
        if closed.apart or closed.unseen != outer.unseen:
            self.flush()
        if closed.apart:
            self.text.append("\n")
        self.group = outer
        if self.digits and not self.group.digits:
            self.objects.append(b"".join(self.digits))
            self.digits.clear()

    def word(self, word: bytes, number: bytes | None) -> None:
        self.words.add(word)
        if number and word == b"u":
            code = int(number) & 0xFFFF
            self.flush(chr(code & 0xFF if 0xF000 <= code <= 0xF0FF else code))
            self.skip = self.group.width
        elif number and word == b"uc":
            self.group.width = max(0, min(int(number), 16))
        elif number and word == b"bin":
            end = self.position + max(0, min(int(number), len(self.data) - self.position))
            self.objects.append(binascii.hexlify(self.data[self.position : end]))
            self.position = end
        elif word in _BREAKS:
            self.flush("\n")
        elif self.group.fresh and word in _APART:
            self.stand_apart()
        elif word in _UNSEEN:
            self.see(number == b"0")
        self.group.digits = self.group.digits or word in _HEX

    def octet(self, octet: bytes) -> None:
        if self.skip:
            self.skip -= 1
        elif self.group.digits:
            self.digits.append(octet)
        else:
            self.eight.append(binascii.unhexlify(octet))

    def symbol(self, symbol: bytes) -> None:
        if symbol == b"*":
            self.stand_apart()
        else:
            self.eight.append(_SYMBOLS.get(symbol, symbol))

    def plain(self, plain: bytes) -> None:
        if self.group.digits:
            self.digits.append(plain)
        else:
            self.eight.append(plain[self.skip :])
            self.skip = max(0, self.skip - len(plain))


def _joined(text: list[str]) -> str:
    """A character beyond U+FFFF is written as its two halves."""
    return "".join(text).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _object(number: int, digits: bytes, codec: str) -> Iterator[Piece]:
    clean = re.sub(rb"[^0-9A-Fa-f]++", b"", digits)
    if len(clean) < len(b"".join(digits.split())):
        yield Text(f"object {number}, as it stands", decode(digits, codec))
    data = binascii.unhexlify(clean[: len(clean) // 2 * 2])
    inner = ole1_data(data)
    if inner:
        yield Inner(f"object {number}", inner)
    elif len(data) > 16:
        yield Inner(f"object {number}", data, part=True, expected=True)
    else:
        yield Text(f"object {number}", runs(data))


def ole1_data(data: bytes) -> bytes | None:
    """The native data of an embedded object (MS-OLEDS 2.2.5): behind three counted strings and its length."""
    if len(data) < 16 or data[4:8] not in (b"\x02\x00\x00\x00", b"\x01\x00\x00\x00"):
        return None
    place = 8
    for _ in range(3):
        length = int.from_bytes(data[place : place + 4], "little")
        place += 4 + length
        if place + 4 > len(data):
            return None
    length = int.from_bytes(data[place : place + 4], "little")
    return packaged(data[place + 4 : place + 4 + length])


def packaged(data: bytes) -> bytes:
    """A file in a "Package" object: behind its names; anything else as it is."""
    if data[:2] != b"\x02\x00":
        return data
    place = 2
    for _ in range(2):
        end = data.find(b"\x00", place)
        if end < 0:
            return data
        place = end + 1
    place += 4
    length = int.from_bytes(data[place : place + 4], "little")
    place += 4 + length
    size = int.from_bytes(data[place : place + 4], "little")
    return data[place + 4 : place + 4 + size] if 0 < size <= len(data) - place - 4 else data
