"""Taking a raw mail apart for its readers. Any bytes will do: nothing here raises, and all of it is bounded.

A mail beyond the bounds of `tree` is not taken apart at all (dlp holds it as unreadable), and what can't be decoded
as declared is decoded as well as it can be.
"""

import email.errors
import email.header
import re
from collections.abc import Iterator
from email.parser import BytesHeaderParser
from email.utils import getaddresses

from secumail.mailbox import tree
from secumail.mailbox.tree import ODD, BeyondBoundsError, Mime, children

MAX_FIELD = 8_192
"""Characters of a header field that are decoded for display."""
MAX_HEADER = 2**20
"""Octets of a header that are looked at."""

# Codecs that are no character sets: they raise on any text, or take quadratic time.
_NO_CHARSETS = frozenset({"ascii", "us-ascii", "idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"})
_HALF = re.compile(rb"[\xc0-\xff][\x80-\xbf]{0,3}\Z")
"""A character of UTF-8 that a cut may have gone through."""
_ODD_LINES = (
    email.errors.FirstHeaderLineIsContinuationDefect,
    email.errors.InvalidHeaderDefect,
    email.errors.MalformedHeaderDefect,
    email.errors.MisplacedEnvelopeHeaderDefect,
    email.errors.MissingHeaderBodySeparatorDefect,
)
_NOBODY = re.compile(r"[^,;:<>@]*: ?;")
"""A group without members: "undisclosed-recipients:;" (RFC 5322 A.1.3)."""


class _Policy(tree.Policy):
    """Header fields as UTF-8 (RFC 6532) where they are not ASCII."""

    def header_fetch_parse(self, name: str, value: str) -> str:
        return value.encode("ascii", "surrogateescape").decode("utf-8", "replace")


def parse(raw: bytes) -> Mime | None:
    """The mail as a tree of parts; None where it is beyond the bounds of `tree`."""
    try:
        return tree.parse(raw, _Policy())
    except (BeyondBoundsError, RecursionError, *ODD):
        return None


def header(raw: bytes) -> Mime:
    """The mail's header alone, from its first MAX_HEADER octets."""
    head = raw[:MAX_HEADER]
    try:
        return BytesHeaderParser(policy=_Policy()).parsebytes(head)
    except BeyondBoundsError:
        return BytesHeaderParser().parsebytes(head)


def has_odd_lines(message: Mime) -> bool:
    """Whether its header has a line that is no field: there one reader ends the header and another goes on."""
    return any(isinstance(defect, _ODD_LINES) for defect in message.defects)


def leaves(part: Mime) -> Iterator[Mime]:
    """The parts a reader sees, in order. An attached mail is one of them, whatever is in it."""
    if part.get_content_maintype() == "multipart" and part.is_multipart():
        for child in children(part):
            yield from leaves(child)
    else:
        yield part


def data(part: Mime) -> bytes:
    """A leaf's content: decoded from its transfer encoding, an attached mail as it came."""
    if part.is_multipart():
        return b"".join(child.as_bytes() for child in children(part))
    try:
        payload = part.get_payload(decode=True)
    except ODD:
        return b""
    return payload if isinstance(payload, bytes) else b""


def text(part: Mime, most: int) -> str:
    """A text part's text, from its first `most` bytes."""
    try:
        charset = part.get_content_charset("")
    except ODD:
        charset = ""
    whole = data(part)
    return decode(whole if len(whole) <= most else _HALF.sub(b"", whole[:most]), charset)


def decode(raw: bytes, charset: str) -> str:
    """Bytes as their charset says if they keep to it; else as UTF-8 if they are that; else with U+FFFD for what
    is not in the charset (Latin-1 where none is declared, which has everything)."""
    declared = [] if charset.lower() in _NO_CHARSETS or not charset else [charset]
    attempts = [(name, "strict") for name in (*declared, "utf-8")] + [(name, "replace") for name in declared]
    for name, errors in attempts:
        try:
            # Some codecs (UTF-7) make lone surrogates of rubbish, which no answer could carry.
            return raw.decode(name, errors).encode("utf-8", "replace").decode("utf-8")
        except ODD:
            continue
    return raw.decode("latin-1")


def file_name(part: Mime) -> str | None:
    """The name a part gives itself; None where it gives none, empty where that is malformed."""
    try:
        name = part.get_filename()
    except ODD:
        return ""
    return None if name is None else decoded(name)


def is_attachment(part: Mime) -> bool:
    """Whether a leaf is shown as a file and not as the mail's text."""
    if part.is_multipart() or part.get_content_type() not in ("text/plain", "text/html"):
        return True
    return part.get_content_disposition() == "attachment" or file_name(part) is not None


def field(message: Mime, name: str) -> str:
    """One header field, decoded (RFC 2047) and unfolded; empty where it is missing."""
    value = message.get(name)
    return decoded(value) if value is not None else ""


def decoded(value: object) -> str:
    """A header field's text, whatever its encoding says."""
    given = str(value)[:MAX_FIELD]
    shown = given
    if "=?" in given:
        try:
            shown = str(email.header.make_header(email.header.decode_header(given)))
        except (*ODD, email.errors.MessageError):
            shown = given
    return " ".join(shown.encode("utf-8", "replace").decode("utf-8").split())


def addresses(message: Mime, name: str) -> tuple[str, ...]:
    """The addresses of all header fields of a name, as written, without display names.

    Structure first, encoded words never (RFC 2047 section 5): a decoded display name must not become an address.
    """
    # A list may end with a comma (RFC 5322 section 4.4).
    values = [" ".join(str(v).split()).strip(" ,") for v in message.get_all(name, [])]
    return tuple(address for value in values for address in _addresses(value))


def _addresses(value: str) -> list[str]:
    if not value or _NOBODY.fullmatch(value):
        return []
    try:
        found = [address for _, address in getaddresses([value])]
    except RecursionError:
        return [value]
    # Newer patch releases of Python answer one empty address for a field that two readers may read differently.
    return found if all(found) else [value]
