"""What a signature says besides the signature, and what is learned from it: how to answer its signer in private."""

from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from northwind import pem

from services.crypto.smime import algorithms, der
from services.crypto.smime.capabilities import learn
from services.crypto.smime.crls import Revocation
from services.crypto.smime.enveloped import Cipher, envelop
from services.crypto.smime.opening import DecryptionKey, open_enveloped
from services.crypto.smime.signing import signed_data
from services.crypto.smime.verification import State, Trust, digest_of, verify, verify_opaque

LETTER = b"Content-Type: text/plain\r\n\r\nThe apples are in.\r\n"
RSA = rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def reading(house, alice, certify):
    """Alice's certificate for encryption, which is another than the one she signs with."""
    return certify(house.issuing, RSA.public_key(), alice.address, usage="key_encipherment")


@pytest.fixture
def signed(alice):
    def signed(payload=LETTER, **options):
        return signed_data(payload, alice.key, alice.certificate, alice.chain, **options)

    return signed


def attributes(signature):
    (info,) = cms.ContentInfo.load(signature, strict=True)["content"]["signer_infos"]
    return {each["type"].dotted: each["values"] for each in info["signed_attrs"]}


# --- written --------------------------------------------------------------------------------------------


def test_a_signature_carries_the_recommended_attributes(signed, alice, reading):
    moment = datetime(2026, 11, 22, 10, 30, 5, tzinfo=UTC)
    found = attributes(signed(encryption=reading, now=moment))

    assert found.keys() == {
        "1.2.840.113549.1.9.3",
        "1.2.840.113549.1.9.4",
        "1.2.840.113549.1.9.5",
        "1.2.840.113549.1.9.15",
        "1.2.840.113549.1.9.16.2.11",
        "1.2.840.113549.1.9.16.2.47",
    }
    assert found["1.2.840.113549.1.9.3"].native == ["data"]
    assert found["1.2.840.113549.1.9.4"].native == [digest_of(LETTER)("sha256")]
    assert found["1.2.840.113549.1.9.5"].native == [moment]
    (capabilities,) = found["1.2.840.113549.1.9.15"]
    assert [each["capability_id"].native for each in capabilities] == [
        "aes256_gcm",
        "aes128_gcm",
        "aes256_cbc",
        "aes128_cbc",
    ]
    (preference,) = found["1.2.840.113549.1.9.16.2.11"]
    assert preference.chosen["serial_number"].native == reading.serial_number
    assert found["1.2.840.113549.1.9.16.2.47"][0].dump() == der.sequence(
        der.sequence(der.sequence(der.octets(alice.certificate.fingerprint(SHA256()))))
    )


def test_what_is_written_is_der(signed, reading):
    for signature in (signed(encryption=reading), signed(around=True)):
        assert cms.ContentInfo.load(signature, strict=True).copy().dump(force=True) == signature


@given(payload=st.binary(max_size=400))
def test_an_opaque_signature_gives_any_content_back(payload, alice, house, now):
    signature = signed_data(payload, alice.key, alice.certificate, alice.chain, around=True)

    content, verdict = verify_opaque(signature, alice.address, house.trust, now)

    assert content == payload
    assert verdict.state is State.GOOD


