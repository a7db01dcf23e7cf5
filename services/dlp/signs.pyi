"""Tells which escapes a text may have, and finds what is written one character apart: the loops of decoders.py."""

HTML: int
PERCENT: int
QUOTED: int
CHARACTER: int
ENCODED_WORD: int
UTF7: int
JOINED: int

def escapes(text: bytes) -> int:
    """The sum of those above that the text may have; it has no others. What is not ASCII is "?" in it."""

def apart(text: str) -> list[tuple[int, int, int]]:
    """What is written one character apart from the other, as slices (start, stop, step): at least eight, between each
    the same one to three characters that are neither letters nor digits. Nothing where none looks it. Linear.
    """
