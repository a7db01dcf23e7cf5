"""Keys of people outside: the first is trusted, the same stays, another waits for a person."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from northwind import House

from secumail.errors import Refused
from services.crypto import peers
from services.crypto.authority import ENCRYPTION_EC, issue
from services.crypto.openpgp import keys
from services.crypto.peers import Pin, Seen

NOW = datetime.now(UTC)
BOB = "bob@elsewhere.example"
FIRST, SECOND = keys.generate(BOB, NOW), keys.generate(BOB, NOW)


def seen(certificate: bytes) -> Seen:
    return Seen(peers.read(certificate, BOB, NOW), "upload", NOW)


def changed() -> Pin:
    return peers.learn(peers.learn(None, BOB, seen(FIRST.certificate)), BOB, seen(SECOND.certificate))


def test_the_first_key_is_pinned() -> None:
    pin = peers.learn(None, BOB, seen(FIRST.certificate))
    assert pin.state(NOW) == "pinned"
    assert pin.pinned.key.encoded == FIRST.certificate


def test_another_key_does_not_take_its_place_until_somebody_confirms_it() -> None:
    pin = changed()
    assert pin.state(NOW) == "changed"
    assert pin.pinned.key.encoded == FIRST.certificate
    assert pin.other is not None
    confirmed = peers.confirm(pin, pin.other.key.fingerprint)
    assert confirmed.state(NOW) == "pinned"
    assert confirmed.pinned.key.encoded == SECOND.certificate


def test_a_fingerprint_may_be_typed_as_it_is_read_aloud() -> None:
    pin = changed()
    assert pin.other is not None
    spoken = " ".join(pin.other.key.fingerprint.lower()[at : at + 4] for at in range(0, 40, 4))
    assert peers.confirm(pin, spoken).other is None


def test_the_wrong_fingerprint_confirms_nothing() -> None:
    with pytest.raises(Refused) as refused:
        peers.confirm(changed(), changed().pinned.key.fingerprint)
    assert refused.value.code == "another-fingerprint"


def test_there_is_nothing_to_confirm_where_no_key_waits() -> None:
    with pytest.raises(Refused) as refused:
        peers.confirm(peers.learn(None, BOB, seen(FIRST.certificate)), "00")
    assert refused.value.code == "nothing-to-confirm"


def test_the_same_key_with_a_later_end_is_no_change() -> None:
    pin = peers.learn(None, BOB, seen(FIRST.certificate))
    renewed = keys.renew(FIRST.certificate, FIRST.signing, NOW + timedelta(days=600))
    pin = peers.learn(pin, BOB, seen(renewed))
    assert pin.state(NOW) == "pinned"
    assert pin.pinned.key.ends is not None
    assert pin.pinned.key.ends > NOW + timedelta(days=1200)


def test_an_older_copy_of_the_same_key_takes_nothing_back() -> None:
    renewed = keys.renew(FIRST.certificate, FIRST.signing, NOW + timedelta(days=600))
    pin = peers.learn(peers.learn(None, BOB, seen(renewed)), BOB, seen(FIRST.certificate))
    assert pin.pinned.key.ends is not None
    assert pin.pinned.key.ends > NOW + timedelta(days=1200)


def test_a_key_whose_time_is_over_is_said_to_be_of_no_use() -> None:
    pin = peers.learn(None, BOB, seen(FIRST.certificate))
    assert pin.state(NOW + timedelta(days=731)) == "not-usable"


def test_what_is_known_of_gcm_is_kept_until_it_is_known_better() -> None:
    pin = peers.learn(None, BOB, seen(FIRST.certificate), gcm=True)
    assert peers.learn(pin, BOB, seen(FIRST.certificate)).gcm
    assert not peers.learn(pin, BOB, seen(FIRST.certificate), gcm=False).gcm


def test_a_certificate_is_read_in_both_its_forms_and_stays_the_same_key_when_certified_anew(house: House) -> None:
    certificate, again = certificates(house, BOB)
    for encoding in (Encoding.PEM, Encoding.DER):
        key = peers.read(certificate.public_bytes(encoding), BOB, NOW)
        assert key.kind == "smime"
    pin = peers.learn(None, BOB, seen(certificate.public_bytes(Encoding.DER)))
    assert peers.learn(pin, BOB, seen(again.public_bytes(Encoding.DER))).state(NOW) == "pinned"


def test_a_key_for_another_address_is_refused(house: House) -> None:
    certificate, _ = certificates(house, "eve@elsewhere.example")
    eve = keys.generate("eve@elsewhere.example", NOW).certificate
    for given in (eve, certificate.public_bytes(Encoding.PEM)):
        with pytest.raises(Refused) as refused:
            peers.read(given, BOB, NOW)
        assert refused.value.code == "key-names-another"


def test_a_key_that_has_expired_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        peers.read(FIRST.certificate, BOB, NOW + timedelta(days=731))
    assert refused.value.code == "key-not-usable"


@pytest.mark.parametrize("given", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_key_is_refused(given: bytes) -> None:
    with pytest.raises(Refused) as refused:
        peers.read(given, BOB, NOW)
    assert refused.value.code == "not-a-key"


def certificates(house: House, address: str) -> tuple[x509.Certificate, x509.Certificate]:
    """Two encryption certificates for one key."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    first, second = (issue(house.issuing, address, public, NOW, serial, ENCRYPTION_EC) for serial in (1, 2))
    return first, second
