"""What is encrypted to people they open, with whatever program; nobody else does, and a change is never a surprise."""

import time
import tracemalloc
from collections.abc import Callable
from functools import partial

import pytest
from asn1crypto import cms
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from northwind import pem

from secumail.errors import Refused
from services.crypto.errors import Damaged, NotForKeys, NotOpened, Reason, Unreadable
from services.crypto.smime import algorithms, der
from services.crypto.smime.enveloped import RECIPIENT_LIMIT, Cipher, envelop
from services.crypto.smime.opening import DecryptionKey, open_enveloped
from services.crypto.smime.signing import signed_data

LETTER = b"Content-Type: text/plain\r\n\r\nThe apples are in.\r\n"
KINDS: dict[str, Callable[[], rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey]] = {
    "rsa": partial(rsa.generate_private_key, 65537, 2048),
    "p256": partial(ec.generate_private_key, ec.SECP256R1()),
    "p384": partial(ec.generate_private_key, ec.SECP384R1()),
    "p521": partial(ec.generate_private_key, ec.SECP521R1()),
}

ciphers = st.sampled_from(Cipher)
options = st.fixed_dictionaries(
    {"oaep": st.booleans(), "key_bits": st.sampled_from([128, 256]), "by_key_identifier": st.booleans()}
)


@pytest.fixture(scope="module")
def readers(house, certify):
    """One reader for each kind of key."""

    def reader(name, private):
        usage = "key_encipherment" if name == "rsa" else "key_agreement"
        certificate = certify(house.issuing, private.public_key(), f"{name}@northwind.example", usage=usage)
        return DecryptionKey(private, certificate)

    return {name: reader(name, make()) for name, make in KINDS.items()}


@pytest.fixture(scope="module")
def stranger(house, certify):
    private = ec.generate_private_key(ec.SECP256R1())
    return DecryptionKey(private, certify(house.issuing, private.public_key(), "eve@foe.example"))


def to(*readers):
    return [reader.certificate for reader in readers]


def code_of(encrypted, *keys):
    """The code of the outcome; `opened` if there is content."""
    try:
        open_enveloped(encrypted, keys)
    except NotOpened as outcome:
        assert outcome.words.endswith(".")
        return outcome.code
    return "opened"


# --- there and back -------------------------------------------------------------------------------------


@given(data=st.data(), content=st.binary(max_size=400), cipher=ciphers, options=options)
@settings(max_examples=200, deadline=None)
def test_any_content_is_opened_by_each_of_any_mix_of_recipients(data, content, cipher, options, readers, stranger):
    names = data.draw(st.lists(st.sampled_from(sorted(readers)), min_size=1, unique=True))
    encrypted = envelop(content, to(*(readers[name] for name in names)), cipher, **options)

    for name in names:
        assert open_enveloped(encrypted, [stranger, readers[name]]) == content
    assert code_of(encrypted, stranger) == "not-for-keys"
    assert code_of(encrypted) == "not-for-keys"


def test_nothing_of_the_content_can_be_seen(readers):
    for cipher in Cipher:
        encrypted = envelop(LETTER, to(readers["rsa"]), cipher)
        assert b"apples" not in encrypted
        assert encrypted != envelop(LETTER, to(readers["rsa"]), cipher)


def test_what_is_written_is_der_with_the_versions_the_rfcs_ask_for(readers):
    def versions(*names, cipher=Cipher.CBC, **options):
        encrypted = envelop(LETTER, to(*(readers[name] for name in names)), cipher, **options)
        info = cms.ContentInfo.load(encrypted, strict=True)
        assert info.copy().dump(force=True) == encrypted
        infos = info["content"]["recipient_infos"]
        return info["content"]["version"].native, [each.chosen["version"].native for each in infos]

    assert versions("rsa") == ("v0", ["v0"])
    assert versions("rsa", by_key_identifier=True) == ("v2", ["v2"])
    assert versions("p256") == ("v2", ["v3"])
    assert versions("rsa", cipher=Cipher.GCM) == ("v0", ["v0"])


