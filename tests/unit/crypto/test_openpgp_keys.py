"""OpenPGP keys: what others make of ours, what custody and owner can do with their parts, which keys are refused."""

from datetime import UTC, datetime, timedelta

import pysequoia
import pytest
from openpgp.composed import EncryptionCaps, KeyType, SecretKeyParamsBuilder, SignedPublicKey
from pysequoia.packet import PacketPile, Tag

from secumail.errors import Refused
from services.crypto.errors import NotForKeys
from services.crypto.openpgp import keys, messages

NOW = datetime.now(UTC)
ALICE = keys.generate("alice@northwind.example", NOW)
BOB = keys.generate("bob@elsewhere.example", NOW)


def tags(key: bytes) -> list[str]:
    return [str(packet.tag).removeprefix("Tag.") for packet in PacketPile.from_bytes(key) if packet.fingerprint]


def test_a_new_key_names_its_address_and_ends_in_two_years() -> None:
    facts = keys.facts(ALICE.certificate, NOW)
    assert facts.addresses == ("alice@northwind.example",)
    assert facts.expires is not None
    assert timedelta(days=729) < facts.expires - NOW <= timedelta(days=730)
    assert facts.encrypts
    assert not facts.revoked


def test_a_key_asks_for_nothing_that_gpg_and_thunderbird_cannot_read() -> None:
    key = SignedPublicKey.from_bytes(ALICE.certificate)
    signatures = [s for user in key.details.users for s in user.signatures] + list(key.details.direct_signatures)
    features = [s.features() for s in signatures]
    assert key.version == 4
    assert features
    assert all(f is not None and f.seipd_v1 and not f.seipd_v2 for f in features)


def test_a_key_of_version_6_is_there_for_who_wants_it() -> None:
    key = keys.generate("alice@northwind.example", NOW, 6)
    assert SignedPublicKey.from_bytes(key.certificate).version == 6
    opened = messages.decrypt(messages.encrypt(b"Hello", [key.certificate]).encode(), [key.decryption])
    assert opened.content == b"Hello"
    assert keys.facts(key.certificate, NOW).expires is not None


def test_custody_can_sign_but_not_decrypt_and_the_owner_can_decrypt_but_not_sign() -> None:
    assert tags(ALICE.signing) == ["SecretKey", "SecretSubkey", "PublicSubkey"]
    assert tags(ALICE.decryption) == ["PublicKey", "PublicSubkey", "SecretSubkey"]
    mail = messages.encrypt(b"For Alice", [ALICE.certificate], BOB.signing).encode()
    with pytest.raises(NotForKeys):
        messages.decrypt(mail, [ALICE.signing])
    assert messages.decrypt(mail, [ALICE.decryption]).content == b"For Alice"
    with pytest.raises(RuntimeError):
        pysequoia.Tsk.from_bytes(ALICE.decryption).signer()


def test_a_renewed_key_is_the_same_key_and_ends_later() -> None:
    later = NOW + timedelta(days=700)
    renewed = keys.renew(ALICE.certificate, ALICE.signing, later)
    before, after = keys.facts(ALICE.certificate, NOW), keys.facts(renewed, NOW)
    assert after.fingerprint == before.fingerprint
    assert after.expires is not None
    assert after.expires - later > timedelta(days=729)


def test_what_opens_mail_and_what_renews_the_key_have_no_end() -> None:
    for part in (ALICE.signing, ALICE.decryption):
        assert pysequoia.Tsk.from_bytes(part).extract_certificate().expiration is None


def test_nothing_is_encrypted_to_an_expired_key() -> None:
    with pytest.raises(Refused, match="expired or revoked") as refused:
        keys.recipient(ALICE.certificate, NOW + timedelta(days=731))
    assert refused.value.code == "key-not-usable"


def test_nothing_is_encrypted_to_a_revoked_key() -> None:
    revoked = revoke(BOB)
    assert keys.facts(revoked, NOW).revoked
    with pytest.raises(Refused, match="expired or revoked"):
        messages.encrypt(b"x", [ALICE.certificate, revoked])


def test_nothing_is_encrypted_to_a_key_that_only_signs() -> None:
    builder = SecretKeyParamsBuilder().version(4).key_type(KeyType.ed25519_legacy()).can_certify(True).can_sign(True)
    secret = builder.can_encrypt(EncryptionCaps.none()).primary_user_id("carol@elsewhere.example").generate()
    certificate = bytes(pysequoia.Tsk.from_bytes(secret.to_bytes()).extract_certificate())
    assert not keys.facts(certificate, NOW).encrypts
    with pytest.raises(Refused, match="not for encryption"):
        messages.encrypt(b"x", [certificate])


def test_an_address_that_the_owner_did_not_sign_does_not_count() -> None:
    primary, *rest = PacketPile.from_bytes(ALICE.certificate)
    foreign = [p for p in PacketPile.from_bytes(BOB.certificate) if p.tag == Tag.UserID]
    forged = bytes(pysequoia.Cert.from_packets([primary, *foreign, *rest]))
    assert keys.facts(forged, NOW).addresses == ("alice@northwind.example",)


def test_a_key_is_read_from_armor_and_from_its_binary_form() -> None:
    assert keys.read_certificate(keys.armored(ALICE.certificate).encode()) == ALICE.certificate
    assert keys.read_certificate(ALICE.certificate) == ALICE.certificate


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (b"", "not-an-openpgp-key"),
        (b"hello", "not-an-openpgp-key"),
        (keys.armored(ALICE.certificate).replace("B", "?").encode(), "not-an-openpgp-key"),
        (ALICE.certificate[:100], "not-an-openpgp-key"),
        (ALICE.certificate + BOB.certificate, "not-an-openpgp-key"),
        (str(pysequoia.Tsk.from_bytes(ALICE.signing)).encode(), "private-key-given"),
        (
            b"".join(bytes(p) for p in PacketPile.from_bytes(ALICE.certificate) if p.tag != Tag.Signature),
            "not-an-openpgp-key",
        ),
        (bytes(keys.KEY_BYTES + 1), "key-too-large"),
    ],
    ids=["nothing", "words", "damaged armor", "cut", "two keys", "a private key", "unsigned", "too large"],
)
def test_what_is_no_public_key_is_refused_by_name(given: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        keys.read_certificate(given)
    assert refused.value.code == code


def test_a_secret_key_that_can_decrypt_is_read_and_another_is_refused() -> None:
    assert keys.read_secret(ALICE.decryption) == ALICE.decryption
    for given, code in ((ALICE.signing, "key-locked"), (ALICE.certificate, "not-an-openpgp-key")):
        with pytest.raises(Refused) as refused:
            keys.read_secret(given)
        assert refused.value.code == code


def revoke(key: keys.Key) -> bytes:
    """The certificate with its revocation."""
    certificate = pysequoia.Cert.from_bytes(key.certificate)
    revocation = certificate.revoke(pysequoia.Tsk.from_bytes(key.signing).certifier())
    primary, *rest = PacketPile.from_bytes(key.certificate)
    return bytes(pysequoia.Cert.from_packets([primary, *PacketPile.from_bytes(bytes(revocation)), *rest]))
