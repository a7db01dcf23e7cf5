"""What goes into a protected mail comes out of it, in every form, and nothing of it stays outside."""

import email
import email.policy
import zipfile
from dataclasses import replace
from io import BytesIO

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from secumail import entity
from secumail.errors import Refused
from secumail.mailbox import mime
from services.crypto.forms import Form
from services.crypto.layers import canonical
from services.crypto.opening import Keyring, open_mail
from services.crypto.protecting import OpenPGPSigner, Recipients, protect
from services.crypto.smime.verification import State
from tests.unit.crypto.correspondents import ALICE, ENCRYPTED, FORMS, LETTER, SMIME, people

# Mails as the world writes them, between the sender's own fields.
FIELDS = st.sampled_from(
    [
        b"To: " + b", ".join([b"someone@southwind.example"] * 60),
        b"Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n =?utf-8?b?4pyT?=",
        b'Subject: Gr\xfc\xdfe "unbalanced (comment; boundary=x',
        b"Subject:",
        b"Subject: " + b"x" * 1200,
        b"SUBJECT:\r\n\t \r\n folded oddly",
        b"Keywords: one, two",
        b"Date: yesterday",
        b"X-Odd: \x00\x07 controls",
        b"HP-Outer: Subject: [...]",
        b"Bcc: carol@northwind.example",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Type: text/html; charset=x-unheard-of",
        b'Content-Type: text/plain; hp="cipher"; charset="us-ascii"; hp-legacy-display="1"',
        b'Content-Type: multipart/mixed; boundary="=_"',
        b"Content-Type: multipart/alternative; boundary=b",
        b"Content-Type: nonsense",
        b"Content-Type:",
        b"Content-Transfer-Encoding: 8bit",
        b"Content-Transfer-Encoding: quoted-printable",
        b"MIME-Version: 1.0",
    ]
)
LINES = st.one_of(
    st.sampled_from(
        [b"", b".", b"--b", b"--b--", b"--=_", b"From the start", b"Gr\xc3\xbc\xc3\x9fe", b"=20=", b"<body>"]
    ),
    st.binary(max_size=60),
)
BREAKS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"])


@st.composite
def mails(draw: st.DrawFn) -> bytes:
    header = [b"From: Alice <" + ALICE.encode() + b">", *draw(st.lists(FIELDS, max_size=5))]
    body = b"".join(line + draw(BREAKS) for line in draw(st.lists(LINES, max_size=8)))
    return b"\r\n".join(draw(st.permutations(header))) + b"\r\n\r\n" + body


def shown(raw: bytes) -> list[tuple[str, str]]:
    """The fields a reader is shown, but for what describes the body."""
    mail = entity.read(raw)
    kept = (f for f in mail.fields if not f.name.startswith((b"content-", b"mime-version", b"bcc", b"hp-outer")))
    return [(field.name.decode(), " ".join(field.value.decode("latin-1").split())) for field in kept]


def contents(raw: bytes) -> list[bytes]:
    """What each part of the mail holds."""
    parsed = mime.parse(raw)
    assert parsed is not None
    return [mime.data(part).replace(b"\r\n", b"\n") for part in mime.leaves(parsed)]


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25, deadline=None)
@given(raw=mails())
def test_header_and_body_come_back(form: Form, raw: bytes) -> None:
    opened = people().read(people().send(raw, form))
    assert opened.mail is not None, opened
    assert shown(opened.mail) == shown(canonical(raw))
    assert contents(opened.mail) == contents(canonical(raw))
    assert opened.signature.state is State.GOOD


@pytest.mark.parametrize("form", FORMS)
def test_a_plain_letter_comes_back_byte_for_byte_without_its_bcc(form: Form) -> None:
    opened = people().read(people().send(LETTER, form))
    assert opened.mail == LETTER.replace(b"Bcc: carol@northwind.example\r\n", b"")
    assert opened.signature.state is State.GOOD
    assert opened.signature.signer == ALICE
    assert opened.remote_content
    assert opened.encrypted is (form is not Form.SIGNED)


@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_unix_is_protected_as_a_mail(form: Form) -> None:
    opened = people().read(people().send(LETTER.replace(b"\r\n", b"\n"), form))
    assert opened.mail == LETTER.replace(b"Bcc: carol@northwind.example\r\n", b"")


@pytest.mark.parametrize("form", ENCRYPTED)
def test_nothing_of_subject_text_or_keywords_is_readable_outside(form: Form) -> None:
    mail = people().send(LETTER, form)
    for word in (b"Harvest", b"harvest", b"numbers", b"carol"):
        assert word not in mail
    assert b"Subject: [...]" in mail


@pytest.mark.parametrize("form", ENCRYPTED)
def test_without_a_signer_a_mail_is_encrypted_and_said_to_be_unsigned(form: Form) -> None:
    opened = people().read(people().send(LETTER, form, signed=False))
    assert opened.mail is not None
    assert opened.signature.state is State.UNSIGNED
    # Only what shows its own changes may load what it refers to.
    assert opened.remote_content is (form is not Form.SMIME_CBC)


@pytest.mark.parametrize("form", [*SMIME, Form.OPENPGP])
def test_the_sender_reads_the_mail_too(form: Form) -> None:
    alice = people()
    own = Keyring((alice.alice_reads,), (alice.alice_decrypts,))
    assert open_mail(alice.send(LETTER, form), own, alice.trust, alice.now).mail is not None


