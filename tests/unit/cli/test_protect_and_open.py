"""`secumail protect` and `secumail open`, as somebody outside uses them: without a server."""

import base64
import json
import stat
from pathlib import Path

import pysequoia
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from services.crypto.pkcs12 import Format, export
from tests.unit.cli.conftest import Run
from tests.unit.crypto.correspondents import LETTER, PASSWORD, people

WITHOUT_BCC = LETTER.replace(b"Bcc: carol@northwind.example\r\n", b"")
WORDS = "Grüße, the numbers are in."


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    """Keys and certificates as people have them, and a mail."""
    who = people()
    alice, bob = who.alice, who.bob
    name = "Alice"

    def pem(certificate: x509.Certificate) -> bytes:
        return certificate.public_bytes(Encoding.PEM)

    def key(locked: bytes | None = None) -> bytes:
        lock = BestAvailableEncryption(locked) if locked else NoEncryption()
        return alice.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)

    chain = b"".join(map(pem, (alice.certificate, *alice.chain)))
    return {
        "mail.eml": LETTER,
        "alice.p12": export(alice.key, alice.certificate, alice.chain, name, PASSWORD, Format.MODERN),
        "alice.pem": key() + chain,
        "alice-locked.pem": key(PASSWORD.encode()) + chain,
        "alice.pgp": who.alice_openpgp.secret,
        "alice-public.asc": str(pysequoia.Cert.from_bytes(who.alice_openpgp.certificate)).encode(),
        "bob.p12": export(bob.private, bob.certificate, (), "Bob", PASSWORD, Format.LEGACY),
        "bob-open.p12": pkcs12.serialize_key_and_certificates(None, bob.private, bob.certificate, None, NoEncryption()),
        "bob.pem": pem(bob.certificate),
        "bob.der": bob.certificate.public_bytes(Encoding.DER),
        "bob-key.der": bob.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        "bob-public.pgp": who.bob_openpgp.certificate,
        "bob.pgp": who.bob_openpgp.decryption,
        "ca.pem": b"".join(map(pem, who.trust.roots)),
    }


@pytest.fixture
def files(contents: dict[str, bytes], tmp_path: Path) -> Path:
    """A directory with all of them."""
    for file, content in contents.items():
        (tmp_path / file).write_bytes(content)
    return tmp_path


