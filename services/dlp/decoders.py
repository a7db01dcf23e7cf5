"""Undoes the encodings in which a text can be hidden within a text: base64, hexadecimal, escapes and their like.

Two kinds. An escape stands for a character amid readable text, so `unescape` gives the whole text anew. A block hides
a passage of its own: `blocks` gives what each reads as. All are found by patterns of one character class after another
that cannot backtrack, and what they give is never longer than a few times the text.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from services.dlp.charsets import decode, header_text
from services.dlp.files.kinds import SIGNATURES, Family
from services.dlp.files.types import kind_of
from services.dlp.lookalikes import as_read
from services.dlp.markup import split

SHORTEST_BLOCK = 8
# The shortest block looked at: a word of 6 letters makes 12 hexadecimal digits.
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}+={0,2}+")
# Base64 of any text has capitals or digits.
_WORDS = re.compile(r"[a-z+/_-]*+|[0-9-]*+")
_BASE32 = re.compile(r"[A-Z2-7]{12,}+={0,6}+")
_SMALL32 = re.compile(r"[a-z2-7]{16,}+={0,6}+")
# No group is possessive: what separates its rounds is not among what they consist of, so there is one way to match.
_HEX = re.compile(r"[0-9A-Fa-f]{12,}+")
_SPACED_HEX = re.compile(r"(?<![0-9A-Za-z])(?:(?:0[xX])?(?:[0-9A-Fa-f]{2}){1,8}(?:[\s:,;-]{1,2}|(?![0-9A-Za-z]))){3,}")
_BINARY = re.compile(r"(?:[01]{8}[\s,]{0,2}){5,}")
_DECIMAL = re.compile(r"(?:[12]?[0-9]{2}[\s,;]{1,2}){5,}(?:[12]?[0-9]{2})?")
_ASCII85 = re.compile(r"<~[!-uz\s]{8,}+~>")
_SPACED64 = re.compile(r"(?<![A-Za-z0-9+/])(?:(?:[A-Za-z0-9+/]{4}){1,6}[ \t]){3,}[A-Za-z0-9+/]{1,24}={0,2}+")
# A wrapped block goes on in the next line, which may be quoted or indented; the last line may be short.
_LINE_END = re.compile(r"[ \t]{0,8}+\r?\n[>| \t]{0,16}+")
_WRAPPED = re.compile(r"[A-Za-z0-9+/_=-]{1,}+")

_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_QUOTED = re.compile(r"=[0-9A-Fa-f]{2}")
_SOFT_BREAK = re.compile(r"(?<!=)=[ \t]{0,8}+\r?\n")  # behind another it is a line of them
_TAG = re.compile(r"<(?:!--|/?[A-Za-z]{1,12}[\s/>])|&[#A-Za-z]")
_ESCAPE = re.compile(
    r"\\u\{0{0,4}+([0-9A-Fa-f]{1,6})\}|\\[uU]0{0,4}+([0-9A-Fa-f]{2,5})(?![0-9A-Fa-f])|\\u([0-9A-Fa-f]{4})"
    r"|\\x([0-9A-Fa-f]{2})|[Uu]\+([0-9A-Fa-f]{4,5})[ ,;]?|\\([0-3][0-7]{2})"
)
_SHIFTED = re.compile(r"\+([A-Za-z0-9/]{2,}+)-")
# What prose has not: digits and marks close together, capitals within words or many of them.
_LIKE_CODE = re.compile(
    r"(?:[A-Za-z]{0,8}[0-9%&=\\#+/{}][ ,:;]{0,2}){4}|[a-z0-9][A-Z][A-Za-z]{0,8}[a-z0-9][A-Z]|[A-Z]{8}|<~"
    r"|(?:(?:[0-9A-Fa-f]{2}|[A-Za-z0-9+/]{4})[ :,;-]{1,2}){5}|(?:.[^\w]{1,3}){8}"
)
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
# One character after the other, with the same between them each time.
_APART = re.compile(r".([\W_]{1,3})(?:.\1){7,}+.?", re.DOTALL)
_RUN = re.compile(rb"[\x20-\x7e]{6,}+")
_NO_HEX = re.compile(r"0[xX]|[^0-9A-Fa-f]")
_NUMBER = re.compile(r"[0-9]+")
# Of a file without a known kind, what is no chance; digits of the shortest packed file.
MANY_BYTES, SHORTEST_FILE = 4096, 24
# What begins a file of any kind, if it is no chance; those without are longer than a block of tar.
_SIGNATURES = (
    b"x",
    b"\x1f\x8b\x08",
    b"%PDF-",
    *(mark for offset, mark, _ in SIGNATURES if not offset and len(mark) > 2),
)
SHORTEST_UNSIGNED = 512
_PACKED = frozenset(Family) - {Family.TEXT, Family.UNKNOWN, Family.DATA, Family.PICTURE, Family.MEDIA}
_TO_BASE64 = str.maketrans("-_", "+/", "= \t")
_ROT13 = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "NOPQRSTUVWXYZABCDEFGHIJKLMnopqrstuvwxyzabcdefghijklm"
)
_UNPRINTABLE = bytes(b for b in range(32) if b not in b"\t\n\r\f\v") + b"\x7f"

# Disguises of the letters themselves, by the names that views have for them (views.py).
LOOKALIKES, SPACING = "look-alike letters", "other spacing"


def rot13(text: str) -> str:
    """Latin letters moved by 13 places, there and back."""
    return text.translate(_ROT13)


def respell(text: str) -> str:
    """The lines of `text` in which an encoding may be dressed up, as they are read: without characters that do not
    show, look-alikes as Latin letters, capitals as capitals. "" where there are none."""
    odd = set() if text.isascii() else set("".join(_NOT_ASCII.findall(text)))
    table = {ord(character): read for character in odd if (read := as_read(character)) != character}
    if not table:
        return ""
    lines = (line.translate(table) for line in text.splitlines() if not line.isascii())
    return "\n".join(line for line in lines if _LIKE_CODE.search(line))


def closed_up(text: str) -> str:
    """What is written one character apart from the other in `text`, moved together, one run to a line."""
    kinds = text.encode("ascii", "replace").translate(_OF_APART)
    if not any(sign in kinds for sign in _APART_SIGNS):
        return ""
    runs = (run[0][:: len(run[1]) + 1] for run in _APART.finditer(text))
    # Of a line of dashes nothing is to be made.
    return "\n".join(run for run in runs if sum(map(str.isalnum, run)) * 3 > len(run))


def unescape(text: str) -> tuple[tuple[str, ...], str]:
    """Undo the escapes in `text`, one layer of each: the names of those that were there, and the text without."""
    names: list[str] = []
    for name, marks, undo in _ESCAPES:
        if any(mark in text for mark in marks):
            undone = undo(text)
            if undone != text:
                names.append(name)
                text = undone
    return tuple(names), text


def blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """The blocks in `text` that read as text once decoded: the name of the encoding, and what each may say; nothing,
    where a block is no text but a file.

    Lines can be read in several ways, of which one is meant. Each block is read by the first decoder that can; long
    ones that say nothing are tried in rot13 and backwards.
    """
    if len(text) < SHORTEST_BLOCK:
        return
    # Most texts have none: a look at what kinds of characters follow one another is enough to tell.
    kinds = text.encode("ascii", "replace")
    numbers = kinds.translate(_OF_NUMBERS)
    if b"x" * 12 in numbers:
        runs = "|".join(text[max(run.start() - 1, 0) : run.end() + 1] for run in _NUMERIC_RUN.finditer(numbers))
        yield from _read_blocks(runs, _NUMBERS)
    found = []
    for reader in _LETTERS:
        run = kinds.translate(reader.kinds)
        if any(sign in run for sign in reader.signs):
            found.append(reader)
    yield from _read_blocks(text, found)


def _read_blocks(text: str, readers: "Sequence[_Reader]") -> Iterator[tuple[str, list[str]]]:
    for reader in readers:
        kept = end = tried = 0
        left: list[str] = []
        for match in reader.pattern.finditer(text):
            if match.start() < end or (reader.name == "base64" and _WORDS.fullmatch(match[0])):
                continue
            # Lines that were tried as part of a block above are tried once more, each by itself.
            lines, end = _lines(match, text) if reader.wraps and match.start() >= tried else ([match[0]], match.end())
            tried = max(tried, end)
            if read := reader.readings(lines):
                left.append(text[kept : match.start()])
                kept = end
                yield reader.name, read
                continue
            if reader.holds_packed("".join(lines)):
                yield reader.name, []
                continue
            end = match.end()
            if reader.name == "base64" and len(match[0]) >= 16:
                for turned, turn in (("rot13, base64", rot13(match[0])), ("reversed, base64", match[0][::-1])):
                    one = reader.read(turn)
                    if one is not None or reader.holds_packed(turn):
                        yield turned, [] if one is None else [one]
            if scraps := reader.scraps("".join(lines)):
                yield reader.name, [scraps]
        text = "\n".join((*left, text[kept:])) if left else text


def _lines(match: re.Match[str], text: str) -> tuple[list[str], int]:
    """A block and the lines in which it may go on: as long as the first, but for the last. And where they end."""
    lines, end = [match[0]], match.end()
    while len(lines[-1]) == len(lines[0]) and (gap := _LINE_END.match(text, end)):
        line = _WRAPPED.match(text, gap.end())
        if not line or len(line[0]) > len(lines[0]):
            break
        lines.append(line[0])
        end = line.end()
    return lines, end


def _readable(data: bytes) -> str | None:
    """`data` as text, if it is one: UTF-8 or UTF-16, nearly all of it printable."""
    if len(data) < 5:
        return None
    if data.count(0) * 3 > len(data):  # UTF-16, as PowerShell writes its commands
        zeros = data[1::2].count(0) >= data[::2].count(0)
        data = data.decode("utf-16-le" if zeros else "utf-16-be", "replace").encode("utf-8", "replace")
    if len(data.translate(None, _UNPRINTABLE)) * 20 < len(data) * 19:
        return None
    text = data.decode("utf-8", "replace")
    return text if text.count("\ufffd") * 20 <= len(text) else None


def _base64(block: str) -> Iterator[bytes]:
    digits = block.translate(_TO_BASE64)
    for shift in range(4 if len(digits) >= 16 else 1):  # a block may stand right behind other letters
        whole = len(digits) - ((len(digits) - shift) % 4 == 1)
        yield binascii.a2b_base64(digits[shift:whole] + "==")


def _base32(block: str) -> Iterator[bytes]:
    digits = block.rstrip("=").upper()
    if len(digits) % 8 in (1, 3, 6):  # no number of bytes makes that many
        digits = digits[:-1]
    yield base64.b32decode(digits + "=" * (-len(digits) % 8))


def _hex(block: str) -> Iterator[bytes]:
    digits = _NO_HEX.sub("", block)
    for shift in (0, 1):
        end = shift + (len(digits) - shift) // 2 * 2
        yield bytes.fromhex(digits[shift:end])


def _binary(block: str) -> Iterator[bytes]:
    digits = _NO_HEX.sub("", block)
    yield bytes(int(digits[place : place + 8], 2) for place in range(0, len(digits), 8))


def _decimal(block: str) -> Iterator[bytes]:
    yield bytes(int(number) for number in _NUMBER.findall(block))


def _ascii85(block: str) -> Iterator[bytes]:
    yield base64.a85decode(block, adobe=True)


def _is_packed(data: bytes) -> bool:
    """Whether these bytes, which are no text, hold more than a reader of texts can see."""
    if len(data) < 16 or (len(data) < SHORTEST_UNSIGNED and not data.startswith(_SIGNATURES)):
        return False
    if data[0] == 0x78 and (data[0] << 8 | data[1]) % 31 == 0:  # RFC 1950
        try:
            return bool(zlib.decompressobj().decompress(data, 64))
        except zlib.error:
            pass
    family = kind_of("", "", data).family
    return family in _PACKED or (family is Family.UNKNOWN and len(data) >= MANY_BYTES)


def _from_shifted(text: str) -> str:
    return _SHIFTED.sub(lambda m: decode(m[0].encode("ascii"), "utf-7"), text)


def _from_quoted(text: str) -> str:
    data = _SOFT_BREAK.sub("", text).encode("utf-8", "surrogatepass")
    return decode(binascii.a2b_qp(data) if _QUOTED.search(text) else data)


def _from_escapes(text: str) -> str:
    def character(found: re.Match[str]) -> str:
        digits = found[found.lastindex or 0]
        point = int(digits, 8 if found.lastindex == 6 else 16)
        return chr(point) if point < 0x110000 and not 0xD800 <= point < 0xE000 else "\ufffd"

    return _ESCAPE.sub(character, text)


_ESCAPES: tuple[tuple[str, tuple[str, ...], Callable[[str], str]], ...] = (
    ("HTML", ("<", "&"), lambda text: split(text)[0] if _TAG.search(text) else text),
    ("percent escapes", ("%",), lambda text: unquote(text) if _PERCENT.search(text) else text),
    ("quoted-printable", ("=",), _from_quoted),
    ("character escapes", ("\\", "U+", "u+"), _from_escapes),
    ("encoded words", ("=?",), header_text),
    ("UTF-7", ("+",), _from_shifted),
)


@dataclass(frozen=True, slots=True)
class _Reader:
    """An encoding of blocks. A text has one only where one of the `signs` is among the `kinds` of its characters."""

    name: str
    pattern: re.Pattern[str]
    decode: Callable[[str], Iterator[bytes]]
    kinds: bytes
    signs: tuple[bytes, ...] = ()
    wraps: bool = False

    def read(self, block: str) -> str | None:
        return next((text for data in self.decoded(block) if (text := _readable(data)) is not None), None)

    def decoded(self, block: str) -> Iterator[bytes]:
        """What a block may decode to."""
        try:
            yield from self.decode(block)
        except ValueError:  # the lines below belonged to something else, or it was no such block
            return

    def holds_packed(self, block: str) -> bool:
        """Whether a block that is no text is a file of a kind that has to be opened, or many bytes of no known kind."""
        return len(block) >= SHORTEST_FILE and any(map(_is_packed, self.decoded(block)))

    def scraps(self, block: str) -> str:
        """What can be read here and there in a block that is no text."""
        if len(block) < SHORTEST_FILE:
            return ""
        return b"\n".join(run for data in self.decoded(block) for run in _RUN.findall(data)).decode()

    def readings(self, lines: list[str]) -> list[str]:
        """What these lines can say: all as one block; the last being no part of it; each a block of its own."""
        whole = self.read("".join(lines))
        if len(lines) == 1:
            return [] if whole is None else [whole]
        short = self.read("".join(lines[:-1])) if len(lines) > 2 else None
        apart = "\n".join(one for line in lines if (one := self.read(line)) is not None)
        return [one for one in (whole, short, apart) if one]


def _kinds(**of: bytes) -> bytes:
    """A table for `bytes.translate`: each kind's letter for its characters, a dot for all others."""
    return bytes(next((ord(kind) for kind, members in of.items() if byte in members), 0x2E) for byte in range(256))


