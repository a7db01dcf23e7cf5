"""Reads texts that are written as numbers: codes of characters in a list, and dumps of bytes.

Which lists could say something is found by the loops of `numerals`. How the numbers are parted does not matter, as
long as it is the same each time: 102, 97; 102-97; Chr(102) & Chr(97).
"""

import re
from collections.abc import Iterator

from services.dlp.charsets import decode
from services.dlp.numerals import BINARY, DECIMAL, OCTAL, numerals

_NUMBER = re.compile(r"(?<![0-9A-Za-z])(?:0[oObB])?([0-9]{1,64})(?![0-9A-Za-z])")
# A line of a dump: the address of its first byte; then bytes or words, and at times the characters they are.
_LINE = re.compile(r"\n[ \t>]{0,16}+([0-9A-Fa-f]{4,16}+):?(?:[ \t]{1,4}+([0-9A-Fa-f]{2}[^\r\n]*+))?(?=\r?\n)")
_GROUP = re.compile(r"[0-9A-Fa-f]{1,8}")
# Bytes in a line, at the most.
_WIDEST = 64


def lists(text: str, codes: bytes, openings: bytes) -> Iterator[tuple[str, str, bytes]]:
    """The numbers in `text` as what they are codes of: the name of the encoding, the characters, and the bytes, where
    all of them are some. `codes` are its bytes in ASCII; `openings`: see `digits.Alphabet`."""
    for start, end, bases in numerals(codes, openings):
        numbers = _NUMBER.findall(text[start:end])
        if bases & DECIMAL:
            yield "decimal codes", *_read([int(number) for number in numbers])
        if bases & OCTAL:
            yield "octal codes", *_read([int(number, 8) for number in numbers if max(number) < "8"])
        if bases & BINARY:
            digits = [number for number in numbers if max(number) < "2"]
            together = "".join(digits)
            yield "binary digits", *_read([int(together[at : at + 8], 2) for at in range(0, len(together), 8)])
            if len(digits[0]) % 4:
                yield "binary digits", *_read([int(number, 2) for number in digits])


def _read(values: list[int]) -> tuple[str, bytes]:
    """What these codes are the characters of, and the bytes, where all of them are some."""
    if max(values, default=0) < 256:
        data = bytes(values)
        return decode(data), data
    return "".join(chr(value) if value < 0xD800 else "\n" for value in values), b""


def dumps(text: str) -> list[str]:
    """A text without the dumps in it, and what these are dumps of, in digits; words in either order of their bytes."""
    if "0000" not in text:
        return [text]
    found: list[list[re.Match[str]]] = []
    for line in _LINE.finditer(f"\n{text}\n"):
        address = int(line[1], 16)
        if found and 0 < address - int(found[-1][-1][1], 16) <= _WIDEST and found[-1][-1].end() >= line.start() - 1:
            found[-1].append(line)
        elif not address and line[2]:
            found.append([line])
    kept, done, read = [], 0, []
    for lines in found:
        kept.append(text[done : max(lines[0].start() - 1, 0)])
        done = lines[-1].end() - 1
        read += _undumped(lines)
    return ["\n".join((*kept, text[done:])), *read] if found else [text]


def _undumped(lines: list[re.Match[str]]) -> list[str]:
    """The digits of a dump, without addresses and characters."""
    groups: list[str] = []
    step = int(lines[1][1], 16) if len(lines) > 1 else _WIDEST
    for line in lines:
        rest = (line[2] or "").split()
        width = len(rest[0]) if rest else 0
        in_words = width in (4, 8) and not set(rest[0]) <= {"0", "1"}
        for group in rest[: step * 2 // width if in_words else step]:
            if _GROUP.fullmatch(group) is None or (len(group) != width and max(len(group), width) > 3):
                break
            groups.append(group)
    width = len(groups[0]) if groups else 0
    if width in (4, 8):
        swapped = (bytes.fromhex(group)[::-1].hex() for group in groups if len(group) == width)
        return [" ".join(groups), " ".join(swapped)]
    if width == 6:  # octal, as od writes them
        words = (int(group, 8) & 0xFFFF for group in groups if max(group) < "8")
        return [" ".join(word.to_bytes(2, "little").hex() for word in words)]
    return [" ".join(groups)]
