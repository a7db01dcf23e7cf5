"""The MIME around protected content (RFC 8551, RFC 3156): written, and told from a mail's outermost body. Pure.

Protection counts only where it is the whole body of a mail. Encrypted content among other parts is named, and never
opened: what stands around it could carry the plaintext away (EFAIL).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO

from asn1crypto import cms, core

from secumail.entity import Entity
from secumail.multipart_signed import SIGNATURE_TYPES, boundary_for, is_canonical
from services.crypto.transfer import base64_lines, write_base64

_PKCS7 = (b"application/pkcs7-mime", b"application/x-pkcs7-mime")
_ARMOR = b"-----BEGIN PGP MESSAGE-----"
_INLINE = (_ARMOR, b"-----BEGIN PGP SIGNED MESSAGE-----")
_TEXTS = (b"text/plain", b"text/html")
_DEPTH = 10
_CHUNK = 1 << 20
_ZIP = b"PK\x03\x04"
# Bit 0 of the flags: encrypted (APPNOTE.TXT section 4.4.4).
_ZIP_FLAGS = 6


class Smime(StrEnum):
    """What an application/pkcs7-mime body is (RFC 8551 section 3.2.2), as its smime-type says."""

    ENVELOPED = "enveloped-data"
    AUTH_ENVELOPED = "authEnveloped-data"
    SIGNED = "signed-data"


def pkcs7(outer: bytes, der: bytes, kind: Smime) -> bytes:
    """A mail, or an inner layer without `outer`, whose body is the CMS structure `der`."""
    out = BytesIO()
    out.write(outer)
    out.write(
        b'MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; name="smime.p7m";\r\n smime-type='
        + kind.encode()
        + b'\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="smime.p7m"\r\n\r\n'
    )
    write_base64(out, der)
    return out.getvalue()


def smime_signed(outer: bytes, payload: bytes, signature: bytes) -> bytes:
    """multipart/signed with a CMS signature (DER) over `payload`, which has to be canonical."""
    part = (
        b'Content-Type: application/pkcs7-signature; name="smime.p7s"\r\nContent-Transfer-Encoding: base64\r\n'
        b'Content-Disposition: attachment; filename="smime.p7s"\r\n\r\n' + base64_lines(signature)
    )
    return _signed(outer, payload, part, b"application/pkcs7-signature", b"sha-256", canonical=True)


def pgp_signed(outer: bytes, payload: bytes, signature: str, digest: str) -> bytes:
    """multipart/signed with an armored OpenPGP signature over `payload` (RFC 3156 section 5); `digest`: micalg."""
    part = (
        b'Content-Type: application/pgp-signature; name="signature.asc"\r\n'
        b'Content-Disposition: attachment; filename="signature.asc"\r\n\r\n' + _lines(signature.encode("ascii"))
    )
    return _signed(outer, payload, part, b"application/pgp-signature", digest.encode(), canonical=is_canonical(payload))


def pgp_encrypted(outer: bytes, message: bytes) -> bytes:
    """multipart/encrypted with an armored OpenPGP message (RFC 3156 section 4)."""
    boundary = boundary_for(message)
    out = BytesIO()
    out.write(
        outer + b"MIME-Version: 1.0\r\nContent-Type: multipart/encrypted;\r\n"
        b' protocol="application/pgp-encrypted"; boundary="' + boundary + b'"\r\n\r\n'
        b"This mail is encrypted (OpenPGP).\r\n\r\n--" + boundary + b"\r\n"
        b"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--" + boundary + b"\r\n"
        b'Content-Type: application/octet-stream; name="encrypted.asc"\r\n'
        b'Content-Disposition: inline; filename="encrypted.asc"\r\n\r\n'
    )
    _write_lines(out, message)
    out.write(b"\r\n--" + boundary + b"--\r\n")
    return out.getvalue()


def carrier(outer: bytes, words: str, file_name: str, media_type: str, content: bytes) -> bytes:
    """A mail that carries protected content as an attachment, below `words` (ASCII) that say how to open it.

    An armored message goes in as it is, anything else as base64.
    """
    armored = content.startswith(_ARMOR)
    boundary = boundary_for(content)
    out = BytesIO()
    out.write(
        b"".join(
            (
                outer,
                b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n',
                b"--" + boundary + b"\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n",
                _lines(words.encode("ascii")),
                b"\r\n--" + boundary + b"\r\n",
                f'Content-Type: {media_type}; name="{file_name}"\r\n'.encode("ascii"),
                b"" if armored else b"Content-Transfer-Encoding: base64\r\n",
                f'Content-Disposition: attachment; filename="{file_name}"\r\n\r\n'.encode("ascii"),
            )
        )
    )
    if armored:
        _write_lines(out, content)
    else:
        write_base64(out, content)
    out.write(b"\r\n--" + boundary + b"--\r\n")
    return out.getvalue()


def canonical(raw: bytes) -> bytes:
    """The mail with CRLF line ends if it came with LF alone, as a file of Unix; any other comes back as it is."""
    if b"\r" in raw or b"\n" not in raw:
        return raw
    return raw.replace(b"\n", b"\r\n")


def _signed(outer: bytes, payload: bytes, part: bytes, protocol: bytes, digest: bytes, *, canonical: bool) -> bytes:
    boundary = boundary_for(payload)
    # RFC 2045 section 6.4: a multipart names the widest of its parts.
    encoding = b""
    if not canonical:
        encoding = b"Content-Transfer-Encoding: binary\r\n"
    elif not payload.isascii():
        encoding = b"Content-Transfer-Encoding: 8bit\r\n"
    return b"".join(
        (
            outer,
            b'MIME-Version: 1.0\r\nContent-Type: multipart/signed; protocol="' + protocol + b'";\r\n',
            b" micalg=" + digest + b'; boundary="' + boundary + b'"\r\n' + encoding,
            b"\r\nThis mail is signed.\r\n\r\n--" + boundary + b"\r\n",
            payload,
            b"\r\n--" + boundary + b"\r\n",
            part,
            b"\r\n--" + boundary + b"--\r\n",
        )
    )


def _write_lines(out: BytesIO, text: bytes) -> None:
    """Text into a buffer, its lines ended by CRLF; a large one is in memory only once more."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    for at in range(0, len(text), _CHUNK):
        out.write(text[at : at + _CHUNK].replace(b"\n", b"\r\n"))


