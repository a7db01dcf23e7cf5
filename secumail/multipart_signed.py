"""multipart/signed as bytes (RFC 1847, RFC 8551 section 3.5.3): laid around a mail, and taken off again.

The signed part is the original mail as it is, header fields included (RFC 9788 calls that header
protection), so that what was signed can be handed back byte for byte. Nothing here parses a mail into
objects and writes it anew.
"""

import base64
import re
import secrets
from binascii import Error as NotBase64
from collections.abc import Callable, Iterator

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

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)")
_MBOX_LINE = re.compile(rb">?From [^\n]*\n")
_BLANK_LINE = re.compile(rb"\r?\n")
_WORD = re.compile(rb" *[^ ]+")
_MEDIA_TYPE = re.compile(rb"\s*([^\s;]+)\s*")
_PARAMETER = re.compile(rb'(?:;\s*)+([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]*)\s*', re.DOTALL)
_AFTER_BOUNDARY = re.compile(rb"(?:--)?[ \t]*(?:\r?\n|\Z)")
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
    header, body = _header(raw)
    media_type, parameters = _content_type(header)
    protocol = parameters.get(b"protocol", SIGNATURE_TYPES[0]).lower()
    if media_type != b"multipart/signed" or protocol not in SIGNATURE_TYPES:
        return raw, None
    delimiters = _delimiters(raw, parameters.get(b"boundary", b""), body)
    first, second, third = next(delimiters, None), next(delimiters, None), next(delimiters, None)
    if first is None or second is None:
        return raw, b""
    payload = raw[first[1] : max(first[1], second[0])]
    return payload, _signature(raw[second[1] : third[0] if third else len(raw)])


def outer_fields(raw: bytes) -> bytes:
    """Copies of the fields in OUTER_FIELDS, folded anew; the first of each, in the mail's order.

    Nothing in a field can start another one: the only line breaks are those of the folding. A field that
    can't be folded under 998 octets a line is left out (RFC 5322 section 2.1.1); it is still in the signed
    part.
    """
    header, _ = _header(raw)
    copies: dict[bytes, bytes] = {}
    for name, value in header:
        if name in OUTER_FIELDS and name not in copies:
            copies[name] = _folded(OUTER_FIELDS[name], value)
    return b"".join(copies.values())


def _header(raw: bytes) -> tuple[list[tuple[bytes, bytes]], int]:
    """The header as (lower-case name, raw value) pairs, and where the body begins.

    As in every mail reader, the first line that is no field ends the header, whether it is blank or not.
    """
    fields = []
    mbox_line = _MBOX_LINE.match(raw)
    at = mbox_line.end() if mbox_line else 0
    while field := _FIELD.match(raw, at):
        fields.append((field[1].lower(), field[2]))
        at = field.end()
    blank = _BLANK_LINE.match(raw, at)
    return fields, blank.end() if blank else at


def _folded(name: bytes, value: bytes) -> bytes:
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


def _content_type(header: list[tuple[bytes, bytes]]) -> tuple[bytes, dict[bytes, bytes]]:
    value = next((value for name, value in header if name == b"content-type"), b"")
    media_type = _MEDIA_TYPE.match(value)
    if media_type is None:
        return b"", {}
    parameters: dict[bytes, bytes] = {}
    at = media_type.end()
    while parameter := _PARAMETER.match(value, at):
        name, text = parameter[1].lower(), parameter[2]
        parameters.setdefault(name, re.sub(rb"\\(.)", rb"\1", text[1:-1]) if text.startswith(b'"') else text)
        at = parameter.end()
    return media_type[1].lower(), parameters


def _delimiters(raw: bytes, boundary: bytes, body: int) -> Iterator[tuple[int, int]]:
    """(start, end) of each delimiter line from `body` on, with the line break before it (RFC 2046)."""
    line = b"\n--" + boundary
    at = body - 1
    while boundary and (at := raw.find(line, at)) >= 0:
        if end := _AFTER_BOUNDARY.match(raw, at + len(line)):
            yield (at - 1 if raw[at - 1 : at] == b"\r" else at), end.end()
            at = end.end() - 1
        else:
            at += 1


def _signature(part: bytes) -> bytes:
    header, body = _header(part)
    media_type, _ = _content_type(header)
    encoding = next((value for name, value in header if name == b"content-transfer-encoding"), b"")
    if media_type not in SIGNATURE_TYPES or encoding.strip().lower() != b"base64":
        return b""
    try:
        return base64.b64decode(part[body:])
    except NotBase64:
        return b""
