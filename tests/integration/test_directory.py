"""The directory on a real database: what auth signed is believed, what anybody else wrote there is not."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from secumail.directory import REVIEWERS, Directory, Entry, lookup, normal
from secumail.sealing.hpke import PrivateKey
from secumail.sealing.identities import Forged
from services.auth.adapters.mongodb import SignedDirectory
from tests.integration.ground import Ground

ADDRESS = "Ada@Northwind.example"


class Listed:
    """One account in the directory, listed by auth."""

    def __init__(self, ground: Ground, listing: SignedDirectory, entry: Entry) -> None:
        self.ground, self.listing, self.entry = ground, listing, entry

    async def reader(self, service: str = "crypto") -> Directory:
        """A process that has read nothing yet."""
        return self.ground.process(service).directory

    async def tamper(self, **change: Any) -> None:
        changed = await self.ground.database["directory"].update_one({"_id": self.entry.lookup}, {"$set": change})
        assert changed.modified_count == 1


@pytest.fixture
async def listed(ground: Ground) -> Listed:
    await ground.database["directory"].delete_many({})
    auth = await ground.service("auth")
    listing = SignedDirectory(auth.database["directory"], auth.keys["auth.directory"])
    signer = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    by_address = await lookup(auth.keys["address"], ADDRESS)
    entry = Entry(by_address, uuid4(), PrivateKey.generate().public, signer, 1, 1, ("member", "reviewer"), "active")
    await listing.publish(entry)
    return Listed(ground, listing, entry)


async def test_an_account_is_found_by_its_address_however_it_is_written_and_by_its_id(listed: Listed) -> None:
    directory = await listed.reader()
    for written in (ADDRESS, "ada@northwind.example", "  ADA@NORTHWIND.EXAMPLE "):
        assert await directory.address(written) == listed.entry
    assert await directory.account(listed.entry.account) == listed.entry
    assert await directory.address("eve@northwind.example") is None
    assert await directory.account(uuid4()) is None


async def test_the_stored_entry_names_no_address(listed: Listed) -> None:
    stored = await listed.ground.database["directory"].find_one({})
    assert "northwind" not in str(stored).lower() and normal(ADDRESS) not in str(stored)


async def test_a_service_without_the_address_scope_finds_accounts_by_id_and_groups_by_name_only(listed: Listed) -> None:
    group = Entry(f"group:{REVIEWERS}".encode(), uuid4(), PrivateKey.generate().public, b"", 1, 1, (), "active", True)
    await listed.listing.publish(group)
    dlp = await listed.reader("dlp")
    assert await dlp.group(REVIEWERS) == group
    assert await dlp.account(listed.entry.account) == listed.entry
    with pytest.raises(KeyError):
        await dlp.address(ADDRESS)


@pytest.mark.parametrize(
    "change",
    [
        {"key": PrivateKey.generate().public.raw},
        {"signer": Ed25519PrivateKey.generate().public_key().public_bytes_raw()},
        {"roles": ["member", "reviewer", "administrator"]},
        {"roles": []},
        {"account": uuid4()},
        {"epoch": 2},
        {"revision": 2},
        {"status": "suspended"},
        {"group": True},
        {"signature": bytes(64)},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_an_entry_changed_in_the_database_is_refused(listed: Listed, change: dict[str, Any]) -> None:
    await listed.tamper(**change)
    directory = await listed.reader()
    with pytest.raises(Forged):
        await directory.address(ADDRESS)
    with pytest.raises(Forged):
        await directory.account(change.get("account", listed.entry.account))


async def test_an_entry_put_under_another_address_is_refused(listed: Listed) -> None:
    entries = listed.ground.database["directory"]
    stored = await entries.find_one({})
    assert stored is not None
    auth = await listed.ground.service("auth")
    await entries.insert_one({**stored, "_id": await lookup(auth.keys["address"], "bob@northwind.example")})
    with pytest.raises(Forged):
        await (await listed.reader()).address("bob@northwind.example")


async def test_an_entry_signed_by_another_service_is_refused(listed: Listed) -> None:
    crypto = await listed.ground.service("crypto")
    swapped = replace(listed.entry, key=PrivateKey.generate().public)
    signature = await crypto.keys["crypto.transport"].sign(swapped.signed())
    await listed.tamper(key=swapped.key.raw, signature=signature)
    with pytest.raises(Forged):
        await (await listed.reader()).address(ADDRESS)


async def test_what_a_signature_covers_can_not_be_shifted_between_fields(listed: Listed) -> None:
    # lookup, key and signer stand side by side under the signature: their lengths must be fixed for that.
    entry = listed.entry
    entries = listed.ground.database["directory"]
    stored = await entries.find_one({})
    assert stored is not None
    raw = entry.key.raw
    shifted = {**stored, "_id": entry.lookup + raw[:1], "key": raw[1:] + entry.signer[:1], "signer": entry.signer[1:]}
    await entries.delete_many({})
    await entries.insert_one(shifted)
    with pytest.raises(Forged):
        await (await listed.reader()).account(entry.account)


async def test_an_older_revision_never_replaces_a_newer_one(listed: Listed) -> None:
    newer = replace(listed.entry, revision=3, roles=("member",))
    await listed.listing.publish(newer)
    await listed.listing.publish(replace(listed.entry, revision=2))
    assert await (await listed.reader()).address(ADDRESS) == newer


async def test_a_change_is_seen_at_once_by_who_was_told_to_look_again(listed: Listed) -> None:
    directory = await listed.reader()
    assert await directory.account(listed.entry.account) == listed.entry
    assert await directory.address(ADDRESS) == listed.entry
    suspended = replace(listed.entry, revision=2, status="suspended")
    await listed.listing.publish(suspended)
    assert await directory.address(ADDRESS) == listed.entry, "half a minute's memory"
    directory.forget(listed.entry.account)
    assert await directory.address(ADDRESS) == await directory.account(listed.entry.account) == suspended
    assert not suspended.active
