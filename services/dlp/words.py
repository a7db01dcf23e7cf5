"""What a word is: the form in which terms and texts are compared, and where a word begins and ends."""

import re
import unicodedata

from services.dlp.alphabets import IN_WORD, SHOWN, UNSPACED, Alphabet, fold_ascii
from services.dlp.lookalikes import bare

# Scripts whose words stand side by side without a space: Thai to Lao, Myanmar, Khmer, kana, ideographs,
# Hangul.
_UNSPACED = (
    "\u0e01-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_MARKS = "".join(filter(unicodedata.combining, map(chr, range(0x300, 0x1E94B))))
_MARK_RUN = re.compile(f"([{_MARKS}]{{30}})[{_MARKS}]+")

# Beside the kinds that `edges` knows: letters and digits; marks that combine with what stands before them.
_ALNUM, _MARK = 8, 16


def fold(text: str) -> str:
    """The form in which terms and mails are compared: NFKC, case-folded, white space runs as one space."""
    if not text.isascii():
        # Normalising is quadratic in a run of combining marks; no script stacks thirty (UAX 15, Stream-Safe).
        if b"m" * 31 in kinds(text).translate(_MARKED):
            text = _MARK_RUN.sub(r"\1", text)
        text = unicodedata.normalize("NFKC", text)
        text = unicodedata.normalize("NFKC", text.casefold())
        return " ".join(text.split())
    return fold_ascii(text.encode())


def count_words(folded: str) -> int:
    """Words of a folded text: runs of letters and digits; in a script without spaces, each character."""
    words = b" " + kinds(folded).translate(_WORDS)
    return words.count(b" w") + words.count(b"1") + words.count(b"1w")


def joined(text: str, place: int) -> bool:
    """Whether the characters of `text` before and after `place` belong to one word; at its ends none do."""
    if not 0 < place < len(text):
        return False
    left, right = text[place - 1], text[place]
    return in_word(left) and in_word(right) and not _IS_UNSPACED.search(left + right)


def unspaced(character: str) -> bool:
    """Whether its script has no spaces, so that each character is a word."""
    return _IS_UNSPACED.match(character) is not None


def in_word(character: str) -> bool:
    """Whether words consist of such characters: letters, digits and marks."""
    return character.isalnum() or (character > "\x7f" and unicodedata.category(character).startswith("M"))


def _kind(character: str) -> str:
    return chr(
        IN_WORD * in_word(character)
        + UNSPACED * unspaced(character)
        + SHOWN * bool(bare(character))
        + _ALNUM * character.isalnum()
        + _MARK * (unicodedata.combining(character) > 0)
    )


_KINDS = Alphabet(_kind)
_WORDS = bytes(ord("1" if kind & UNSPACED else "w" if kind & _ALNUM else " ") for kind in range(256))
_MARKED = bytes(ord("m" if kind & _MARK else " ") for kind in range(256))


def kinds(text: str) -> bytes:
    """Of each character, what it is to words, as `alphabets.edges` wants it."""
    return _KINDS.spell(text)
