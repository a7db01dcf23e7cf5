"""Keys of a running installation: rotated while mail flows, destroyed when nobody shall read a mailbox again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from secumail.cli.operator import Access
from secumail.directory import lookup
from secumail.errors import Refused
from secumail.installation.rotation import SETTLED, Rotation
from secumail.mailbox.entry import Entry
from secumail.sealing.accounts import AccountKeys
from secumail.sealing.keyring import KeyRing
from secumail.sealing.kms import all_scopes, version_of
from secumail.sealing.stream import Tampered
from secumail.sealing.wraps import WRAPS, rotated_scopes
from secumail.store.client import Database
from services.auth.accounts import unlock
from services.auth.adapters.mongodb import StoredAccounts
from services.auth.passwords import split
from services.gateway.sessions import Stored, identify, unseal
from tests.e2e.desk import until
from tests.e2e.test_cli import Terminal
from tests.people import PASSWORD, Office, Person, mail


@pytest.fixture
async def database(office: Office) -> AsyncIterator[Database]:
    """The installation's database, as its operator reaches it."""
    opened = Access.open(office.home.path).database()
    yield opened
    opened.client.close()


@pytest.fixture
def terminal(office: Office, tmp_path: Path) -> Terminal:
    """Somebody's terminal on the machine of the installation."""
    return Terminal(office, tmp_path)


@pytest.fixture
async def administrator(office: Office, terminal: Terminal) -> Terminal:
    """A terminal where an administrator is logged in."""
    return await terminal.log_in(await office.member("keeper", "administrator"))


# --- rotation -----------------------------------------------------------------------------------------------


async def test_all_keys_are_rotated_while_mail_flows_and_the_old_ones_destroyed(
    office: Office, terminal: Terminal, database: Database
) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    early = await ada.sent(mail(ada.address, bob.address, "Before"))
    rotated = asyncio.create_task(terminal.json("keys", "rotate", "--all"))
    meanwhile: list[str] = []
    while not rotated.done() or len(meanwhile) < 3:
        meanwhile.append((await ada.sent(mail(ada.address, bob.address, "Meanwhile")))["id"])
    done = await rotated
    assert set(done["versions"]) == set(rotated_scopes()) and done["left"] == 0
    listed = {row["scope"]: row for row in (await terminal.json("keys", "ls"))["scopes"]}
    for scope in rotated_scopes():
        assert (listed[scope]["current"], listed[scope]["left"]) == (done["versions"][scope], 0)
    refused = await terminal("keys", "retire", "--all")
    assert refused.exit_code == 1 and "younger than ten minutes" in refused.output

    rotation = Rotation(database, KeyRing(office.home.keys, all_scopes()), office.home.authority)
    for scope in rotated_scopes():
        assert await rotation.retire(scope, datetime.now(UTC) + SETTLED + timedelta(minutes=1))
    late = await ada.sent(mail(ada.address, bob.address, "After"))
    await bob.log_in()
    for id_ in (early["id"], *meanwhile, late["id"]):
        row = await bob.received(id_)
        assert (await bob.get(f"/messages/{row['id']}")).json()["signature"]["state"] == "good"
    accounts = (await (await office.administrator()).get("/accounts")).json()
    assert {ada.address, bob.address} <= {account["address"] for account in accounts}


async def test_transport_pairs_are_renewed_on_request_and_mail_goes_on(office: Office, terminal: Terminal) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    before = {pair["id"] for pair in (await terminal.json("keys", "ls"))["transport"]}
    made = (await terminal.json("keys", "rotate", "transport"))["transport"]
    assert len(made) == 6 and not before & set(made)
    after = {pair["id"] for pair in (await terminal.json("keys", "ls"))["transport"]}
    assert after == before | set(made), "old pairs are kept for who seals to them still"
    assert (await ada.sent(mail(ada.address, bob.address)))["recipients"][0]["state"] == "delivered"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rotate",), "Neither scopes nor --all"),
        (("rotate", "dlp.lists", "--all"), "Neither scopes nor --all, or both"),
        (("rotate", "nobody.scope"), "There is no scope nobody.scope"),
        (("rotate", "address"), "Nothing is stored under address"),
        (("retire", "delivery.audit"), "Nothing is stored under delivery.audit"),
        (("import", "--all"), "No PKCS#11 token is named"),
    ],
)
async def test_what_can_not_be_done_is_told_and_nothing_happens(
    terminal: Terminal, arguments: tuple[str, ...], words: str
) -> None:
    before = await terminal.json("keys", "ls")
    result = await terminal("keys", *arguments)
    assert result.exit_code == 1 and words in result.output
    assert (await terminal.json("keys", "ls"))["scopes"] == before["scopes"]


