"""No query of a service reads a whole collection: the database's own profiler says which plan each one took."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from secumail import topology
from secumail.audit import Acts, Sealer
from secumail.contracts.commands.auth import LoggedIn
from secumail.mailbox.entry import Entry
from secumail.sealing.accounts import AccountKeys
from secumail.sealing.hpke import PrivateKey
from secumail.spool.record import Stage
from secumail.spool.redrive import Redriver
from secumail.store.blobs import INLINE
from secumail.store.indexes import INDEXES
from secumail.store.transport import StoredTransportKeys
from services.auth import accounts
from services.auth.adapters.mongodb import SignedDirectory, StoredAccounts, StoredGroups
from services.auth.passwords import Cost, Halves
from services.dlp.adapters.mongodb import StoredLists
from services.dlp.lists import Lists
from services.gateway import pickup
from services.gateway.adapters.pickups import Pickups
from services.gateway.adapters.sessions import Sessions
from services.gateway.pickup import Inside, Stretching
from services.gateway.sessions import begin
from tests.integration.ground import Ground, Published, new_mail, until
from tests.integration.test_spool import PASSED, delivering, passing, splitting, three

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Profile:
    """What the database says of the commands it was given."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def faults(self) -> list[tuple[str, str, Any]]:
        """Collection, plan and query of each command that read a whole collection or sorted in memory.

        At its first upload the driver's GridFS looks whether there is any file at all; that reads one document.
        """
        return [
            (c["ns"], c["planSummary"], c["command"])
            for c in self.seen
            if ("COLLSCAN" in c["planSummary"] or c.get("hasSortStage"))
            and not (".blobs." in c["ns"] and c["command"].get("limit") == 1 and c["command"]["filter"] == {})
        ]


@asynccontextmanager
async def profiled(ground: Ground) -> AsyncIterator[Profile]:
    """Profile every command given inside."""
    database = ground.database
    await database.command("profile", 0)
    await database["system.profile"].drop()
    await database.command("profile", 2)
    profile = Profile()
    try:
        yield profile
    finally:
        await database.command("profile", 0)
    query = {"planSummary": {"$exists": True}, "appName": {"$ne": "tests"}}
    profile.seen = await database["system.profile"].find(query).to_list(None)


def _collections(profile: Profile) -> set[str]:
    return {c["ns"].partition(".")[2] for c in profile.seen}


async def test_the_spool_reads_by_index(ground: Ground) -> None:
    dlp_service, gateway_service = await ground.service("dlp"), await ground.service("gateway")
    published = Published()
    gateway, dlp = await ground.spool("gateway", published), await ground.spool("dlp", published)
    for _ in range(30):
        await gateway.submit(new_mail())

    async def no_backlog(_topic: str) -> float:
        return 0.0

    async with profiled(ground) as profile:
        mail, large = new_mail(), three()
        first = await gateway.submit(mail)
        await gateway.submit(mail)
        split = await gateway.submit(large)
        assert first.event is not None and split.event is not None
        await dlp.stuck(first.id, "malformed")
        for _ in range(2):
            await dlp.step(first.event, Stage.SUBMITTED, PASSED, passing)
        await dlp.step(split.event, Stage.SUBMITTED, PASSED, splitting)
        child = next(e for e in published.events if e.type == "mail.filtered" and e.mail != first.id)
        await dlp.step(child, Stage.FILTERED, {Stage.DONE}, delivering)
        await gateway.status(split.id)
        assert len(await gateway.standing([first.id, split.id])) == 2
        await gateway.note(first.id, "appealed", uuid4())
        await asyncio.gather(*(dlp.find(id_) for id_ in (first.id, split.id, uuid4())))
        queue = topology.queue("dlp", "mail.submitted")
        redriver = Redriver(dlp_service.database["spool"], [queue], published, no_backlog, 0.0)
        assert await redriver.turn(queue) > 0
        await gateway_service.database["spool"].distinct("keys", {"open": True})
    assert profile.faults() == []
    assert _collections(profile) >= {"spool", "blobs.files", "blobs.chunks"}


