"""A person's .p12 file: openssl opens it with its password and with no other; weak passwords make none."""

import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from hypothesis import given, settings
from hypothesis import strategies as st
from northwind import pem

from secumail.errors import Refused
from services.crypto.authority import ENCRYPTION, issue
from services.crypto.pkcs12 import PASSWORD_AT_LEAST, PASSWORD_AT_MOST, Format, export

PASSWORD = "seven green kettles"


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(65537, 3072)


@pytest.fixture(scope="module")
def certificate(house, key, now):
    return issue(house.issuing, "alice@northwind.example", key.public_key(), now, 9, ENCRYPTION)


@pytest.fixture(scope="module")
def chain(house):
    return (house.issuing.certificate, house.root.certificate)


def test_openssl_opens_either_format_with_its_password_alone(key, certificate, chain, openssl):
    for format_, scheme in ((Format.MODERN, b"AES-256-CBC"), (Format.LEGACY, b"pbeWithSHA1And3-KeyTripleDES-CBC")):
        p12 = export(key, certificate, chain, "alice@northwind.example", PASSWORD, format_)

        def opened(password, p12=p12):
            return openssl("pkcs12", "-legacy", "-info", "-noenc", "-in", "p12", "-passin", f"pass:{password}", p12=p12)

        right = opened(PASSWORD)
        assert right.returncode == 0 and scheme in right.stderr
        assert right.stdout.count(b"BEGIN CERTIFICATE") == 3 and right.stdout.count(b"BEGIN PRIVATE KEY") == 1
        assert b"friendlyName: alice@northwind.example" in right.stdout
        assert opened("seven blue kettles").returncode != 0


def test_gpgsm_reads_the_legacy_format(key, certificate, chain, tmp_path_factory):
    # Not below the test's own directory: an agent's socket has a path of 107 octets at most.
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    (home / "a.p12").write_bytes(export(key, certificate, chain, "alice", PASSWORD, Format.LEGACY))
    gpgsm = ("gpgsm", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback", "--disable-crl-checks")
    try:
        done = subprocess.run(
            [*gpgsm, "--passphrase-fd", "0", "--import", str(home / "a.p12")],
            input=f"{PASSWORD}\n".encode(), capture_output=True, check=False,
        )  # fmt: skip
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
    assert b"secret keys imported: 1" in done.stderr


def test_nss_as_in_thunderbird_reads_either_format(key, certificate, chain, tmp_path):
    subprocess.run(["certutil", "-N", "-d", f"sql:{tmp_path}", "--empty-password"], capture_output=True, check=True)
    for format_ in Format:
        (tmp_path / "a.p12").write_bytes(export(key, certificate, chain, "alice", PASSWORD, format_))
        options = ("-i", str(tmp_path / "a.p12"), "-d", f"sql:{tmp_path}", "-W", PASSWORD)
        done = subprocess.run(["pk12util", *options], capture_output=True, check=False)
        assert b"IMPORT SUCCESSFUL" in done.stdout, done.stderr


@pytest.mark.parametrize("length", [0, PASSWORD_AT_LEAST - 1, PASSWORD_AT_MOST + 1])
def test_a_password_that_is_too_short_or_too_long_is_refused(key, certificate, length):
    with pytest.raises(Refused) as refusal:
        export(key, certificate, (), "alice", "x" * length, Format.MODERN)
    assert refusal.value.code == "p12-password-length" and "12 to 128" in refusal.value.fix


@pytest.mark.parametrize("character", ["\N{GRINNING FACE}", "\ud800", "\0", "\n", "\u202e"])
def test_a_password_no_mail_program_can_write_is_refused(key, certificate, character):
    with pytest.raises(Refused) as refusal:
        export(key, certificate, (), "alice", f"{PASSWORD}{character}", Format.MODERN)
    assert refusal.value.code == "p12-password-characters"


@settings(deadline=None, max_examples=20)
@given(
    password=st.text(st.characters(max_codepoint=0xFFFF, categories=("L", "N", "P", "S")), min_size=12, max_size=40),
    name=st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40),
)
def test_whatever_the_name_and_the_password_the_file_opens_with_it(alice, password, name):
    p12 = export(alice.key, alice.certificate, alice.chain, name, password, Format.LEGACY)

    key, certificate, others = pkcs12.load_key_and_certificates(p12, password.encode())

    assert key.private_numbers() == alice.key.private_numbers()
    assert certificate == alice.certificate and others == list(alice.chain)


def test_the_encryption_certificate_is_for_encryption_alone(house, certificate, openssl):
    def accepted(purpose):
        return openssl(
            *("verify", "-x509_strict", "-purpose", purpose, "-CAfile", "root", "-untrusted", "issuing", "person"),
            root=pem(house.root.certificate),
            issuing=pem(house.issuing.certificate),
            person=pem(certificate),
        ).returncode

    assert accepted("smimeencrypt") == 0
    assert {accepted(purpose) for purpose in ("smimesign", "sslserver", "sslclient")} == {2}
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_encipherment


@pytest.mark.parametrize("make", [
    lambda: rsa.generate_private_key(65537, 2048),
    lambda: ec.generate_private_key(ec.SECP256R1()),
])  # fmt: skip
def test_a_weaker_key_or_another_kind_gets_no_encryption_certificate(house, now, make):
    with pytest.raises(Refused, match="3072"):
        issue(house.issuing, "alice@northwind.example", make().public_key(), now, 10, ENCRYPTION)