async def test_the_tables_name_every_scope_and_pair(terminal: Terminal) -> None:
    shown = (await terminal("keys", "ls")).output
    for scope in all_scopes():
        assert scope in shown
    assert "under older ones" in shown and "a file" in shown


async def test_everything_stored_that_is_wrapped_under_a_scope_is_known_to_rotation(
    office: Office, database: Database
) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    await ada.sent(mail(ada.address, bob.address))
    known = {(row.collection, row.field) for row in WRAPS}
    found = {
        (name, field)
        for name in await database.list_collection_names()
        async for document in database[name].find({})
        for field, value in _fields(document)
        # Wraps begin with a small number in four bytes. Whatever else is sealed begins with random ones.
        if len(value) >= 32 and 0 < version_of(value) < 1000
    }
    assert {("accounts", "profile"), ("signing_keys", "sealed"), ("transport_keys", "private")} <= found
    assert found <= known, "a row in secumail.sealing.wraps is missing"


def _fields(value: Any, name: str = "") -> list[tuple[str, bytes]]:
    if isinstance(value, dict):
        return [found for key, v in value.items() for found in _fields(v, f"{name}.{key}".lstrip("."))]
    if isinstance(value, list):
        return [found for v in value for found in _fields(v, name)]
    return [(name, value)] if isinstance(value, bytes) else []


# --- shredding ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Thief:
    """Has the database, the KMS, the person's password and a token of theirs: everything there is."""

    office: Office
    database: Database
    victim: Person

    async def account_keys(self) -> AccountKeys:
        """By the password, as auth does it."""
        ring = KeyRing(self.office.home.keys, all_scopes())
        account = await StoredAccounts(self.database["accounts"]).by_lookup(
            await lookup(ring["address"], self.victim.address)
        )
        assert account is not None
        halves = split(PASSWORD, account.credential.salt, account.credential.cost)
        return unlock(account, halves, await ring["auth.credentials"].derive(f"custody/{account.id}"))

    async def session_keys(self) -> AccountKeys:
        """By the token."""
        token = self.victim.headers["Authorization"].removeprefix("Bearer ")
        found = await self.database["sessions"].find_one({"_id": identify(token)})
        assert found is not None
        return unseal(
            Stored(found["_id"], found["account"], found["sealed"], found["created"], found["ends"]), token
        ).keys

    async def subjects(self, keys: AccountKeys) -> list[str]:
        """What these keys open of the mailbox."""
        found = self.database["entries"].find({"account": UUID(self.victim.account)})
        entries = [Entry.read(d) async for d in found]
        return [entry.open_meta(entry.open_key(keys.private)).subject for entry in entries]

    async def everything_stored(self) -> list[bytes]:
        """Every stored value that is long enough to be, or to hold, the account's private keys."""
        values: list[bytes] = []
        for name in await self.database.list_collection_names():
            async for document in self.database[name].find({}):
                values += [value for _, value in _fields(document)]
        return values


async def shred(terminal: Terminal, who: str, password: str = PASSWORD) -> Any:
    return await terminal("keys", "shred", who, "--yes", "--password-stdin", given=f"{password}\n")


