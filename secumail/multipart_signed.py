"""multipart/signed as bytes (RFC 1847, RFC 8551 section 3.5.3): laid around a mail, and taken off again.

The signed part is the original mail as it is, header fields included (RFC 9788 calls that header
protection), so that what was signed can be handed back byte for byte. Nothing here parses a mail into
objects and writes it anew.
"""

import base64
import re
import secrets
from collections.abc import Callable

from secumail import entity
from secumail.entity import Entity

# What a server, a list of mails or an automatic answer has to know without opening the signed part. Bcc is
# not among them; who takes a mail in removes it.
OUTER_FIELDS = {
    name.lower(): name
    for name in (
        b"From",
        b"Sender",
        b"Reply-To",
        b"To",
        b"Cc",
        b"Subject",
        b"Date",
        b"Message-ID",
        b"In-Reply-To",
        b"References",
        b"Auto-Submitted",
    )
}
SIGNATURE_TYPES = (b"application/pkcs7-signature", b"application/x-pkcs7-signature")

# RFC 5322 section 2.1.1, without the line break.
LINE_WANTED = 78
LINE_LIMIT = 998

_WORD = re.compile(rb" *[^ ]+")
_CONTROLS_TO_SPACES = bytes(0x20 if octet < 0x20 or octet == 0x7F else octet for octet in range(256))


def is_canonical(raw: bytes) -> bool:
    """Whether lines end in CRLF, no CR or LF stands alone and no NUL occurs (RFC 8551 section 3.1.1).

    Only such mails are sure to pass through other programs unchanged; see `signing.sign`.
    """
    breaks = raw.count(b"\r\n")
    return breaks == raw.count(b"\r") == raw.count(b"\n") and b"\0" not in raw


def boundary_for(payload: bytes, draw: Callable[[], str] = lambda: secrets.token_hex(16)) -> bytes:
    """A random boundary (RFC 2046 section 5.1.1) which doesn't occur in `payload`."""
    while (boundary := f"=_{draw()}".encode("ascii")) in payload:
        pass
    return boundary


def join(payload: bytes, signature: bytes, boundary: bytes) -> bytes:
    """A signed mail: outer header, `payload` as it is, `signature` (DER) as smime.p7s. `split` undoes it."""
    return b"".join(
        (
            outer_fields(payload),
            b"MIME-Version: 1.0\r\n",
            b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n',
            b' micalg=sha-256; boundary="' + boundary + b'"\r\n',
            _transfer_encoding(payload),
            b"\r\nThis mail is signed (S/MIME).\r\n",
            b"\r\n--" + boundary + b"\r\n",
            payload,
            b"\r\n--" + boundary + b"\r\n",
            b'Content-Type: application/pkcs7-signature; name="smime.p7s"\r\n',
            b"Content-Transfer-Encoding: base64\r\n",
            b'Content-Disposition: attachment; filename="smime.p7s"\r\n\r\n',
            base64.encodebytes(signature).replace(b"\n", b"\r\n"),
            b"\r\n--" + boundary + b"--\r\n",
        )
    )


def split(raw: bytes) -> tuple[bytes, bytes | None]:
    """Take a mail apart into (what was signed, signature as DER).

    A mail without an S/MIME signature comes back whole with None. One that says it has a signature, but
    whose parts can't be found or decoded, comes back whole (or with its first part) and an empty signature:
    signed, unreadably.
    """
    mail = entity.read(raw)
    protocol = mail.type.get(b"protocol").lower() or SIGNATURE_TYPES[0]
    if mail.type.token != b"multipart/signed" or protocol not in SIGNATURE_TYPES:
        return raw, None
    parts = mail.parts()
    first, second = next(parts, None), next(parts, None)
    if first is None or second is None:
        return raw, b""
    return first.whole(), _signature(second)


def outer_fields(raw: bytes) -> bytes:
    """Copies of the fields in OUTER_FIELDS, folded anew; the first of each, in the mail's order.

    Nothing in a field can start another one: the only line breaks are those of the folding. A field that
    can't be folded under 998 octets a line is left out (RFC 5322 section 2.1.1); it is still in the signed
    part.
    """
    copies: dict[bytes, bytes] = {}
    for field in entity.read(raw).fields:
        if field.name in OUTER_FIELDS and field.name not in copies:
            copies[field.name] = folded(OUTER_FIELDS[field.name], field.value)
    return b"".join(copies.values())


def folded(name: bytes, value: bytes) -> bytes:
    """A field folded anew at 78 octets, control characters made spaces; nothing where that can't be done."""
    unfolded = value.replace(b"\r\n", b"").replace(b"\n", b"").translate(_CONTROLS_TO_SPACES)
    lines = [name + b":"]
    for number, word in enumerate(_WORD.findall(unfolded.rstrip(b" "))):
        if number and len(lines[-1]) + len(word) > LINE_WANTED:
            lines.append(word)
        else:
            lines[-1] += word
    if lines == [name + b":"] or max(map(len, lines)) > LINE_LIMIT:
        return b""
    return b"\r\n".join(lines) + b"\r\n"


def _transfer_encoding(payload: bytes) -> bytes:
    # RFC 2045 section 6.4: a multipart names the widest of its parts.
    if not is_canonical(payload):
        return b"Content-Transfer-Encoding: binary\r\n"
    return b"" if payload.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"


def _signature(part: Entity) -> bytes:
    if part.type.token not in SIGNATURE_TYPES or part.encoding != b"base64":
        return b""
    return part.content()
