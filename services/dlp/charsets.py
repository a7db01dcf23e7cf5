"""Turns the bytes of a part and the encoded words of a header (RFC 2047) into text, whatever they are."""

import binascii
import encodings
import re
import unicodedata
from collections import Counter
from encodings.aliases import aliases
from functools import lru_cache
from itertools import pairwise

# Text encodings a mail reader may meet. Left out: codecs that are no character sets, and those a sender could
# use to burn time (punycode is quadratic) or to make text that no mail reader would show (unicode_escape).
_CODECS = (frozenset(aliases.values()) | {"cp874", "koi8_u", "utf_8_sig", "tis_620"}) - {
    "base64_codec",
    "bz2_codec",
    "hex_codec",
    "mbcs",
    "quopri_codec",
    "rot_13",
    "uu_codec",
    "zlib_codec",
}

_SIDE_BY_SIDE = re.compile(rb"[\x80-\xff]{3}")
_LATIN = ("cp1250", "iso8859_2", "cp1254", "cp850")
_OTHER_SCRIPTS = (
    *("cp1251", "koi8_r", "cp866", "iso8859_5", "mac_cyrillic", "cp1253", "cp1255", "cp1256", "cp874"),
    *("gb18030", "big5", "shift_jis", "euc_jp", "euc_kr"),
)
_BEYOND = re.compile(rb"[\x80-\xff]")
_NOT_ASCII = re.compile("[^\0-\x7f]++")
_READINGS = 6
_SHORT = 1 << 20
_LIKELY = 0.5
_SAMPLE = 4096

_ENCODED_WORD = re.compile(r"=\?([^?*\s]{1,64})(?:\*[^?\s]{0,32})?\?([bBqQ])\?([^?]*)\?=")


def decode(data: bytes, charset: str = "") -> str:
    """Read `data` in its declared character set; undecodable bytes become U+FFFD, the rest stays.

    Without a known declaration it is UTF-8 if it can be and Latin-1 otherwise: ASCII words survive either
    way.
    """
    if codec := _declared(charset):
        return _whole(data.decode(codec, "replace"))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def readings(data: bytes, charset: str = "") -> tuple[tuple[str, str], ...]:
    """(charset, text) of the most likely further readings of 8-bit text that `decode` could only take for Latin-1; of
    its lines that are not ASCII, as the others read the same in all.

    At most six, and two of more than a megabyte: a reader who is shown rubbish tries other character sets, and who
    hides a word counts on it. Nothing for what is ASCII or UTF-8, or has a known declaration.
    """
    if data.isascii() or _declared(charset) or _is_utf8(data):
        return ()
    data = b"\n".join(line for line in data.split(b"\n") if not line.isascii())
    first = _BEYOND.search(data)
    sample = data[first.start() if first else 0 :][:_SAMPLE]
    # Letters beyond ASCII stand side by side in other scripts; in Latin script they stand between others.
    foreign = _SIDE_BY_SIDE.search(sample) is not None
    likeliness = {codec: _likeliness(sample, codec) for codec in (_OTHER_SCRIPTS if foreign else _LATIN)}
    ranked = sorted(likeliness, key=lambda codec: -likeliness[codec])
    most = _READINGS if len(data) <= _SHORT else 2
    best = [codec for codec in ranked if likeliness[codec] >= _LIKELY][:most]
    return tuple((codec, _whole(data.decode(codec, "replace"))) for codec in best)


def _declared(charset: str) -> str:
    """The codec of a character set, if it is known and more than ASCII."""
    name = encodings.normalize_encoding(charset).lower() if charset else ""
    codec = aliases.get(name, name)
    return codec if codec in _CODECS and codec != "ascii" else ""


def _likeliness(sample: bytes, codec: str) -> float:
    """The share of letters of one script among what is not ASCII, less what no text has: capitals behind small
    letters, and bytes that are nothing."""
    text = sample.decode(codec, "replace")
    beyond = "".join(_NOT_ASCII.findall(text))
    scripts = Counter(_script(c) for c in beyond if c.isalpha() and not "\uff61" <= c <= "\uff9f")
    letters = max(scripts.values(), default=0)
    odd = sum(a.islower() and b.isupper() for a, b in pairwise(beyond)) + 4 * beyond.count("\ufffd")
    return (letters - odd) / len(beyond)


@lru_cache(1 << 12)
def _script(letter: str) -> str:
    first = unicodedata.name(letter, "?").partition(" ")[0]
    return "CJK" if first in ("HIRAGANA", "KATAKANA", "HANGUL") else first


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def header_text(value: str) -> str:
    """Read a raw header value: unfold it and resolve its encoded words.

    `value` is as the standard library's parser leaves it: ASCII, with any 8-bit byte as a lone surrogate.
    """
    text = value if value.isascii() else decode(value.encode("utf-8", "surrogateescape"))
    text = text.replace("\r", "").replace("\n", "")
    if "=?" not in text:
        return text
    # Words of one charset that only white space parts are one run of bytes: mailers do split a character
    # between two.
    runs: list[tuple[str, bytes]] = []
    pieces: list[str] = []
    position = 0
    for word in _ENCODED_WORD.finditer(text):
        between = text[position : word.start()]
        data = _word_bytes(word[2].lower(), word[3])
        charset = word[1].lower()
        if runs and not between.strip():
            if runs[-1][0] == charset:
                data = runs.pop()[1] + data
        else:
            pieces.extend(decode(run, name) for name, run in runs)
            runs.clear()
            pieces.append(between)
        runs.append((charset, data))
        position = word.end()
    pieces.extend(decode(run, name) for name, run in runs)
    return "".join(pieces) + text[position:]


def _word_bytes(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8")
    if encoding == "q":
        return binascii.a2b_qp(data, header=True)
    try:
        return binascii.a2b_base64(data + b"==")
    except binascii.Error:
        return data


def _whole(text: str) -> str:
    """Some codecs (UTF-7) make lone surrogates of rubbish, which cannot be encoded again."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
