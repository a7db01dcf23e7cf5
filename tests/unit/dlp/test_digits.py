"""What is not worth decoding says nothing: the loops that find digits, beside plain definitions of what they do."""

import base64
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.dlp.blocks import BASE32, BASE64, EVEN32, EVEN64, EVEN_HEX, GROUPED64, HEX, LONG, SMALL32, Reader, read
from services.dlp.decoders import rot13
from services.dlp.digits import Alphabet, runs

# The first line of a block; what of it is no block; what a line below it consists of.
WRITTEN = {
    "base64": (BASE64, "[A-Za-z0-9+/_-]{8,}+={0,2}+", "[a-z+/_-]*|[0-9-]*", "[A-Za-z0-9+/_=-]+"),
    "base32": (BASE32, "[A-Z2-7]{12,}+={0,6}+", "", "[A-Za-z0-9+/_=-]+"),
    "small base32": (SMALL32, "[a-z2-7]{16,}+={0,6}+", "", "[A-Za-z0-9+/_=-]+"),
    "hex": (HEX, "[0-9A-Fa-f]{12,}+", "", "[0-9A-WYZa-wyz+/_=-]+"),
}
GROUPS = r"(?<![A-Za-z0-9+/])(?:(?:[A-Za-z0-9+/]{4}){1,6}[ \t]){3,}[A-Za-z0-9+/]{1,24}={0,2}+"
LINE_END = re.compile(r"[ \t]{0,8}+\r?\n[>| \t]{0,16}+")


def all_blocks(text: str, written: str) -> Iterator[tuple[int, int, bool]]:
    """Where blocks stand, whatever they say; in base64 all that are long enough may be turned."""
    _, first, words, below = WRITTEN[written]
    tried = 0
    for match in re.finditer(first, text):
        if re.fullmatch(words, match[0]):
            continue
        width = size = len(match[0])
        end = match.end()
        while match.start() >= tried and size == width and (gap := LINE_END.match(text, end)):
            line = re.compile(below).match(text, gap.end())
            if not line or len(line[0]) > width:
                break
            size, end = len(line[0]), line.end()
        tried = max(tried, end)
        yield match.start(), end, written == "base64" and width >= LONG


def all_groups(text: str) -> Iterator[tuple[int, int, bool]]:
    return ((*match.span(), True) for match in re.finditer(GROUPS, text))


def told(
    reader: Reader, text: str, find: Callable[[str], Iterator[tuple[int, int, bool]]]
) -> list[tuple[str, list[str]]]:
    """What is read of the blocks that `find` finds."""
    return list(read(text, [replace(reader, find=lambda text, _: find(text))]))


def places(reader: Reader, text: str) -> list[tuple[int, int]]:
    return [(start, end) for start, end, _ in reader.find(text, text.encode("ascii", "replace"))]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def small32(data: bytes) -> str:
    return base64.b32encode(data).decode().lower()


ENCODINGS: list[Callable[[bytes], str]] = [
    b64,
    lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
    lambda data: rot13(b64(data)),
    lambda data: b64(data)[::-1],
    lambda data: base64.b32encode(data).decode(),
    small32,
    bytes.hex,
]
data = st.one_of(
    st.text(min_size=4, max_size=60).map(lambda text: text.encode("utf-8", "replace")),
    st.text(min_size=4, max_size=30).map(lambda text: text.encode("utf-16-le", "replace")),
    st.text("operation bluebell\x01", min_size=6, max_size=60).map(str.encode),
    st.binary(max_size=80),
    st.tuples(st.binary(max_size=9), st.text("bluebell", min_size=4, max_size=9), st.binary(max_size=60)).map(
        lambda parts: parts[0] + parts[1].encode() + parts[2]
    ),
    st.binary(min_size=1, max_size=60).map(zlib.compress),
    st.binary(min_size=1, max_size=60).map(gzip.compress),
    st.binary(max_size=60).map(lambda rest: b"%PDF-1.4" + rest),
    st.integers(500, 700).map(bytes),
)
between = st.sampled_from(
    ["", " ", "\n", "\r\n", "\n> ", " \t\n| ", "=", "==\n", "Key", "word\n", "-", "é", "\x00", ", "]
)
encoded = st.builds(
    lambda data, encode, skipped, width, end: end.join(re.findall(f"(?s).{{1,{width}}}", encode(data)[skipped:])),
    data,
    st.sampled_from(ENCODINGS),
    st.integers(0, 3),
    st.integers(4, 90),
    st.sampled_from(["", "", "\n", "\r\n> ", " ", "\t"]),
)
texts = st.lists(
    st.one_of(encoded, between, st.text(max_size=20), st.text("ABCabc01+/=- \n", max_size=40)), max_size=8
).map("".join)


@pytest.mark.parametrize("written", WRITTEN)
@settings(max_examples=400, deadline=None, derandomize=True)
@given(texts)
@example("")
def test_a_block_that_is_left_out_says_nothing(written: str, text: str) -> None:
    reader = WRITTEN[written][0]
    assert list(read(text, [reader])) == told(reader, text, lambda text: all_blocks(text, written))
    assert set(places(reader, text)) <= {(start, end) for start, end, _ in all_blocks(text, written)}


