"""The installation's certificate authority, and the certificates of its three TLS servers (RFC 5280).

Everything is EC P-256. The authority is limited to this installation by name constraints: a browser that
trusts it trusts it for localhost and the bare names of the servers alone.
"""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from secumail.installation.home import Home, write_private

SERVERS = ("gateway", "rabbitmq", "mongodb")
"""Besides localhost, each answers to its own name: in compose and Kubernetes the servers have hosts of their own."""

RENEW_WITHIN = timedelta(days=30)
_CA_LIFE = timedelta(days=3650)
_SERVER_LIFE = timedelta(days=397)
# A certificate made this minute is also valid for a peer whose clock is behind.
_BACKDATE = timedelta(hours=1)
_NAMES = (
    x509.DNSName("localhost"),
    x509.IPAddress(IPv4Address("127.0.0.1")),
    x509.IPAddress(IPv6Address("::1")),
)
_PERMITTED = (
    *(x509.DNSName(name) for name in ("localhost", *SERVERS)),
    x509.IPAddress(IPv4Network("127.0.0.0/8")),
    x509.IPAddress(IPv6Network("::1/128")),
)


def certificate(home: Home, server: str) -> Path:
    """The certificate of one of SERVERS and then its key, in one PEM file, as mongod wants them."""
    return home.tls / f"{server}.pem"


def key(home: Home, server: str) -> Path:
    """Its private key alone, as PKCS #8 PEM."""
    return home.tls / f"{server}.key"


def days_left(path: Path, now: datetime | None = None) -> int:
    """Whole days until the certificate in a PEM file ends; negative after its end."""
    end = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    return (end - (now or datetime.now(UTC))).days


def ensure(home: Home, now: datetime | None = None) -> None:
    """Makes what is missing, and renews what ends within 30 days (a new authority renews all). Idempotent."""
    now = now or datetime.now(UTC)
    ca_key_file = home.tls / "ca.key"
    if not _lasts(home.ca, ca_key_file, now):
        ca_key = ec.generate_private_key(ec.SECP256R1())
        write_private(ca_key_file, _pem(ca_key))
        write_private(home.ca, _authority(ca_key, now).public_bytes(serialization.Encoding.PEM))
    ca = x509.load_pem_x509_certificate(home.ca.read_bytes())
    authority_key = _load_key(ca_key_file)
    for server in SERVERS:
        files = (certificate(home, server), key(home, server))
        if _lasts(*files, now) and _issued_by(files[0], ca):
            continue
        server_key = ec.generate_private_key(ec.SECP256R1())
        issued = _server(server, server_key, ca, authority_key, now).public_bytes(serialization.Encoding.PEM)
        # The certificate comes last: its presence says that both are there.
        write_private(files[1], _pem(server_key))
        write_private(files[0], issued + _pem(server_key))


def _lasts(certificate_file: Path, key_file: Path, now: datetime) -> bool:
    if not (certificate_file.exists() and key_file.exists()):
        return False
    parsed = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    matches = parsed.public_key() == _load_key(key_file).public_key()
    return matches and parsed.not_valid_after_utc - now > RENEW_WITHIN


def _issued_by(certificate_file: Path, ca: x509.Certificate) -> bool:
    parsed = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    identifier = parsed.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    return identifier == x509.SubjectKeyIdentifier.from_public_key(ca.public_key()).digest


def _authority(ca_key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = _name("SecuMail installation")
    public = ca_key.public_key()
    return (
        _builder(name, name, public, ca_key, now, _CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=_PERMITTED, excluded_subtrees=None), critical=True)
        .sign(ca_key, hashes.SHA256())
    )


def _server(
    server: str,
    server_key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    return (
        _builder(_name(f"SecuMail {server}"), ca.subject, server_key.public_key(), ca_key, now, _SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        # mongod is a client too: a member of a replica set asks itself who it is.
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(server), *_NAMES]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    loaded = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path.name} holds a key of another kind; remove it, and a new one is made")
    return loaded
