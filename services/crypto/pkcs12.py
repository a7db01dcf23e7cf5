"""A person's key and certificate as a .p12 file (PKCS #12, RFC 7292), for a mail program."""

from collections.abc import Sequence
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import KeySerializationEncryption, PrivateFormat, pkcs12

from secumail.errors import Refused

PASSWORD_AT_LEAST = 12
PASSWORD_AT_MOST = 128


class Format(StrEnum):
    """`modern`: AES-256, for Thunderbird and openssl. `legacy`: triple DES, for gpgsm 2.2 and old NSS."""

    MODERN = "modern"
    LEGACY = "legacy"


_PROTECTIONS = {
    # PBKDF2 with SHA-256 as OWASP has it: one try of a password costs some 80 ms.
    Format.MODERN: (600_000, pkcs12.PBES.PBESv2SHA256AndAES256CBC),
    Format.LEGACY: (100_000, pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC),
}


def export(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    name: str,
    password: str,
    format_: Format,
) -> bytes:
    """The file. `chain` leads from the certificate to a root; `name` is what a program shows it under.

    Raises Refused for a password that is too short to protect a file that can be tried for ever, and for characters
    outside the Basic Multilingual Plane: PKCS #12 writes a password as BMPString.
    """
    if not PASSWORD_AT_LEAST <= len(password) <= PASSWORD_AT_MOST:
        raise Refused(
            "p12-password-length",
            "The file's password is too short or too long.",
            f"Give one of {PASSWORD_AT_LEAST} to {PASSWORD_AT_MOST} characters.",
        )
    if any(ord(c) > 0xFFFF or 0xD800 <= ord(c) <= 0xDFFF or not c.isprintable() for c in password):
        raise Refused(
            "p12-password-characters",
            "The file's password has characters that mail programs can't write in it.",
            "Use letters, digits and signs of the keyboard.",
        )
    # Friendly names are BMPStrings too.
    label = "".join(c if ord(c) <= 0xFFFF else "?" for c in name)
    protection = _protection(format_, password)
    return pkcs12.serialize_key_and_certificates(label.encode(), key, certificate, chain, protection)


def _protection(format_: Format, password: str) -> KeySerializationEncryption:
    rounds, algorithm = _PROTECTIONS[format_]
    builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(rounds).key_cert_algorithm(algorithm)
    # The MAC too: gpgsm 2.2 and NSS 3.87 read a file whose MAC has SHA-256.
    return builder.hmac_hash(hashes.SHA256()).build(password.encode())
