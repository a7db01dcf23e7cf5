"""The organisation's certificate authority: an offline root, an issuing CA, certificates per mail address.

RFC 5280 is the form, RFC 8550 the use for mail. Keys are given or handed back, never kept here.
"""

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from secumail.errors import Refused
from services.crypto.addresses import general_name

# RFC 5280 appendix A: ub-organization-name and ub-common-name, in characters.
NAME_LIMIT = 64
RSA_BITS = 3072
"""The least that has 128 bits of security (NIST SP 800-57 part 1, table 2)."""

RENEW_BEFORE = timedelta(days=30)

CaKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True)
class Authority:
    """A CA certificate and its private key."""

    certificate: x509.Certificate
    private_key: CaKey

    def __repr__(self) -> str:
        return "Authority(...)"

    @cached_property
    def id(self) -> str:
        """What tells this CA from its predecessors: 16 hex digits of SHA-256 over its public key."""
        spki = self.private_key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hashlib.sha256(spki).hexdigest()[:16]

    def issued(self, certificate: x509.Certificate) -> bool:
        """Whether `certificate` names this CA's key as the one it is signed with."""
        named = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        return named == authority_key_identifier(self.certificate)


def key_usage(*wanted: str) -> x509.KeyUsage:
    """The KeyUsage extension with just the `wanted` bits (names as in `x509.KeyUsage`)."""
    bits = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{bit: bit in wanted for bit in bits})


class KeyKind(StrEnum):
    """Which key a certificate is made for."""

    P256 = "p-256"
    RSA3072 = "rsa-3072"

    def fits(self, key: PublicKey) -> bool:
        """Whether `key` is of this kind (RSA: or longer)."""
        if self is KeyKind.P256:
            return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
        return isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS


@dataclass(frozen=True)
class Profile:
    """What certificates for mail addresses look like.

    Where the CRL, the OCSP responder and the issuing certificate are published is left out of a certificate
    while there is no URL for it: clients would wait for an address that doesn't answer.
    """

    key: KeyKind = KeyKind.P256
    valid_for: timedelta = timedelta(days=365)
    # Peers whose clock is a little slow must not refuse a certificate on its first mail.
    backdated: timedelta = timedelta(minutes=5)
    key_usage: tuple[str, ...] = ("digital_signature",)
    extended_key_usage: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.EMAIL_PROTECTION,)
    crl_url: str | None = None
    ocsp_url: str | None = None
    issuer_url: str | None = None

    def published_at(self, base: str, issuing: Authority) -> "Profile":
        """The same, for certificates of `issuing` whose status is published under the URL `base`."""
        place = f"{base.rstrip('/')}/pki"
        return replace(
            self,
            crl_url=f"{place}/{issuing.id}/crl.der",
            ocsp_url=f"{place}/ocsp",
            issuer_url=f"{place}/{issuing.id}/issuing.cer",
        )


SIGNING = Profile()
# RSA, because no other key is read by every client (RFC 8551 section 2.3; docs/interoperability.md).
ENCRYPTION = Profile(key=KeyKind.RSA3072, key_usage=("key_encipherment",))
ENCRYPTION_EC = Profile(key_usage=("key_agreement",))


@dataclass(frozen=True)
class AuthorityProfile:
    """How long the two CA certificates live."""

    root_valid_for: timedelta = timedelta(days=20 * 365)
    issuing_valid_for: timedelta = timedelta(days=5 * 365)
    backdated: timedelta = timedelta(minutes=5)


AUTHORITY = AuthorityProfile()


def create_authority(
    organisation: str, now: datetime, profile: AuthorityProfile = AUTHORITY
) -> tuple[Authority, Authority]:
    """Make (root, issuing): a P-384 root, meant to be taken offline, and the P-256 CA that serves addresses.

    `now` is an aware time. Raises Refused if a certificate can't carry the organisation's name.
    """
    if not organisation.strip() or len(organisation) > NAME_LIMIT or not organisation.isprintable():
        raise Refused(
            "organisation-name",
            "A certificate can't carry this organisation's name.",
            f"Give a name of 1 to {NAME_LIMIT} printable characters.",
        )
    root_key = ec.generate_private_key(ec.SECP384R1())
    root_name = _name(organisation, "Mail root CA")
    certificate = (
        _certificate(root_name, root_name, root_key.public_key(), now - profile.backdated, now + profile.root_valid_for)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(root_key, hashes.SHA384())
    )
    root = Authority(certificate, root_key)
    return root, _issuing(root, _name(organisation, "Mail issuing CA"), now, profile)


def renew_issuing(
    root: Authority, former: x509.Certificate, now: datetime, profile: AuthorityProfile = AUTHORITY
) -> Authority:
    """The successor of the issuing CA `former`: a key of its own, and a name of its own.

    The name ends in a rising number: clients find CRLs by the issuer's name, and must not take the former CA's for
    the new one's. Raises Refused where `root` did not make `former`, or has ended.
    """
    try:
        former.verify_directly_issued_by(root.certificate)
    except Exception as error:  # ValueError, TypeError and InvalidSignature all say the same
        raise Refused(
            "not-the-root", "The issuing CA was not made by this root.", "Give the key of the root in ca.pem."
        ) from error
    if now >= root.certificate.not_valid_after_utc:
        raise Refused("root-ended", "The root CA has ended.", "Make a new authority.")
    names = former.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return _issuing(root, _name(organisation_of(former), _numbered(str(names[0].value) if names else "")), now, profile)


