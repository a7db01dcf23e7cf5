"""An organisation with its authority, a person with a certificate, and the real `openssl`."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from northwind import House, Person, pem

from services.crypto.authority import Authority, create_authority, issue, key_usage


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="session")
def house(now: datetime) -> House:
    return House(*create_authority("Northwind Traders", now))


@pytest.fixture(scope="session")
def foreign_house(now: datetime) -> House:
    return House(*create_authority("Northwind Traders", now))


@pytest.fixture(scope="session")
def employ(now: datetime) -> Callable[..., Person]:
    def employ(house: House, address: str, at: datetime = now) -> Person:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = issue(house.issuing, address, key.public_key(), at, x509.random_serial_number())
        return Person(address, key, certificate, (house.issuing.certificate,))

    return employ


@pytest.fixture(scope="session")
def alice(house: House, employ: Callable[..., Person]) -> Person:
    return employ(house, "alice@northwind.example")


@pytest.fixture(scope="session")
def certify(now: datetime) -> Callable[..., x509.Certificate]:
    """Any certificate at all, also those `issue` would never make."""

    def certify(
        issuer: Authority,
        public_key: CertificatePublicKeyTypes,
        address: str,
        *,
        ca: bool = False,
        usage: str | tuple[str, ...] = "digital_signature",
        purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
        extra: x509.ExtensionType | None = None,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .issuer_name(issuer.certificate.subject)
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "someone")]))
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(address)]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(key_usage(*([usage] if isinstance(usage, str) else usage)), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        )
        if extra:
            builder = builder.add_extension(extra, critical=True)
        return builder.sign(issuer.private_key, hashes.SHA256())

    return certify


@pytest.fixture(scope="session")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run `openssl` in a directory of its own; keyword arguments are files it finds there, by name."""
    room = tmp_path_factory.mktemp("openssl")

    def run(*arguments: str, **files: bytes) -> subprocess.CompletedProcess[bytes]:
        for name, content in files.items():
            (room / name).write_bytes(content)
        return subprocess.run(["openssl", *arguments], cwd=room, capture_output=True, check=False)

    return run


@pytest.fixture(scope="session")
def openssl_reads(
    openssl: Callable[..., subprocess.CompletedProcess[bytes]],
) -> Callable[[bytes, House], bytes | None]:
    """What `openssl cms -verify` gives back of a signed mail; None if it refuses it."""

    def read(mail: bytes, house: House) -> bytes | None:
        done = openssl(
            *("cms", "-verify", "-in", "mail", "-CAfile", "root"), mail=mail, root=pem(house.root.certificate)
        )
        return done.stdout if done.returncode == 0 else None

    return read


@pytest.fixture(scope="session")
def openssl_signs(
    openssl: Callable[..., subprocess.CompletedProcess[bytes]],
) -> Callable[..., bytes]:
    """A mail as `openssl cms -sign` writes it."""

    def sign(
        payload: bytes,
        key: PrivateKeyTypes,
        certificate: x509.Certificate,
        chain: tuple[x509.Certificate, ...],
        *options: str,
    ) -> bytes:
        done = openssl(
            *("cms", "-sign", "-in", "payload", "-signer", "certificate", "-inkey", "key"),
            *("-certfile", "chain"),
            *options,
            payload=payload,
            certificate=pem(certificate),
            chain=b"".join(map(pem, chain)),
            key=key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return sign
