"""Paths from a certificate to a root, beyond what NIST's suite (test_pkits.py) looks at."""

import ipaddress
import time
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from services.crypto.addresses import general_name
from services.crypto.authority import key_usage
from services.crypto.smime.chains import PATH_LIMIT, paths
from services.crypto.smime.names import normal

CA_USAGE = key_usage("key_cert_sign", "crl_sign")
SHA256 = hashes.SHA256()


@dataclass(frozen=True)
class Someone:
    """A key and a certificate."""

    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    certificate: x509.Certificate


def name(*parts, organisation="Contoso"):
    common = [x509.NameAttribute(NameOID.COMMON_NAME, part) for part in parts]
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation), *common])


@pytest.fixture
def certified(now):
    def certified(issuer, subject, *extensions, key=None, ca=True, digest=SHA256, usage=CA_USAGE):
        key = key or ec.generate_private_key(ec.SECP256R1())
        signer = issuer.key if issuer else key
        builder = (
            x509.CertificateBuilder()
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
        )
        for extension in (*extensions, *([usage] if ca and usage else [])):
            builder = builder.add_extension(extension, critical=True)
        return Someone(key, builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else digest))

    return certified


@pytest.fixture
def is_valid(now):
    def is_valid(leaf, *between, root):
        found = paths(leaf.certificate, [each.certificate for each in between], [root.certificate], now)
        return any(found)

    return is_valid


def addresses(*them):
    return x509.SubjectAlternativeName([general_name(each) for each in them])


# --- names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("permitted", "subject", "alternatives", "valid"),
    [
        ("contoso.example", "a", ["a@contoso.example"], True),
        ("contoso.example", "a", ["a@CONTOSO.example"], True),
        ("contoso.example", "a", ["a@sub.contoso.example"], False),
        (".contoso.example", "a", ["a@sub.contoso.example"], True),
        (".contoso.example", "a", ["a@contoso.example"], False),
        ("contoso.example", "a", ["a@contoso.example", "b@foe.example"], False),
        ("contoso.example", "a", ["a@foe.example"], False),
        ("contoso.example", "a", ["jürgen@contoso.example"], True),
        ("contoso.example", "a", ["jürgen@foe.example"], False),
        ("a@contoso.example", "a", ["a@contoso.example"], True),
        ("a@contoso.example", "a", ["A@contoso.example"], False),
        ("a@contoso.example", "a", ["b@contoso.example"], False),
    ],
)
def test_a_ca_for_certain_addresses_certifies_no_others(permitted, subject, alternatives, valid, certified, is_valid):
    root = certified(None, name("root"))
    limits = x509.NameConstraints([x509.RFC822Name(permitted)], None)
    middle = certified(root, name("middle"), limits)
    leaf = certified(middle, name(subject), addresses(*alternatives), ca=False)

    assert is_valid(leaf, middle, root=root) is valid


def test_an_address_in_the_subject_is_limited_too(certified, is_valid):
    root = certified(None, name("root"))
    middle = certified(root, name("middle"), x509.NameConstraints([x509.RFC822Name("contoso.example")], None))

    def with_address(address):
        subject = x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, address)])
        return certified(middle, subject, ca=False)

    assert is_valid(with_address("a@contoso.example"), middle, root=root)
    assert not is_valid(with_address("a@foe.example"), middle, root=root)