async def test_who_has_everything_reads_a_mailbox_until_it_is_shredded_and_never_after(
    office: Office, administrator: Terminal, database: Database
) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    await ada.sent(mail(ada.address, bob.address, "Between us"))
    thief = Thief(office, database, bob)
    for keys in (await thief.account_keys(), await thief.session_keys()):
        assert await thief.subjects(keys) == ["Between us"]
    credential = (await database["accounts"].find_one({"_id": UUID(bob.account)}) or {})["credential"]
    sealed_keys = {credential["private"], credential["bundle"]}
    assert sealed_keys <= set(await thief.everything_stored())

    assert (await shred(administrator, bob.address)).exit_code == 0
    with pytest.raises((ValueError, Tampered)):
        await thief.account_keys()
    with pytest.raises(AssertionError):
        await thief.session_keys()
    left = await thief.everything_stored()
    assert not sealed_keys & set(left)
    assert await database["entries"].count_documents({"account": UUID(bob.account)}) == 1, "sealed, and so for ever"
    assert await database["decryption_keys"].count_documents({"account": UUID(bob.account)}) == 0
    assert await database["signing_keys"].count_documents({"_id": {"$regex": f"^{bob.account}/"}}) == 0


async def test_a_shredded_account_is_over_its_sessions_end_and_mail_to_it_bounces(
    office: Office, administrator: Terminal, database: Database
) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    assert (await shred(administrator, bob.address)).exit_code == 0
    assert (await bob.get("/sessions/current")).status_code == 401
    answer = await bob.door.post("/sessions", json={"address": bob.address, "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong-credentials")
    assert (await ada.sent(mail(ada.address, bob.address)))["recipients"][0]["state"] == "bounced"
    rows = {row["address"]: row["status"] for row in await administrator.json("accounts", "ls")}
    assert rows[bob.address] == "shredded"
    for command in ("reinstate", "suspend"):
        result = await administrator("accounts", command, bob.address)
        assert result.exit_code == 1 and "keys were destroyed" in result.output
    assert (await shred(administrator, bob.address)).exit_code == 0, "again changes nothing"

    async def chained() -> set[str]:
        query = {"rows": {"$elemMatch": {"0": bob.account}}}
        return {
            row[4] async for batch in database["audit"].find(query) for row in batch["rows"] if row[0] == bob.account
        }

    async def told() -> bool:
        return {"shredded", "keys-shredded"} <= await chained()

    await until(told)


async def test_shredding_is_confirmed_by_the_address_and_by_the_administrators_password(
    office: Office, administrator: Terminal
) -> None:
    bob = await office.newcomer()
    asked = await administrator("keys", "shred", bob.address, given="somebody@else.example\n")
    assert asked.exit_code == 1 and "unreadable for ever" in asked.output and "nothing was done" in asked.output
    wrong = await shred(administrator, bob.address, "not the password")
    assert wrong.exit_code == 1
    assert (await bob.get("/sessions/current")).status_code == 200


async def test_who_is_no_administrator_shreds_nobody_and_an_administrator_not_themselves(
    office: Office, administrator: Terminal
) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    answer = await ada.post(f"/accounts/{bob.account}/shred", json={"login_password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (403, "role-missing")
    keeper = await office.member("keeper", "administrator")
    assert "can't shred their own" in (await shred(administrator, keeper.address)).output
    assert "no such account" in (await shred(administrator, f"nobody@{office.domain}")).output


async def test_the_only_one_who_has_a_groups_key_is_not_shredded(
    office: Office, administrator: Terminal, database: Database
) -> None:
    bob, name = await office.newcomer(), f"choir-{uuid4().hex[:8]}"
    groups = database["groups"]
    await groups.insert_one({"_id": name, "account": uuid4(), "members": {bob.account: b"bob's copy of its key"}})
    refused = await shred(administrator, bob.address)
    assert refused.exit_code == 1 and "its mail would be lost too" in refused.output
    assert (await bob.log_in()).account
    await groups.update_one({"_id": name}, {"$set": {f"members.{uuid4()}": b"somebody else's"}})
    assert (await shred(administrator, bob.address)).exit_code == 0
    assert bob.account not in (await groups.find_one({"_id": name}) or {})["members"]


# --- renewal ------------------------------------------------------------------------------------------------


async def stored_keys(database: Database, person: Person) -> list[bytes]:
    """The sealed keys of a mailbox."""
    return [d["key"] async for d in database["entries"].find({"account": UUID(person.account)})]


async def log_in_again(person: Person) -> Person:
    """A new session, and the token of the one before."""
    return await Person(person.address, person.door).log_in()


async def test_a_renewed_key_takes_the_former_ones_place_and_all_mail_stays_readable(
    office: Office, terminal: Terminal, database: Database
) -> None:
    ada, bob = await office.newcomer(), await office.newcomer("reviewer")
    sent = [(await ada.sent(mail(ada.address, bob.address, f"Nr. {n}")))["id"] for n in range(5)]
    thief = Thief(office, database, bob)
    before, former = await stored_keys(database, bob), await thief.account_keys()
    await (await terminal.log_in(bob)).json("keys", "renew")
    assert len(await bob.mails()) == 5, "until the next log-in nothing changes"
    assert await stored_keys(database, bob) == before

    again = await log_in_again(bob)
    assert (await bob.get("/sessions/current")).status_code == 401, "a session from before could not read what comes"
    # Half a minute long a service may still seal to the former key, which it remembers.
    sent.append((await ada.sent(mail(ada.address, bob.address, "Just after")))["id"])
    assert {row["mail"] for row in await again.mails()} == set(sent)

    again = await log_in_again(bob)
    new = await thief.account_keys()
    assert len(new.private.former) == 1

    async def brought_up() -> bool:
        with contextlib.suppress(Refused):
            return set(await thief.subjects(new.current())) == {f"Nr. {n}" for n in range(5)} | {"Just after"}
        return False

    await until(brought_up)
    assert not set(before) & set(await stored_keys(database, bob))
    with pytest.raises(Refused):
        await thief.subjects(former)
    for row in await again.mails():
        shown = (await again.get(f"/messages/{row['id']}")).json()
        assert shown["signature"]["state"] == "good"
    assert (await again.get("/quarantine")).status_code == 200, "the group's key was sealed anew too"
    entry = await database["directory"].find_one({"account": UUID(bob.account)})
    assert entry is not None and entry["epoch"] == 2


async def test_former_keys_are_destroyed_a_day_later_when_nothing_is_sealed_to_them(
    office: Office, administrator: Terminal, database: Database
) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    sent = await ada.sent(mail(ada.address, bob.address, "Before"))
    await administrator.json("keys", "renew", bob.address)
    await bob.log_in()
    thief, accounts = Thief(office, database, bob), database["accounts"]
    assert len((await thief.account_keys()).private.former) == 1
    await bob.log_in()
    assert len((await thief.account_keys()).private.former) == 1, "too soon"

    two_days_ago = datetime.now(UTC) - timedelta(days=2)
    await accounts.update_one({"_id": UUID(bob.account)}, {"$set": {"renewed": two_days_ago}})
    await bob.log_in()

    async def unused() -> bool:
        return bool(await accounts.count_documents({"_id": UUID(bob.account), "former_unused": True}))

    await until(unused)
    await bob.log_in()
    keys = await thief.account_keys()
    assert keys.private.former == ()
    assert await thief.subjects(keys) == ["Before"]
    row = await bob.received(sent["id"])
    assert (await bob.get(f"/messages/{row['id']}")).json()["subject"] == "Before"


async def test_only_oneself_or_an_administrator_may_ask_for_a_new_key(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    answer = await ada.post(f"/accounts/{bob.account}/renew")
    assert (answer.status_code, answer.json()["code"]) == (403, "role-missing")
    answer = await ada.post(f"/accounts/{uuid4()}/renew")
    assert answer.status_code == 403
    assert (await ada.post(f"/accounts/{ada.account}/renew")).status_code == 204


async def test_log_ins_that_race_make_one_new_key(office: Office, database: Database) -> None:
    bob = await office.newcomer()
    await bob.post(f"/accounts/{bob.account}/renew")
    sessions = await asyncio.gather(*(log_in_again(bob) for _ in range(4)))
    for session in sessions:
        assert (await session.get("/messages")).status_code == 200
    keys = await Thief(office, database, bob).account_keys()
    assert len(keys.private.former) == 1
