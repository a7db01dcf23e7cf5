"""Reads the blocks in a text that hide a passage of their own: base64, base32, hexadecimal and their like.

Where one may stand is found in linear time: by the loops of `digits`, which leave out what can say nothing, or by
patterns of one character class after another that cannot backtrack. What comes of a block is shorter than it is.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from string import ascii_letters, ascii_lowercase, ascii_uppercase, digits

from services.dlp.decoders import rot13
from services.dlp.digits import ANY_FILE, FILE, FILLING, NONE, OTHER, SCRAP, SCRAPS, TEXT, Alphabet, runs
from services.dlp.files.kinds import SIGNATURES, Family
from services.dlp.files.types import kind_of
from services.dlp.numbers import dumps, lists

SHORTEST = 8
# Digits from which on a block may stand right behind other letters, be turned around or be in rot13.
LONG = 16
# Of a file without a known kind, what is no chance; how many different bytes are in it, at least, if it is numbers, and
# how many of an encoding's digits, as a share: words, genes and tables that are as long do with fewer.
MANY_BYTES, SPREAD, DENSE = 4096, 192, 0.87
# What begins a file of any kind, if it is no chance; those without are longer than a block of tar.
_SIGNATURES = (
    b"x",
    b"\x1f\x8b\x08",
    b"%PDF-",
    *(mark for offset, mark, _ in SIGNATURES if not offset and len(mark) > 2),
)
# So few bytes are chance in a long text of words: see DENSE.
_CHANCE = tuple(mark for offset, mark, _ in SIGNATURES if not offset and len(mark) < 3)
_PACKED = frozenset(Family) - {Family.TEXT, Family.UNKNOWN, Family.DATA, Family.PICTURE, Family.MEDIA}
_TO_BASE64 = str.maketrans("-_", "+/", "= \t")
_UNPRINTABLE = bytes(b for b in range(32) if b not in b"\t\n\r\f\v") + b"\x7f"
_RUN = re.compile(rb"[\x20-\x7e]{%d,}+" % SCRAP)
_NO_BINARY = re.compile(r"[^01]+")
_NO_HEX = re.compile(r"0[xX]|[^0-9A-Fa-f]")
# Lines of base64 that are read as such, or numbers alone; groups of hexadecimal digits that are read as such.
_WRAPPED = rf"[A-Za-z0-9+/]{{{SHORTEST},}}+[ \t]{{0,8}}+[\r\n]|[^A-Za-z]++\Z"
_SPACED = r"(?:(?:0[xX])?(?:[0-9A-Fa-f]{2}){1,8}(?:[\s:,;-]{1,8}|(?![0-9A-Za-z])|(?=0[xX])))"
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/]+")
_NO_BASE32 = re.compile(r"[^A-Z2-7]+")
_LINE = re.compile(r"[^\s>|]+")


def blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """The blocks in `text` that read as text once decoded: the name of the encoding, and what each may say; nothing,
    where a block is no text but a file.

    Lines can be read in several ways, of which one is meant. Each block is read by the first decoder that can; long
    ones that say nothing are tried in rot13 and backwards.
    """
    if len(text) < SHORTEST:
        return
    for numbers in dumps(text):
        yield from _in_numbers(numbers)
    yield from read(text, _LETTERS)


def _in_numbers(text: str) -> Iterator[tuple[str, list[str]]]:
    """The blocks in `text` that are written in numbers."""
    ascii_bytes = text.encode("ascii", "replace")
    for name, said, data in lists(text, ascii_bytes, _OPENINGS):
        # Thousands of small numbers are a table.
        if _is_packed(data) and (len(data) < MANY_BYTES or len(set(data)) > SPREAD):
            yield name, []
        elif said:
            yield name, [said]
    if numbers := runs(ascii_bytes, _OF_NUMBERS, 12, 10):
        yield from read("!".join(text[max(start - 1, 0) : end + 1] for start, end in numbers), _NUMBERS)


def read(text: str, readers: "Sequence[Reader]") -> Iterator[tuple[str, list[str]]]:
    """The blocks in `text`, as `blocks`, that these read: each what is left of it by those before."""
    codes = text.encode("ascii", "replace")
    for reader in readers:
        if not (found := reader.find(text, codes)):
            continue
        kept = done = 0
        left: list[str] = []
        for start, end, turned in found:
            if start < done:  # a line of a block that was read
                continue
            lines = _LINE.findall(text[start:end]) if reader.wraps else [text[start:end]]
            block = reader.decoded("".join(lines))
            if texts := [one for one in (block.text(), *reader.parts(lines)) if one]:
                left.append(text[kept:start])
                kept = done = end
                yield reader.name, texts
                continue
            if block.is_packed():
                done = end
                yield reader.name, []
                continue
            if turned:
                for name, turn in (("rot13", rot13(lines[0])), ("reversed", lines[0][::-1])):
                    other = reader.decoded(turn)
                    one = other.text()
                    if one is not None or other.is_packed():
                        yield f"{name}, {reader.name}", [] if one is None else [one]
            if scraps := block.scraps():
                yield reader.name, [scraps]
        if left:
            text = "\n".join((*left, text[kept:]))
            codes = text.encode("ascii", "replace")


def _readable(data: bytes) -> str | None:
    """`data` as text, if it is one: UTF-8 or UTF-16, nearly all of it printable."""
    if len(data) < TEXT:
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
    for shift in range(4 if len(digits) >= LONG else 1):
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
    digits = _NO_BINARY.sub("", block)
    yield bytes(int(digits[place : place + 8], 2) for place in range(0, len(digits), 8))


def _ascii85(block: str) -> Iterator[bytes]:
    yield base64.a85decode(block, adobe=True)


def _is_packed(data: bytes, dense: bool = True) -> bool:
    """Whether these bytes, which are no text, hold more than a reader of texts can see. `dense`: they were written with
    nearly all digits there are."""
    signed = data.startswith(_SIGNATURES)
    if len(data) < FILE or not (signed or (len(data) >= ANY_FILE and (dense or not data.startswith(_CHANCE)))):
        return False
    if data[0] == 0x78 and (data[0] << 8 | data[1]) % 31 == 0:  # RFC 1950
        try:
            return bool(zlib.decompressobj().decompress(data, 64))
        except zlib.error:
            pass
    family = kind_of("", "", data).family
    return family in _PACKED or (dense and family is Family.UNKNOWN and len(data) >= MANY_BYTES)


@dataclass(frozen=True, slots=True)
class _Decoded:
    """What a block of so many digits may decode to, and whether nearly all digits that there are are among them."""

    size: int
    ways: tuple[bytes, ...]
    dense: bool

    def text(self) -> str | None:
        return next((text for data in self.ways if (text := _readable(data)) is not None), None)

    def is_packed(self) -> bool:
        """Whether a block that is no text is a file of a kind that has to be opened, or many bytes of no known kind."""
        return self.size >= SCRAPS and any(_is_packed(data, self.dense) for data in self.ways)

    def scraps(self) -> str:
        """What can be read here and there in a block that is no text."""
        if self.size < SCRAPS:
            return ""
        return b"\n".join(run for data in self.ways for run in _RUN.findall(data)).decode()


_Find = Callable[[str, bytes], Sequence[tuple[int, int, bool]]]


@dataclass(frozen=True, slots=True)
class Reader:
    """An encoding of blocks: where one stands in a text, of which also the bytes are given, and whether it may be in
    rot13 or reversed; what it may decode to; how many of its digits are letters or numbers; whether it goes on in the
    next line."""

    name: str
    find: _Find
    decode: Callable[[str], Iterator[bytes]]
    alnums: int
    wraps: bool = True

    def decoded(self, block: str) -> _Decoded:
        try:
            ways = tuple(self.decode(block))
        except ValueError:  # the lines below belonged to something else, or it was no such block
            ways = ()
        dense = len(block) >= ANY_FILE and sum(map(str.isalnum, set(block))) >= DENSE * self.alnums
        return _Decoded(len(block), ways, dense)

    def parts(self, lines: list[str]) -> Iterator[str | None]:
        """What lines can say besides what they say as one block: the last being no part of it; each one of its own."""
        if len(lines) > 2:
            yield self.decoded("".join(lines[:-1])).text()
        if len(lines) > 1:
            yield "\n".join(one for line in lines if (one := self.decoded(line).text()) is not None)


def _like(pattern: str) -> _Find:
    """Finds what is written like this."""
    compiled = re.compile(pattern)
    return lambda text, _: [(*match.span(), False) for match in compiled.finditer(text)]


def _in(alphabet: Alphabet, other: str = "(?!)") -> _Find:
    """Finds what could say something in this alphabet, but for what begins like this, which another reader takes."""
    taken = re.compile(other)
    return lambda text, codes: [place for place in alphabet.candidates(codes) if not taken.match(text, *place[:2])]


def _values(*alphabets: str, other: str = "") -> bytes:
    """For each byte, its value as a digit of one of these alphabets, in whose lines others are passed over."""
    values = dict.fromkeys(map(ord, other), OTHER) | {ord("="): FILLING}
    for alphabet in alphabets:
        values |= {ord(digit): value for value, digit in enumerate(alphabet)}
    return bytes(values.get(byte, NONE) for byte in range(256))


def _kinds(*kinds: str) -> bytes:
    """For each byte, to which of these kinds it belongs: a bit for each."""
    return bytes(sum((chr(byte) in kind) << bit for bit, kind in enumerate(kinds)) for byte in range(256))


def _openings() -> bytes:
    """Whether a file may begin with b0 b1, at b0 << 8 | b1."""
    table = bytearray(1 << 16)
    for mark in _SIGNATURES:
        for second in mark[1:2] or range(256):
            table[mark[0] << 8 | second] = 1
    return bytes(table)


_OPENINGS = _openings()
_HEX_DIGITS = ("0123456789abcdef", "0123456789ABCDEF")
_BASE64_DIGITS = tuple(ascii_uppercase + ascii_lowercase + digits + marks for marks in ("+/", "-_"))
_WRITTEN = ascii_letters + digits + "+/-_"
_BASE32_DIGITS = _values(ascii_uppercase + "234567", ascii_lowercase + "234567", other=_WRITTEN)
_base64_alphabet = partial(
    Alphabet,
    _values(*_BASE64_DIGITS),
    openings=_OPENINGS,
    turned=_values(*map(rot13, _BASE64_DIGITS)),
    bits=6,
    filling=2,
    shifts=4,
    aligned=LONG,
)
_base32_alphabet = partial(Alphabet, _BASE32_DIGITS, openings=_OPENINGS, bits=5, filling=6)

# No group in a pattern is possessive: what separates its rounds is not among what they consist of, so there is one way
# to match.
SPACED_HEX = Reader(
    "hex",
    _like(rf"(?<![0-9A-Za-z]){_SPACED}{{3,}}"),
    _hex,
    16,
    wraps=False,
)
# A word of 6 letters makes 12 digits.
HEX = Reader(
    "hex",
    _in(
        Alphabet(
            _values(*_HEX_DIGITS, other="".join(set(_WRITTEN) - set("xX"))),
            _kinds("".join(_HEX_DIGITS)),
            openings=_OPENINGS,
            bits=4,
            shortest=12,
            shifts=2,
        )
    ),
    _hex,
    16,
)
# Numbers of fewer digits are read as a list. Lines may end within a byte.
BINARY = Reader(
    "binary digits", _like(r"[01]{65,}+(?:[ \t]{0,8}+\r?\n[ \t>|]{0,16}+[01]++)*+"), _binary, 2, wraps=False
)
EVEN_HEX = Reader(
    "hex",
    _in(
        Alphabet(_values(*_HEX_DIGITS), _kinds("".join(_HEX_DIGITS)), openings=_OPENINGS, bits=4, shifts=2, even=True),
        _SPACED + "{3}",
    ),
    _hex,
    16,
    wraps=False,
)
GROUPED64 = Reader("base64", _in(_base64_alphabet(_kinds(_BASE64_DIGITS[0]))), _base64, 62, wraps=False)
# Base64 of any text has capitals or digits, and is no number.
EVEN64 = Reader(
    "base64",
    _in(
        Alphabet(
            _values(_BASE64_DIGITS[0]),
            _kinds(_BASE64_DIGITS[0]),
            openings=_OPENINGS,
            bits=6,
            filling=2,
            shifts=4,
            aligned=LONG,
            even=True,
        ),
        _WRAPPED,
    ),
    lambda block: _base64(_NO_BASE64.sub("", block)),
    62,
    wraps=False,
)
BASE64 = Reader(
    "base64",
    _in(
        _base64_alphabet(
            _kinds("".join(_BASE64_DIGITS), ascii_lowercase + "+/_-", digits + "-"),
            shortest=SHORTEST,
        )
    ),
    _base64,
    62,
)
BASE32 = Reader("base32", _in(_base32_alphabet(_kinds(ascii_uppercase + "234567"), shortest=12)), _base32, 32)
SMALL32 = Reader("base32", _in(_base32_alphabet(_kinds(ascii_lowercase + "234567"), shortest=16)), _base32, 32)
EVEN32 = Reader(
    "base32",
    _in(
        Alphabet(
            _values(ascii_uppercase + "234567"),
            _kinds(ascii_uppercase + "234567"),
            openings=_OPENINGS,
            bits=5,
            filling=6,
            even=True,
        )
    ),
    lambda block: _base32(_NO_BASE32.sub("", block)),
    32,
    wraps=False,
)
ASCII85 = Reader("ascii85", _like(r"<~[!-uz\s]{8,}+~>"), _ascii85, 57, wraps=False)

# Texts without a run of 12 characters that are written in the first, 10 of them digits, have none of them.
_NUMBERS = (SPACED_HEX, BINARY, HEX, EVEN_HEX)
_OF_NUMBERS = _kinds("".join(_HEX_DIGITS) + "xXhH \t\r\n:,;-|./_&$#>\\", "".join(_HEX_DIGITS))
_LETTERS = (GROUPED64, EVEN64, BASE64, BASE32, SMALL32, EVEN32, ASCII85)
