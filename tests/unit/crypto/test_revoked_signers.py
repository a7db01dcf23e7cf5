"""A signature of somebody whose certificate was revoked: what is known, from whom, and what it means for the mail."""

import hashlib
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from northwind import House

from services.crypto import revocation
from services.crypto.authority import create_authority
from services.crypto.revocation import Revoked
from services.crypto.smime.crls import Known, Revocation
from services.crypto.smime.signing import signed_data
from services.crypto.smime.verification import State, Trust, verify

LETTER = b"From: alice@northwind.example\r\n\r\nThe apples are in.\r\n"
DIGEST = hashlib.sha256(LETTER).digest()
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def house(now):
    return House(*create_authority("Northwind Traders", now - timedelta(days=20)))


@pytest.fixture(scope="module")
def bob(house, employ, now):
    return employ(house, "bob@northwind.example", now - timedelta(days=10))


@pytest.fixture
def judged(bob, now):
    """The verdict on a mail bob signed at `signed`, judged at `at`."""

    def judged(trust, at=now, signed=now - timedelta(days=2), sender=bob.address):
        signature = signed_data(LETTER, bob.key, bob.certificate, bob.chain, now=signed)
        return verify(signature, DIGEST, sender, trust, at)

    return judged


@pytest.fixture
def listed(house, bob):
    """Trust with the issuing CA's own list, and bob on it."""

    def listed(when, reason="superseded"):
        on_it = {bob.certificate.serial_number: Revocation(when, reason)}
        return Trust(house.trust.roots, revoked={house.issuing.certificate: on_it})

    return listed


@pytest.fixture
def published(house, bob, now):
    """Trust with a CRL of the issuing CA and one of the root."""

    def published(*revoked, number=1, at=now, signer=house.issuing):
        roots_own = x509.load_der_x509_crl(root_list(house, now))
        entries = [Revoked(bob.certificate.serial_number, when, reason) for when, reason in revoked]
        made = x509.load_der_x509_crl(revocation.crl(signer, entries, number, at))
        return Trust(house.trust.roots, crls=(made, roots_own))

    return published


def root_list(house, now, *revoked):
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(house.root.certificate.subject)
        .last_update(now - timedelta(days=5))
        .next_update(now + timedelta(days=90))
    )
    for serial in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - HOUR).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(house.root.private_key, hashes.SHA384()).public_bytes(Encoding.DER)


def test_where_nothing_is_known_the_verdict_says_so(judged, house):
    verdict = judged(house.trust)

    assert (verdict.state, verdict.revocation) == (State.GOOD, Known.UNKNOWN)
    assert verdict.words.endswith("Whether the signer's certificate was revoked is not known.")


def test_who_is_not_on_the_list_is_good(judged, house, published):
    for trust in (Trust(house.trust.roots, revoked={house.issuing.certificate: {}}), published()):
        verdict = judged(trust)

        assert (verdict.state, verdict.revocation) == (State.GOOD, Known.GOOD)
        assert verdict.words == "The mail is signed by its sender and unchanged since."


def test_who_is_on_the_list_is_revoked(judged, listed, published, now):
    for trust in (listed(now - HOUR), published((now - HOUR, "superseded"))):
        verdict = judged(trust, signed=now - HOUR / 2)

        assert (verdict.state, verdict.revocation) == (State.REVOKED, Known.REVOKED)
        assert verdict.words == (
            "The mail is unchanged since it was signed, but the signer's certificate had been revoked."
        )
        assert verdict.signer == "bob@northwind.example"


def test_a_mail_that_came_in_before_the_revocation_stays_good(judged, listed, published, now):
    for trust in (listed(now - HOUR), published((now - HOUR, "superseded"), at=now - timedelta(days=3))):
        assert judged(trust, at=now - timedelta(days=1)).state is State.GOOD


def test_a_signing_time_before_the_revocation_is_told_but_not_believed(judged, listed, now):
    verdict = judged(listed(now - HOUR), signed=now - 2 * HOUR)

    assert verdict.state is State.REVOKED
    assert "By its own account the mail was signed before; nothing proves that." in verdict.words
    assert verdict.signed_at == (now - 2 * HOUR).replace(microsecond=0)


def test_of_a_stolen_key_no_signing_time_counts(judged, listed, published, now):
    for trust in (listed(now - HOUR, "keyCompromise"), published((now - HOUR, "keyCompromise"))):
        verdict = judged(trust, signed=now - timedelta(days=9))

        assert verdict.state is State.REVOKED
        assert "anybody could have signed the mail" in verdict.words


def test_a_signing_time_before_the_end_of_a_certificate_is_told_but_not_believed(judged, house, bob):
    ends = bob.certificate.not_valid_after_utc
    honest, late = (judged(house.trust, at=ends + HOUR, signed=ends + shift) for shift in (-HOUR, HOUR / 2))

    assert honest.state is late.state is State.EXPIRED
    assert "By its own account the mail was signed before; nothing proves that." in honest.words
    assert "with a certificate that had expired" in late.words


def test_a_revoked_authority_revokes_whom_it_certified(judged, house, now):
    crl = x509.load_der_x509_crl(root_list(house, now, house.issuing.certificate.serial_number))

    assert judged(Trust(house.trust.roots, crls=(crl,))).state is State.REVOKED


def test_the_worse_fault_is_told_first(judged, listed, bob, now):
    ends = bob.certificate.not_valid_after_utc

    assert judged(listed(now), sender="eve@foe.example", at=ends + HOUR).state is State.REVOKED
    assert judged(listed(ends + 2 * HOUR), sender="eve@foe.example", at=ends + HOUR).state is State.NOT_THE_SENDER


def test_a_list_that_is_out_of_date_or_from_another_hand_says_nothing(judged, published, foreign_house, now):
    revoked = (now - HOUR, "superseded")

    assert judged(published(revoked)).revocation is Known.REVOKED
    for trust in (
        published(revoked, at=now - timedelta(days=30)),
        published(revoked, at=now + timedelta(days=1)),
        published(revoked, signer=foreign_house.issuing),
    ):
        assert (judged(trust).state, judged(trust).revocation) == (State.GOOD, Known.UNKNOWN)


def test_of_two_lists_the_newer_one_counts(judged, published, now):
    old, new = published(at=now - timedelta(days=1)), published((now - HOUR, "superseded"), number=2)

    for crls in (old.crls + new.crls, new.crls + old.crls):
        assert judged(Trust(new.roots, crls=crls)).state is State.REVOKED