SAYING = {
    "control characters, a twentieth": rot13(b64(b"operation\x01 bluebell.")),
    "form feeds": rot13(b64(b"Anna\x0c met\x0bBob\r\n")),
    "UTF-16 whose first letters are no Latin ones": b64("\u0401\u0402abcdef".encode("utf-16-le")),
    "a file known by what stands within": b64(b"\x01" * 257 + b"ustar" + b"\x01" * 250),
    "many bytes": b64(b"\x01" * 4096),
    "a last line that is too short for a block": "AQEBAQEB\naGVsbG8",
    "all but the last line": "aGVsbG/D\nqWxsbyB3\nAQEBAQE",
    "quoted many times": "T3BlcmF0aW9uAS\n" + "> " * 8 + "BibHVlYmVsbCBi\n" + "> " * 8 + "ZWdpbnMgbm93",
}


@pytest.mark.parametrize("block", SAYING)
def test_a_block_that_says_something_is_found(block: str) -> None:
    text = SAYING[block]
    assert told(BASE64, text, lambda text: all_blocks(text, "base64"))
    assert (0, len(text)) in places(BASE64, text)


def test_a_longer_line_below_is_no_part_of_a_block() -> None:
    written = base64.b32encode(b"PK\x03\x04" + bytes(range(1, 17))).decode()
    assert list(read(f"{written}\ncSRyQh8VxwcNeC_ahp9worda8617KBFQGBDST6BWL", [BASE32])) == [("base32", [])]


groups = st.lists(
    st.sampled_from(["QWxh", "this", "ZGRpbjpv", "b3Bl", "cmF0aW9u", " ", " ", " ", "\t", "  ", "=", "a", "A" * 24]),
    max_size=16,
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.one_of(texts, groups.map("".join), groups.map(" ".join)))
@example("b3Bl cmF0 aW9u IGJs dWVi ZWxs")
def test_groups_that_are_left_out_say_nothing(text: str) -> None:
    assert list(read(text, [GROUPED64])) == told(GROUPED64, text, all_groups)
    assert set(places(GROUPED64, text)) <= {(start, end) for start, end, _ in all_groups(text)}


def all_even_groups(text: str, digits: str) -> Iterator[tuple[int, int, bool]]:
    """Groups of one size, and the same between them, with the last and without."""
    runs = list(re.finditer(f"[{digits}]+", text))
    for first in range(len(runs)):
        size, last = len(runs[first][0]), first
        gaps = [
            re.sub(r"[ \t\r\n>|_]+", "", text[one.end() : other.start()]) if other.start() - one.end() <= 4 else None
            for one, other in pairwise(runs[first:])
        ]
        while last + 1 < len(runs) and gaps[last - first] == gaps[0] and gaps[0] is not None:
            if len(runs[last][0]) < size or len(runs[last + 1][0]) > size:
                break
            last += 1
        for end in (last, last - 1):
            if end - first > 2 and 1 < size <= 64:
                yield runs[first].start(), runs[end].end(), False


EVEN = {"base64": (EVEN64, "A-Za-z0-9+/"), "base32": (EVEN32, "A-Z2-7"), "hex": (EVEN_HEX, "0-9A-Fa-f")}


@pytest.mark.parametrize("written", EVEN)
@settings(max_examples=80, deadline=None, derandomize=True)
@given(texts, st.integers(2, 70), st.sampled_from(["\n", ".", " | ", "', '", "\n> ", ", &H"]), data)
def test_groups_of_one_size_are_found_where_they_stand(
    written: str, text: str, size: int, between: str, said: bytes
) -> None:
    reader, digits = EVEN[written]
    spelt = b64(said) if written == "base64" else said.hex() if written == "hex" else base64.b32encode(said).decode()
    whole = text + between.join(re.findall(f".{{1,{size}}}", spelt))
    known = {(start, end) for start, end, _ in all_even_groups(whole, digits)}
    assert {(start, len(whole[:end].rstrip("="))) for start, end in places(reader, whole)} <= known


@pytest.mark.parametrize("written", WRITTEN)
def test_most_of_what_is_no_block_is_left_out(written: str) -> None:
    text = "Content-Transfer-Encoding: quoted-printable, Message-ID <F9D1C57B62A0@mail.NorthWind.example> " * 50
    assert places(WRITTEN[written][0], text) == []


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=60), st.integers(1, 6), st.integers(0, 4))
def test_runs_are_all_runs_if_one_has_enough(text: bytes, shortest: int, least: int) -> None:
    kinds = bytes((byte % 3 > 0) + 2 * (byte % 3 > 1) for byte in range(256))
    known = [match.span() for match in re.finditer(rb"[\x01\x02]{%d,}" % shortest, bytes(byte % 3 for byte in text))]
    enough = any(sum(byte % 3 > 1 for byte in text[slice(*place)]) >= least for place in known)
    assert runs(text, kinds, shortest, least) == (known if enough else [])


def test_tables_that_are_too_short_are_an_error_and_no_memory_is_read() -> None:
    with pytest.raises(IndexError):
        runs(b"abc", b"\x01\x01", 1, 0)
    with pytest.raises(IndexError):
        Alphabet(bytes(64), bytes([1]) * 256, openings=b"", bits=6, shortest=8).candidates(b"a" * 40)
    with pytest.raises(ValueError, match="1 to 8 bits, not 9"):
        Alphabet(bytes(256), bytes(256), openings=bytes(1 << 16), bits=9)
    with pytest.raises(ValueError, match="at least one byte"):
        runs(b"", bytes(256), 0, 0)