async def test_the_mailboxes_read_by_index(ground: Ground) -> None:
    gateway, delivery = await ground.service("gateway"), await ground.service("delivery")
    account, others = uuid4(), [uuid4() for _ in range(20)]
    body = await delivery.blobs.put(bytes(INLINE))
    entries = [
        Entry.new(owner, uuid4(), "received", "inbox", NOW + timedelta(seconds=n), 1, b"k", b"m", body)
        for owner in (account, *others)
        for n in range(10)
    ]
    await delivery.mailboxes.file(entries)
    async with profiled(ground) as profile:
        first = await gateway.mailboxes.page(account, "inbox", 3)
        assert len(await gateway.mailboxes.page(account, "inbox", 50, (first[-1].at, first[-1].id))) == 7
        await gateway.mailboxes.decide(first[1], "archive", b"sealed")
        assert len(await gateway.mailboxes.decided(account, "archive", 5)) == 1
        await gateway.mailboxes.vote(first[2], b"sealed")
        assert await gateway.mailboxes.appeal(first[2], b"sealed")
        assert not await gateway.mailboxes.appeal(first[2], b"another")
        await gateway.mailboxes.counts(account)
        entry = await gateway.mailboxes.find(account, first[0].id)
        assert entry is not None and await gateway.mailboxes.body(entry)
        await gateway.mailboxes.change(account, [entry.id], add=["seen"], remove=["flagged"], folder="archive")
        assert await gateway.mailboxes.delete(account, entry.id)
        await delivery.mailboxes.file(entries[:2])
    assert profile.faults() == []
    page = next(c for c in profile.seen if c["op"] == "query" and c["command"].get("limit") == 50)
    assert page["docsExamined"] <= 8, "a page costs what it shows, and the entry it begins behind"


async def test_keys_directory_sessions_and_lists_read_by_index(ground: Ground) -> None:
    gateway, dlp, auth = [await ground.service(name) for name in ("gateway", "dlp", "auth")]
    pairs = StoredTransportKeys(dlp.database["transport_keys"])
    directory = ground.process("gateway").directory
    sessions = Sessions(
        gateway.database["sessions"], gateway.database["groups"], directory, timedelta(minutes=4), timedelta(hours=12)
    )
    lists = StoredLists(dlp.database["lists"], dlp.blobs, dlp.keys["dlp.lists"])
    person = LoggedIn(
        account=uuid4(), address="ada@northwind.example", display_name="Ada", roles=("member",), bundle=""
    )
    async with profiled(ground) as profile:
        newest = await pairs.newest("dlp")
        assert newest is not None and await pairs.find(newest.id) is not None
        await pairs.older_than("dlp", NOW)
        await pairs.remove("dlp/none")
        await directory.address("ada@northwind.example")
        await directory.account(uuid4())
        await directory.group("reviewers")
        token, stored = begin(person, datetime.now(UTC), timedelta(minutes=4))
        await sessions.add(stored)
        with pytest.raises(Exception, match="session has ended"):
            await sessions.open(token)  # its account is not in the directory: all its sessions are ended
        assert await lists.add(Lists(version=1), uuid4())
        assert await lists.newest(0) is not None and await lists.newest(1) is None
    assert profile.faults() == []
    assert _collections(profile) >= {"transport_keys", "directory", "sessions", "lists"}
    assert auth.name == "auth"


