"""The MIME around protected content, written and taken apart without a line of the product's own code."""

from base64 import b64encode
from email import message_from_bytes, policy
from textwrap import wrap

_BOUNDARY = "interoperability-of-mail"


def header(sender: str, *recipients: str, subject: str = "Quarterly numbers") -> bytes:
    """The fields in front of a mail's content."""
    lines = (
        f"From: {sender}",
        f"To: {', '.join(recipients)}",
        f"Subject: {subject}",
        "Date: Mon, 05 Jan 2026 10:00:00 +0000",
        f"Message-ID: <interoperability@{sender.partition('@')[2]}>",
        "MIME-Version: 1.0",
    )
    return "".join(f"{line}\r\n" for line in lines).encode()


def entity(text: str) -> bytes:
    """A text with an attachment: what gets signed and encrypted."""
    attachment = b64encode(bytes(range(256))).decode()
    return (
        'Content-Type: multipart/mixed; boundary="inner"\r\n\r\n'
        "--inner\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        f"{text}\r\n"
        "--inner\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        'Content-Disposition: attachment; filename="numbers.bin"\r\n\r\n'
        f"{_folded(attachment)}\r\n--inner--\r\n"
    ).encode()


def text_of(whole: bytes) -> str:
    """The text of an entity or mail, without the line end."""
    parsed = message_from_bytes(whole, policy=policy.default)
    found = next(part for part in parsed.walk() if part.get_content_type() == "text/plain")
    return str(found.get_content()).rstrip("\r\n")


def content_of(mail: bytes) -> bytes:
    """The decoded body of a mail of one part: the CMS in an S/MIME mail."""
    body = message_from_bytes(mail, policy=policy.default).get_payload(decode=True)
    assert isinstance(body, bytes)
    return body


def parts_of(mail: bytes) -> list[bytes]:
    """The parts of a multipart, byte for byte as they stand in it."""
    boundary = message_from_bytes(mail, policy=policy.default).get_boundary()
    assert boundary is not None
    delimiter = f"\r\n--{boundary}".encode()
    _, *between = mail[mail.index(b"\r\n\r\n") :].split(delimiter)
    # What follows a delimiter's line up to the next delimiter; the last one closes.
    return [piece.partition(b"\r\n")[2] for piece in between[:-1]]


def body_of(part: bytes) -> bytes:
    """A part without its fields, decoded."""
    return content_of(part)


def smime(der: bytes, kind: str) -> bytes:
    """An entity of S/MIME: `kind` is enveloped-data, authEnveloped-data or signed-data."""
    return (
        f"Content-Type: application/pkcs7-mime; smime-type={kind}; name=smime.p7m\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        "Content-Disposition: attachment; filename=smime.p7m\r\n\r\n"
        f"{_folded(b64encode(der).decode())}\r\n"
    ).encode()


def smime_signed(content: bytes, signature: bytes) -> bytes:
    """An entity of S/MIME with its signature beside it."""
    part = (
        "Content-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        f"{_folded(b64encode(signature).decode())}\r\n"
    ).encode()
    return _multipart("signed", 'protocol="application/pkcs7-signature"; micalg=sha-256', content, part)


def openpgp_signed(content: bytes, signature: bytes, micalg: str = "pgp-sha256") -> bytes:
    """An entity of PGP/MIME with its signature beside it (RFC 3156 section 5)."""
    part = b"Content-Type: application/pgp-signature; name=signature.asc\r\n\r\n" + _crlf(signature)
    return _multipart("signed", f'protocol="application/pgp-signature"; micalg={micalg}', content, part)


def openpgp_encrypted(message: bytes) -> bytes:
    """An entity of PGP/MIME that is encrypted (RFC 3156 section 4)."""
    version = b"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"
    part = b"Content-Type: application/octet-stream; name=encrypted.asc\r\n\r\n" + _crlf(message)
    return _multipart("encrypted", 'protocol="application/pgp-encrypted"', version, part)


def attached(archive: bytes) -> bytes:
    """An entity of a few words and a zip file."""
    words = b"Content-Type: text/plain\r\n\r\nOpen the attached file.\r\n"
    part = (
        "Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n"
        'Content-Disposition: attachment; filename="message.zip"\r\n\r\n'
        f"{_folded(b64encode(archive).decode())}\r\n"
    ).encode()
    return _multipart("mixed", "charset=us-ascii", words, part)


def _multipart(kind: str, parameters: str, *parts: bytes) -> bytes:
    start = f'Content-Type: multipart/{kind}; {parameters};\r\n boundary="{_BOUNDARY}"\r\n\r\n'.encode()
    delimiter = f"--{_BOUNDARY}".encode()
    return start + b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts) + delimiter + b"--\r\n"


def _crlf(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _folded(base64: str) -> str:
    return "\r\n".join(wrap(base64, 76))
