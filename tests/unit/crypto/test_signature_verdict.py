"""A signature is good, or the reader learns what is wrong with it; no bytes at all break the answer."""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st
from northwind import House, Person
from pydantic import ValidationError

from secumail.multipart_signed import split
from services.crypto.authority import Authority, create_authority
from services.crypto.smime.signing import signed_data
from services.crypto.smime.verification import State, Trust, verify

LETTER = b"From: alice@northwind.example\r\nSubject: Harvest\r\n\r\nThe apples are in.\r\n"
DIGEST = hashlib.sha256(LETTER).digest()
DETACHED = [PKCS7Options.DetachedSignature, PKCS7Options.Binary]


@pytest.fixture(scope="session")
def signature(alice):
    return signed_by(alice)


@pytest.fixture
def state_of(house, alice, now):
    def state_of(signature, payload=LETTER, sender=alice.address, trust=house.trust, at=now):
        return verify(signature, hashlib.sha256(payload).digest(), sender, trust, at).state

    return state_of


def signed_by(person, payload=LETTER):
    return signed_data(payload, person.key, person.certificate, person.chain)


def edited(signature, edit):
    """The signature after `edit(signed_data)` changed its parsed form."""
    info = cms.ContentInfo.load(signature)
    edit(info["content"])
    return info.dump(force=True)


def region(signature, part):
    """Where the bytes of `part` lie in the signature."""
    start = signature.index(part)
    return range(start, start + len(part))


def test_a_good_signature_says_who_signed_with_which_certificate(signature, alice, house, now):
    verdict = verify(signature, DIGEST, "alice@NORTHWIND.example", house.trust, now)

    assert verdict.state is State.GOOD
    assert verdict.signer == "alice@northwind.example"
    assert int(verdict.serial, 16) == alice.certificate.serial_number
    assert verdict.issuer == "CN=Mail issuing CA,O=Northwind Traders"
    assert verdict.words == (
        "The mail is signed by its sender and unchanged since. "
        "Whether the signer's certificate was revoked is not known."
    )


def test_a_verdict_can_not_be_changed_or_extended_and_survives_json(signature, alice, house, now):
    verdict = verify(signature, DIGEST, alice.address, house.trust, now)

    with pytest.raises(ValidationError):
        verdict.state = State.UNSIGNED
    assert type(verdict).model_validate_json(verdict.model_dump_json()) == verdict


def test_a_change_anywhere_in_the_mail_is_seen(signature, state_of):
    for position in range(len(LETTER)):
        changed = bytearray(LETTER)
        changed[position] ^= 1
        assert state_of(signature, bytes(changed)) is State.TAMPERED
    assert state_of(signature, LETTER[:-1]) is State.TAMPERED
    assert state_of(signature, LETTER + b"\n") is State.TAMPERED


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # a bit makes a negative one
@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_a_change_anywhere_in_the_signature_is_seen_or_means_nothing(flip, signature, alice, house, now):
    """Who signed what can't change. What may: version numbers, empty parameters, the list of digests, spare
    bits of the certificate's own signature, and authorities this organisation knows itself."""
    trust = Trust(house.trust.roots, alice.chain)
    (info,) = cms.ContentInfo.load(signature)["content"]["signer_infos"]
    vital = {
        *region(signature, alice.certificate.tbs_certificate_bytes),
        *region(signature, info["sid"].dump()),
        *region(signature, info["signed_attrs"].dump()),
        *region(signature, info["signature"].dump()),
    }

    for position in range(len(signature)):
        changed = bytearray(signature)
        changed[position] ^= flip
        verdict = verify(bytes(changed), DIGEST, alice.address, trust, now)
        if position in vital:
            assert verdict.state in {State.TAMPERED, State.UNTRUSTED, State.UNREADABLE}, position
        elif verdict.state is State.GOOD:
            assert int(verdict.serial, 16) == alice.certificate.serial_number
    for position in region(signature, info["signature"].contents):
        changed = bytearray(signature)
        changed[position] ^= flip
        assert verify(bytes(changed), DIGEST, alice.address, trust, now).state in {
            State.TAMPERED,
            State.UNREADABLE,
        }


def test_a_signature_cut_short_or_with_something_behind_it_is_unreadable(signature, state_of):
    assert {state_of(signature[:end]) for end in range(len(signature))} == {State.UNREADABLE}
    assert state_of(signature + b"\0") is State.UNREADABLE


@settings(deadline=None)
@given(noise=st.binary(max_size=200))
def test_random_bytes_are_unreadable(noise, house, now):
    assert verify(noise, DIGEST, "alice@northwind.example", house.trust, now).state is State.UNREADABLE


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_mangled_signature_gets_a_verdict_that_blames_nobody_else(data, signature, alice, house, now):
    position = data.draw(st.integers(0, len(signature)))
    removed = data.draw(st.integers(0, 40))
    mangled = signature[:position] + data.draw(st.binary(max_size=40)) + signature[position + removed :]
    sender = data.draw(st.one_of(st.just(alice.address), st.text(max_size=30)))

    verdict = verify(mangled, DIGEST, sender, house.trust, now)

    if verdict.state is State.GOOD:
        assert verdict.signer == alice.address and sender.partition("@")[0] == "alice"


