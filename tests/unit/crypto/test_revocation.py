"""Who is revoked, as openssl reads it from our CRLs and OCSP answers."""

from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given, settings
from hypothesis import strategies as st
from northwind import pem

from services.crypto.authority import SIGNING, Authority, create_authority, issue
from services.crypto.revocation import (
    MALFORMED,
    UNAUTHORIZED,
    Asked,
    Revoked,
    Status,
    answer,
    crl,
    read_request,
)

REASONS = (
    "unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation", "privilegeWithdrawn",
)  # fmt: skip
OFFICIAL = {
    "keyCompromise": "Key Compromise",
    "affiliationChanged": "Affiliation Changed",
    "superseded": "Superseded",
    "cessationOfOperation": "Cessation Of Operation",
    "privilegeWithdrawn": "Privilege Withdrawn",
}


def revoked(certificate, now, reason="keyCompromise"):
    return Revoked(certificate.serial_number, now.replace(microsecond=0) - timedelta(minutes=1), reason)


def question(certificate, issuer, algorithm=hashes.SHA1, nonce=None):
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, algorithm())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def answered(der, house, status, now):
    asked = read_request(der, [house.issuing])
    assert isinstance(asked, Asked)
    return answer(asked, status, now)


@pytest.fixture
def judged(house, openssl):
    """What `openssl verify -crl_check` says of a certificate beside a CRL."""

    def judge(certificate, list_):
        return openssl(
            *("verify", "-crl_check", "-x509_strict", "-CAfile", "root", "-untrusted", "issuing"),
            *("-CRLfile", "crl", "person"),
            root=pem(house.root.certificate),
            issuing=pem(house.issuing.certificate),
            crl=x509.load_der_x509_crl(list_).public_bytes(Encoding.PEM),
            person=pem(certificate),
        )

    return judge


def test_openssl_refuses_a_certificate_on_the_list_and_takes_one_that_is_not(house, alice, employ, judged, now):
    bob = employ(house, "bob@northwind.example")
    list_ = crl(house.issuing, [revoked(alice.certificate, now)], 1, now)

    assert judged(bob.certificate, list_).stdout == b"person: OK\n"
    assert b"certificate revoked" in judged(alice.certificate, list_).stderr


@pytest.mark.parametrize("reason", REASONS)
def test_openssl_shows_number_time_and_reason_of_an_entry(house, alice, openssl, now, reason):
    entry = revoked(alice.certificate, now, reason)

    shown = openssl("crl", "-inform", "DER", "-noout", "-text", "-in", "list", list=crl(house.issuing, [entry], 7, now))

    text = shown.stdout.decode()
    assert f"{entry.serial:X}" in text
    assert "X509v3 CRL Number: \n                7\n" in text
    assert f"{entry.when:%b} {entry.when.day:2} {entry.when:%H:%M:%S} {entry.when:%Y}" in text
    assert OFFICIAL.get(reason, "Serial Number") in text
    assert ("Reason Code" in text) is (reason != "unspecified")


@settings(deadline=None, max_examples=30)
@given(
    serials=st.sets(st.integers(min_value=1, max_value=2**159 - 1), max_size=20),
    number=st.integers(min_value=1, max_value=2**63),
    data=st.data(),
)
def test_a_list_holds_exactly_what_is_revoked(house, now, serials, number, data):
    reasons = {serial: data.draw(st.sampled_from(REASONS)) for serial in serials}
    when = now.replace(microsecond=0) - timedelta(days=3)

    read = x509.load_der_x509_crl(crl(house.issuing, [Revoked(s, when, r) for s, r in reasons.items()], number, now))

    assert {entry.serial_number for entry in read} == serials
    assert all(entry.revocation_date_utc == when for entry in read)
    assert read.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == number
    assert read.is_signature_valid(house.issuing.private_key.public_key())
    assert read.last_update_utc < now < read.next_update_utc


@pytest.mark.parametrize("algorithm", [hashes.SHA1, hashes.SHA256, hashes.SHA384])
def test_openssl_takes_our_ocsp_answers(house, alice, openssl, now, algorithm):
    der = question(alice.certificate, house.issuing.certificate, algorithm)
    told = {}
    for name, status in (("good", Status()), ("revoked", Status(revoked(alice.certificate, now))), ("unknown", None)):
        shown = openssl(
            *("ocsp", "-respin", "response", "-reqin", "request", "-CAfile", "root", "-verify_other", "issuing"),
            *("-issuer", "issuing", f"-{algorithm.name}", "-cert", "person"),
            response=answered(der, house, status, now),
            request=der,
            root=pem(house.root.certificate),
            issuing=pem(house.issuing.certificate),
            person=pem(alice.certificate),
        )
        assert b"Response verify OK" in shown.stderr
        told[name] = shown.stdout.decode()

    assert "person: good\n" in told["good"] and "Next Update" in told["good"]
    assert "person: revoked\n" in told["revoked"] and "Reason: keyCompromise" in told["revoked"]
    assert "person: unknown\n" in told["unknown"]


