"""Reads what a stranger wrote: CMS (DER or BER), within bounds, and extensions; the libraries do the parsing."""

from typing import TypeVar

from asn1crypto import cms
from cryptography import x509

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

# The parser takes some microseconds for each element; real mail has a few hundred, and some forty for every
# recipient. Content in BER comes in elements too, of a kilobyte or more.
ELEMENT_LIMIT = 100_000

_CONSTRUCTED = 0x20
_LONG_TAG = 0x1F
_LONG_LENGTH = 0x80


class MalformedError(ValueError):
    """The bytes are no CMS."""


class TooManyError(MalformedError):
    """The bytes have more elements than ELEMENT_LIMIT."""


def content_info(encoded: bytes) -> cms.ContentInfo:
    """The outermost structure, parsed as far as needed to know its type; MalformedError if it is none or too much.

    What lies deeper is parsed when it is looked at. What malformed ASN.1 raises then is an open set: whoever
    looks must be ready for any exception.
    """
    _count(encoded)
    try:
        return cms.ContentInfo.load(encoded, strict=True)
    except (ValueError, TypeError) as fault:
        raise MalformedError("no ContentInfo") from fault


def extension(
    extended: x509.Certificate | x509.CertificateRevocationList | x509.RevokedCertificate, kind: type[_Extension]
) -> _Extension | None:
    """The extension of this kind, if there is one; ValueError if extensions are malformed."""
    try:
        return extended.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _count(encoded: bytes) -> None:
    """TooManyError for more elements than ELEMENT_LIMIT, MalformedError for tags of several octets.

    Either would keep the parser busy for minutes or hours: a chunk of one octet is an element, and a tag is a
    number it builds octet by octet. CMS has no tag above 30.
    """
    at = elements = 0
    while at + 1 < len(encoded):
        identifier, length = encoded[at], encoded[at + 1]
        at += 2
        if length >= _LONG_LENGTH:
            octets = length - _LONG_LENGTH  # none of them: the length is indefinite, as in BER
            length = int.from_bytes(encoded[at : at + octets], "big")
            at += octets
        if not identifier & _CONSTRUCTED:
            at += length
        elements += 1
        if identifier & _LONG_TAG == _LONG_TAG:
            raise MalformedError("a tag of several octets")
        if elements > ELEMENT_LIMIT:
            raise TooManyError("too many elements")
