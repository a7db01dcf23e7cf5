"""OpenPGP messages: what goes in comes out for those it is for; what is damaged or hostile gets a named outcome."""

import os
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha1

import pysequoia
import pytest
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from hypothesis import given, settings
from hypothesis import strategies as st
from openpgp.armor import Dearmor
from openpgp.composed import MessageBuilder, SignedPublicKey, SignedSecretKey
from openpgp.packet import PacketParser
from openpgp.types import StringToKey
from openpgp.util import encrypt_session_key_to_recipient
from pysequoia.packet import PacketPile

from secumail.errors import Refused
from services.crypto.errors import Damaged, NotForKeys, NotOpened, Unreadable
from services.crypto.openpgp import keys, messages

NOW = datetime.now(UTC)
PEOPLE = [keys.generate(f"{name}@northwind.example", NOW) for name in ("alice", "bob", "carol")]
ALICE, BOB, CAROL = PEOPLE
CERTIFICATES = [person.certificate for person in PEOPLE]
FINGERPRINTS = [keys.facts(certificate, NOW).fingerprint for certificate in CERTIFICATES]

contents = st.binary(max_size=2000) | st.text(max_size=500).map(str.encode)
passwords = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(contents, st.sets(st.sampled_from(range(3)), min_size=1), st.none() | st.sampled_from(range(3)))
def test_every_recipient_reads_what_was_written_and_by_whom(
    content: bytes, recipients: set[int], author: int | None
) -> None:
    signer = None if author is None else PEOPLE[author].signing
    mail = messages.encrypt(content, [CERTIFICATES[i] for i in recipients], signer).encode()
    for i, person in enumerate(PEOPLE):
        if i in recipients:
            opened = messages.decrypt(mail, [person.decryption], CERTIFICATES)
            assert opened.content == content
            assert opened.signatures.state == ("unsigned" if author is None else "good")
            assert opened.signers == (() if author is None else (FINGERPRINTS[author],))
        else:
            with pytest.raises(NotForKeys):
                messages.decrypt(mail, [person.decryption], CERTIFICATES)


@settings(max_examples=5, deadline=None)
@given(contents, st.lists(passwords, min_size=1, max_size=3, unique=True), passwords)
def test_each_password_opens_and_no_other(content: bytes, right: list[str], wrong: str) -> None:
    mail = messages.encrypt(content, [], passwords=right).encode()
    for password in right:
        assert messages.decrypt(mail, [], passwords=[wrong, password]).content == content
    if wrong not in right:
        with pytest.raises((NotForKeys, Damaged)):
            messages.decrypt(mail, [], passwords=[wrong])


def test_a_mail_for_a_key_and_a_password_opens_with_either() -> None:
    mail = messages.encrypt(b"Hello", [ALICE.certificate], passwords=["seven kettles"]).encode()
    assert messages.decrypt(mail, [ALICE.decryption]).content == b"Hello"
    assert messages.decrypt(mail, [], passwords=["seven kettles"]).content == b"Hello"
    assert messages.decrypt(mail, [BOB.decryption], passwords=["seven kettles"]).content == b"Hello"


def test_what_is_encrypted_to_our_keys_is_of_the_version_that_gpg_and_thunderbird_read() -> None:
    for mail in (messages.encrypt(b"x", CERTIFICATES), messages.encrypt(b"x", [], passwords=["p"])):
        *_, data = PacketParser(dearmored(mail))
        assert data.value.kind == "seipd-v1"


def test_nothing_is_encrypted_for_nobody() -> None:
    with pytest.raises(Refused, match="1 to 5000 recipients"):
        messages.encrypt(b"Hello", [])


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=0), st.integers(1, 255), st.booleans())
def test_a_changed_mail_shows_nothing(where: int, change: int, cut: bool) -> None:
    mail = bytearray(dearmored(messages.encrypt(b"Pay 100 to Bob." * 20, [ALICE.certificate], BOB.signing)))
    body = len(mail) - 500  # behind the recipients: in what is encrypted
    place = body + where % 500
    if cut:
        del mail[place:]
    else:
        mail[place] ^= change
    with pytest.raises(NotOpened):
        messages.decrypt(bytes(mail), [ALICE.decryption], CERTIFICATES)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode), st.integers(0, 5000))
