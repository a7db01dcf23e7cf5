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

class Alphabet:
    """A table of what each character is spelt as, which fills itself: 9 MB if all there are should come."""

    def __init__(self, read: Callable[[str], str], rest: Alphabet | None = None) -> None:
        """`read` says what a character is spelt as, whenever that is asked the same: 7 bytes of UTF-8 at most. What is
        not ASCII an alphabet may share with the `rest` of another that spells it the same."""

    def spell(self, text: str) -> bytes:
        """A text in this alphabet, in UTF-8; lone surrogates are encoded like other characters. ValueError: a character
        is spelt in more than 7 bytes."""

    def seats(self, text: str) -> NDArray[np.int32]:
        """Of each byte of the text so spelt, with which character of the text it stands there: in ascending order.
        ValueError like `spell`."""

def edges(kinds: bytes | NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """For each character of a text, by what kind they are: whether a word may begin with it (1 or 0), and whether one
    may end with it.

    One may where no word goes on from the character beside it, or from the next that shows, if it shows itself.
    """

def ahead(marks: NDArray[np.uint8], seats: NDArray[np.int32], reach: int) -> NDArray[np.uint8]:
    """For each character of a text, whether (1 or 0) from the first of its bytes on there is one of a marked character
    within `reach` bytes, itself counted. `marks` has 0 or another number for each character, `seats` the characters of
    the bytes; of one without bytes the answer is 0. IndexError: a seat that is no place in `marks`."""