def test_deeply_nested_bytes_are_unreadable(state_of):
    assert state_of(b"\x30\x80" * 5_000) is State.UNREADABLE
    assert state_of(b"\0" * (2 << 20)) is State.UNREADABLE


def test_a_signature_in_ber_is_read(signature, state_of):
    # ContentInfo with indefinite lengths around the same SignedData (X.690 section 8.1.3.6).
    info = cms.ContentInfo.load(signature)
    ber = b"\x30\x80" + info["content_type"].dump() + b"\xa0\x80" + info["content"].untag().dump() + b"\0\0\0\0"

    assert state_of(ber) is State.GOOD
    assert state_of(ber, LETTER + b"!") is State.TAMPERED
    assert state_of(ber[:-1]) is State.UNREADABLE


@pytest.mark.parametrize(
    "sender",
    [
        "bob@northwind.example",
        "alice@northwind.example.foe.example",
        "alice@foe.example",
        "",
        "alice",
        "\udcff@\udcff",
    ],
)
def test_a_mail_from_somebody_else_is_not_the_signers(sender, signature, state_of):
    assert state_of(signature, sender=sender) is State.NOT_THE_SENDER


def test_a_signature_of_another_authority_is_untrusted_even_under_the_same_name(foreign_house, employ, house, state_of):
    mallory = employ(foreign_house, "alice@northwind.example")

    assert mallory.certificate.issuer == house.issuing.certificate.subject
    assert state_of(signed_by(mallory)) is State.UNTRUSTED
    assert state_of(signed_by(replace(mallory, chain=(house.issuing.certificate,)))) is State.UNTRUSTED
    assert state_of(signed_by(mallory), trust=Trust((house.root.certificate, foreign_house.root.certificate))) is (
        State.GOOD
    )


def test_before_and_after_its_time_a_certificate_signs_nothing(alice, signature, state_of):
    begins, ends = alice.certificate.not_valid_before_utc, alice.certificate.not_valid_after_utc

    assert state_of(signature, at=begins - timedelta(seconds=1)) is State.NOT_YET_VALID
    assert state_of(signature, at=begins) is State.GOOD
    assert state_of(signature, at=ends) is State.GOOD
    assert state_of(signature, at=ends + timedelta(seconds=1)) is State.EXPIRED


def test_the_worse_fault_is_told_first(house, foreign_house, employ, now, state_of):
    long_ago = now - timedelta(days=400)
    old_house = House(*create_authority("Northwind Traders", long_ago))
    old = employ(old_house, "alice@northwind.example", long_ago)

    assert state_of(signed_by(old), trust=old_house.trust) is State.EXPIRED
    assert state_of(signed_by(old), trust=old_house.trust, sender="bob@x.example") is State.NOT_THE_SENDER
    assert state_of(signed_by(old), sender="bob@x.example") is State.UNTRUSTED
    assert state_of(signed_by(old), LETTER + b"!", sender="bob@x.example") is State.TAMPERED


def test_an_authority_known_here_need_not_be_sent_along(alice, house, state_of):
    alone = signed_by(replace(alice, chain=()))

    assert state_of(alone) is State.UNTRUSTED
    assert state_of(alone, trust=Trust(house.trust.roots, (house.issuing.certificate,))) is State.GOOD


def test_a_certificate_can_not_be_used_as_an_authority(alice, certify, state_of):
    key = ec.generate_private_key(ec.SECP256R1())
    forged = certify(Authority(alice.certificate, alice.key), key.public_key(), "boss@northwind.example")
    mallory = Person("boss@northwind.example", key, forged, (alice.certificate, *alice.chain))

    assert state_of(signed_by(mallory), sender="boss@northwind.example") is State.UNTRUSTED


def test_the_issuing_ca_can_not_make_another_authority(house, certify, state_of):
    middle, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = certify(house.issuing, middle.public_key(), "ca@northwind.example", ca=True, usage="key_cert_sign")
    forged = certify(Authority(authority, middle), key.public_key(), "boss@northwind.example")
    mallory = Person("boss@northwind.example", key, forged, (authority, house.issuing.certificate))

    assert state_of(signed_by(mallory), sender="boss@northwind.example") is State.UNTRUSTED


