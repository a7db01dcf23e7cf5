"""Writes DER (X.690), as far as CMS needs it: the library reads such structures but has no API to write them."""

from collections.abc import Iterable
from datetime import datetime

NULL = b"\x05\x00"


def header(tag: int, length: int) -> bytes:
    """Identifier and length octets of `length` octets of content."""
    if length < 0x80:
        return bytes((tag, length))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets


def tagged(tag: int, *parts: bytes) -> bytes:
    """Any type, by its identifier octet: 0xA0 + n is constructed and context-specific [n], 0x80 + n primitive."""
    content = b"".join(parts)
    return header(tag, len(content)) + content


def begun(tag: int, start: bytes, follows: int) -> bytes:
    """The beginning of a type: its header and `start`, for content of which `follows` octets come behind."""
    return header(tag, len(start) + follows) + start


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE or SEQUENCE OF."""
    return tagged(0x30, *parts)


def set_of(parts: Iterable[bytes], tag: int = 0x31) -> bytes:
    """SET OF, its elements in the order DER wants (section 11.6)."""
    return tagged(tag, *sorted(parts))


def integer(number: int) -> bytes:
    """INTEGER, not negative."""
    return tagged(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def octets(content: bytes) -> bytes:
    """OCTET STRING."""
    return tagged(0x04, content)


def bits(content: bytes) -> bytes:
    """BIT STRING of whole octets."""
    return tagged(0x03, b"\0", content)


def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER."""
    first, second, *others = map(int, dotted.split("."))
    return tagged(0x06, *(_base128(arc) for arc in (first * 40 + second, *others)))


def time(moment: datetime) -> bytes:
    """Time of an aware moment in UTC: UTCTime up to 2049, else GeneralizedTime (RFC 5652 section 11.3)."""
    if 1950 <= moment.year < 2050:
        return tagged(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())
    return tagged(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


def _base128(arc: int) -> bytes:
    septets = [arc & 0x7F]
    while arc := arc >> 7:
        septets.append(0x80 | arc & 0x7F)
    return bytes(reversed(septets))
