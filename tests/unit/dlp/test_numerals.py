"""Numbers in a list are read as the codes they are: the loops beside a plain definition, and what tells lists apart."""

import random
import re
from itertools import groupby

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.dlp.blocks import _OPENINGS as OPENINGS
from services.dlp.blocks import blocks
from services.dlp.numbers import dumps
from services.dlp.numerals import BINARY, DECIMAL, OCTAL, numerals

NUMBER = re.compile(r"(?<![0-9A-Za-z])(?:0[oObB])?([0-9]{1,64})(?![0-9A-Za-z])")
BLANKS = re.compile(r"[ \t\r\n>|_,;]+")


def lists(text: str) -> list[list[re.Match[str]]]:
    """Numbers between which the same stands, in the order in which they begin."""
    numbers = list(NUMBER.finditer(text))
    found, at = [], 0
    while at < len(numbers):
        last, before = at, None
        while last + 1 < len(numbers):
            gap = text[numbers[last].end() : numbers[last + 1].start()]
            if len(gap) > 24 or before not in (None, BLANKS.sub("", gap)):
                break
            before = BLANKS.sub("", gap)
            last += 1
        found.append(numbers[at : last + 1])
        at = max(last, at + 1)
    return found


def is_lettered(value: int) -> bool:
    ascii_one = value < 128 and chr(value).isalnum()
    return ascii_one or 128 <= value < 256 or 0x370 <= value < 0x530 or 0x4E00 <= value < 0xA000


def is_text(values: list[int]) -> bool:
    for shown, run in groupby(values, lambda value: 9 <= value < 14 or 32 <= value < 127 or is_lettered(value)):
        row = list(run)
        if shown and any(2 * sum(map(is_lettered, row[:n])) >= n for n in range(5, len(row) + 1)):
            return True
    return False


def bases(text: str, numbers: list[str]) -> int:
    said = 0
    for base, bit in ((10, DECIMAL), (8, OCTAL)):
        values = [int(one, base) if base > int(max(one)) else 1 << 24 for one in numbers]
        begins = len(values) > 15 and max(values) < 256 and OPENINGS[values[0] << 8 | values[1]] > 0
        if is_text(values) or begins or (len(values) > 511 and max(values) < 256):
            said |= bit
    for of_binary, run in groupby(numbers, lambda one: max(one) < "2"):
        if of_binary and sum(map(len, run)) >= 35:
            said |= BINARY
    return said


pieces = st.one_of(
    st.sampled_from([", ", ",", " ", "\n> ", "-", ") & Chr(", "0b", "0o", "a", "1", "0x", "...", "é", "x" * 25]),
    st.lists(st.integers(90, 130), max_size=9).map(lambda row: ", ".join(map(str, row))),
    st.lists(st.integers(0, 2000), max_size=9).map(lambda row: " ".join(map(str, row))),
    st.lists(st.integers(32, 126), max_size=9).map(lambda row: " ".join(f"{one:03o}" for one in row)),
    st.lists(st.integers(32, 126), max_size=9).map(lambda row: " ".join(f"{one:08b}" for one in row)),
    st.binary(max_size=30).map(lambda row: ",".join(map(str, b"PK" + row))),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(pieces, max_size=8).map("".join))
@example(" ".join(map(str, bytes(600))))
@example(",".join(["7"] * 512))
@example(" ".join(["8000000000000"] * 512))
@example("")
def test_the_lists_that_may_say_something_are_found(text: str) -> None:
    known = [
        (row[0].start(), row[-1].end(), said) for row in lists(text) if (said := bases(text, [one[1] for one in row]))
    ]
    assert numerals(text.encode("ascii", "replace"), OPENINGS) == known


def test_a_table_that_is_too_short_is_an_error_and_no_memory_is_read() -> None:
    with pytest.raises(IndexError):
        numerals(b",".join([b"7"] * 16), b"")


@pytest.mark.parametrize(
    "text",
    [
        "on 2002-08-22 10:11:12 +0100 from 192.0.2.17, 192.0.2.18 and 192.0.2.19",
        "1998 1999 2000 2001 2002 2003",
        "100.50, 200.50, 300.50, 400.50, 500.50",
        "1, 2, 3, 4, 5, 6, 7, 8 and 10 20 30 40 50",
    ],
)
def test_dates_addresses_and_prices_are_no_text(text: str) -> None:
    assert list(blocks(text)) == []


@pytest.mark.parametrize("between", [" ", "; ", "|", "\n", "-"])
@pytest.mark.parametrize(("least", "most"), [(0, 100), (10, 100), (100, 1000), (1000, 10000)])
def test_a_table_of_numbers_is_no_file(least: int, most: int, between: str) -> None:
    chance = random.Random(2)
    text = between.join(str(chance.randrange(least, most)) for _ in range(9000))
    assert [] not in [said for _, said in blocks(text)]
    assert [] not in [said for _, said in blocks(f"{least or 7}{between}" * 9000)]


def test_only_what_counts_up_from_nothing_is_a_dump() -> None:
    for text in ("2002 10 12\n2003 11 12", "0010 66 61\n0020 6c 63", "face be added", "0000\n"):
        assert dumps(text) == [text]
    assert dumps("so:\n0000 66 61\n0002 6c 63\nbye") == ["so:\n\nbye", "66 61 6c 63"]
