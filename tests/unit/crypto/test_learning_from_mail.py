"""Whoever reads a well-signed mail from outside can answer it encrypted; nobody else's word is taken for it."""

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from secumail.contracts.commands.crypto import VerifySignature
from services.crypto.forms import Kind
from services.crypto.handlers.reading import Reading
from services.crypto.peers import PeerKey, Source
from services.crypto.ports import PeerKeys
from services.crypto.smime.signing import signed_data
from services.crypto.smime.verification import Trust
from tests.unit.crypto.northwind import House, Person

READER = uuid4()


class Pins:
    """What was learned."""

    def __init__(self) -> None:
        self.learned: list[tuple[object, str, PeerKey, Source, bool | None]] = []

    async def reads(self, _account: UUID, _address: str) -> tuple[frozenset[Kind], bool]:
        return frozenset(), False

    async def keys(self, _account: UUID, _address: str) -> PeerKeys:
        return PeerKeys(None, None, gcm=False)

    async def learn(self, owner: object, address: str, key: PeerKey, source: Source, gcm: bool | None = None) -> None:
        self.learned.append((owner, address, key, source, gcm))


class Nobody:
    """No keys of our own are needed to judge a signature."""

    async def encryption(self, _account: UUID, _address: str) -> None:
        raise AssertionError

    async def of(self, _account: UUID, _address: str) -> None:
        raise AssertionError

    async def certificates(self, *_of: object) -> None:
        raise AssertionError


@pytest.fixture(scope="module")
def signed(house: House, alice: Person, certify: Callable[..., x509.Certificate], now: datetime) -> tuple[bytes, bytes]:
    """What Alice wrote, and her signature, which names the certificate to answer her with."""
    public = rsa.generate_private_key(65537, 2048).public_key()
    reads = certify(house.issuing, public, alice.address, usage="key_encipherment")
    payload = b"Subject: Harvest\r\n\r\nThe numbers are in.\r\n"
    return payload, signed_data(payload, alice.key, alice.certificate, alice.chain, encryption=reads, now=now)


async def _judged(trust: Trust, domain: str, payload: bytes, signature: bytes) -> tuple[str, Pins]:
    async def trusted() -> Trust:
        return trust

    pins = Pins()
    command = VerifySignature(
        signature=base64.b64encode(signature).decode(),
        sha256=hashlib.sha256(payload).hexdigest(),
        sender="alice@northwind.example",
        account=READER,
    )
    reading = Reading(trusted, Nobody(), Nobody(), pins, (domain,))
    return (await reading.verify_signature(command, None)).state, pins


async def test_a_good_signature_from_outside_tells_where_and_how_to_encrypt(
    house: House, signed: tuple[bytes, bytes]
) -> None:
    state, pins = await _judged(house.trust, "southwind.example", *signed)
    assert state == "good"
    ((owner, address, key, source, gcm),) = pins.learned
    assert (owner, address, source, gcm) == (READER, "alice@northwind.example", "mail", True)
    assert key.kind == "smime"


async def test_nothing_is_learned_of_our_own_people_of_strangers_or_from_a_changed_mail(
    house: House, foreign_house: House, signed: tuple[bytes, bytes]
) -> None:
    payload, signature = signed
    outcomes = [
        await _judged(house.trust, "northwind.example", payload, signature),
        await _judged(foreign_house.trust, "southwind.example", payload, signature),
        await _judged(house.trust, "southwind.example", payload + b"Not.", signature),
    ]
    assert [state for state, _ in outcomes] == ["good", "untrusted", "tampered"]
    assert all(pins.learned == [] for _, pins in outcomes)