@pytest.mark.parametrize(
    ("excluded", "alternative"),
    [
        (x509.DNSName("foe.example"), x509.DNSName("www.foe.example")),
        (x509.UniformResourceIdentifier(".foe.example"), x509.UniformResourceIdentifier("https://www.foe.example/x")),
        (x509.IPAddress(ipaddress.ip_network("192.0.2.0/24")), x509.IPAddress(ipaddress.ip_address("192.0.2.7"))),
        (x509.DirectoryName(name(organisation="Foe")), x509.DirectoryName(name("x", organisation="FOE"))),
        (x509.RegisteredID(x509.ObjectIdentifier("1.2.3")), x509.RegisteredID(x509.ObjectIdentifier("1.2.4"))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_excluded_names_are_out_and_so_are_those_that_cannot_be_compared(excluded, alternative, certified, is_valid):
    root = certified(None, name("root"))
    middle = certified(root, name("middle"), x509.NameConstraints(None, [excluded]))
    leaf = certified(middle, name("a"), x509.SubjectAlternativeName([alternative]), ca=False)
    other = certified(middle, name("a"), addresses("a@contoso.example"), ca=False)

    assert not is_valid(leaf, middle, root=root)
    assert is_valid(other, middle, root=root)


@given(words=st.lists(st.text("abßÀéﬁ", min_size=1, max_size=5), min_size=1, max_size=3))
def test_names_are_the_same_in_any_case_and_with_any_spaces(words):
    assert normal(name(" ".join(words))) == normal(name("  " + "   ".join(words).upper() + " "))


# --- what a CA may be -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("oddity", "valid"),
    [
        ({}, True),
        ({"ca": False}, False),
        ({"usage": key_usage("digital_signature")}, False),
        ({"usage": None}, True),
        ({"digest": hashes.SHA224()}, False),
    ],
)
def test_a_link_must_be_a_ca_signed_with_an_accepted_digest(oddity, valid, certified, is_valid):
    root = certified(None, name("root"))
    middle = certified(root, name("middle"), **oddity)
    leaf = certified(middle, name("a"), ca=False)

    assert is_valid(leaf, middle, root=root) is valid


@pytest.mark.parametrize(
    ("purpose", "valid"),
    [
        (ExtendedKeyUsageOID.EMAIL_PROTECTION, True),
        (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, True),
        (ExtendedKeyUsageOID.SERVER_AUTH, False),
    ],
)
def test_a_ca_for_web_servers_vouches_for_no_mail(purpose, valid, certified, is_valid):
    root = certified(None, name("root"))
    middle = certified(root, name("middle"), x509.ExtendedKeyUsage([purpose]))

    assert is_valid(certified(middle, name("a"), ca=False), middle, root=root) is valid


@pytest.mark.parametrize(
    ("make_key", "valid"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), True),
        (lambda: rsa.generate_private_key(65537, 1024), False),
        (lambda: ec.generate_private_key(ec.SECP384R1()), True),
        (ed25519.Ed25519PrivateKey.generate, True),
    ],
    ids=["rsa", "rsa too short", "p-384", "ed25519"],
)
def test_a_ca_needs_a_key_that_proves_something(make_key, valid, certified, is_valid):
    root = certified(None, name("root"), key=make_key())
    leaf = certified(root, name("a"), ca=False)

    assert is_valid(leaf, root=root) is valid


# --- searching ------------------------------------------------------------------------------------------


def test_the_way_is_found_among_certificates_of_others_and_dead_ends(certified, is_valid):
    root, stranger = certified(None, name("root")), certified(None, name("root"))
    middle = certified(root, name("middle"))
    astray = certified(stranger, name("middle"), key=middle.key)
    leaf = certified(middle, name("a"), ca=False)

    assert is_valid(leaf, astray, stranger, leaf, middle, root=root)
    assert is_valid(leaf, astray, middle, root=stranger)
    assert not is_valid(leaf, stranger, root=root)


def test_a_path_has_an_end(certified, is_valid):
    root = certified(None, name("root"))
    links = [root]
    for number in range(PATH_LIMIT + 1):
        links.append(certified(links[-1], name(f"link {number}")))

    assert is_valid(links[PATH_LIMIT], *links[1:], root=root)
    assert not is_valid(links[PATH_LIMIT + 1], *links[1:], root=root)


def test_a_maze_of_certificates_is_left_soon(certified, is_valid):
    root = certified(None, name("root"))
    first = certified(None, name("maze"))
    maze = [certified(first, name("maze"), key=first.key) for _ in range(32)]
    leaf = certified(first, name("a"), ca=False)
    begun = time.process_time()

    assert not is_valid(leaf, *maze, root=root)
    assert time.process_time() - begun < 1