def _lines(text: bytes) -> bytes:
    out = BytesIO()
    _write_lines(out, text)
    return out.getvalue()


class Kind(StrEnum):
    """What a mail's outermost body is."""

    NONE = "none"
    SIGNED = "smime-signed"
    OPAQUE = "smime-opaque"
    ENVELOPED = "smime-cbc"
    AUTH_ENVELOPED = "smime-gcm"
    COMPRESSED = "smime-compressed"
    PGP_SIGNED = "openpgp-signed"
    PGP_ENCRYPTED = "openpgp"
    PGP_FILE = "password"
    ZIP = "zip"
    INLINE = "openpgp-inline"
    EMBEDDED = "embedded"
    MANGLED = "signed-unreadable"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Layer:
    """A mail's outermost protection.

    `content` is what there is to open (CMS as DER or BER, an OpenPGP message, a zip file) or a detached
    signature, empty where the mail says it has one and none is found; `payload` is what that signature is of.
    """

    kind: Kind
    content: bytes = b""
    payload: bytes = b""

    def __repr__(self) -> str:
        return f"Layer({self.kind})"


_CMS = {
    "signed_data": Kind.OPAQUE,
    "enveloped_data": Kind.ENVELOPED,
    "authenticated_enveloped_data": Kind.AUTH_ENVELOPED,
    "compressed_data": Kind.COMPRESSED,
}


