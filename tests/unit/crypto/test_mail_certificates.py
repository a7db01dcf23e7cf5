"""The authority's certificates: right by openssl, right by the profile, and refused where they can't be."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st
from northwind import pem

from secumail.errors import Refused
from services.crypto.addresses import general_name, mailboxes, same_mailbox
from services.crypto.authority import SIGNING, AuthorityProfile, create_authority, issue

KEY = ec.generate_private_key(ec.SECP256R1())


def extension(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind)


def test_openssl_trusts_a_persons_certificate_for_signing_mail_and_for_nothing_else(house, alice, openssl):
    files = {
        "root": pem(house.root.certificate),
        "issuing": pem(house.issuing.certificate),
        "person": pem(alice.certificate),
    }

    def accepted(purpose):
        return openssl(
            *(
                "verify",
                "-x509_strict",
                "-purpose",
                purpose,
                "-CAfile",
                "root",
                "-untrusted",
                "issuing",
                "person",
            ),
            **files,
        )

    assert accepted("smimesign").stdout == b"person: OK\n"
    assert {accepted(other).returncode for other in ("smimeencrypt", "sslserver", "sslclient")} == {2}


def test_the_root_is_p384_and_the_issuing_ca_can_make_no_further_authority(house):
    assert isinstance(house.root.private_key.curve, ec.SECP384R1)
    assert house.root.certificate.public_key() == house.root.private_key.public_key()
    assert extension(house.issuing.certificate, x509.BasicConstraints).value.path_length == 0
    assert {*extension(house.issuing.certificate, x509.ExtendedKeyUsage).value} == {
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        ExtendedKeyUsageOID.OCSP_SIGNING,
    }
    house.issuing.certificate.verify_directly_issued_by(house.root.certificate)


def test_a_persons_certificate_follows_the_profile(house, now):
    certificate = issue(house.issuing, "alice@northwind.example", KEY.public_key(), now, 4711)

    assert certificate.serial_number == 4711
    assert certificate.not_valid_before_utc == now.replace(microsecond=0) - timedelta(minutes=5)
    assert certificate.not_valid_after_utc == now.replace(microsecond=0) + timedelta(days=365)
    usage = extension(certificate, x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and not usage.value.key_agreement
    assert extension(certificate, x509.BasicConstraints).critical
    assert extension(certificate, x509.AuthorityKeyIdentifier).value.key_identifier == (
        extension(house.issuing.certificate, x509.SubjectKeyIdentifier).value.digest
    )
    assert mailboxes(certificate) == ("alice@northwind.example",)
    with pytest.raises(x509.ExtensionNotFound):
        extension(certificate, x509.CRLDistributionPoints)
    with pytest.raises(x509.ExtensionNotFound):
        extension(certificate, x509.AuthorityInformationAccess)


def test_a_profile_decides_how_long_and_where_to_ask(house, now):
    profile = replace(
        SIGNING,
        valid_for=timedelta(days=7),
        crl_url="http://pki.northwind.example/mail.crl",
        ocsp_url="http://pki.northwind.example/ocsp",
    )
    certificate = issue(house.issuing, "a@northwind.example", KEY.public_key(), now, 1, profile)

    assert certificate.not_valid_after_utc == now.replace(microsecond=0) + timedelta(days=7)
    (point,) = extension(certificate, x509.CRLDistributionPoints).value
    assert point.full_name[0].value == "http://pki.northwind.example/mail.crl"
    (access,) = extension(certificate, x509.AuthorityInformationAccess).value
    assert access.access_method == AuthorityInformationAccessOID.OCSP


def test_no_certificate_outlives_the_issuing_ca(now):
    _, issuing = create_authority("Short", now, AuthorityProfile(issuing_valid_for=timedelta(days=30)))

    certificate = issue(issuing, "a@northwind.example", KEY.public_key(), now, 1)

    assert certificate.not_valid_after_utc == issuing.certificate.not_valid_after_utc
    with pytest.raises(Refused, match="ended"):
        issue(issuing, "a@northwind.example", KEY.public_key(), now + timedelta(days=31), 2)


def test_only_p256_keys_get_a_signing_certificate(house, now):
    other = ec.generate_private_key(ec.SECP384R1()).public_key()

    with pytest.raises(Refused, match="P-256"):
        issue(house.issuing, "a@northwind.example", other, now, 1)


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "North\nwind"])
def test_an_organisation_needs_a_name_a_certificate_can_carry(name, now):
    with pytest.raises(Refused) as refusal:
        create_authority(name, now)
    assert "1 to 64" in refusal.value.fix


def test_a_name_beyond_ascii_is_written_as_smtputf8_mailbox(house, now, openssl):
    certificate = issue(house.issuing, "jürgen@grün.example", KEY.public_key(), now, 1)

    assert mailboxes(certificate) == ("jürgen@xn--grn-ioa.example",)
    shown = openssl("x509", "-noout", "-ext", "subjectAltName", "-in", "person", person=pem(certificate)).stdout
    assert b"SmtpUTF8Mailbox" in shown and "jürgen@xn--grn-ioa.example".encode() in shown


def test_a_long_address_is_certified_in_full(house, now):
    address = "a" * 60 + "@" + "b" * 60 + ".northwind.example"

    assert mailboxes(issue(house.issuing, address, KEY.public_key(), now, 1)) == (address,)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "alice",
        "@northwind.example",
        "alice@",
        "alice@northwind..example",
        "alice@-northwind.example",
        "alice@northwind.example.",
        "al ice@northwind.example",
        "alice@north wind.example",
        '"al ice"@northwind.example',
        "alice@bob@northwind.example",
        ".alice@northwind.example",
        "alice@[192.0.2.1]",
        "alice\n@northwind.example",
        "alice\0@northwind.example",
        "alice@northwind.example\nBcc: x",
        "Alice <alice@northwind.example>",
        "a" * 65 + "@northwind.example",
        "ü" * 33 + "@northwind.example",
        "alice@" + "b" * 64 + ".example",
        "alice@" + "b." * 130 + "example",
        "\udc80lice@northwind.example",
    ],
)
def test_what_is_no_plain_mailbox_is_refused_without_repeating_it(address, house, now):
    with pytest.raises(Refused) as refusal:
        issue(house.issuing, address, KEY.public_key(), now, 1)
    assert "northwind" not in f"{refusal.value}{refusal.value.fix}"


@settings(deadline=None)
@given(local=st.text(max_size=20), domain=st.text(max_size=20))
def test_any_address_is_certified_as_itself_or_refused(local, domain):
    address = f"{local}@{domain}"
    try:
        name = general_name(address)
    except Refused:
        return
    written = name.value if isinstance(name, x509.RFC822Name) else name.value[2:].decode()
    assert same_mailbox(written, address)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("alice@northwind.example", "alice@NorthWind.EXAMPLE", True),
        ("alice@xn--grn-ioa.example", "alice@GRÜN.example", True),
        ("alice@grün.example", "alice@gru\u0308n.example", True),
        ("Alice@northwind.example", "alice@northwind.example", False),
        ("alice@fass.example", "alice@faß.example", False),
        ("alice@northwind.example", "alice@northwind.example.foe.example", False),
        ("alice@northwind.example", "alice@northwind.example\0.foe.example", False),
        ("", "", False),
        ("@northwind.example", "@northwind.example", False),
    ],
)
def test_two_addresses_are_the_same_mailbox_or_not(one, other, same):
    assert same_mailbox(one, other) is same
    assert same_mailbox(other, one) is same