@pytest.fixture
def call(run: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command among the files."""
    monkeypatch.chdir(files)
    return run


SMIME = ("protect", "mail.eml", "--to", "bob.pem", "--sign-with", "alice.pem", "-o", "out.eml")


# --- there and back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["smime-cbc", "smime-gcm", "auto"])
def test_smime_there_and_back(call: Run, files: Path, form: str) -> None:
    assert call(*SMIME, "--form", form).exit_code == 0
    opened = call("open", "out.eml", "--key", "bob-open.p12", "--trust", "ca.pem", "-o", "got.eml")
    assert opened.exit_code == 0, opened.output
    assert "signed by its sender and unchanged" in opened.stdout
    assert (files / "got.eml").read_bytes() == WITHOUT_BCC


def test_openpgp_there_and_back(call: Run, files: Path) -> None:
    call("protect", "mail.eml", "--to", "bob-public.pgp", "--sign-with", "alice.pgp", "-o", "out.eml")
    opened = call("open", "out.eml", "--key", "bob.pgp", "--trust", "alice-public.asc")
    assert opened.exit_code == 0, opened.output
    assert "Harvest numbers" in opened.stdout
    assert WORDS in opened.stdout


@pytest.mark.parametrize("form", ["password", "zip"])
def test_a_password_there_and_back(call: Run, form: str) -> None:
    protected = call("protect", "mail.eml", "--form", form, "--password-stdin", "-o", "out.eml", given=PASSWORD)
    assert protected.exit_code == 0, protected.output
    assert protected.stderr.endswith("It is not signed.\n")
    opened = call("open", "out.eml", "--password-stdin", given=PASSWORD)
    assert opened.exit_code == 0, opened.output
    assert WORDS in opened.stdout


@pytest.mark.parametrize("key", ["alice.pem", "alice.pgp"])
def test_signed_there_and_back(call: Run, key: str) -> None:
    call("protect", "mail.eml", "--sign-with", key, "-o", "out.eml")
    opened = call("open", "out.eml", "--trust", "ca.pem", "--trust", "alice-public.asc", "--json")
    assert opened.exit_code == 0, opened.output
    assert json.loads(opened.stdout)["signature"]["state"] == "good"


def test_a_pipe_there_and_back(call: Run) -> None:
    protected = call("protect", "-", "--to", "bob.der", "--sign-with", "alice.pem", "-o", "-", given=LETTER)
    opened = call("open", "-", "--key", "bob-key.der", "--key", "bob.pem", "-o", "-", given=protected.stdout_bytes)
    assert opened.stdout_bytes == WITHOUT_BCC
    assert "Encrypted with S/MIME" in opened.stderr


@pytest.mark.parametrize("key", ["alice.p12", "alice-locked.pem"])
def test_a_locked_key_signs_with_its_password(call: Run, key: str) -> None:
    arguments = ("protect", "mail.eml", "--sign-with", key, "-o", "out.eml")
    assert call(*arguments, "--password-stdin", given=f"another one\n{PASSWORD}\n").exit_code == 0
    refused = call(*arguments, "--password-stdin", given="another one\n")
    assert (refused.exit_code, refused.stderr.splitlines()[0]) == (
        1,
        "A key's file is locked with another password, or is damaged.",
    )


def test_the_mails_password_is_the_first_and_the_keys_come_behind(call: Run) -> None:
    protected = call(
        "protect", "mail.eml", "--form", "zip", "--sign-with", "alice.p12", "--password-stdin", "-o", "out.eml",
        given=f"a long enough password\n{PASSWORD}\n",
    )  # fmt: skip
    assert protected.exit_code == 0, protected.output
    opened = call("open", "out.eml", "--trust", "ca.pem", "--password-stdin", given="a long enough password")
    assert "signed by its sender" in opened.stdout


def test_the_opened_mail_is_for_its_reader_alone(call: Run, files: Path) -> None:
    call(*SMIME)
    call("open", "out.eml", "--key", "bob-open.p12", "-o", "got.eml")
    assert stat.S_IMODE((files / "got.eml").stat().st_mode) == 0o600


def test_a_certificate_that_signed_itself_is_a_recipient_and_not_passed_over(call: Run, files: Path) -> None:
    """As `openssl req -x509` makes it: for encryption, and a CA."""
    bob = people().bob
    old = bob.certificate
    builder = x509.CertificateBuilder(old.subject, old.subject, old.public_key(), 7)
    builder = builder.not_valid_before(old.not_valid_before_utc).not_valid_after(old.not_valid_after_utc)
    made = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    (files / "self.pem").write_bytes(made.sign(bob.private, hashes.SHA256()).public_bytes(Encoding.PEM))
    key = ("--key", "self.pem", "--key", "bob-key.der")
    assert call("protect", "mail.eml", "--to", "bob.pem", "--to", "self.pem", "-o", "out.eml").exit_code == 0
    assert WORDS in call("open", "out.eml", *key).stdout
    both = call("protect", "mail.eml", "--to", "self.pem", "--sign-with", "alice.pem", "--json", "-o", "out.eml")
    assert json.loads(both.stdout)["form"] == "smime-cbc"


def test_auto_takes_gcm_where_a_certificate_says_it_is_read(call: Run, files: Path) -> None:
    bob = people().bob
    # SMIMECapabilities with AES-256-GCM (RFC 4262).
    says = x509.UnrecognizedExtension(
        x509.ObjectIdentifier("1.2.840.113549.1.9.15"), bytes.fromhex("300d300b060960864801650304012e")
    )
    old = bob.certificate
    builder = x509.CertificateBuilder(old.subject, old.subject, old.public_key(), old.serial_number)
    builder = builder.not_valid_before(old.not_valid_before_utc).not_valid_after(old.not_valid_after_utc)
    made = builder.add_extension(says, critical=False).sign(bob.private, hashes.SHA256())
    (files / "bob-gcm.pem").write_bytes(made.public_bytes(Encoding.PEM))
    assert json.loads(call(*SMIME, "--json").stdout)["form"] == "smime-cbc"
    assert json.loads(call(*SMIME[:3], "bob-gcm.pem", *SMIME[4:], "--json").stdout)["form"] == "smime-gcm"
    both = call(*SMIME, "--to", "bob-gcm.pem", "--json")
    assert json.loads(both.stdout)["form"] == "smime-cbc"


# --- what a program reads -----------------------------------------------------------------------------------------


def test_json_tells_the_verdict_and_the_plaintext(call: Run) -> None:
    call(*SMIME)
    told = json.loads(call("open", "out.eml", "--key", "bob-open.p12", "--trust", "ca.pem", "--json").stdout)
    assert base64.b64decode(told["mail"]) == WITHOUT_BCC
    assert told["subject"] == "Harvest numbers"
    assert told["text"].strip() == WORDS
    assert [(layer["kind"], layer["state"]) for layer in told["layers"]] == [
        ("smime-cbc", "opened"),
        ("smime-signed", "good"),
    ]
    assert told["encrypted"] is told["remote_content"] is True


# --- what goes wrong ------------------------------------------------------------------------------------------------


def test_without_the_key_it_is_told_and_nothing_shown(call: Run) -> None:
    call(*SMIME)
    opened = call("open", "out.eml")
    assert opened.exit_code == 1
    assert "encrypted, but to none of the reader's keys" in opened.stdout
    told = json.loads(call("open", "out.eml", "--json").stdout)
    assert (told["mail"], told["text"], told["layers"][0]["state"]) == (None, "", "not-for-keys")


def test_a_changed_mail_ends_with_1(call: Run, files: Path) -> None:
    call("protect", "mail.eml", "--sign-with", "alice.pem", "-o", "out.eml")
    mail = files / "out.eml"
    mail.write_bytes(mail.read_bytes().replace(b"numbers are", b"Numbers are"))
    opened = call("open", "out.eml")
    assert opened.exit_code == 1
    assert "The signature doesn't fit" in opened.stdout


def test_who_names_whom_to_trust_gets_1_for_any_other_signer(call: Run) -> None:
    call("protect", "mail.eml", "--sign-with", "alice.pem", "-o", "out.eml")
    assert call("open", "out.eml").exit_code == 0
    assert call("open", "out.eml", "--trust", "bob.pem").exit_code == 1
    assert call("open", "out.eml", "--trust", "ca.pem").exit_code == 0


def test_mail_that_may_load_nothing_says_so(call: Run) -> None:
    call("protect", "mail.eml", "--to", "bob.pem", "-o", "out.eml")
    opened = call("open", "out.eml", "--key", "bob-open.p12")
    assert "load nothing it refers to" in opened.stdout


def test_nothing_in_a_mail_steers_the_terminal(call: Run, files: Path) -> None:
    (files / "mail.eml").write_bytes(b"From: alice@northwind.example\r\nSubject: \x1b[2Jx\r\n\r\n\x1b]0;title\x07\r\n")
    call("protect", "mail.eml", "--sign-with", "alice.pem", "-o", "out.eml")
    assert "\x1b" not in call("open", "out.eml").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("protect", "nothing.eml", "--sign-with", "alice.pem", "-o", "x"), "nothing.eml: No such file or directory."),
        (("protect", "mail.eml", "-o", "x"), "It is not said how to protect the mail."),
        (("protect", "mail.eml", "--to", "mail.eml", "-o", "x"), "A file holds no key and no certificate"),
        (("protect", "mail.eml", "--to", "alice.pem", "-o", "x"), "A recipient's certificate is for signing only."),
        *(
            (
                ("protect", "mail.eml", "--to", "bob.pem", "--to", "bob-public.pgp", "--form", form, "-o", "x"),
                "Some recipients have certificates and some have OpenPGP keys",
            )
            for form in ("auto", "smime-cbc", "openpgp")
        ),
        (("protect", "mail.eml", "--sign-with", "bob.pem", "-o", "x"), "The file to sign with doesn't hold one"),
        (("protect", "mail.eml", "--sign-with", "alice-public.asc", "-o", "x"), "The file to sign with doesn't hold"),
        (
            ("protect", "mail.eml", "--to", "bob.pem", "--sign-with", "alice.pgp", "-o", "x"),
            "This key can't sign an S/MIME mail.",
        ),
        (
            ("protect", "mail.eml", "--to", "bob-key.der", "--sign-with", "alice.pem", "-o", "x"),
            "bob-key.der holds a private key, but no certificate.",
        ),
        (("protect", "mail.eml", "--form", "zip", "-o", "x"), "This form needs a password."),
        (("open", "mail.eml", "--key", "bob.p12"), "A key's file is locked with another password"),
        (("open", "mail.eml", "--key", "alice-locked.pem"), "A key's file is locked with another password"),
    ],
)
def test_a_fault_is_named_with_its_fix(call: Run, files: Path, arguments: tuple[str, ...], words: str) -> None:
    done = call(*arguments)
    assert done.exit_code == 1
    fault, fix = done.stderr.splitlines()
    assert fault.startswith(words)
    assert fix
    assert not (files / "x").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("protect", "mail.eml"),
        ("protect", "mail.eml", "-o", "x", "--form", "pickup"),
        ("open",),
        ("open", "-", "--password-stdin"),
        ("open", "mail.eml", "--json", "-o", "-"),
        ("protect", "mail.eml", "-o", "x", "--form", "signed", "--to", "bob.pem", "--sign-with", "alice.pem"),
        ("protect", "mail.eml", "-o", "x", "--form", "zip", "--to", "bob.pem", "--password-stdin"),
    ],
)
def test_a_wrong_call_ends_with_2(call: Run, arguments: tuple[str, ...]) -> None:
    assert call(*arguments).exit_code == 2
