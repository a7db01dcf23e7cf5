"""Finds and validates the paths from a certificate to trusted roots (RFC 5280 section 6.1, RFC 8550).

Revocation is looked at in `crls`, on a path that is valid otherwise.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from services.crypto.smime.names import Constraints, is_self_issued, normal
from services.crypto.smime.parsing import extension
from services.crypto.smime.policies import Policies

Path: TypeAlias = tuple[x509.Certificate, ...]
"""The certificate in question first, a trusted root last."""

# Certificates below the root, more than was ever seen; and how many are looked at before the search gives up.
PATH_LIMIT = 10
STEP_LIMIT = 300
RSA_BITS = 2048

ACCEPTED_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_MAIL = frozenset({ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})
# What is looked at here, in `names` and `policies`, in `crls` and by those who ask for a path.
_KNOWN_EXTENSIONS = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
    }
)


def paths(
    certificate: x509.Certificate,
    others: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    moment: datetime,
) -> Iterator[Path]:
    """All valid paths from `certificate` over `others` to one of `roots` at `moment`.

    Valid is what RFC 5280 says, without revocation: signatures (RSA from 2048 bits, ECDSA, Ed25519; SHA-2),
    times, CAs and their path lengths, key usages, name constraints, policies, critical extensions, and with
    RFC 8550 that no CA is limited to purposes other than mail. What the certificate itself may be used for
    is left to the caller.
    """
    steps = iter(range(STEP_LIMIT))
    for path in _grown((certificate,), tuple(dict.fromkeys(others)), roots, steps):
        if _is_valid(path, moment):
            yield path


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` has the name of the certificate's issuer and the key that signed it."""
    return normal(certificate.issuer) == normal(issuer.subject) and _is_signed_by(certificate, issuer)


def _grown(
    path: Path, others: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], steps: Iterator[int]
) -> Iterator[Path]:
    for root in roots:
        if root not in path and is_issued_by(path[-1], root):
            yield (*path, root)
    if len(path) == PATH_LIMIT:
        return
    for other in others:
        if other not in path and next(steps, None) is not None and is_issued_by(path[-1], other):
            yield from _grown((*path, other), others, roots, steps)


@lru_cache(maxsize=512)
def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        digest = certificate.signature_hash_algorithm
        match key := issuer.public_key():
            case rsa.RSAPublicKey() if key.key_size >= RSA_BITS and isinstance(digest, ACCEPTED_HASHES):
                parameters = certificate.signature_algorithm_parameters
                if not isinstance(parameters, padding.PKCS1v15 | padding.PSS):
                    return False
                key.verify(certificate.signature, certificate.tbs_certificate_bytes, parameters, digest)
            case ec.EllipticCurvePublicKey() if isinstance(digest, ACCEPTED_HASHES):
                key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(digest))
            case ed25519.Ed25519PublicKey():
                key.verify(certificate.signature, certificate.tbs_certificate_bytes)
            case _:
                return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _is_valid(path: Path, moment: datetime) -> bool:
    try:
        return _is_valid_from_the_root(path[::-1], moment)
    except (ValueError, UnsupportedAlgorithm):
        # An extension that can't be read could have said anything.
        return False


def _is_valid_from_the_root(path: Path, moment: datetime) -> bool:
    room = PATH_LIMIT
    constraints, policies = Constraints(), Policies()
    *issuers, last = path
    for certificate in issuers:
        self_issued = is_self_issued(certificate)
        is_root = certificate is path[0]
        is_accepted = is_root or (
            (self_issued or constraints.allow(certificate))
            and policies.enter(certificate, any_allowed=self_issued)
            and policies.leave(certificate, self_issued)
            and (self_issued or room > 0)
        )
        if not is_accepted or not _is_in_force(certificate, moment) or not _may_issue(certificate):
            return False
        room -= 0 if self_issued else 1
        limits = extension(certificate, x509.BasicConstraints)
        if limits is not None and limits.path_length is not None:
            room = min(room, limits.path_length)
        narrowed = extension(certificate, x509.NameConstraints)
        if narrowed is not None:
            constraints.add(narrowed)
    return (
        _is_in_force(last, moment)
        and constraints.allow(last)
        and policies.enter(last, any_allowed=False)
        and policies.end(last)
    )


def _is_in_force(certificate: x509.Certificate, moment: datetime) -> bool:
    """Whether it is valid at the moment, and understood in all that is critical."""
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc and all(
        not each.critical or each.oid in _KNOWN_EXTENSIONS for each in certificate.extensions
    )


def _may_issue(certificate: x509.Certificate) -> bool:
    constraints = extension(certificate, x509.BasicConstraints)
    usage = extension(certificate, x509.KeyUsage)
    return (
        constraints is not None
        and constraints.ca
        and (usage is None or usage.key_cert_sign)
        and is_for_mail(certificate)
    )


def is_for_mail(certificate: x509.Certificate) -> bool:
    """RFC 8550 section 4.4.4: the extended key usage allows mail; without the extension every use is allowed."""
    usage = extension(certificate, x509.ExtendedKeyUsage)
    return usage is None or not _MAIL.isdisjoint(usage)
