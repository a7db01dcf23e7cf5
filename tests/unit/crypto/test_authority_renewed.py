"""The issuing CA renewed with the offline root, or replaced by an organisation's own: what is taken, what refused."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from northwind import pem
from typer.testing import CliRunner

from secumail.errors import Refused
from secumail.sealing.kms import KeyFile, create_key_files
from services.crypto.adapters.authority_files import load
from services.crypto.authority import SIGNING, Authority, create_authority, is_due, issue, key_usage, renew_issuing
from services.crypto.cli import commands
from services.crypto.own_ca import checked

PASSWORD = "seven green kettles"


@dataclass(frozen=True)
class Ground:
    """Directories as an operator has them, with an authority made by `secumail create-authority`."""

    authority: Path
    keys: Path
    offline: Path

    @property
    def scope(self):
        return KeyFile(self.keys / "crypto.authority.key")

    @property
    def issuers(self):
        return asyncio.run(load(self.authority, self.scope))

    def run(self, command, *options):
        return CliRunner().invoke(
            commands, [command, str(self.authority), "--keys", str(self.keys), *map(str, options)]
        )


@pytest.fixture
def ground(tmp_path):
    made = Ground(tmp_path / "authority", tmp_path / "keys", tmp_path / "offline")
    create_key_files(made.keys, ["crypto.authority"])
    done = made.run("create-authority", "--offline", made.offline, "--organisation", "Northwind Traders")
    assert done.exit_code == 0, done.output
    return made


def private(key, password=None):
    how = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def own(name, key, issuer=None, *, begins=-1, ends=365, path_length=None, ca=True, usage=("key_cert_sign", "crl_sign"),
        purpose=None):  # fmt: skip
    """A CA certificate as another program might make it; without an issuer it signs itself."""
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins))
        .not_valid_after(now + timedelta(days=ends))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(key_usage(*usage), critical=True)
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return Authority(builder.sign(issuer.private_key if issuer else key, hashes.SHA256()), key)


def ec_key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def root():
    return own("Own root", ec_key(), ends=3650)


@pytest.fixture(scope="module")
def policy(root):
    return own("Own policy CA", ec_key(), root)


# --- renewal ----------------------------------------------------------------------------------------------


def test_a_renewed_ca_issues_and_its_predecessor_still_answers_for_its_own(ground, openssl):
    before = ground.issuers

    done = ground.run("renew-authority", "--root-key", ground.offline / "mail-root.key")

    assert done.exit_code == 0 and "Mail issuing CA 2" in done.output
    after = ground.issuers
    assert after.current.authority.certificate.subject != before.current.authority.certificate.subject
    assert [f.authority.id for f in after.former] == [before.current.authority.id]
    assert after.roots == (before.current.root,)
    person = issue(after.current.authority, "a@northwind.example", ec_key().public_key(), datetime.now(UTC), 1)
    verified = openssl(
        *("verify", "-x509_strict", "-CAfile", "root", "-untrusted", "issuing", "person"),
        root=pem(after.current.root),
        issuing=pem(after.current.authority.certificate),
        person=pem(person),
    )
    assert verified.stdout == b"person: OK\n"
    assert after.current.authority.issued(person) and not after.former[0].authority.issued(person)


def test_it_can_be_renewed_again_and_again(ground):
    for _ in range(3):
        assert ground.run("renew-authority", "--root-key", ground.offline / "mail-root.key").exit_code == 0

    issuers = ground.issuers

    assert "Mail issuing CA 4" in issuers.current.authority.certificate.subject.rfc4514_string()
    assert len(issuers.former) == 3 and len(set(issuers.authorities)) == 4


def test_only_the_roots_key_renews(ground, tmp_path):
    (tmp_path / "other.key").write_bytes(private(ec.generate_private_key(ec.SECP384R1())))
    (tmp_path / "no.key").write_bytes(b"no key at all")

    for file, code in (("other.key", "not-the-root"), ("no.key", "key-file")):
        refusal = ground.run("renew-authority", "--root-key", tmp_path / file).exception
        assert isinstance(refusal, Refused) and refusal.code == code


def test_a_root_that_has_ended_or_made_another_ca_renews_nothing(house, foreign_house, now):
    with pytest.raises(Refused) as refusal:
        renew_issuing(foreign_house.root, house.issuing.certificate, now)
    assert refusal.value.code == "not-the-root"
    with pytest.raises(Refused) as refusal:
        renew_issuing(house.root, house.issuing.certificate, house.root.certificate.not_valid_after_utc)
    assert refusal.value.code == "root-ended"


def test_a_renewed_ca_never_outlives_the_root(house):
    late = house.root.certificate.not_valid_after_utc - timedelta(days=10)

    assert renew_issuing(house.root, house.issuing.certificate, late).certificate.not_valid_after_utc == (
        house.root.certificate.not_valid_after_utc
    )


def test_a_certificate_is_due_in_its_last_month_but_not_for_one_that_ends_as_soon(house, now):
    made = issue(house.issuing, "a@northwind.example", ec_key().public_key(), now, 1)
    end = made.not_valid_after_utc
    assert not is_due(made, house.issuing, SIGNING, end - timedelta(days=31))
    assert is_due(made, house.issuing, SIGNING, end - timedelta(days=29))

    close = house.issuing.certificate.not_valid_after_utc
    last = issue(house.issuing, "a@northwind.example", ec_key().public_key(), close - timedelta(days=20), 2)
    assert not is_due(last, house.issuing, SIGNING, close - timedelta(days=10))
    assert is_due(last, house.issuing, SIGNING, close)


# --- an own CA --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [
    ec_key, lambda: ec.generate_private_key(ec.SECP521R1()), lambda: rsa.generate_private_key(65537, 3072),
])  # fmt: skip
def test_openssl_trusts_what_an_own_ca_issues(root, policy, openssl, make):
    issuing, chain = checked(
        (ca := own("Own issuing CA", make(), policy)).certificate, ca.private_key,
        [root.certificate, policy.certificate], datetime.now(UTC),
    )  # fmt: skip

    assert chain == (policy.certificate, root.certificate)
    for address in ("a@northwind.example", "a" * 60 + "@" + "b" * 60 + ".northwind.example"):
        person = issue(issuing, address, ec_key().public_key(), datetime.now(UTC), 1)
        verified = openssl(
            *("verify", "-CAfile", "root", "-untrusted", "others", "-purpose", "smimesign", "person"),
            root=pem(root.certificate),
            others=pem(issuing.certificate) + pem(policy.certificate),
            person=pem(person),
        )
        assert verified.stdout == b"person: OK\n"


def test_an_own_ca_is_imported_from_pem_and_the_made_one_becomes_former(ground, root, policy, tmp_path):
    issuing = own("Own issuing CA", ec_key(), policy)
    (tmp_path / "ca.pem").write_bytes(b"".join(pem(a.certificate) for a in (issuing, root, policy)))
    (tmp_path / "ca.key").write_bytes(private(issuing.private_key))
    made = ground.issuers

    done = ground.run("import-authority", "--certificate", tmp_path / "ca.pem", "--key", tmp_path / "ca.key")

    assert done.exit_code == 0 and "Own issuing CA" in done.output
    issuers = ground.issuers
    assert issuers.current.authority.certificate == issuing.certificate
    assert issuers.current.sent == (issuing.certificate, policy.certificate)
    assert set(issuers.roots) == {root.certificate, made.current.root}
    assert [f.authority.id for f in issuers.former] == [made.current.authority.id]
    assert private(issuing.private_key) not in (ground.authority / "issuing.key").read_bytes()


def test_an_own_ca_is_imported_from_pkcs12_with_its_password(ground, root, tmp_path, monkeypatch):
    issuing = own("Own issuing CA", ec_key(), root)
    (tmp_path / "ca.p12").write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"ca", issuing.private_key, issuing.certificate, [root.certificate],
            serialization.BestAvailableEncryption(PASSWORD.encode()),
        )
    )  # fmt: skip
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "wrong")
    refusal = ground.run("import-authority", "--p12", tmp_path / "ca.p12", "--password").exception
    assert isinstance(refusal, Refused) and refusal.code == "ca-file"

    monkeypatch.setattr("typer.prompt", lambda *_, **__: PASSWORD)
    assert ground.run("import-authority", "--p12", tmp_path / "ca.p12", "--password").exit_code == 0

    assert ground.issuers.current.authority.certificate == issuing.certificate


def test_a_renewed_certificate_of_the_same_key_leaves_no_predecessor(ground, root, tmp_path):
    key = ec_key()
    (tmp_path / "ca.key").write_bytes(private(key))
    for days in (100, 200):
        issuing = own("Own issuing CA", key, root, ends=days)
        (tmp_path / "ca.pem").write_bytes(pem(issuing.certificate) + pem(root.certificate))
        ground.run("import-authority", "--certificate", tmp_path / "ca.pem", "--key", tmp_path / "ca.key")

    issuers = ground.issuers

    assert issuers.current.authority.certificate == issuing.certificate
    assert len(issuers.former) == 1  # the one that create-authority made


def test_files_of_no_ca_are_refused_by_name(ground, tmp_path):
    (tmp_path / "ca.pem").write_bytes(b"nothing")
    (tmp_path / "ca.key").write_bytes(private(ec_key()))
    options = ("--certificate", tmp_path / "ca.pem", "--key", tmp_path / "ca.key")

    for given in (options, (), options[:2], ("--p12", tmp_path / "ca.pem")):
        refusal = ground.run("import-authority", *given).exception
        assert isinstance(refusal, Refused) and refusal.code == "ca-file"


def faults(root):
    """(code, CA certificate, key, chain) of every fault a CA can have."""
    short = own("Short root", ec_key(), path_length=0, ends=3650)
    good = own("Own issuing CA", ec_key(), root)
    broken = replace(root, private_key=ec_key())
    for code, ca in (
        ("ca-not-a-ca", own("No CA", ec_key(), root, ca=False)),
        ("ca-no-cert-sign", own("No certificates", ec_key(), root, usage=("crl_sign",))),
        ("ca-no-cert-sign", own("No usage", ec_key(), root, usage=None)),
        ("ca-no-crl-sign", own("No CRLs", ec_key(), root, usage=("key_cert_sign",))),
        ("ca-not-for-mail", own("Web CA", ec_key(), root, purpose=ExtendedKeyUsageOID.SERVER_AUTH)),
        ("ca-expired", own("Old", ec_key(), root, begins=-20, ends=-1)),
        ("ca-not-yet-valid", own("Young", ec_key(), root, begins=1, ends=20)),
        ("ca-chain-incomplete", own("Forged", ec_key(), broken)),
        ("ca-key-kind", own("RSA-2048", rsa.generate_private_key(65537, 2048), root)),
        ("ca-key-kind", own("Koblitz", ec.generate_private_key(ec.SECP256K1()), root)),
    ):
        yield code, ca.certificate, ca.private_key, [root.certificate]
    yield "ca-key-mismatch", good.certificate, ec_key(), [root.certificate]
    yield "ca-key-kind", good.certificate, ed25519.Ed25519PrivateKey.generate(), [root.certificate]
    yield "ca-chain-incomplete", good.certificate, good.private_key, []
    below = own("Too deep", ec_key(), short)
    yield "ca-path-length", below.certificate, below.private_key, [short.certificate]


def test_every_fault_of_an_own_ca_is_named_and_says_what_to_do(root):
    for code, certificate, key, chain in faults(root):
        with pytest.raises(Refused) as refusal:
            checked(certificate, key, chain, datetime.now(UTC))
        assert refusal.value.code == code and refusal.value.fix


def test_an_intermediate_signed_with_sha_1_is_refused_but_an_old_root_may_be(openssl, root):
    new = (
        "req",
        "-x509",
        "-newkey",
        "rsa:3072",
        "-noenc",
        "-days",
        "30",
        "-addext",
        "basicConstraints=critical,CA:true",
    )
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl(*new, *usage, "-sha1", "-keyout", "r.key", "-out", "r.pem", "-subj", "/CN=R")
    for digest, name in (("-sha1", "weak"), ("-sha256", "good")):
        made = (
            *new,
            *usage,
            digest,
            "-CA",
            "r.pem",
            "-CAkey",
            "r.key",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
        )
        done = openssl(*made, "-subj", f"/CN={name}")
        assert done.returncode == 0, done.stderr

    def read(name):
        key = serialization.load_pem_private_key(openssl("pkey", "-in", f"{name}.key").stdout, None)
        return x509.load_pem_x509_certificate(openssl("x509", "-in", f"{name}.pem").stdout), key

    old_root, _ = read("r")
    with pytest.raises(Refused) as refusal:
        checked(*read("weak"), [old_root], datetime.now(UTC))
    assert refusal.value.code == "ca-weak-signature"
    assert checked(*read("good"), [root.certificate, old_root], datetime.now(UTC))[1] == (old_root,)


def test_an_authority_made_here_passes_its_own_checks(house, now):
    made_root, issuing = create_authority("Northwind Traders", now)

    assert checked(issuing.certificate, issuing.private_key, [made_root.certificate], now) == (
        issuing, (made_root.certificate,),
    )  # fmt: skip
