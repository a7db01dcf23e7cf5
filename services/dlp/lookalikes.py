"""What a reader takes a character for: `bare` undoes look-alike letters, accents, fonts and invisible characters.

Most of the table is derived from the character's own data (its compatibility form and its name in Unicode: LATIN
SMALL LETTER O WITH STROKE is read as o); only letters of other scripts that look like Latin ones are listed. What it
gives serves comparison alone: a term and a text are reduced alike, and nobody is shown the result.
"""

import re
import unicodedata

# Letters of Greek, Cyrillic, Armenian, Cherokee, Lisu and others that a reader takes for the Latin letter in
# front, in the lower case that a folded text has; where only the capital looks so, the small letter stands for it.
# By code point, as no eye can proofread them.
_LIKE = {
    "a": "\u03b1\u0430\u0251\u0252\u0250\ua4ee\u13aa\u237a",
    "b": "\u044c\u0432\u044a\u03b2\u0184\u0185\u13f4\ua4d0",
    "c": "\u0441\u03f2\u217d\u13df\ua4da\u1d04\u2184\u04ab\xa2",
    "d": "\u0501\u056a\u13a0\ua4d3\u217e",
    "e": "\u0435\u0454\u03b5\u04bd\u0258\u0259\u01dd\u025b\u13ac\ua4f0\u212e\u044d\u04bf\u20ac",
    "f": "\u0493\u0584\ua4dd\u017f\u1e9d\u03dd",
    "g": "\u0581\u0261\u13c0\ua4d6\u050d\u0262",
    "h": "\u04bb\u0570\u043d\u13bb\ua4e7\u045b\u050b",
    "i": "\u0456\u03b9\u0269\u0131\u026a\u04cf\u13a5\ua4f2\u0268",
    "j": "\u0458\u0575\u03f3\u13ab\ua4d9\u029d",
    "k": "\u043a\u03ba\u13e6\ua4d7\u0138\u049b\u049d\u04a1",
    "l": "\u217c\u13de\ua4e1\u0196\u029f\u01c0",
    "m": "\u043c\u217f\u13b7\ua4df\u026f\u028d",
    "n": "\u043f\u03b7\u0578\u057c\ua4e0\u0274\u1d0e\u05d7",
    "o": "\u043e\u03bf\u0585\u03c3\u1d0f\ua4f3",
    "p": "\u0440\u03c1\u13e2\ua4d1\u048f\u03f1\u2374",
    "q": "\u051b\u0566\u0563",
    "r": "\u0433\u1d26\u13d2\ua4e3\u0279\u027e\u0280\u044f",
    "s": "\u0455\ua4e2\u13da\u01bd\ua731",
    "t": "\u0442\u03c4\u13a2\ua4d4\u0287\u0565\u04ad",
    "u": "\u03c5\u057d\u0574\ua4f4\u028b\u0446\u028a",
    "v": "\u03bd\u0475\u13d9\ua4e6\u2174\u05d8",
    "w": "\u051d\u03c9\u0448\u0449\u0461\u13b3\ua4ea\u0561",
    "x": "\u0445\u03c7\u2179\ua4eb\u04b3",
    "y": "\u0443\u04af\u03b3\ua4ec\u028f\u1eff\u0447",
    "z": "\u13c3\ua4dc\u1d22\u0290\u04e1",
    "ae": "\xe6\u04d5",
    "oe": "\u0153",
    "ss": "\xdf",
}
# Of these the capital is a mere stroke: read as i, and by who means it so as l.
STROKES = "\u04cf\u0456\u03b9\ua4f2"
_LISTED = {
    character: latin for latin, row in _LIKE.items() for character in row.casefold() + row if not character.isascii()
}
_NAMED = re.compile(
    r"(?:TAG |NEGATIVE |CIRCLED |SQUARED |CROSSED |MODIFIER LETTER |PARENTHESIZED |REGIONAL INDICATOR SYMBOL )*"
    r"(?:LATIN )?(?:SMALL |CAPITAL )?(?:LETTER |DIGIT )*"
    r"(?:SMALL CAPITAL |SMALL |DOTLESS |SCRIPT |BARRED |LONG |INSULAR )*"
    r"([A-Z]|ZERO|ONE|TWO|THREE|FOUR|FIVE|SIX|SEVEN|EIGHT|NINE)(?: WITH [A-Z -]+)?"
)
_DIGITS = {
    word: str(digit)
    for digit, word in enumerate(["ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE"])
}
# Shown as nothing, and no format characters (category Cf): fillers, variation selectors, the rest of plane 14.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")
# Marks laid over any letter. Those of a script of its own (Indic vowels) tell words apart and stay.
_ACCENT = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")


class _Bare(dict[int, str]):
    """A table for `str.translate` that fills itself, as far as common characters go."""

    def __missing__(self, point: int) -> str:
        read = _read(chr(point))
        if len(self) < 8192:  # a mail of a million different characters is not to be remembered
            self[point] = read
        return read


def _read(character: str) -> str:
    point = ord(character)
    if 0xF020 <= point < 0xF07F:  # symbol fonts (Wingdings, Symbol): the byte of the font, in private use
        point -= 0xF000
    if point < 0x80:
        return chr(point).lower()
    if like := _LISTED.get(character):
        return like
    if named := _NAMED.fullmatch(unicodedata.name(character, "")):
        return _DIGITS.get(named[1], named[1]).lower()
    if _INVISIBLE.match(character) or unicodedata.category(character) == "Cf":
        return ""
    whole = unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFKD", character))).casefold()
    return "".join(_LISTED.get(c, c) for c in whole)


BARE = _Bare()


def bare(text: str) -> str:
    """`text` as it is read: plain small letters for what looks like them, nothing for what does not show.

    Character by character, so that a part of a text becomes the same part of its bare form. At most 18 characters
    come of one.
    """
    return text.lower() if text.isascii() else text.translate(BARE)


def as_read(character: str) -> str:
    """What one character is read as, capitals as capitals."""
    read = BARE[ord(character)]
    return read.upper() if character.isupper() else read