def test_damaged_armor_and_any_bytes_get_a_named_outcome(noise: bytes, place: int) -> None:
    mail = messages.encrypt(b"Hello", [ALICE.certificate]).encode()
    place %= len(mail)
    for given_ in (noise, mail[:place] + noise + mail[place + len(noise) :], b"\xc1" + noise):
        try:
            opened = messages.decrypt(given_, [ALICE.decryption], passwords=["p"])
        except NotOpened as outcome:
            assert outcome.code
            assert outcome.words.endswith(".")
        else:
            assert opened.content == b"Hello"


# --- signatures -------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(contents, contents)
def test_a_detached_signature_is_good_for_its_content_alone(content: bytes, other: bytes) -> None:
    signature = messages.sign_detached(content, BOB.signing).encode()
    good = messages.verify_detached(content, signature, CERTIFICATES)
    assert (good.state, good.signers) == ("good", (FINGERPRINTS[1],))
    if other != content:
        assert messages.verify_detached(other, signature, CERTIFICATES).state == "tampered"


def test_a_signature_by_a_key_nobody_knows_is_said_to_be_so() -> None:
    signature = messages.sign_detached(b"Hello", BOB.signing).encode()
    assert messages.verify_detached(b"Hello", signature, [ALICE.certificate]).state == "unknown-key"
    mail = messages.encrypt(b"Hello", [ALICE.certificate], BOB.signing).encode()
    opened = messages.decrypt(mail, [ALICE.decryption], [CAROL.certificate])
    assert (opened.content, opened.signatures.state) == (b"Hello", "unknown-key")


@pytest.mark.parametrize("author", [BOB, CAROL])
def test_a_signature_in_a_compressed_mail_is_judged_too(author: keys.Key) -> None:
    key = SignedSecretKey.from_bytes(author.signing)
    built = MessageBuilder.from_bytes("", b"Hello" * 100).compression("zlib").seipd_v1("aes256")
    mail = built.sign(key.secret_subkeys[0]).encrypt_to_key(encryption_subkey(ALICE)).to_vec()
    opened = messages.decrypt(mail, [ALICE.decryption], [BOB.certificate])
    assert opened.content == b"Hello" * 100
    assert opened.signatures.state == ("good" if author is BOB else "unknown-key")


def test_a_signature_in_a_compressed_mail_with_a_password_is_judged_too() -> None:
    key = SignedSecretKey.from_bytes(BOB.signing)
    built = MessageBuilder.from_bytes("", b"Hello").compression("zlib").seipd_v1("aes256").sign(key.secret_subkeys[0])
    mail = built.encrypt_with_password(StringToKey.iterated("sha256", 96), "p").to_vec()
    assert messages.decrypt(mail, [], [BOB.certificate], ["p"]).signers == (FINGERPRINTS[1],)


def test_a_signature_by_a_revoked_key_is_said_to_be_so() -> None:
    certificate = pysequoia.Cert.from_bytes(BOB.certificate)
    revocation = certificate.revoke(pysequoia.Tsk.from_bytes(BOB.signing).certifier())
    primary, *rest = PacketPile.from_bytes(BOB.certificate)
    revoked = bytes(pysequoia.Cert.from_packets([primary, *PacketPile.from_bytes(bytes(revocation)), *rest]))
    signature = messages.sign_detached(b"Hello", BOB.signing).encode()
    assert messages.verify_detached(b"Hello", signature, [revoked]).state == "revoked"


def test_a_signature_is_named_as_multipart_signed_wants_it() -> None:
    assert messages.digest_name(messages.sign_detached(b"Hello", BOB.signing)) == "pgp-sha512"


@pytest.mark.parametrize(
    "given_", [b"", b"no signature", b"\xc2\xff\xff", messages.encrypt(b"x", CERTIFICATES).encode()]
)
def test_what_is_no_signature_is_unreadable(given_: bytes) -> None:
    with pytest.raises(Unreadable):
        messages.verify_detached(b"Hello", given_, CERTIFICATES)


# --- hostile mail -----------------------------------------------------------------------------------------


def test_content_without_integrity_protection_is_never_shown() -> None:
    esk, _ = sealed(literal(b"Hello"))
    outcome = refused(esk + packet(9, os.urandom(100)))
    assert outcome == "unreadable-algorithm"


def test_content_without_its_integrity_check_is_never_shown() -> None:
    esk, data = sealed(literal(b"Hello"), check=lambda body: bytes(20))
    assert refused(esk + data) == "damaged"