def test_openssl_checks_both_forms_and_that_the_certificate_is_the_signed_one(signed, house, openssl):
    root = pem(house.root.certificate)
    cades = ("cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "signature", "-CAfile", "root")

    opaque = openssl(*cades, signature=signed(around=True), root=root)
    detached = openssl(*cades, "-content", "letter", signature=signed(), root=root, letter=LETTER)
    changed = openssl(*cades, "-content", "letter", signature=signed(), root=root, letter=LETTER + b"!")

    assert (opaque.returncode, opaque.stdout) == (detached.returncode, detached.stdout) == (0, LETTER)
    assert changed.returncode != 0


@pytest.mark.parametrize("pss", [False, True])
def test_rsa_signatures_are_good_here_and_to_openssl(pss, house, certify, openssl, now):
    certificate = certify(house.issuing, RSA.public_key(), "bob@northwind.example")
    signature = signed_data(LETTER, RSA, certificate, (house.issuing.certificate,), pss=pss)

    assert verify(signature, digest_of(LETTER), "bob@northwind.example", house.trust, now).state is State.GOOD
    done = openssl(
        *("cms", "-verify", "-binary", "-inform", "DER", "-in", "signature", "-content", "letter", "-CAfile", "root"),
        signature=signature,
        letter=LETTER,
        root=pem(house.root.certificate),
    )
    assert done.returncode == 0, done.stderr


# --- checked --------------------------------------------------------------------------------------------


def test_a_changed_opaque_mail_is_shown_with_the_verdict_that_it_was_changed(signed, alice, house, now):
    signature = signed(around=True).replace(b"apples", b"pears!")

    content, verdict = verify_opaque(signature, alice.address, house.trust, now)

    assert content == LETTER.replace(b"apples", b"pears!")
    assert verdict.state is State.TAMPERED


def test_a_form_is_not_taken_for_the_other(signed, alice, house, now):
    content, opaque = verify_opaque(signed(), alice.address, house.trust, now)
    detached = verify(signed(around=True), digest_of(LETTER), alice.address, house.trust, now)

    assert content is None and "no content" in opaque.words
    assert "content of its own" in detached.words


@given(noise=st.binary(max_size=200))
def test_random_bytes_are_no_opaque_mail(noise, house, now):
    content, verdict = verify_opaque(noise, "alice@northwind.example", house.trust, now)

    assert content is None and verdict.state is State.UNREADABLE


@pytest.mark.parametrize("name", ["sha256", "sha384", "sha512"])
def test_all_of_sha_2_can_be_checked(name, house, certify, openssl, now):
    certificate = certify(house.issuing, RSA.public_key(), "bob@northwind.example")
    signature = openssl_signature(openssl, house, certificate, RSA, "-md", name)

    def state(digest):
        return verify(signature, digest, "bob@northwind.example", house.trust, now).state

    assert state(digest_of(LETTER)) is State.GOOD
    assert state({name: digest_of(LETTER)(name)}.get) is State.GOOD
    assert state(digest_of(LETTER + b"!")) is State.TAMPERED
    assert state(lambda _: None) is State.UNREADABLE


def test_an_ed25519_signature_is_checked(house, certify, alice, now):
    # openssl 3.0 can't sign a mail with such a key (RFC 8419), so one of ours is made over with it.
    key = ed25519.Ed25519PrivateKey.generate()
    certificate = certify(house.issuing, key.public_key(), "eda@northwind.example")
    info = cms.ContentInfo.load(signed_data(LETTER, alice.key, certificate, alice.chain))
    signer = info["content"]["signer_infos"][0]
    signer["digest_algorithm"] = {"algorithm": "sha512"}
    signer["signature_algorithm"] = {"algorithm": "ed25519"}
    signed = [
        {"type": "content_type", "values": ["data"]},
        {"type": "message_digest", "values": [digest_of(LETTER)("sha512")]},
    ]
    signer["signed_attrs"] = cms.CMSAttributes(signed)
    signer["signature"] = key.sign(cms.CMSAttributes(signed).dump())
    signature = info.dump(force=True)

    def state(payload):
        return verify(signature, digest_of(payload), "eda@northwind.example", house.trust, now).state

    assert state(LETTER) is State.GOOD
    assert state(LETTER + b"!") is State.TAMPERED


def test_a_certificate_for_the_same_key_can_not_be_laid_beside_a_signature(signed, alice, house, certify, now):
    """Mallory gets a certificate on Alice's public key, and her mail would look like his."""
    mallory = certify(house.issuing, alice.key.public_key(), "mallory@northwind.example")
    info = cms.ContentInfo.load(signed())
    info["content"]["certificates"].append(
        cms.CertificateChoices("certificate", cms.Certificate.load(mallory.public_bytes(Encoding.DER)))
    )
    info["content"]["signer_infos"][0]["sid"].chosen["serial_number"] = mallory.serial_number

    verdict = verify(info.dump(force=True), digest_of(LETTER), "mallory@northwind.example", house.trust, now)

    assert verdict.state is State.TAMPERED


def test_a_weak_key_is_called_weak(house, certify, openssl, now):
    key = rsa.generate_private_key(65537, 1024)
    certificate = certify(house.issuing, key.public_key(), "bob@northwind.example")
    signature = openssl_signature(openssl, house, certificate, key)

    verdict = verify(signature, digest_of(LETTER), "bob@northwind.example", house.trust, now)

    assert verdict.state is State.UNREADABLE
    assert "key is too short" in verdict.words


def openssl_signature(openssl, house, certificate, key, *options):
    done = openssl(
        *("cms", "-sign", "-binary", "-outform", "DER", "-in", "letter", "-signer", "person", "-inkey", "key"),
        *("-certfile", "chain", *options),
        letter=LETTER,
        person=pem(certificate),
        chain=pem(house.issuing.certificate),
        key=pem_key(key),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def pem_key(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


# --- learned --------------------------------------------------------------------------------------------


@pytest.fixture
def learned(house, alice, now):
    def learned(signature, trust=house.trust, sender=alice.address, at=now):
        verdict = verify(signature, digest_of(LETTER), sender, trust, at)
        return learn(signature, verdict, trust, at)

    return learned


def test_from_our_own_signature_a_peer_learns_gcm_and_the_certificate_to_answer_with(signed, learned, reading, alice):
    peer = learned(signed(encryption=reading))

    assert peer.address == alice.address
    assert peer.certificate == reading
    assert peer.ciphers == ((Cipher.GCM, 256), (Cipher.GCM, 128), (Cipher.CBC, 256), (Cipher.CBC, 128))
    assert peer.reads_gcm
    answer = envelop(b"Fine!", [peer.certificate], Cipher.GCM)
    assert open_enveloped(answer, [DecryptionKey(RSA, reading)]) == b"Fine!"


@pytest.mark.parametrize("kind", ["1.2.840.113549.1.9.15", "1.2.840.113549.1.9.16.2.11"])
@pytest.mark.parametrize("value", [b"\x04\0", b"\x30\x02\x06\0", b"\x30\x03\x30\x01\xff", b"\xa0\0", b"\xa1\x02\x05\0"])
def test_from_nonsense_in_a_good_signature_nothing_is_learned(kind, value, alice, learned):
    (signer,) = cms.ContentInfo.load(signed_data(LETTER, alice.key, alice.certificate, ()))["content"]["signer_infos"]
    written = [each.dump() for each in signer["signed_attrs"] if each["type"].dotted != kind]
    written.append(der.sequence(der.oid(kind), der.set_of([value])))
    signature = alice.key.sign(der.set_of(written), ec.ECDSA(SHA256()))
    info = der.sequence(
        der.integer(1),
        algorithms.named(alice.certificate).issuer_and_serial,
        algorithms.SHA256,
        der.set_of(written, 0xA0),
        algorithms.ECDSA_SHA256,
        der.octets(signature),
    )
    certificates = [each.public_bytes(Encoding.DER) for each in (alice.certificate, *alice.chain)]
    content = der.sequence(algorithms.DATA)
    parts = [
        der.integer(1),
        der.set_of([algorithms.SHA256]),
        content,
        der.set_of(certificates, 0xA0),
        der.set_of([info]),
    ]
    whole = der.sequence(algorithms.SIGNED_DATA, der.tagged(0xA0, der.sequence(*parts)))

    peer = learned(whole)

    assert peer is None or peer.certificate is None


def test_nothing_is_learned_from_a_signature_that_is_not_good(signed, learned, alice, foreign_house, now):
    assert learned(signed(LETTER + b"!")) is None
    assert learned(signed(), sender="bob@northwind.example") is None
    assert learned(signed(), trust=foreign_house.trust) is None
    assert learned(signed(), at=now + timedelta(days=999)) is None


def test_openssl_says_that_it_reads_cbc_and_the_one_certificate_serves_both(house, certify, openssl, learned):
    key = rsa.generate_private_key(65537, 2048)
    usage = ("digital_signature", "key_encipherment")
    certificate = certify(house.issuing, key.public_key(), "bob@northwind.example", usage=usage)

    peer = learned(openssl_signature(openssl, house, certificate, key), sender="bob@northwind.example")

    assert peer.certificate == certificate
    assert (Cipher.CBC, 256) in peer.ciphers and not peer.reads_gcm


def test_who_says_nothing_reads_nothing_certain(house, certify, openssl, learned):
    certificate = certify(house.issuing, RSA.public_key(), "bob@northwind.example")
    signature = openssl_signature(openssl, house, certificate, RSA, "-nosmimecap")

    peer = learned(signature, sender="bob@northwind.example")

    assert (peer.certificate, peer.ciphers) == (None, ())


@pytest.mark.parametrize(
    "unfit",
    [
        {"usage": "digital_signature"},
        {"address": "bob@northwind.example"},
        {"purpose": ExtendedKeyUsageOID.SERVER_AUTH},
        {"extra": x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")},
    ],
)
def test_a_certificate_that_does_not_fit_is_not_answered_with(unfit, house, certify, alice, signed, learned):
    fit = {"address": alice.address, "usage": "key_encipherment"}

    assert learned(signed(encryption=certify(house.issuing, RSA.public_key(), **fit))).certificate
    assert learned(signed(encryption=certify(house.issuing, RSA.public_key(), **fit | unfit))).certificate is None


def test_a_certificate_of_another_authority_or_a_revoked_one_is_not_answered_with(
    foreign_house, certify, alice, signed, learned, reading, house, now
):
    foreign = certify(foreign_house.issuing, RSA.public_key(), alice.address, usage="key_encipherment")
    revoked = {house.issuing.certificate: {reading.serial_number: Revocation(now, "superseded")}}

    assert learned(signed(encryption=foreign)).certificate is None
    assert learned(signed(encryption=reading), Trust(house.trust.roots, revoked=revoked)).certificate is None


def test_without_a_preference_another_certificate_of_the_same_name_is_taken(house, certify, learned, now):
    signing, reading = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    one = certify(house.issuing, signing.public_key(), "bob@northwind.example")
    other = certify(house.issuing, reading.public_key(), "bob@northwind.example", usage="key_agreement")
    signature = signed_data(LETTER, signing, one, (house.issuing.certificate, other))

    assert learned(signature, sender="bob@northwind.example").certificate == other
