"""OpenPGP keys and pins on a real database: made while their owner is away, renewed, unreadable to a thief."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from secumail.audit import Acts
from secumail.directory import Entry, lookup
from secumail.errors import Refused
from secumail.sealing import decryption
from secumail.sealing.hpke import NotForUs, PrivateKey
from secumail.sealing.kms import WrongKey
from secumail.service import Service
from services.auth.adapters.mongodb import SignedDirectory
from services.crypto import peers
from services.crypto.adapters.openpgp_keys import StoredOpenPGPKeys
from services.crypto.adapters.peers import EVERYONE, StoredPeers
from services.crypto.openpgp import keys, messages
from tests.integration.ground import Ground

ADDRESS = "ada@northwind.example"
BOB = "bob@elsewhere.example"
NOW = datetime.now(UTC)


class Ada(NamedTuple):
    """A person in the directory, with the private account key."""

    listing: SignedDirectory
    entry: Entry
    private: PrivateKey

    @property
    def account(self) -> UUID:
        return self.entry.account


@pytest.fixture
async def ada(ground: Ground) -> Ada:
    for name in ("directory", "openpgp_keys", "decryption_keys", "peers"):
        await ground.database[name].delete_many({})
    auth = await ground.service("auth")
    listing = SignedDirectory(auth.database["directory"], auth.keys["auth.directory"])
    private, signer = PrivateKey.generate(), Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    found = await lookup(auth.keys["address"], ADDRESS)
    entry = Entry(found, uuid4(), private.public, signer, 1, 1, ("member",), "active")
    await listing.publish(entry)
    return Ada(listing, entry, private)


def stored_keys(service: Service) -> StoredOpenPGPKeys:
    database = service.database
    return StoredOpenPGPKeys(
        database["openpgp_keys"],
        database["decryption_keys"],
        service.keys["crypto.signing"],
        service.directory,
        Acts(database["acts"]),
    )


def stored_peers(service: Service) -> StoredPeers:
    return StoredPeers(service.database["peers"], service.keys["crypto.signing"], Acts(service.database["acts"]))


async def test_mail_to_a_key_made_while_its_owner_was_away_opens_with_the_account_key_alone(
    ground: Ground, ada: Ada
) -> None:
    key = await stored_keys(ground.process("crypto")).of(ada.account, " ADA@Northwind.example ")

    mail = messages.encrypt(b"Hello", [key.certificate], key.signer).encode()
    (stored,) = await ground.database["decryption_keys"].find({}).to_list(None)
    secret = decryption.open_sealed(stored["wrap"], ada.account, stored["_id"], ada.private)

    opened = messages.decrypt(mail, [secret], [key.certificate])
    assert (opened.content, opened.signatures.state) == (b"Hello", "good")
    with pytest.raises(NotForUs):
        decryption.open_sealed(stored["wrap"], ada.account, stored["_id"], PrivateKey.generate())


async def test_replicas_that_race_agree_on_one_key(ground: Ground, ada: Ada) -> None:
    replicas = [stored_keys(ground.process("crypto")) for _ in range(3)]
    made = await asyncio.gather(*(replica.of(ada.account, ADDRESS) for replica in replicas))
    assert len({key.certificate for key in made}) == 1
    later = await stored_keys(ground.process("crypto")).public(ADDRESS)
    assert later == made[0].certificate


async def test_a_key_near_its_end_is_renewed_and_stays_the_same_key(ground: Ground, ada: Ada) -> None:
    before = await stored_keys(ground.process("crypto")).public(ADDRESS)
    await ground.database["openpgp_keys"].update_many({}, {"$set": {"ends": NOW + timedelta(days=59)}})
    after = await stored_keys(ground.process("crypto")).public(ADDRESS)
    assert after != before
    assert keys.facts(after, NOW).fingerprint == keys.facts(before, NOW).fingerprint
    (stored,) = await ground.database["openpgp_keys"].find({}).to_list(None)
    assert stored["ends"] > NOW + timedelta(days=729)


async def test_a_new_account_key_keeps_the_fingerprint_that_others_have_pinned(ground: Ground, ada: Ada) -> None:
    replica = stored_keys(ground.process("crypto"))
    before = await replica.of(ada.account, ADDRESS)
    await ada.listing.publish(replace(ada.entry, epoch=2, revision=2, key=PrivateKey.generate().public))
    assert await replica.of(ada.account, ADDRESS) == before
    assert await stored_keys(ground.process("crypto")).of(ada.account, ADDRESS) == before


async def test_nobody_gets_a_key_for_an_address_that_is_not_theirs(ground: Ground, ada: Ada) -> None:
    replica = stored_keys(ground.process("crypto"))
    for account, address in ((uuid4(), ADDRESS), (ada.account, "grace@northwind.example")):
        with pytest.raises(Refused) as refused:
            await replica.of(account, address)
        assert refused.value.code == "no-such-person"
    assert await ground.database["openpgp_keys"].count_documents({}) == 0


async def test_whoever_is_suspended_is_not_found_but_signed_mail_stays_checkable(ground: Ground, ada: Ada) -> None:
    key = await stored_keys(ground.process("crypto")).of(ada.account, ADDRESS)
    await ada.listing.publish(replace(ada.entry, revision=2, status="suspended"))
    replica = stored_keys(ground.process("crypto"))
    with pytest.raises(Refused):
        await replica.public(ADDRESS)
    assert await replica.certificates(ADDRESS) == (key.certificate,)


async def test_a_dump_of_the_database_names_no_address_and_no_key(ground: Ground, ada: Ada) -> None:
    service = ground.process("crypto")
    key = await stored_keys(service).of(ada.account, ADDRESS)
    bob = keys.generate(BOB, NOW).certificate
    await stored_peers(service).learn(ada.account, BOB, peers.read(bob, BOB, NOW), "upload")
    fingerprints = [keys.facts(certificate, NOW).fingerprint for certificate in (key.certificate, bob)]
    dump = b"".join(
        [
            value if isinstance(value, bytes) else repr(value).lower().encode()
            for name in ("openpgp_keys", "decryption_keys", "peers", "acts")
            async for document in ground.database[name].find({})
            for value in document.values()
        ]
    )
    assert len(dump) > 3_000
    for known in (ADDRESS, BOB, *(fingerprint.lower() for fingerprint in fingerprints)):
        assert known.encode() not in dump
    for fingerprint in fingerprints:
        assert bytes.fromhex(fingerprint) not in dump


async def test_a_person_encrypts_to_the_own_pin_before_the_organisations(ground: Ground, ada: Ada) -> None:
    pins = stored_peers(ground.process("crypto"))
    own, everyones = (keys.generate(BOB, NOW).certificate for _ in range(2))
    await pins.learn(EVERYONE, BOB, peers.read(everyones, BOB, NOW), "upload")
    assert (await pins.keys(ada.account, BOB)).openpgp == everyones
    await pins.learn(ada.account, BOB, peers.read(own, BOB, NOW), "upload")
    assert (await pins.keys(ada.account, BOB)).openpgp == own
    assert (await pins.keys(uuid4(), BOB)).openpgp == everyones
    assert await pins.reads(ada.account, "Bob@Elsewhere.Example") == (frozenset({"openpgp"}), False)


async def test_a_pin_put_under_another_address_does_not_open(ground: Ground, ada: Ada) -> None:
    pins = stored_peers(ground.process("crypto"))
    await pins.learn(ada.account, BOB, peers.read(keys.generate(BOB, NOW).certificate, BOB, NOW), "upload")
    eve = "eve@elsewhere.example"
    eves = await pins.learn(ada.account, eve, peers.read(keys.generate(eve, NOW).certificate, eve, NOW), "upload")
    stored = ground.database["peers"]
    (bobs,) = [pin async for pin in stored.find({}, {"_id": 1}) if pin["_id"] != eves.id]
    evil = await stored.find_one({"_id": eves.id})
    await stored.update_one({"_id": bobs["_id"]}, {"$set": {"sealed": evil["sealed"]}})
    with pytest.raises(WrongKey):
        await pins.keys(ada.account, BOB)
