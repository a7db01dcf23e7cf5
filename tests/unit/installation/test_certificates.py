"""The installation's authority and its servers' certificates."""

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from secumail.installation import certificates
from secumail.installation.home import Home

NOW = datetime.now(UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    certificates.ensure(made, NOW)
    return made


def content(home: Home) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in home.tls.iterdir()}


def openssl_accepts(home: Home, certificate: Path, *options: str) -> bool:
    result = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", str(home.ca), *options, str(certificate)],
        capture_output=True,
        check=False,
    )
    return result.returncode == 0


@pytest.mark.parametrize("server", certificates.SERVERS)
def test_openssl_accepts_every_server_for_this_machine_and_for_no_other(home: Home, server: str) -> None:
    certificate = certificates.certificate(home, server)
    assert openssl_accepts(home, certificate, "-purpose", "sslserver", "-verify_hostname", "localhost")
    for address in ("127.0.0.1", "::1"):
        assert openssl_accepts(home, certificate, "-purpose", "sslserver", "-verify_ip", address)
    assert openssl_accepts(home, certificate, "-verify_hostname", server)
    assert not openssl_accepts(home, certificate, "-verify_hostname", "mail.northwind.example")


@pytest.mark.parametrize("server", certificates.SERVERS)
def test_key_and_certificate_belong_together(home: Home, server: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate(home, server), certificates.key(home, server))
    context.load_cert_chain(certificates.certificate(home, server))
    assert context.cert_store_stats()["x509"] == 0


def test_the_authority_cannot_vouch_for_a_name_on_the_internet(home: Home) -> None:
    ca = x509.load_pem_x509_certificate(home.ca.read_bytes())
    ca_key = load_pem_private_key((home.tls / "ca.key").read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    subject_key = ec.generate_private_key(ec.SECP256R1())
    stranger = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bank")]))
        .issuer_name(ca.subject)
        .public_key(subject_key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - timedelta(hours=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("bank.example")]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    file = home.tls / "stranger.pem"
    file.write_bytes(stranger.public_bytes(Encoding.PEM))
    result = subprocess.run(
        ["openssl", "verify", "-CAfile", str(home.ca), str(file)], capture_output=True, text=True, check=False
    )
    assert "permitted subtree violation" in result.stderr


def test_a_second_start_changes_nothing(home: Home) -> None:
    before = content(home)
    certificates.ensure(home, NOW + timedelta(days=300))
    assert content(home) == before


def test_servers_are_renewed_in_their_last_thirty_days_and_the_authority_stays(home: Home) -> None:
    before = content(home)
    certificates.ensure(home, NOW + timedelta(days=368))
    after = content(home)
    assert after["ca.pem"] == before["ca.pem"]
    assert {name for name in after if after[name] != before[name]} == set(after) - {"ca.pem", "ca.key"}


def test_a_new_authority_renews_every_server(home: Home) -> None:
    before = content(home)
    certificates.ensure(home, NOW + timedelta(days=3650 - 29))
    after = content(home)
    assert not {name for name in after if after[name] == before[name]}
    later = str(int((NOW + timedelta(days=3650 - 28)).timestamp()))
    assert openssl_accepts(home, certificates.certificate(home, "rabbitmq"), "-attime", later)


def test_a_lost_key_is_made_again_with_its_certificate(home: Home) -> None:
    certificates.key(home, "rabbitmq").unlink()
    certificates.ensure(home, NOW)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate(home, "rabbitmq"), certificates.key(home, "rabbitmq"))
    assert certificates.days_left(certificates.certificate(home, "rabbitmq"), NOW) == 396  # whole days


def test_private_keys_are_their_owners_alone(home: Home) -> None:
    assert {file.name for file in home.tls.iterdir() if file.stat().st_mode & 0o077} == set()
