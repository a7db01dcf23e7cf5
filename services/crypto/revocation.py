"""Says which certificates are revoked: CRLs (RFC 5280 section 5) and OCSP answers (RFC 6960), signed by the issuing CA.

Pure: who is revoked, and which issuing CAs there are, is given.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp

from services.crypto.authority import Authority, authority_key_identifier, digest_for

Reason: TypeAlias = Literal[
    "unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation", "privilegeWithdrawn"
]
"""RFC 5280 section 5.3.1, as far as they can be said of a person's certificate. None of them is ever taken back."""

CRL_VALID = timedelta(days=7)
OCSP_VALID = timedelta(hours=1)
NONCE_LIMIT = 128
"""Octets (RFC 9654 section 2.1)."""
REQUEST_LIMIT = 16 * 1024

_BACKDATED = timedelta(minutes=5)
_FLAGS: Mapping[str, x509.ReasonFlags] = {
    "keyCompromise": x509.ReasonFlags.key_compromise,
    "affiliationChanged": x509.ReasonFlags.affiliation_changed,
    "superseded": x509.ReasonFlags.superseded,
    "cessationOfOperation": x509.ReasonFlags.cessation_of_operation,
    "privilegeWithdrawn": x509.ReasonFlags.privilege_withdrawn,
}


@dataclass(frozen=True)
class Revoked:
    """One revoked certificate."""

    serial: int
    when: datetime
    reason: Reason


@dataclass(frozen=True)
class Status:
    """What is known of one certificate: `revoked` is None for one that is good."""

    revoked: Revoked | None = None


def crl(issuing: Authority, revoked: Iterable[Revoked], number: int, now: datetime) -> bytes:
    """A complete CRL as DER. `number` has to be higher than that of every earlier one of this CA."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuing.certificate.subject)
        .last_update(now - _BACKDATED)
        .next_update(now + CRL_VALID)
        .add_extension(authority_key_identifier(issuing.certificate), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for entry in revoked:
        builder = builder.add_revoked_certificate(_entry(entry))
    made = builder.sign(issuing.private_key, digest_for(issuing.private_key))
    return made.public_bytes(serialization.Encoding.DER)


def _entry(entry: Revoked) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(entry.serial).revocation_date(entry.when)
    # RFC 5280 section 5.3.1: unspecified is said by saying nothing.
    if entry.reason in _FLAGS:
        builder = builder.add_extension(x509.CRLReason(_FLAGS[entry.reason]), critical=False)
    return builder.build()


@dataclass(frozen=True)
class Asked:
    """An OCSP request of one certificate of one of our issuing CAs."""

    issuing: Authority
    serial: int
    nonce: bytes | None
    request: ocsp.OCSPRequest


def read_request(der: bytes, issuing: Sequence[Authority]) -> Asked | bytes:
    """What an OCSP request asks, or the answer to one that can't be answered.

    malformedRequest: it is none. unauthorized (RFC 5019 section 2.2.3: not capable of an authoritative answer): it
    asks of another CA's certificate, or of several at once.
    """
    if len(der) > REQUEST_LIMIT:
        return MALFORMED
    try:
        request = ocsp.load_der_ocsp_request(der)
        algorithm, name, key = request.hash_algorithm, request.issuer_name_hash, request.issuer_key_hash
        nonce = next((e.value.nonce for e in request.extensions if isinstance(e.value, x509.OCSPNonce)), None)
    except (RuntimeError, UnsupportedAlgorithm):
        # Several questions in one request, or a hash that the library has not.
        return UNAUTHORIZED
    except Exception:
        # A stranger's bytes: what else malformed ASN.1 raises is an open set.
        return MALFORMED
    # Serial numbers are positive (RFC 5280 section 4.1.2.2); the library reads others, and can't answer them.
    if request.serial_number < 0 or (nonce is not None and not 1 <= len(nonce) <= NONCE_LIMIT):
        return MALFORMED
    for authority in issuing:
        if (name, key) == _hashes(authority, algorithm):
            return Asked(authority, request.serial_number, nonce, request)
    return UNAUTHORIZED


def answer(asked: Asked, status: Status | None, now: datetime) -> bytes:
    """The signed answer as DER; None: the CA has issued no such certificate (certStatus unknown)."""
    request, revoked = asked.request, status.revoked if status else None
    if status is None:
        state = ocsp.OCSPCertStatus.UNKNOWN
    else:
        state = ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response_by_hash(
            issuer_name_hash=request.issuer_name_hash,
            issuer_key_hash=request.issuer_key_hash,
            serial_number=asked.serial,
            algorithm=request.hash_algorithm,
            cert_status=state,
            this_update=now - _BACKDATED,
            next_update=now + OCSP_VALID,
            revocation_time=revoked.when if revoked else None,
            revocation_reason=_FLAGS.get(revoked.reason) if revoked else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, asked.issuing.certificate)
    )
    if asked.nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(asked.nonce), critical=False)
    signed = builder.sign(asked.issuing.private_key, digest_for(asked.issuing.private_key))
    return signed.public_bytes(serialization.Encoding.DER)


def _unsuccessful(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(serialization.Encoding.DER)


MALFORMED = _unsuccessful(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
UNAUTHORIZED = _unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)


def _hashes(issuing: Authority, algorithm: hashes.HashAlgorithm) -> tuple[bytes, bytes]:
    """RFC 6960 section 4.1.1: digests of the issuer's name, and of its key's bits without tag and length."""
    key = issuing.certificate.public_key().public_bytes(*_bits(issuing))
    return _digest(issuing.certificate.subject.public_bytes(), algorithm), _digest(key, algorithm)


def _bits(issuing: Authority) -> tuple[serialization.Encoding, serialization.PublicFormat]:
    if isinstance(issuing.private_key, ec.EllipticCurvePrivateKey):
        return serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    return serialization.Encoding.DER, serialization.PublicFormat.PKCS1


def _digest(data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()
