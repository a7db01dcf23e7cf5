"""The organisation's certificate authority: an offline root, an issuing CA, certificates per mail address.

RFC 5280 is the form, RFC 8550 the use for mail. Keys are given or handed back, never kept here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from secumail.errors import Refused
from services.crypto.addresses import general_name

# RFC 5280 appendix A: ub-organization-name and ub-common-name, in characters.
NAME_LIMIT = 64


@dataclass(frozen=True)
class Authority:
    """A CA certificate and its private key."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey


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


DIGITAL_SIGNATURE = key_usage("digital_signature")


@dataclass(frozen=True)
class Profile:
    """What certificates for mail addresses look like.

    Where the CRL, the OCSP responder and the issuing certificate are published is left out of a certificate
    while there is no URL for it: clients would wait for an address that doesn't answer.
    """

    valid_for: timedelta = timedelta(days=365)
    # Peers whose clock is a little slow must not refuse a certificate on its first mail.
    backdated: timedelta = timedelta(minutes=5)
    key_usage: x509.KeyUsage = DIGITAL_SIGNATURE
    extended_key_usage: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.EMAIL_PROTECTION,)
    crl_url: str | None = None
    ocsp_url: str | None = None
    issuer_url: str | None = None


@dataclass(frozen=True)
class AuthorityProfile:
    """How long the two CA certificates live."""

    root_valid_for: timedelta = timedelta(days=20 * 365)
    issuing_valid_for: timedelta = timedelta(days=5 * 365)
    backdated: timedelta = timedelta(minutes=5)


SIGNING = Profile()
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
    root = (
        _certificate(root_name, root_name, root_key.public_key(), now - profile.backdated, now + profile.root_valid_for)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(root_key, hashes.SHA384())
    )
    issuing_key = ec.generate_private_key(ec.SECP256R1())
    issuing = (
        _certificate(
            root_name,
            _name(organisation, "Mail issuing CA"),
            issuing_key.public_key(),
            now - profile.backdated,
            min(now + profile.issuing_valid_for, now + profile.root_valid_for),
        )
        .add_extension(_authority_key_identifier(root), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        # digital_signature, so that it can answer OCSP itself; and no other purpose than mail, so that a
        # stolen issuing key makes no web server's certificate that is trusted where the root is.
        .add_extension(key_usage("key_cert_sign", "crl_sign", "digital_signature"), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.OCSP_SIGNING]),
            critical=False,
        )
        .sign(root_key, hashes.SHA384())
    )
    return Authority(root, root_key), Authority(issuing, issuing_key)


def issue(
    issuing: Authority,
    address: str,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
    serial: int,
    profile: Profile = SIGNING,
) -> x509.Certificate:
    """The signing certificate of one mail address, for an EC P-256 key.

    It never outlives the issuing CA: near that CA's end it is shorter than the profile says. `now` is an
    aware time, `serial` a positive number below 2**159 the issuing CA has never used
    (`x509.random_serial_number()`). Raises Refused for an address or a key no certificate is made for, and
    once the issuing CA has ended.
    """
    if not isinstance(public_key.curve, ec.SECP256R1):
        raise Refused("key-not-p256", "A signing certificate needs an EC P-256 key.", "Make a P-256 key.")
    parent = issuing.certificate
    if now >= parent.not_valid_after_utc:
        raise Refused("issuing-ca-ended", "The issuing CA has ended.", "Make a new one with the root.")
    # With a common name the certificate has a readable title in every client; a long address has none, its
    # alternative name says it all.
    organisation = str(parent.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value)
    alternative_name = general_name(address)
    subject = _name(organisation, address if len(address) <= NAME_LIMIT else None)
    builder = (
        _certificate(
            parent.subject,
            subject,
            public_key,
            max(now - profile.backdated, parent.not_valid_before_utc),
            min(now + profile.valid_for, parent.not_valid_after_utc),
            serial,
        )
        .add_extension(_authority_key_identifier(parent), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(profile.key_usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(list(profile.extended_key_usage)), critical=False)
        .add_extension(x509.SubjectAlternativeName([alternative_name]), critical=False)
    )
    return _published(builder, profile).sign(issuing.private_key, hashes.SHA256())


def _certificate(
    issuer: x509.Name,
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
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


def _authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _name(organisation: str, common_name: str | None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)]
    if common_name:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(attributes)
