"""The AlgorithmIdentifiers of CMS as this product writes them, and how CMS names a certificate."""

from dataclasses import dataclass
from functools import lru_cache

from asn1crypto import core
from asn1crypto import x509 as parsed
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from services.crypto.smime import der

_NIST_AES = "2.16.840.1.101.3.4.1"

DATA = der.oid("1.2.840.113549.1.7.1")
SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
ENVELOPED_DATA = der.oid("1.2.840.113549.1.7.3")
AUTH_ENVELOPED_DATA = der.oid("1.2.840.113549.1.9.16.1.23")

# RFC 5754: SHA-256 is written without parameters.
SHA256 = der.sequence(der.oid("2.16.840.1.101.3.4.2.1"))
_MGF1_SHA256 = der.sequence(der.oid("1.2.840.113549.1.1.8"), SHA256)

# RFC 3370 section 3.2: signatures are labelled with the key's algorithm, which every reader knows.
RSA = der.sequence(der.oid("1.2.840.113549.1.1.1"), der.NULL)
RSA_PSS_SHA256 = der.sequence(
    der.oid("1.2.840.113549.1.1.10"),
    der.sequence(der.tagged(0xA0, SHA256), der.tagged(0xA1, _MGF1_SHA256), der.tagged(0xA2, der.integer(32))),
)
RSA_OAEP_SHA256 = der.sequence(
    der.oid("1.2.840.113549.1.1.7"),
    der.sequence(der.tagged(0xA0, SHA256), der.tagged(0xA1, _MGF1_SHA256)),
)
ECDSA_SHA256 = der.sequence(der.oid("1.2.840.10045.4.3.2"))
EC_PUBLIC_KEY = der.oid("1.2.840.10045.2.1")

AES_CBC = {128: der.oid(f"{_NIST_AES}.2"), 256: der.oid(f"{_NIST_AES}.42")}
AES_GCM = {128: der.oid(f"{_NIST_AES}.6"), 256: der.oid(f"{_NIST_AES}.46")}
AES_WRAP = {128: der.sequence(der.oid(f"{_NIST_AES}.5")), 256: der.sequence(der.oid(f"{_NIST_AES}.45"))}


def ecdh_sha256(wrap: bytes) -> bytes:
    """dhSinglePass-stdDH-sha256kdf-scheme (RFC 5753 section 7.1.4) with the key wrap `wrap`."""
    return der.sequence(der.oid("1.3.132.1.11.1"), wrap)


def shared_info(wrap: bytes, user_info: bytes | None, key_length: int) -> bytes:
    """ECC-CMS-SharedInfo (RFC 5753 section 7.2) for a wrapping key of `key_length` octets."""
    user_keying_material = b"" if user_info is None else der.tagged(0xA0, der.octets(user_info))
    length = der.tagged(0xA2, der.octets((key_length * 8).to_bytes(4, "big")))
    return der.sequence(wrap, user_keying_material, length)


@dataclass(frozen=True)
class Named:
    """A certificate's names in CMS: IssuerAndSerialNumber as DER, and the key identifier, if it has one."""

    issuer_and_serial: bytes
    key_identifier: bytes | None


@lru_cache(maxsize=4096)
def named(certificate: x509.Certificate) -> Named:
    """Both names of a certificate; the issuer to the byte as the certificate writes it."""
    read = parsed.Certificate.load(certificate.public_bytes(Encoding.DER))
    fields, identifier = read["tbs_certificate"], read.key_identifier_value
    return Named(
        der.sequence(fields["issuer"].dump(), fields["serial_number"].dump()),
        None if identifier is None else bytes(identifier.native),
    )


def is_named(certificate: x509.Certificate, identifier: core.Choice) -> bool:
    """Whether a SignerIdentifier, a RecipientIdentifier or one of their like means this certificate."""
    name, chosen = named(certificate), identifier.chosen
    match identifier.name:
        case "issuer_and_serial_number":
            # Not by its own encoding: in a preference it stands under a tag of its choice.
            return bool(der.sequence(chosen["issuer"].dump(), chosen["serial_number"].dump()) == name.issuer_and_serial)
        case "subject_key_identifier":
            return bool(chosen.native == name.key_identifier)
        case _:
            return bool(chosen["subject_key_identifier"].native == name.key_identifier)
