"""Undoes what is done to the characters of a text to hide what it says: escapes, look-alikes, spacing.

An escape stands for a character amid readable text, so `unescape` gives the whole text anew; a block, which hides a
passage of its own, is for blocks.py. What a text has no sign of (the loops of `signs`) is not looked for; the patterns
are of one character class after another and cannot backtrack, and what they give is at most a few times the text.
"""

import binascii
import re
from collections.abc import Callable
from urllib.parse import unquote

from services.dlp import signs
from services.dlp.charsets import decode, header_text
from services.dlp.lookalikes import as_read
from services.dlp.markup import split

_QUOTED = re.compile(r"=[0-9A-Fa-f]{2}")
_SOFT_BREAK = re.compile(r"(?<!=)=[ \t]{0,8}+\r?\n")  # behind another it is a line of them
_TAG = re.compile(r"<(?:!--|/?[A-Za-z]{1,12}[\s/>])|&[#A-Za-z]")
_ESCAPE = re.compile(
    r"\\u\{0{0,4}+([0-9A-Fa-f]{1,6})\}|\\[uU]0{0,4}+([0-9A-Fa-f]{2,5})(?![0-9A-Fa-f])|\\u([0-9A-Fa-f]{4})"
    r"|\\x([0-9A-Fa-f]{2})|[Uu]\+([0-9A-Fa-f]{4,5})[ ,;]?|\\([0-3][0-7]{2})"
)
# What ends a string of a program or formula and begins the next of the same; what is one character of it; a line that
# goes on in the next. Of a list of strings it is clear where it is said that they are joined.
_BETWEEN = (
    r"[\"'`](?:(?<=[A-Za-z0-9 ].)\s{0,8}+[+.&|_%s][\s+.&|_%s]{0,22}+[\"'`](?=[A-Za-z0-9 ])"
    r"|(?<=[A-Za-z0-9].)\s{0,24}+[\"'`](?=[A-Za-z0-9]))"
)
_JOINED, _JOINED_LIST = re.compile(_BETWEEN % ("", "")), re.compile(_BETWEEN % (",", ","))
_JOINING = re.compile(r"\.\s{0,8}join\b|\b(?:concat|implode)|\bjoin\s{0,8}\(")
_CHARACTER = re.compile(r"\b(?:String\.fromCharCode|(?:uni)?char|chrw?)\$?\((\d{1,7})\)", re.IGNORECASE)
_CONTINUED = re.compile(r"\\\r?\n[ \t]{0,64}+")
_SHIFTED = re.compile(r"\+([A-Za-z0-9/]{2,}+)-")
# What prose has not: digits and marks close together, capitals within words or many of them.
_LIKE_CODE = re.compile(
    r"(?:[A-Za-z]{0,8}[0-9%&=\\#+/{}][ ,:;]{0,2}){4}|[a-z0-9][A-Z][A-Za-z]{0,8}[a-z0-9][A-Z]|[A-Z]{8}|<~"
    r"|(?:(?:[0-9A-Fa-f]{2}|[A-Za-z0-9+/]{4})[ :,;-]{1,2}){5}|(?:.[^\w]{1,3}){8}"
)
# What follows is shown backwards, to the mark that ends it or the line's end (UAX 9): a sign besides those in ASCII.
_OVERRIDE = "\u202e"
_OVERRIDDEN_RUN = re.compile(r"\u202e([^\u202c\r\n\u2028\u2029]*+)\u202c?")
_ROT13 = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "NOPQRSTUVWXYZABCDEFGHIJKLMnopqrstuvwxyzabcdefghijklm"
)
# Disguises of the letters themselves, by the names that views have for them (views.py).
LOOKALIKES, SPACING = "look-alike letters", "other spacing"


def rot13(text: str) -> str:
    """Latin letters moved by 13 places, there and back."""
    return text.translate(_ROT13)


def respell(text: str) -> str:
    """The lines of `text` in which an encoding may be dressed up, as they are read: without characters that do not
    show, look-alikes as Latin letters, capitals as capitals. "" where there are none."""
    if text.isascii():
        return ""
    lines = [line for line in text.splitlines() if not line.isascii()]
    odd = (character for character in set("".join(lines)) if not character.isascii())
    table = {ord(character): read for character in odd if (read := as_read(character)) != character}
    respelled = (line.translate(table) for line in lines) if table else ()
    return "\n".join(line for line in respelled if _LIKE_CODE.search(line))