def test_a_twenty_megabyte_mail_takes_under_200_ms_and_three_times_its_memory(readers):
    content = bytes(20 << 20)
    for cipher in Cipher:
        seconds = []
        for _ in range(3):
            begun = time.process_time()
            encrypted = envelop(content, to(readers["rsa"], readers["p256"]), cipher)
            seconds.append(time.process_time() - begun)
        assert min(seconds) < 0.2
        tracemalloc.start()
        try:
            envelop(content, to(readers["rsa"], readers["p256"]), cipher)
            beside_the_content = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert beside_the_content < 2 * len(content)
        assert open_enveloped(encrypted, [readers["p256"]]) == content


# --- other programs -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def openssl_opens(openssl):
    def opens(encrypted, reader):
        key = reader.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        done = openssl(
            *("cms", "-decrypt", "-binary", "-inform", "DER", "-in", "mail", "-recip", "person", "-inkey", "key"),
            mail=encrypted,
            person=pem(reader.certificate),
            key=key,
        )
        return done.stdout if done.returncode == 0 else None

    return opens


@pytest.mark.parametrize("cipher", Cipher)
@pytest.mark.parametrize("form", [{}, {"oaep": True, "by_key_identifier": True}, {"key_bits": 128}])
def test_openssl_opens_what_is_written_with_every_kind_of_key(cipher, form, readers, openssl_opens):
    encrypted = envelop(LETTER, to(*readers.values()), cipher, **form)

    for reader in readers.values():
        assert openssl_opens(encrypted, reader) == LETTER


OAEP_SHA256 = ("rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256")


@pytest.mark.parametrize(
    ("name", "keyopts"),
    [
        ("rsa", ()),
        ("rsa", ("rsa_padding_mode:oaep",)),
        ("rsa", OAEP_SHA256),
        ("rsa", ("rsa_padding_mode:oaep", "rsa_oaep_label:0102")),
        ("p256", ()),
        ("p256", ("ecdh_kdf_md:sha256",)),
        ("p384", ("ecdh_kdf_md:sha384", "ecdh_cofactor_mode:1")),
        ("p521", ("ecdh_kdf_md:sha512",)),
    ],
)
@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "aes-128-gcm", "aes-256-gcm"])
def test_what_openssl_encrypts_is_opened(name, keyopts, cipher, readers, openssl):
    # -stream: BER with indefinite lengths, and the content in chunks.
    for form in ((), ("-stream", "-keyid")):
        done = openssl(
            *("cms", "-encrypt", "-binary", "-outform", "DER", "-in", "letter", f"-{cipher}", *form),
            *("-recip", "person", *(part for option in keyopts for part in ("-keyopt", option))),
            letter=LETTER * 1000,
            person=pem(readers[name].certificate),
        )
        assert done.returncode == 0, done.stderr
        assert open_enveloped(done.stdout, [readers[name]]) == LETTER * 1000


@pytest.mark.parametrize("options", [("-des3",), ("-aes-256-cbc", "-pwri_password", "secret")])
def test_what_is_not_accepted_has_a_name(options, readers, openssl):
    done = openssl(
        *("cms", "-encrypt", "-outform", "DER", "-in", "letter", *options),
        *(("-recip", "person") if options == ("-des3",) else ()),
        letter=LETTER,
        person=pem(readers["rsa"].certificate),
    )

    assert done.returncode == 0, done.stderr
    assert code_of(done.stdout, readers["rsa"]) in {"unreadable-algorithm", "not-for-keys"}