def _issuing(root: Authority, subject: x509.Name, now: datetime, profile: AuthorityProfile) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _certificate(
            root.certificate.subject,
            subject,
            key.public_key(),
            max(now - profile.backdated, root.certificate.not_valid_before_utc),
            min(now + profile.issuing_valid_for, root.certificate.not_valid_after_utc),
        )
        .add_extension(authority_key_identifier(root.certificate), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        # digital_signature, so that it can answer OCSP itself; and no other purpose than mail, so that a
        # stolen issuing key makes no web server's certificate that is trusted where the root is.
        .add_extension(key_usage("key_cert_sign", "crl_sign", "digital_signature"), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.OCSP_SIGNING]),
            critical=False,
        )
        .sign(root.private_key, digest_for(root.private_key))
    )
    return Authority(certificate, key)


def issue(
    issuing: Authority,
    address: str,
    public_key: PublicKey,
    now: datetime,
    serial: int,
    profile: Profile = SIGNING,
) -> x509.Certificate:
    """The certificate of one mail address for a key of the profile's kind.

    It never outlives the issuing CA: near that CA's end it is shorter than the profile says. `now` is an
    aware time, `serial` a positive number below 2**159 the issuing CA has never used
    (`x509.random_serial_number()`). Raises Refused for an address or a key no certificate is made for, and
    once the issuing CA has ended.
    """
    if not profile.key.fits(public_key):
        wanted = "an EC P-256 key" if profile.key is KeyKind.P256 else f"an RSA key of {RSA_BITS} bits or more"
        raise Refused("key-of-another-kind", f"This certificate is for {wanted}.", "Make such a key.")
    parent = issuing.certificate
    if now >= parent.not_valid_after_utc:
        raise Refused("issuing-ca-ended", "The issuing CA has ended.", "Make a new one with the root.")
    # With a common name the certificate has a readable title in every client; a long address has none, its
    # alternative name says it all.
    alternative_name = general_name(address)
    subject = _name(organisation_of(parent), address if len(address) <= NAME_LIMIT else None)
    builder = (
        _certificate(
            parent.subject,
            subject,
            public_key,
            max(now - profile.backdated, parent.not_valid_before_utc),
            min(now + profile.valid_for, parent.not_valid_after_utc),
            serial,
        )
        .add_extension(authority_key_identifier(parent), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(*profile.key_usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage(list(profile.extended_key_usage)), critical=False)
        # RFC 5280 section 4.2.1.6: where it is the only name, it is critical.
        .add_extension(x509.SubjectAlternativeName([alternative_name]), critical=not list(subject))
    )
    return _published(builder, profile).sign(issuing.private_key, digest_for(issuing.private_key))


def is_due(certificate: x509.Certificate, issuing: Authority, profile: Profile, now: datetime) -> bool:
    """Whether to issue another certificate in this one's place: it has ended, or ends in 30 days.

    Not before its end where the other would not last a day longer: near the issuing CA's own end all certificates end
    with it, and there would be a new one for each mail.
    """
    ends = certificate.not_valid_after_utc
    lasts_until = min(now + profile.valid_for, issuing.certificate.not_valid_after_utc)
    return ends <= now or (ends < now + RENEW_BEFORE and ends + timedelta(days=1) < lasts_until)


def organisation_of(certificate: x509.Certificate) -> str | None:
    """The organisation in a certificate's subject; a CA made elsewhere may name none."""
    names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(names[0].value) if names else None


def digest_for(key: CaKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """The digest that is as strong as the key (RFC 5758 section 3.2)."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 256:
        return hashes.SHA384() if key.key_size <= 384 else hashes.SHA512()
    return hashes.SHA256()


def authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """What names `issuer`'s key in all that it signs: as it names itself."""
    try:
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        identifier = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _certificate(
    issuer: x509.Name,
    subject: x509.Name,
    public_key: PublicKey,
    begins: datetime,
    ends: datetime,
    serial: int | None = None,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number() if serial is None else serial)
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _published(builder: x509.CertificateBuilder, profile: Profile) -> x509.CertificateBuilder:
    if profile.crl_url:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(profile.crl_url)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    access = [
        x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
        for method, url in (
            (AuthorityInformationAccessOID.OCSP, profile.ocsp_url),
            (AuthorityInformationAccessOID.CA_ISSUERS, profile.issuer_url),
        )
        if url
    ]
    if access:
        builder = builder.add_extension(x509.AuthorityInformationAccess(access), critical=False)
    return builder


def _name(organisation: str | None, common_name: str | None) -> x509.Name:
    given = ((NameOID.ORGANIZATION_NAME, organisation), (NameOID.COMMON_NAME, common_name))
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in given if value])


def _numbered(name: str) -> str:
    counted = re.fullmatch(r"(.*\S) (\d{1,4})", name)
    stem, number = (counted[1], int(counted[2])) if counted else (name or "Mail issuing CA", 1)
    return f"{stem[: NAME_LIMIT - 6]} {number + 1}"
