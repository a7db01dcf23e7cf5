"""Spells texts in other alphabets, character by character, and says where in a text words may begin and end."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

IN_WORD: int
"""A character of which words consist,"""
UNSPACED: int
"""one of a script written without spaces, so that it is a word by itself,"""
SHOWN: int
"""one that shows: what does not parts no words. A kind is the sum of what applies."""

BESIDE: int
"""No word goes on from a character to that beside it,"""
APART: int
"""nor, if it shows, to the next one that does. An edge is the sum of what applies."""

class Alphabet:
    """A table of what each character is spelt as, which fills itself: 9 MB if all there are should come."""

    def __init__(self, read: Callable[[str], str], rest: Alphabet | None = None) -> None:
        """`read` says what a character is spelt as, whenever that is asked the same: 7 bytes of UTF-8 at most. What is
        not ASCII an alphabet may share with the `rest` of another that spells it the same."""

    def spell(self, text: str) -> bytes:
        """A text in this alphabet, in UTF-8; lone surrogates are encoded like other characters. ValueError: a character
        is spelt in more than 7 bytes."""

    def seated(self, text: str) -> tuple[bytes, NDArray[np.int32]]:
        """The same, and of each byte with which character of the text it stands there, in ascending order."""

def edges(kinds: bytes | NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """For each character of a text, by what kind they are, whether and why a word may begin with it (BESIDE, APART; 0:
    it may not), and whether one may end with it."""

def near_symbols(
    kinds: bytes, opens: NDArray[np.uint8], closes: NDArray[np.uint8], seats: NDArray[np.int32], reach: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """These edges where symbols, which are no characters of words, are read as letters.

    A word may only begin where within `reach` bytes there is a symbol; and it begins or ends with one only where no
    word stands before or behind that. `seats` are the characters of the bytes; one without bytes is no edge.
    IndexError: a seat that is no place in the text, or fewer edges than kinds.
    """

def fold_ascii(text: bytes) -> str:
    """A text in ASCII in small letters, and runs of white space as one space; none at its ends. UnicodeDecodeError: it
    has other characters.
    """