def closed_up(text: str) -> str:
    """What is written one character apart from the other in `text`, moved together, one run to a line."""
    runs = (text[start:stop:step] for start, stop, step in signs.apart(text))
    # Of a line of dashes nothing is to be made.
    return "\n".join(run for run in runs if sum(map(str.isalnum, run)) * 3 > len(run))


def unescape(text: str) -> list[tuple[tuple[str, ...], str]]:
    """The text without its escapes, one layer of each, and the names of those that were there; nothing, without any.

    Before it, the text without those that are hardly anything else, where there were others as well: of ?q=f%61lcon
    quoted-printable would take =fa. Before that, the text whose strings are not joined: what ends one is no part of
    the next.
    """
    names, undone = _undo(text, _ALL)
    if names:
        fewer = [_undo(text, escapes) for escapes, beyond in _FEWER if not beyond.isdisjoint(names)]
        return [reading for reading in (*fewer, (names, undone)) if reading[0]]
    if _OVERRIDE in text and (turned := _from_overridden(text)) != text:
        return [(("direction override",), turned)]
    return []


def _undo(text: str, escapes: int) -> tuple[tuple[str, ...], str]:
    """The names of those of these escapes that are in a text, and the text without."""
    names: list[str] = []
    seen = _signs(text)
    for name, sign, undo in _ESCAPES:
        if seen & sign & escapes and (undone := undo(text)) != text:
            names.append(name)
            text = undone
            seen = _signs(text)
    return tuple(names), text


def _signs(text: str) -> int:
    return signs.escapes(text.encode("ascii", "replace"))


def _from_shifted(text: str) -> str:
    return _SHIFTED.sub(lambda m: decode(m[0].encode("ascii"), "utf-7"), text)


def _from_quoted(text: str) -> str:
    data = _SOFT_BREAK.sub("", text).encode("utf-8", "surrogatepass")
    return decode(binascii.a2b_qp(data) if _QUOTED.search(text) else data)


def _from_escapes(text: str) -> str:
    def character(found: re.Match[str]) -> str:
        digits = found[found.lastindex or 0]
        point = int(digits, 8 if found.lastindex == 6 else 16)
        return chr(point) if point < 0x110000 and not 0xD800 <= point < 0xE000 else "\ufffd"

    return _ESCAPE.sub(character, text)


def _from_joined(text: str) -> str:
    text = _CONTINUED.sub("", text)
    small = text.lower()
    if "chr" in small or "code(" in small or "char(" in small or "char$(" in small:
        text = _CHARACTER.sub(lambda code: f"'{chr(min(int(code[1]), 0xD7FF))}'", text)
    is_list = any(word in small for word in ("join", "concat", "implode")) and _JOINING.search(small)
    return (_JOINED_LIST if is_list else _JOINED).sub("", text)


def _from_words(text: str) -> str:
    # What is half a character is none of a header's bytes.
    return header_text(text.encode("utf-8", "replace").decode("utf-8")) if "=?" in text else text


def _from_overridden(text: str) -> str:
    return _OVERRIDDEN_RUN.sub(lambda run: run[1].replace(_OVERRIDE, "")[::-1], text)


# In the order in which they can hold one another.
_ESCAPES: tuple[tuple[str, int, Callable[[str], str]], ...] = (
    ("HTML", signs.HTML, lambda text: split(text).shown if _TAG.search(text) else text),
    ("percent escapes", signs.PERCENT, unquote),
    ("joined strings", signs.JOINED, _from_joined),
    ("quoted-printable", signs.QUOTED, _from_quoted),
    ("character escapes", signs.CHARACTER, _from_escapes),
    ("encoded words", signs.ENCODED_WORD, _from_words),
    ("UTF-7", signs.UTF7, _from_shifted),
)
_CERTAIN = signs.HTML | signs.PERCENT | signs.CHARACTER
_SURE = _CERTAIN | signs.JOINED
_ALL = _SURE | signs.QUOTED | signs.ENCODED_WORD | signs.UTF7
_FEWER = tuple(
    (escapes, {name for name, sign, _ in _ESCAPES if sign & beyond})
    for escapes, beyond in ((_CERTAIN, signs.JOINED), (_SURE, _ALL & ~_SURE))
)