@pytest.mark.parametrize("form", [*SMIME, Form.OPENPGP])
def test_a_sender_whose_key_only_signs_can_still_send(form: Form) -> None:
    alice = people()
    signer = alice.alice_openpgp if form is Form.OPENPGP else replace(alice.alice, encryption=None)
    assert alice.read(protect(LETTER, form, alice.recipients, signer, alice.now)).signature.state is State.GOOD


@pytest.mark.parametrize("form", FORMS)
def test_every_line_of_the_mail_can_be_sent(form: Form) -> None:
    mail = people().send(LETTER, form)
    assert max(map(len, mail.split(b"\r\n"))) <= 998
    assert mail.count(b"\n") == mail.count(b"\r\n")


@pytest.mark.parametrize("form", FORMS)
def test_other_readers_find_a_well_formed_mail(form: Form) -> None:
    message = email.message_from_bytes(people().send(LETTER, form), policy=email.policy.default)
    assert not [part.defects for part in message.walk() if part.defects]
    assert message["From"].addresses[0].addr_spec == ALICE
    assert message["Message-ID"] == "<1@northwind.example>"


def test_the_kinds_are_named_as_rfc_8551_and_rfc_3156_name_them() -> None:
    def head(form: Form) -> str:
        message = email.message_from_bytes(people().send(LETTER, form), policy=email.policy.default)
        return " ".join(str(message["Content-Type"]).split()).split("; boundary")[0]

    assert head(Form.SMIME_CBC) == 'application/pkcs7-mime; name="smime.p7m"; smime-type="enveloped-data"'
    assert head(Form.SMIME_GCM) == 'application/pkcs7-mime; name="smime.p7m"; smime-type="authEnveloped-data"'
    assert head(Form.OPENPGP) == 'multipart/encrypted; protocol="application/pgp-encrypted"'
    assert head(Form.SIGNED) == 'multipart/signed; protocol="application/pkcs7-signature"; micalg="sha-256"'


def test_the_zip_file_is_one_that_only_its_password_opens() -> None:
    parsed = mime.parse(people().send(LETTER, Form.ZIP))
    assert parsed is not None
    text, attachment = mime.leaves(parsed)
    assert "password" in mime.text(text, 1000)
    assert mime.file_name(attachment) == "message.eml.zip"
    with zipfile.ZipFile(BytesIO(mime.data(attachment))) as file:
        assert file.namelist() == ["message.eml"]
        assert file.infolist()[0].compress_type == 99  # AES (APPNOTE.TXT section 4.4.5)


# --- what can't be protected ------------------------------------------------------------------------------------


def refusal(form: Form, recipients: Recipients, *, openpgp: bool = False, signed: bool = True) -> str:
    alice = people()
    signer = alice.alice_openpgp if openpgp else alice.alice
    with pytest.raises(Refused) as refused:
        protect(LETTER, form, recipients, signer if signed else None, alice.now)
    return refused.value.code


@pytest.mark.parametrize("form", [*SMIME, Form.OPENPGP])
def test_a_mail_to_nobody_is_refused(form: Form) -> None:
    assert refusal(form, Recipients(), openpgp=form is Form.OPENPGP) == "recipient-missing"


def test_a_signed_mail_without_a_signer_is_refused() -> None:
    assert refusal(Form.SIGNED, Recipients(), signed=False) == "signer-missing"


def test_a_key_of_the_other_kind_is_refused() -> None:
    assert refusal(Form.SMIME_CBC, people().recipients, openpgp=True) == "signer-does-not-fit"
    assert refusal(Form.OPENPGP, people().recipients) == "signer-does-not-fit"


@pytest.mark.parametrize("password", ["", "short", "x" * 129])
@pytest.mark.parametrize("form", [Form.SYMMETRIC, Form.ZIP])
def test_a_password_that_can_be_tried_out_is_refused(form: Form, password: str) -> None:
    assert refusal(form, Recipients(passwords=(password,))) == "password-length"


@pytest.mark.parametrize("form", [Form.SYMMETRIC, Form.ZIP])
def test_a_password_mail_without_a_password_is_refused(form: Form) -> None:
    assert refusal(form, Recipients()) == "password-missing"


def test_a_certificate_for_signing_only_is_refused() -> None:
    certificates: tuple[x509.Certificate, ...] = (people().alice.certificate,)
    assert refusal(Form.SMIME_CBC, Recipients(certificates)) == "certificate-not-for-encryption"


def test_an_expired_certificate_is_refused() -> None:
    alice = people()
    later = alice.bob.certificate.not_valid_after_utc.replace(year=alice.now.year + 2)
    with pytest.raises(Refused) as refused:
        protect(LETTER, Form.SMIME_CBC, alice.recipients, alice.alice, later)
    assert refused.value.code == "certificate-expired"


def test_a_pickup_is_no_mail() -> None:
    assert refusal(Form.PICKUP, people().recipients) == "form-not-a-mail"


def test_no_key_or_password_is_ever_shown() -> None:
    alice = people()
    for thing in (alice.alice, alice.alice_openpgp, alice.recipients, alice.keyring):
        assert len(repr(thing)) < 40
    assert isinstance(alice.alice_openpgp, OpenPGPSigner)
