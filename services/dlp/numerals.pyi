"""Finds lists of numbers that may be codes of characters, or the bytes of a file: the loops of numbers.py."""

DECIMAL: int
OCTAL: int
BINARY: int
"""Bases in which numbers may be read."""

def numerals(text: bytes, openings: bytes) -> list[tuple[int, int, int]]:
    """The places (first, last) of lists of numbers, and the sum of the bases in which one may say something.

    A number has up to 64 decimal digits, at times behind 0o or 0b, and no letter beside it. Between two of a list stand
    up to 24 characters, the same each time but for blanks, commas, line ends and marks of quotation. It may say
    something where five in a row are characters and half of them letters or digits; where 35 digits are 0 or 1; or
    where all are bytes and there are 16 that begin like a file (`openings`: see `digits.Alphabet`), or 512. The last
    number of a list may be the first of another. Linear; other threads run while a long text is searched.
    """