def layer_of(mail: Entity) -> Layer:
    """What protects the mail, as its outermost body says; any bytes will do.

    What an application/pkcs7-mime body is, is read from the body: its smime-type may be missing or wrong.
    """
    token = mail.type.token
    if _is_pkcs7(mail):
        content = mail.content()
        return Layer(_cms_kind(content), content)
    if token == b"multipart/signed":
        return _signed_layer(mail)
    if token == b"multipart/encrypted":
        return _encrypted_layer(mail)
    if token == b"multipart/mixed" and (carried := _carried(mail)):
        return carried
    return Layer(_among_others(mail))


def _encrypted_layer(mail: Entity) -> Layer:
    parts = list(mail.parts())
    if len(parts) != 2 or parts[0].type.token != b"application/pgp-encrypted":
        return Layer(Kind.UNREADABLE)
    return Layer(Kind.PGP_ENCRYPTED, parts[1].content())


def _signed_layer(mail: Entity) -> Layer:
    # Mailing lists put parts of their own behind the two; nobody has signed them.
    payload, signature, *_ = (*mail.parts(), None, None)
    if payload is None or signature is None:
        return Layer(Kind.MANGLED)
    kinds = dict.fromkeys(SIGNATURE_TYPES, Kind.SIGNED) | {b"application/pgp-signature": Kind.PGP_SIGNED}
    kind = kinds.get(signature.type.token) or kinds.get(mail.type.get(b"protocol").lower())
    if kind is None:
        return Layer(Kind.MANGLED)
    return Layer(kind, signature.content() if signature.type.token in kinds else b"", payload.whole())


def _cms_kind(content: bytes) -> Kind:
    # A ContentInfo begins with its content's type: only that is read, so that a large mail is not parsed twice.
    if len(content) < 2 or content[0] != 0x30:
        return Kind.UNREADABLE
    at = 2 + (content[1] & 0x7F if content[1] & 0x80 else 0)
    try:
        dotted = core.ObjectIdentifier.load(content[at : at + 32]).dotted
    except ValueError:
        return Kind.UNREADABLE
    return _CMS.get(cms.ContentType.map(dotted), Kind.UNREADABLE)


def _carried(mail: Entity) -> Layer | None:
    """What `carrier` wrote: a text, and one attachment that needs a password."""
    parts = list(mail.parts())
    if len(parts) != 2 or parts[0].type.token != b"text/plain" or parts[1].disposition.token != b"attachment":
        return None
    content = parts[1].content()
    name = parts[1].file_name.lower()
    if name.endswith((b".eml.asc", b".eml.pgp", b".eml.gpg")):
        return Layer(Kind.PGP_FILE, content)
    if content.startswith(_ZIP) and content[_ZIP_FLAGS] & 1:
        return Layer(Kind.ZIP, content)
    return None


def _among_others(mail: Entity) -> Kind:
    leaves = list(_leaves(mail))
    if any(_is_encrypted(leaf) for leaf in leaves):
        return Kind.EMBEDDED
    if any(leaf.type.token in _TEXTS and any(mark in leaf.content() for mark in _INLINE) for leaf in leaves):
        return Kind.INLINE if len(leaves) == 1 else Kind.EMBEDDED
    return Kind.NONE


def _leaves(part: Entity, depth: int = 0) -> Iterator[Entity]:
    if not part.type.token.startswith(b"multipart/"):
        yield part
    elif depth < _DEPTH:
        for child in part.parts():
            yield from _leaves(child, depth + 1)


def _is_encrypted(leaf: Entity) -> bool:
    if leaf.type.token == b"application/pgp-encrypted":
        return True
    return _is_pkcs7(leaf) and _cms_kind(leaf.content()) in (Kind.ENVELOPED, Kind.AUTH_ENVELOPED, Kind.UNREADABLE)


def _is_pkcs7(mail: Entity) -> bool:
    token = mail.type.token
    return token in _PKCS7 or (token == b"application/octet-stream" and mail.file_name.lower().endswith(b".p7m"))