_UPPER, _LOWER = bytes(range(65, 91)), bytes(range(97, 123))
_OF_APART = _kinds(w=_UPPER + _LOWER + b"0123456789")
# Letters apart from each other; pairs of them with marks between that are apart as well, as in % 6 F % 7 0.
_APART_SIGNS = tuple(
    sign
    for apart in (1, 2, 3)
    for sign in (
        (b"w" + b"." * apart) * 4,
        *(b"w" + b"." * apart + b"w" + b"." * (apart + marks * (apart + 1)) + b"w" for marks in (1, 2, 3)),
    )
)
_OF_BASE64 = _kinds(b=_UPPER + _LOWER + b"0123456789+/_-", s=b" \t\r\n>")
_OF_NUMBERS = _kinds(x=b"0123456789ABCDEFabcdefxX \t\r\n:,;-")
_NUMERIC_RUN = re.compile(rb"x{12,}+")
_NUMBERS = (
    _Reader("hex", _SPACED_HEX, _hex, _OF_NUMBERS),
    _Reader("hex", _HEX, _hex, _OF_NUMBERS, wraps=True),
    _Reader("binary digits", _BINARY, _binary, _OF_NUMBERS),
    _Reader("decimal codes", _DECIMAL, _decimal, _OF_NUMBERS),
)
# Groups of as many letters, one after the other.
_GROUPS = (b"sbbbb" * 5, b"sbbbbbbbb" * 3, *((b"s" + b"b" * size) * 2 for size in (12, 16, 20, 24)))
_LETTERS = (
    _Reader("base64", _SPACED64, _base64, _OF_BASE64, _GROUPS),
    _Reader("base64", _BASE64, _base64, _OF_BASE64, (b"b" * 8,), wraps=True),
    _Reader("base32", _BASE32, _base32, _kinds(u=_UPPER + b"234567"), (b"u" * 12,), wraps=True),
    _Reader("base32", _SMALL32, _base32, _kinds(u=_LOWER + b"234567"), (b"u" * 16,), wraps=True),
    _Reader("ascii85", _ASCII85, _ascii85, bytes(range(256)), (b"<~",)),
)
