"""Turns the bytes of a part and the encoded words of a header (RFC 2047) into text, whatever they are."""

import binascii
import encodings
import re
from encodings.aliases import aliases

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

_ENCODED_WORD = re.compile(r"=\?([^?*\s]{1,64})(?:\*[^?\s]{0,32})?\?([bBqQ])\?([^?]*)\?=")


def decode(data: bytes, charset: str = "") -> str:
    """Read `data` in its declared character set; undecodable bytes become U+FFFD, the rest stays.

    Without a known declaration it is UTF-8 if it can be and Latin-1 otherwise: ASCII words survive either
    way.
    """
    name = encodings.normalize_encoding(charset).lower()
    codec = aliases.get(name, name)
    if codec in _CODECS and codec != "ascii":
        return _whole(data.decode(codec, "replace"))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def header_text(value: str) -> str:
    """Read a raw header value: unfold it and resolve its encoded words.

    `value` is as the standard library's parser leaves it: ASCII, with any 8-bit byte as a lone surrogate.
    """
    text = decode(value.encode("utf-8", "surrogateescape")).replace("\r", "").replace("\n", "")
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