# --- tampering ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rsa", "p256"])
def test_a_change_anywhere_never_gives_other_content_under_gcm(name, readers):
    encrypted = envelop(LETTER, to(readers[name]), Cipher.GCM)

    for position in range(len(encrypted)):
        for flip in (0x01, 0x80):
            changed = bytearray(encrypted)
            changed[position] ^= flip
            try:
                assert open_enveloped(bytes(changed), [readers[name]]) == LETTER
            except NotOpened as outcome:
                assert outcome.code
    for position in range(len(encrypted) - 40, len(encrypted)):
        changed = bytearray(encrypted)
        changed[position] ^= 1
        assert code_of(bytes(changed), readers[name]) in {"damaged", "unreadable-malformed"}


def test_a_tag_cut_short_proves_nothing(readers):
    encrypted = envelop(LETTER, to(readers["p256"]), Cipher.GCM)
    info = cms.ContentInfo.load(encrypted)
    for length in range(16):
        info["content"]["mac"] = info["content"]["mac"].native[:length]
        assert code_of(info.dump(force=True), readers["p256"]) == "damaged"


# --- by hand: what no honest program writes -------------------------------------------------------------

KEY = bytes(range(32))
NONCE = bytes(12)


def to_rsa(reader, sealed_key):
    """A RecipientInfo that names `reader`, with any octets for a content key."""
    name = algorithms.named(reader.certificate).issuer_and_serial
    return der.sequence(der.integer(0), name, algorithms.RSA, der.octets(sealed_key))


def sealed(reader, key):
    return reader.certificate.public_key().encrypt(key, padding.PKCS1v15())


def in_gcm(*recipients, key=KEY, attributes=None, signed=b""):
    """AuthEnvelopedData around LETTER, with `attributes` sent and `signed` authenticated."""
    encrypted = AESGCM(key).encrypt(NONCE, LETTER, signed)
    algorithm = der.sequence(algorithms.AES_GCM[256], der.sequence(der.octets(NONCE), der.integer(16)))
    info = der.sequence(algorithms.DATA, algorithm, der.tagged(0x80, encrypted[:-16]))
    parts = [der.integer(0), der.set_of(recipients), info, attributes or b"", der.octets(encrypted[-16:])]
    return der.sequence(algorithms.AUTH_ENVELOPED_DATA, der.tagged(0xA0, der.sequence(*parts)))


def in_cbc(*recipients, padded):
    """EnvelopedData around whole blocks, padded as nobody would."""
    encryptor = BlockCipher(AES(KEY), CBC(bytes(16))).encryptor()
    algorithm = der.sequence(algorithms.AES_CBC[256], der.octets(bytes(16)))
    info = der.sequence(algorithms.DATA, algorithm, der.tagged(0x80, encryptor.update(padded)))
    body = der.sequence(der.integer(0), der.set_of(recipients), info)
    return der.sequence(algorithms.ENVELOPED_DATA, der.tagged(0xA0, body))


def test_authenticated_attributes_are_authenticated(readers):
    recipient = to_rsa(readers["rsa"], sealed(readers["rsa"], KEY))
    attribute = der.sequence(der.oid("1.2.840.113549.1.9.3"), der.set_of([algorithms.DATA]))
    sent, signed = der.set_of([attribute], 0xA1), der.set_of([attribute])

    assert open_enveloped(in_gcm(recipient, attributes=sent, signed=signed), [readers["rsa"]]) == LETTER
    assert code_of(in_gcm(recipient, attributes=sent), readers["rsa"]) == "damaged"
    assert code_of(in_gcm(recipient, signed=signed), readers["rsa"]) == "damaged"


@pytest.mark.parametrize("padded", [b"x" * 16, b"x" * 15 + b"\0", b"x" * 15 + b"\x11", b"x" * 13 + b"\2\3\3", b""])
def test_bad_padding_shows_nothing(padded, readers):
    recipient = to_rsa(readers["rsa"], sealed(readers["rsa"], KEY))

    assert code_of(in_cbc(recipient, padded=padded), readers["rsa"]) == "damaged"
    assert open_enveloped(in_cbc(recipient, padded=b"apple" + b"\x0b" * 11), [readers["rsa"]]) == b"apple"