@pytest.mark.parametrize(
    "odd",
    [
        {"usage": "key_agreement"},
        {"purpose": ExtendedKeyUsageOID.SERVER_AUTH},
        {"extra": x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")},
    ],
)
def test_a_certificate_for_another_purpose_is_untrusted(odd, house, certify, state_of):
    key = ec.generate_private_key(ec.SECP256R1())

    def signed_with(**options):
        certificate = certify(house.issuing, key.public_key(), "alice@northwind.example", **options)
        return signed_by(Person("", key, certificate, (house.issuing.certificate,)))

    assert state_of(signed_with()) is State.GOOD
    assert state_of(signed_with(**odd)) is State.UNTRUSTED


PSS = ("-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:32")


@pytest.mark.parametrize(
    ("make_key", "options", "state"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), ("-md", "sha256"), State.GOOD),
        (lambda: rsa.generate_private_key(65537, 2048), ("-md", "sha256", *PSS), State.GOOD),
        (lambda: rsa.generate_private_key(65537, 1024), ("-md", "sha256"), State.UNREADABLE),
        (lambda: rsa.generate_private_key(65537, 2048), ("-md", "sha1"), State.UNREADABLE),
        (lambda: rsa.generate_private_key(65537, 2048), ("-md", "sha512"), State.UNREADABLE),
        (lambda: ec.generate_private_key(ec.SECP384R1()), ("-md", "sha256", "-keyid"), State.GOOD),
    ],
    ids=["rsa", "pss", "rsa too short", "sha-1", "sha-512", "p-384 by key id"],
)
def test_signatures_openssl_makes(make_key, options, state, house, certify, openssl_signs, now):
    key = make_key()
    certificate = certify(house.issuing, key.public_key(), "alice@northwind.example")
    mail = openssl_signs(LETTER, key, certificate, (house.issuing.certificate,), *options, "-crlfeol")
    payload, signature = split(mail)

    def state_for(payload):
        digest = hashlib.sha256(payload).digest()
        return verify(signature, digest, "alice@northwind.example", house.trust, now).state

    assert payload == LETTER
    assert state_for(payload) is state
    assert state_for(payload + b"!") in {State.TAMPERED, State.UNREADABLE}


def test_if_two_sign_both_must_be_good(alice, house, employ, state_of):
    def signed_by_both(other, payload=LETTER):
        builder = PKCS7SignatureBuilder().set_data(payload)
        for person in (alice, other):
            builder = builder.add_signer(person.certificate, person.key, hashes.SHA256())
        return builder.add_certificate(house.issuing.certificate).sign(Encoding.DER, DETACHED)

    again = employ(house, "alice@northwind.example")
    assert state_of(signed_by_both(again)) is State.GOOD
    assert state_of(signed_by_both(employ(house, "bob@northwind.example"))) is State.NOT_THE_SENDER


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ([*DETACHED, PKCS7Options.NoAttributes], "no signed attributes"),
        ([*DETACHED, PKCS7Options.NoCerts], "certificate of the signer is missing"),
        ([PKCS7Options.Binary], "content of its own"),
    ],
)
def test_a_signature_of_another_form_says_what_it_lacks(options, fault, alice, house, now):
    builder = PKCS7SignatureBuilder().set_data(LETTER)
    signature = builder.add_signer(alice.certificate, alice.key, hashes.SHA256()).sign(Encoding.DER, options)

    verdict = verify(signature, DIGEST, alice.address, house.trust, now)

    assert verdict.state is State.UNREADABLE
    assert fault in verdict.words


@pytest.mark.parametrize("name", ["content_type", "message_digest"])
def test_a_required_attribute_is_there_exactly_once(name, signature, state_of):
    def rewrite(change):
        def edit(signed_data):
            info = signed_data["signer_infos"][0]
            info["signed_attrs"] = cms.CMSAttributes(change(list(info["signed_attrs"])))

        return edited(signature, edit)

    def is_named(attribute):
        return attribute["type"].native == name

    assert state_of(rewrite(lambda attributes: attributes)) is State.GOOD
    assert state_of(rewrite(lambda attributes: [a for a in attributes if not is_named(a)])) is State.UNREADABLE
    assert state_of(rewrite(lambda attributes: attributes + [a for a in attributes if is_named(a)])) is (
        State.UNREADABLE
    )


def test_a_signature_without_signers_is_unreadable(signature, state_of):
    def dismiss(signed_data):
        signed_data["signer_infos"] = cms.SignerInfos([])

    assert state_of(edited(signature, dismiss)) is State.UNREADABLE


def test_no_words_repeat_an_address(signature, alice, house, foreign_house, now):
    for sender, trust, moment in (
        (alice.address, house.trust, now),
        ("bob@foe.example", house.trust, now),
        (alice.address, foreign_house.trust, now),
        (alice.address, house.trust, now + timedelta(days=999)),
    ):
        assert "@" not in verify(signature, DIGEST, sender, trust, moment).words


def test_a_callers_own_mistakes_are_errors(signature, alice, house, now):
    with pytest.raises(ValueError, match="32 bytes"):
        verify(signature, DIGEST[:31], alice.address, house.trust, now)
    with pytest.raises(ValueError, match="aware"):
        verify(signature, DIGEST, alice.address, house.trust, datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="root"):
        Trust(())