async def test_pickups_read_by_index(ground: Ground) -> None:
    gateway = await ground.service("gateway")
    kept = Pickups(
        gateway.database["pickups"], gateway.database["sessions"], gateway.mailboxes,
        Acts(gateway.database["acts"]), gateway.transport, Stretching(1),
    )  # fmt: skip
    key, account, salt, now = PrivateKey.generate(), uuid4(), pickup.new_salt(), datetime.now(UTC)
    made = [
        pickup.invite(
            uuid4(), 0, Inside(key, "carol@elsewhere.example", "ada@northwind.example"), (account, key.public), "",
            (salt, bytes(32)), (now + timedelta(seconds=n), now + timedelta(days=1)),
        )
        for n in range(20)
    ]  # fmt: skip
    async with profiled(ground) as profile:
        await kept.add(made)
        assert len(await kept.newest(account, 5)) == 5
        (one,) = await kept.of_mail(account, made[0].mail)
        link = one.shown(key)
        assert link is not None and await kept.find(link.token) == one
        assert await kept.attempt(one.id, now) is not None
        await kept.opened(one, now)
        assert await kept.answer(one.id, "form", now)
        cookie, visit = pickup.begin(one.id, one.unlock(link.token, bytes(32)), now, one.ends)
        await kept.visit(visit)
        assert await kept.resume(one, cookie, now) is not None
        assert await kept.revoke(account, one.id, now)
        assert await kept.sweep(now + timedelta(days=2)) >= 20
        assert await kept.sweep(now + timedelta(days=2)) == 0
    assert profile.faults() == []
    assert _collections(profile) >= {"pickups", "sessions", "entries"}


async def test_accounts_and_groups_read_by_index(ground: Ground) -> None:
    auth = await ground.service("auth")
    stored, groups = StoredAccounts(auth.database["accounts"]), StoredGroups(auth.database["groups"])
    listing = SignedDirectory(auth.database["directory"], auth.keys["auth.directory"])
    keys = AccountKeys.generate()
    made = [_account(n, keys) for n in range(20)]
    for account in made:
        assert await stored.add(account)
        await stored.listed(account)
    try:
        async with profiled(ground) as profile:
            one = made[0]
            assert await stored.by_lookup(one.lookup) is not None and await stored.by_id(one.id) is not None
            assert await stored.replace(one.changed(roles=("member", "reviewer")))
            assert [a.id for a in await stored.unlisted()] == [one.id]
            assert [a.id for a in await stored.everyone()] == [a.id for a in made]
            await listing.publish(one.entry())
            assert await groups.create("testers", uuid4(), one.id, b"wrap")
            assert await groups.grant("testers", uuid4(), b"wrap")
        assert profile.faults() == []
    finally:
        for name in ("accounts", "groups", "directory"):
            await ground.database[name].delete_many({})


def _account(number: int, keys: AccountKeys) -> accounts.Account:
    opened, _ = accounts.open_account(
        f"lookup {number}".encode(), b"profile", ("member",), NOW + timedelta(seconds=number), uuid4(),
        b"salt", Cost(8, 1), Halves(bytes(32), bytes(32)), b"verifier", bytes(32),
    )  # fmt: skip
    return replace(
        opened,
        public=keys.private.public.raw,
        credential=replace(opened.credential, public=PrivateKey.generate().public.raw),
    )


async def test_the_audit_reads_by_index(ground: Ground) -> None:
    delivery, gateway = await ground.service("delivery"), await ground.service("gateway")
    spool = await ground.spool("gateway", Published())
    for _ in range(10):
        await spool.submit(new_mail())
    sealer = Sealer(delivery.database, delivery.keys["delivery.audit"])
    async with profiled(ground) as profile:
        for _ in range(2):
            await Acts(gateway.database["acts"]).record(uuid4(), "logged-in", uuid4())
            assert await sealer.turn(datetime.now(UTC) + timedelta(minutes=1)) > 0
    assert profile.faults() == []
    assert _collections(profile) >= {"spool", "acts", "audit"}


async def test_every_index_that_is_meant_to_be_there_is_there_and_no_other(ground: Ground) -> None:
    for name, indexes in INDEXES.items():
        there = {tuple(i["key"]) for i in (await ground.database[name].index_information()).values()}
        assert there == {(("_id", 1),), *(tuple(index.keys) for index in indexes)}, name


async def test_a_profile_finds_what_it_is_meant_to_find(ground: Ground) -> None:
    gateway = await ground.service("gateway")
    async with profiled(ground) as profile:
        await gateway.database["entries"].find_one({"size": 1})

    async def found() -> bool:
        return bool(profile.faults())

    await until(found, 1)