@pytest.mark.parametrize(
    "plain", [lambda: literal(b"Hello"), lambda: signed(b"Hello"), lambda: compressed(literal(b""))]
)
def test_what_is_not_encrypted_is_not_taken_for_it(plain: Callable[[], bytes]) -> None:
    assert refused(plain()) == "unreadable-not-encrypted"


@pytest.mark.parametrize("behind", [b"junk", b"\xcb\x07b\0\0\0\0\0x"])
def test_nothing_may_follow_what_is_encrypted(behind: bytes) -> None:
    esk, data = sealed(literal(b"Hello"))
    assert refused(esk + data + behind) == "damaged"


def test_a_small_mail_of_gigabytes_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "CONTENT_LIMIT", 2**20)
    bomb = MessageBuilder.from_bytes("", bytes(2**23)).compression("zlib").seipd_v1("aes256")
    mail = bomb.encrypt_to_key(encryption_subkey(ALICE)).to_vec()
    assert len(mail) < 10_000
    assert refused(mail) == "unreadable-too-large"


def test_bombs_in_bombs_are_not_opened() -> None:
    nested = literal(b"Hello")
    for _ in range(40):
        nested = compressed(nested)
    esk, data = sealed(nested)
    assert refused(esk + data) == "damaged"


def test_a_mail_to_ten_thousand_recipients_is_not_looked_through() -> None:
    esk, data = sealed(literal(b"Hello"))
    assert refused(esk * 10_000 + data) == "unreadable-too-many-recipients"


def test_a_mail_to_many_recipients_who_are_not_named_is_not_looked_through() -> None:
    esk, data = sealed(literal(b"Hello"), anonymous=True)
    assert messages.decrypt(esk + data, [ALICE.decryption]).content == b"Hello"
    assert refused(esk * 100 + data) == "unreadable-too-many-recipients"


def test_a_password_that_would_cost_gigabytes_to_try_is_not_tried() -> None:
    mail = MessageBuilder.from_bytes("", b"x").seipd_v2("aes256", "ocb")
    dear = mail.encrypt_with_password(StringToKey.argon2(1, 1, 20), "p").to_vec()
    with pytest.raises(Unreadable) as outcome:
        messages.decrypt(dear, [], passwords=["p"])
    assert outcome.value.code == "unreadable-algorithm"


def test_opening_leaves_files_of_the_process_unbounded() -> None:
    mail = messages.encrypt(b"Hello", [ALICE.certificate]).encode()
    before = messages.resource.getrlimit(messages.resource.RLIMIT_FSIZE)
    messages.decrypt(mail, [ALICE.decryption])
    assert messages.resource.getrlimit(messages.resource.RLIMIT_FSIZE) == before


# --- making such mail (RFC 9580, sections 4.2 and 5.13) ---------------------------------------------------


def refused(mail: bytes) -> str:
    """The code of the outcome for Alice."""
    with pytest.raises(NotOpened) as outcome:
        messages.decrypt(mail, [ALICE.decryption], CERTIFICATES)
    return outcome.value.code


def packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


def literal(content: bytes) -> bytes:
    return packet(11, b"b\0\0\0\0\0" + content)


def compressed(inside: bytes) -> bytes:
    return packet(8, b"\x02" + zlib.compress(inside))


def signed(content: bytes) -> bytes:
    return pysequoia.sign(pysequoia.Tsk.from_bytes(BOB.signing).signer(), content, armor=False)


def sealed(
    plain: bytes, check: Callable[[bytes], bytes] = lambda body: sha1(body).digest(), anonymous: bool = False
) -> tuple[bytes, bytes]:
    """A session key for Alice, and `plain` under it with integrity protection of version 1."""
    session = os.urandom(32)
    esk = encrypt_session_key_to_recipient(
        session, encryption_subkey(ALICE), "seipd-v1", "aes256", anonymous
    ).to_bytes()
    start = os.urandom(16)
    body = start + start[-2:] + plain + b"\xd3\x14"
    encrypted = Cipher(AES256(session), CFB(bytes(16))).encryptor().update(body + check(body))
    return esk, packet(18, b"\x01" + encrypted)


def encryption_subkey(person: keys.Key):
    return next(
        s for s in SignedPublicKey.from_bytes(person.certificate).public_subkeys if s.key.algorithm.can_encrypt()
    )


def dearmored(mail: str) -> bytes:
    return Dearmor(mail).readall()