def test_nobody_learns_from_the_outcome_why_a_content_key_does_not_fit(readers):
    """The oracle of Bleichenbacher and its like need to tell a bad padding from a bad key."""
    reader = readers["rsa"]
    size = reader.private.key_size // 8
    bad_keys = {
        "another key": sealed(reader, bytes(32)),
        "too short a key": sealed(reader, KEY[:16]),
        "no key": sealed(reader, b""),
        "no padding": (1).to_bytes(size, "big"),
        "not a number of the key": b"\xff" * size,
        "too few octets": b"\1" * (size - 1),
        "no octets": b"",
    }
    outcomes = set()
    for bad_key in bad_keys.values():
        with pytest.raises(NotOpened) as outcome:
            open_enveloped(in_gcm(to_rsa(reader, bad_key)), [reader])
        outcomes.add((outcome.type, outcome.value.code, outcome.value.words))
    with pytest.raises(NotOpened) as outcome:
        open_enveloped(in_cbc(to_rsa(reader, sealed(reader, KEY)), padded=b"x" * 16), [reader])

    assert outcomes == {(Damaged, outcome.value.code, outcome.value.words)}


def test_a_key_that_is_named_twice_is_tried_once(readers):
    wrong = to_rsa(readers["rsa"], b"")
    right = to_rsa(readers["rsa"], sealed(readers["rsa"], KEY))

    assert code_of(in_gcm(wrong, right), readers["rsa"]) == "damaged"


def test_of_two_keys_that_are_named_either_may_fit(readers, certify, house):
    private = rsa.generate_private_key(65537, 2048)
    other = DecryptionKey(private, certify(house.issuing, private.public_key(), "rsa@northwind.example"))
    encrypted = in_gcm(to_rsa(other, b""), to_rsa(readers["rsa"], sealed(readers["rsa"], KEY)))

    assert open_enveloped(encrypted, [other, readers["rsa"]]) == LETTER


# --- BER ------------------------------------------------------------------------------------------------


def indefinite(tag, *parts):
    return b"".join((bytes([tag, 0x80]), *parts, b"\0\0"))


@given(content=st.binary(max_size=300), chunk=st.integers(1, 100), cipher=ciphers, cut=st.floats(0, 1))
@settings(deadline=None)
def test_indefinite_lengths_and_content_in_chunks_are_the_same_mail(content, chunk, cipher, cut, readers):
    info = cms.ContentInfo.load(envelop(content, to(readers["p256"]), cipher))
    part = "auth_encrypted_content_info" if cipher is Cipher.GCM else "encrypted_content_info"
    encrypted = info["content"][part]
    octets = encrypted["encrypted_content"].native
    chunks = [der.octets(octets[at : at + chunk]) for at in range(0, len(octets), chunk)]
    written = indefinite(
        0x30,
        encrypted["content_type"].dump(),
        encrypted["content_encryption_algorithm"].dump(),
        indefinite(0xA0, *chunks),
    )
    fields = [info["content"]["version"].dump(), info["content"]["recipient_infos"].dump(), written]
    if cipher is Cipher.GCM:
        fields.append(info["content"]["mac"].dump())
    ber = indefinite(0x30, info["content_type"].dump(), indefinite(0xA0, indefinite(0x30, *fields)))

    assert open_enveloped(ber, [readers["p256"]]) == content
    assert code_of(ber[: int(cut * (len(ber) - 1))], readers["p256"]) == "unreadable-malformed"


# --- hostile and broken ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cipher", Cipher)
def test_a_mail_cut_anywhere_is_malformed(cipher, readers):
    encrypted = envelop(LETTER, to(readers["rsa"], readers["p256"]), cipher)

    assert {code_of(encrypted[:end], readers["p256"]) for end in range(len(encrypted))} == {"unreadable-malformed"}
    assert code_of(encrypted + b"\0", readers["p256"]) == "unreadable-malformed"


