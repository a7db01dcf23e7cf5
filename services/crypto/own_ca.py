"""Checks an issuing CA that an organisation brings along, before anything is signed with it."""

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from secumail.errors import Refused
from services.crypto.authority import RSA_BITS, Authority

CHAIN_LIMIT = 8
_WEAK = (hashes.MD5, hashes.SHA1)
_MAIL = frozenset({ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})


def checked(
    certificate: x509.Certificate, key: PrivateKeyTypes, others: Sequence[x509.Certificate], now: datetime
) -> tuple[Authority, tuple[x509.Certificate, ...]]:
    """The issuing CA, and its chain from its own issuer to the root; `others` may stand in any order.

    Refused, with a code for each fault: a key of another kind or that does not belong to the certificate; a
    certificate that is no CA, may not sign certificates or CRLs, is not for mail, or is not valid now; a chain that
    does not reach a root, has a weak signature, or a path length that leaves no room.
    """
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) or _weak_key(key):
        raise Refused(
            "ca-key-kind",
            "The CA's key is of a kind that is not used here.",
            f"Bring a CA with an EC key (P-256, P-384, P-521) or an RSA key of {RSA_BITS} bits or more.",
        )
    if key.public_key() != certificate.public_key():
        raise Refused("ca-key-mismatch", "The key does not belong to the CA's certificate.", "Give the two of one CA.")
    _check_may_issue(certificate)
    chain = _chain(certificate, others)
    for depth, link in enumerate((certificate, *chain)):
        _check_link(link, depth, now)
    return Authority(certificate, key), chain


def _weak_key(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bool:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.key_size < RSA_BITS
    return not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1)


def _check_may_issue(certificate: x509.Certificate) -> None:
    usage = _extension(certificate, x509.KeyUsage)
    if not isinstance(usage, x509.KeyUsage) or not usage.key_cert_sign:
        raise Refused(
            "ca-no-cert-sign",
            "The certificate may not sign certificates.",
            "Have one issued with the key usage keyCertSign.",
        )
    if not usage.crl_sign:
        raise Refused(
            "ca-no-crl-sign",
            "The certificate may not sign CRLs, so nothing could be revoked.",
            "Have one issued with the key usage cRLSign.",
        )
    purposes = _extension(certificate, x509.ExtendedKeyUsage)
    if isinstance(purposes, x509.ExtendedKeyUsage) and _MAIL.isdisjoint(purposes):
        raise Refused(
            "ca-not-for-mail",
            "The certificate is for other purposes than mail.",
            "Have one issued with the extended key usage emailProtection, or without any.",
        )


def _chain(certificate: x509.Certificate, others: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    chain: list[x509.Certificate] = []
    last = certificate
    while last.issuer != last.subject:
        if isinstance(last.signature_hash_algorithm, _WEAK):
            raise Refused(
                "ca-weak-signature", "A certificate of the chain is signed with SHA-1 or MD5.", "Have it issued anew."
            )
        found = next((other for other in others if _made(other, last)), None)
        if found is None or len(chain) == CHAIN_LIMIT:
            raise Refused(
                "ca-chain-incomplete",
                "The chain of the CA does not reach a root.",
                "Give every certificate from the CA's issuer to the root, in one PEM file.",
            )
        chain.append(found)
        last = found
    # A root is trusted because it was brought here: an old one may have signed itself with a weak digest.
    if not isinstance(last.signature_hash_algorithm, _WEAK) and not _made(last, last):
        raise Refused("ca-chain-incomplete", "The root of the chain did not sign itself.", "Give the real root.")
    return tuple(chain)


def _made(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # names that differ, algorithms that are unknown, a signature that is wrong: all mean no
        return False
    return True


def _check_link(link: x509.Certificate, depth: int, now: datetime) -> None:
    """`depth`: how many CA certificates stand between this one and people's certificates."""
    constraints = _extension(link, x509.BasicConstraints)
    if not isinstance(constraints, x509.BasicConstraints) or not constraints.ca:
        raise Refused("ca-not-a-ca", "A certificate of the chain is not a CA's.", "Give CA certificates only.")
    if constraints.path_length is not None and constraints.path_length < depth:
        raise Refused(
            "ca-path-length",
            f"A path length of the chain allows {constraints.path_length} CAs below it, and there are {depth}.",
            "Bring an issuing CA that stands higher, or have the chain issued anew.",
        )
    if now >= link.not_valid_after_utc:
        raise Refused("ca-expired", "A certificate of the chain has expired.", "Have it renewed.")
    if now < link.not_valid_before_utc:
        raise Refused("ca-not-yet-valid", "A certificate of the chain is not valid yet.", "Look at the clock, or wait.")


def _extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> x509.ExtensionType | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
