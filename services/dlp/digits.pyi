"""Finds the digits in a text (base64, base32, hexadecimal) that could say something: the loops of blocks.py."""

OTHER: int
FILLING: int
NONE: int
"""Values of what is no digit: see `Alphabet`."""
TEXT: int
FILE: int
ANY_FILE: int
SCRAP: int
"""The shortest in bytes of what is taken for a text, a file, a file whatever its first bytes are, a scrap of text."""
SCRAPS: int
"""The shortest block, in digits, that is searched for files and scraps."""

class Alphabet:
    """An alphabet in which bytes are written, and what blocks in it look like.

    `values`: of each byte the value of this digit, below 2 ** `bits`; 253 of what is passed over in the lines in which
    a block goes on; 254 of what fills up its last digits; 255 of what is no digit. `kinds`: odd for digits that a block
    may begin with; where all those of a run have another bit besides, it is no block but plain words, or numbers.
    `openings`: at b0 << 8 | b1, not 0 if a file may begin with the bytes b0 b1. A block has `shortest` digits or more,
    then up to `filling` that fill it up; without a shortest it is groups with a blank between, of 4, 8, ... 24 digits
    each but for the last, four groups at least; if `even`, groups of one size from 2 to 64 but for the last, and
    between them up to four characters, the same each time but for blanks, commas and marks of quotation. Its bytes
    begin at one of the first `shifts` digits, at the first where there are fewer than `aligned`. `turned` are other
    values that the digits of its first line may have; where there are any, they may also stand in reverse.

    ValueError: bits beyond 1 to 8, a negative shortest.
    """

    def __init__(
        self,
        values: bytes,
        kinds: bytes,
        *,
        openings: bytes,
        bits: int,
        shortest: int = 0,
        filling: int = 0,
        shifts: int = 1,
        aligned: int = 0,
        turned: bytes | None = None,
        even: bool = False,
    ) -> None: ...
    def candidates(self, text: bytes) -> list[tuple[int, int, bool]]:
        """The places (first, last) of the blocks that are worth decoding, as they come, and whether they are worth it
        turned. Linear; other threads run while a long text is searched.

        A block goes on in the next line, behind blanks and marks of quotation, as long as the lines are as long as the
        first; the last may be shorter. Lines that were part of a block follow once more, each by itself. Left out is
        only what blocks.py can make nothing of: what is no text, no file and has no scraps of text, as a whole, without
        its last line, in any of its lines, or turned. IndexError: a table that is too short.
        """

def runs(text: bytes, kinds: bytes, shortest: int, least: int) -> list[tuple[int, int]]:
    """The places (first, last) of all runs of at least `shortest` bytes that have a kind, if in one of them at least
    `least` have another kind than the first; else none. ValueError: a shortest below 1.
    """