@given(data=st.data(), cipher=ciphers)
@settings(max_examples=300, deadline=None)
def test_a_mangled_mail_has_a_named_outcome(data, cipher, readers):
    encrypted = envelop(LETTER, to(readers["rsa"], readers["p256"]), cipher)
    position = data.draw(st.integers(0, len(encrypted)))
    removed = data.draw(st.integers(0, 40))
    mangled = encrypted[:position] + data.draw(st.binary(max_size=40)) + encrypted[position + removed :]

    try:
        opened = open_enveloped(mangled, [readers["rsa"], readers["p256"]])
        assert cipher is Cipher.CBC or opened == LETTER
    except NotOpened as outcome:
        assert outcome.code.partition("-")[0] in {"damaged", "not", "unreadable"}


@given(noise=st.binary(max_size=300))
@settings(deadline=None)
def test_random_bytes_are_malformed(noise, readers):
    assert code_of(noise, readers["p256"]) == "unreadable-malformed"


def test_what_is_no_encrypted_mail_says_so(readers, alice):
    signed = signed_data(LETTER, alice.key, alice.certificate, alice.chain, around=True)

    assert code_of(signed, readers["p256"]) == "unreadable-not-encrypted"
    no_content = der.sequence(algorithms.DATA, der.sequence(algorithms.AES_CBC[256], der.octets(bytes(16))))
    body = der.sequence(der.integer(0), der.set_of([to_rsa(readers["rsa"], b"")]), no_content)
    empty = der.sequence(algorithms.ENVELOPED_DATA, der.tagged(0xA0, body))
    assert code_of(empty, readers["rsa"]) == "unreadable-no-content"


def test_ten_thousand_recipients_are_an_outcome_and_a_thousand_are_none(readers, stranger):
    def to_many(count):
        wrong = to_rsa(stranger, b"")
        return in_gcm(*[wrong] * (count - 1), to_rsa(readers["rsa"], sealed(readers["rsa"], KEY)))

    assert open_enveloped(to_many(RECIPIENT_LIMIT), [readers["rsa"]]) == LETTER
    assert code_of(to_many(10_000), readers["rsa"]) == "unreadable-too-many-recipients"
    assert code_of(to_many(RECIPIENT_LIMIT + 1), readers["rsa"]) == "unreadable-too-many-recipients"
    with pytest.raises(Refused, match="1000"):
        envelop(LETTER, to(readers["rsa"]) * 10_000, Cipher.CBC)
    with pytest.raises(Refused):
        envelop(LETTER, [], Cipher.CBC)


@pytest.mark.parametrize(
    ("bomb", "code"),
    [
        (b"\x30\x80" * 20_000, "unreadable-malformed"),
        (b"\x30\x80\xa0\x80" + b"\x04\x01x" * 2_000_000, "unreadable-too-many-recipients"),
        (b"\x1f" + b"\xff" * 10_000_000, "unreadable-malformed"),
        (b"\x30\x84\x7f\xff\xff\xff", "unreadable-malformed"),
        (b"\0" * (65 << 20), "unreadable-too-large"),
    ],
    ids=["depth", "chunks", "tag", "length", "size"],
)
def test_what_would_keep_the_parser_busy_is_turned_away_at_once(bomb, code, readers):
    begun = time.process_time()

    assert code_of(bomb, readers["p256"]) == code
    assert time.process_time() - begun < 2


def test_a_key_nothing_can_be_encrypted_to_is_refused(house, certify):
    certificate = certify(house.issuing, ed25519.Ed25519PrivateKey.generate().public_key(), "a@northwind.example")

    with pytest.raises(Refused, match="neither RSA nor EC"):
        envelop(LETTER, [certificate], Cipher.GCM)


def test_every_outcome_has_a_code_and_words_of_its_own():
    outcomes = [NotForKeys(), Damaged(), *map(Unreadable, Reason)]

    assert len({outcome.code for outcome in outcomes}) == len({outcome.words for outcome in outcomes}) == len(outcomes)
    assert all(str(outcome) == outcome.words and "@" not in outcome.words for outcome in outcomes)
