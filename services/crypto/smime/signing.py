"""Signs: CMS SignedData (RFC 5652, RFC 8551), beside its content or around it, and the mail with it."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from secumail.multipart_signed import boundary_for, join
from services.crypto.smime import algorithms, der

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def sign(
    raw: bytes,
    key: SigningKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    *,
    encryption: x509.Certificate | None = None,
) -> bytes:
    """The mail `raw`, signed: `multipart_signed.split` gives `raw` back byte for byte, whatever bytes it has.

    `certificate` belongs to `key`; `chain` is what leads from it to a root (without the root); `encryption` is the
    certificate to answer with, if it is another. The form is multipart/signed (RFC 8551 section 3.5.3).

    The signature covers the exact bytes. RFC 8551 section 3.1.1 asks for canonical text, every line ending
    in CRLF, and other programs make it so before they check: a mail for which `multipart_signed.is_canonical` holds
    verifies everywhere. Of others, openssl finds the signature broken where a LF stands alone or a CR stands
    right before a line's end or the mail's (CR or NUL elsewhere do no harm there); `verification.verify`
    calls all of them good. Mail taken in by SMTP has no LF alone.
    """
    return join(raw, signed_data(raw, key, certificate, chain, encryption=encryption), boundary_for(raw))


def signed_data(
    payload: bytes,
    key: SigningKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    *,
    around: bool = False,
    encryption: x509.Certificate | None = None,
    pss: bool = False,
    now: datetime | None = None,
) -> bytes:
    """SignedData as DER, beside `payload` (detached) or `around` it (opaque; RFC 8551 section 3.5).

    The signature is ECDSA or RSA over SHA-256, RSA-PSS if `pss`. Signed are content type, message digest,
    signing time (`now`, aware; None: the clock's), which ciphers the signer reads, which certificate signed
    (RFC 5035) and, if given, `encryption`: the certificate to answer with (RFC 8551 section 2.5).
    """
    if around:
        content = _around(0x30, [algorithms.DATA, *_around(0xA0, _around(0x04, [payload]))])
    else:
        content = [der.sequence(algorithms.DATA)]
    attributes = [
        *_constant_attributes(certificate, encryption),
        _attribute("1.2.840.113549.1.9.4", der.octets(hashlib.sha256(payload).digest())),
        _attribute("1.2.840.113549.1.9.5", der.time((now or datetime.now(UTC)).astimezone(UTC))),
    ]
    # RFC 5652 section 5.4: signed is the SET OF itself, sent is the same under the tag [0].
    algorithm, signature = _signature(der.set_of(attributes), key, pss)
    signer = der.sequence(
        der.integer(1),
        algorithms.named(certificate).issuer_and_serial,
        algorithms.SHA256,
        der.set_of(attributes, 0xA0),
        algorithm,
        der.octets(signature),
    )
    certificates = _certificates(certificate, encryption, *chain)
    pieces = [der.integer(1), der.set_of([algorithms.SHA256]), *content, certificates, der.set_of([signer])]
    return b"".join(_around(0x30, [algorithms.SIGNED_DATA, *_around(0xA0, _around(0x30, pieces))]))


def _around(tag: int, pieces: list[bytes]) -> list[bytes]:
    # A list of pieces up to the end, so that a large payload is copied once.
    return [der.header(tag, sum(map(len, pieces))), *pieces]


def _signature(signed: bytes, key: SigningKey, pss: bool) -> tuple[bytes, bytes]:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return algorithms.ECDSA_SHA256, key.sign(signed, ec.ECDSA(hashes.SHA256()))
    if pss:
        mask = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        return algorithms.RSA_PSS_SHA256, key.sign(signed, mask, hashes.SHA256())
    return algorithms.RSA, key.sign(signed, padding.PKCS1v15(), hashes.SHA256())


def _attribute(kind: str, *values: bytes) -> bytes:
    return der.sequence(der.oid(kind), der.set_of(values))


# RFC 8551 section 2.5.2: what the signer reads, the best first.
_CAPABILITIES = _attribute(
    "1.2.840.113549.1.9.15",
    der.sequence(
        *(
            der.sequence(cipher)
            for cipher in (
                algorithms.AES_GCM[256],
                algorithms.AES_GCM[128],
                algorithms.AES_CBC[256],
                algorithms.AES_CBC[128],
            )
        )
    ),
)
_CONTENT_TYPE = _attribute("1.2.840.113549.1.9.3", algorithms.DATA)


@lru_cache(maxsize=4096)
def _constant_attributes(certificate: x509.Certificate, encryption: x509.Certificate | None) -> tuple[bytes, ...]:
    # What only depends on who signs is written once; a signature then costs little more than its arithmetic.
    digest = certificate.fingerprint(hashes.SHA256())
    attributes = [
        _CONTENT_TYPE,
        _CAPABILITIES,
        # RFC 5035: without an algorithm the digest is SHA-256.
        _attribute("1.2.840.113549.1.9.16.2.47", der.sequence(der.sequence(der.sequence(der.octets(digest))))),
    ]
    if encryption is not None:
        preferred = b"\xa0" + algorithms.named(encryption).issuer_and_serial[1:]
        attributes.append(_attribute("1.2.840.113549.1.9.16.2.11", preferred))
    return tuple(attributes)


@lru_cache(maxsize=4096)
def _certificates(*certificates: x509.Certificate | None) -> bytes:
    return der.set_of({found.public_bytes(Encoding.DER) for found in certificates if found is not None}, 0xA0)