@settings(deadline=None, max_examples=20)
@given(nonce=st.binary(min_size=1, max_size=128))
def test_a_nonce_comes_back_as_it_was_sent(house, alice, now, nonce):
    der = question(alice.certificate, house.issuing.certificate, nonce=nonce)

    read = ocsp.load_der_ocsp_response(answered(der, house, Status(), now))

    assert read.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce
    assert read.this_update_utc < now < read.next_update_utc


def test_without_a_nonce_there_is_none_in_the_answer(house, alice, now):
    der = question(alice.certificate, house.issuing.certificate)

    assert len(ocsp.load_der_ocsp_response(answered(der, house, Status(), now)).extensions) == 0


@pytest.mark.parametrize("nonce", [b"", bytes(129)])
def test_a_nonce_of_a_wrong_length_is_malformed(house, alice, nonce):
    assert (
        read_request(question(alice.certificate, house.issuing.certificate, nonce=nonce), [house.issuing]) == MALFORMED
    )


@settings(deadline=None)
@given(der=st.binary(max_size=200))
def test_bytes_that_are_no_request_are_malformed(house, der):
    assert read_request(der, [house.issuing]) in (MALFORMED, UNAUTHORIZED)
    assert read_request(b"\x30\x80" + der, [house.issuing]) == MALFORMED
    assert ocsp.load_der_ocsp_response(MALFORMED).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_a_damaged_request_never_makes_the_responder_fall(house, alice, now, data):
    der = bytearray(question(alice.certificate, house.issuing.certificate, nonce=b"nonce"))
    place = data.draw(st.integers(0, len(der) - 1))
    der[place] ^= data.draw(st.integers(1, 255))

    asked = read_request(bytes(der), [house.issuing])

    if isinstance(asked, Asked):
        asked = answer(asked, None, now)
    ocsp.load_der_ocsp_response(asked)


def test_a_request_that_is_too_large_is_malformed(house):
    assert read_request(bytes(16 * 1024 + 1), [house.issuing]) == MALFORMED


def test_of_another_cas_certificates_we_say_nothing(house, foreign_house, employ):
    stranger = employ(foreign_house, "alice@northwind.example")

    assert (
        read_request(question(stranger.certificate, foreign_house.issuing.certificate), [house.issuing]) == UNAUTHORIZED
    )
    assert ocsp.load_der_ocsp_response(UNAUTHORIZED).response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED


def test_several_questions_at_once_are_not_answered(house, alice, employ, openssl):
    bob = employ(house, "bob@northwind.example")
    files = {
        "issuing": pem(house.issuing.certificate), "alice": pem(alice.certificate), "bob": pem(bob.certificate),
    }  # fmt: skip
    made = openssl("ocsp", "-issuer", "issuing", "-cert", "alice", "-cert", "bob", "-reqout", "-", "-no_nonce", **files)

    assert read_request(made.stdout, [house.issuing]) == UNAUTHORIZED


def test_a_former_ca_answers_for_its_own_certificates(house, foreign_house, alice, now):
    asked = read_request(question(alice.certificate, house.issuing.certificate), [foreign_house.issuing, house.issuing])

    assert (
        isinstance(asked, Asked) and asked.issuing is house.issuing and asked.serial == alice.certificate.serial_number
    )


@pytest.mark.parametrize("make", [
    lambda: rsa.generate_private_key(65537, 3072),
    lambda: ec.generate_private_key(ec.SECP384R1()),
    lambda: ec.generate_private_key(ec.SECP521R1()),
])  # fmt: skip
def test_every_kind_of_ca_key_signs_lists_and_answers(house, alice, certify, openssl, now, make):
    key = make()
    made = certify(house.root, key.public_key(), "ca@northwind.example", ca=True, usage="key_cert_sign")
    own = Authority(made, key)
    person = issue(own, "bob@northwind.example", alice.key.public_key(), now.astimezone(UTC), 77)

    list_ = x509.load_der_x509_crl(crl(own, [Revoked(77, now, "superseded")], 1, now))
    asked = read_request(question(person, made), [own])

    assert list_.is_signature_valid(key.public_key())
    assert isinstance(asked, Asked)
    shown = openssl("ocsp", "-respin", "response", "-noverify", "-resp_text", response=answer(asked, Status(), now))
    assert b"Cert Status: good" in shown.stdout


def test_an_authority_that_publishes_says_where(house, alice, now):
    profile = replace(SIGNING, valid_for=timedelta(days=40)).published_at(
        "https://mail.northwind.example/", house.issuing
    )
    made = issue(house.issuing, "alice@northwind.example", alice.key.public_key(), now, 5, profile)

    (point,) = made.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    urls = [
        d.access_location.value for d in made.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    ]
    base = "https://mail.northwind.example/pki"
    assert point.full_name[0].value == f"{base}/{house.issuing.id}/crl.der"
    assert urls == [f"{base}/ocsp", f"{base}/{house.issuing.id}/issuing.cer"]
    assert house.issuing.id != create_authority("Northwind Traders", now)[1].id
