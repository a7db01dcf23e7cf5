"""Mailboxes on a real database: filed once, read by their owner alone, whole or not at all, gone when deleted."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from secumail.errors import Refused
from secumail.mailbox import entry as mailbox
from secumail.mailbox.entry import Entry, Meta
from secumail.mailbox.mailbox import Mailboxes
from secumail.sealing.accounts import AccountKeys
from secumail.store.blobs import INLINE, BlobRef
from tests.integration.ground import Ground

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RAW = b"Subject: canary\r\n\r\nGood morning.\r\n"
META = Meta(subject="canary", sender="ada@northwind.example", preview="Good morning.")


class Owner:
    """An account with its keys."""

    def __init__(self) -> None:
        self.account, self.keys = uuid4(), AccountKeys.generate()

    def due(self, mail: UUID, sealed: mailbox.Sealed, body: BlobRef, at: datetime = NOON, **more: Any) -> Entry:
        wrap = sealed.wrap(mail, self.account, self.keys.private.public)
        entry = Entry.new(self.account, mail, "received", "inbox", at, len(RAW), wrap, sealed.meta, body)
        return replace(entry, **more)


class Boxes:
    """Delivery's and the gateway's view of the mailboxes."""

    def __init__(self, ground: Ground, filing: Mailboxes, serving: Mailboxes, blobs: Any) -> None:
        self.ground, self.filing, self.serving, self.blobs = ground, filing, serving, blobs

    async def filed(
        self, *owners: Owner, raw: bytes = RAW, at: datetime = NOON, mail: UUID | None = None
    ) -> list[Entry]:
        """One mail in the mailboxes of these."""
        mail = mail or uuid4()
        sealed = mailbox.seal(mail, raw, META)
        body = await self.blobs.put(sealed.body, len(owners))
        entries = [owner.due(mail, sealed, body, at) for owner in owners]
        await self.filing.file(entries)
        return entries

    async def entry(self, owner: Owner, id_: UUID) -> Entry:
        found = await self.serving.find(owner.account, id_)
        assert found is not None
        return found

    async def stored(self) -> int:
        return await self.ground.database["blobs.files"].count_documents({})


@pytest.fixture
async def boxes(ground: Ground) -> Boxes:
    delivery, gateway = await ground.service("delivery"), await ground.service("gateway")
    return Boxes(ground, delivery.mailboxes, gateway.mailboxes, delivery.blobs)


def refused(error: pytest.ExceptionInfo[Refused]) -> str:
    return error.value.code


# --- who can read -----------------------------------------------------------------------------------------


async def test_the_owner_opens_what_was_filed(boxes: Boxes) -> None:
    owner = Owner()
    (filed,) = await boxes.filed(owner)
    entry = await boxes.entry(owner, filed.id)
    key = entry.open_key(owner.keys.private)
    assert entry.open_meta(key) == META
    assert entry.open_body(key, await boxes.serving.body(entry)) == RAW
    stored = await boxes.ground.database["entries"].find_one({})
    assert b"canary" not in str(stored).encode() and b"Good morning" not in str(stored).encode()


async def test_of_two_owners_of_one_mail_neither_opens_the_others_entry(boxes: Boxes) -> None:
    ada, bob = Owner(), Owner()
    of_ada, of_bob = await boxes.filed(ada, bob)
    assert await boxes.serving.find(bob.account, of_ada.id) is None
    assert await boxes.serving.page(uuid4(), "inbox", 10) == []
    for entry, owner in ((of_ada, bob), (of_bob, ada)):
        with pytest.raises(Refused) as error:
            entry.open_key(owner.keys.private)
        assert refused(error) == "mail-damaged"


async def test_an_entry_moved_into_another_mailbox_by_a_database_writer_does_not_open(boxes: Boxes) -> None:
    ada, eve = Owner(), Owner()
    (filed,) = await boxes.filed(ada)
    await boxes.ground.database["entries"].update_one({"_id": filed.id}, {"$set": {"account": eve.account}})
    stolen = await boxes.entry(eve, filed.id)
    for keys in (eve.keys, ada.keys):
        with pytest.raises(Refused) as error:
            stolen.open_key(keys.private)
        assert refused(error) == "mail-damaged"


@pytest.mark.parametrize("field", ["meta", "body.in", "key"])
@pytest.mark.parametrize("change", ["a bit turned", "cut", "another mail's"])
async def test_tampered_mail_is_refused_and_nothing_of_it_is_shown(boxes: Boxes, field: str, change: str) -> None:
    owner = Owner()
    (filed,), (other,) = await boxes.filed(owner), await boxes.filed(owner)
    entries = boxes.ground.database["entries"]

    async def value(id_: UUID) -> bytes:
        found: Any = await entries.find_one({"_id": id_})
        for name in field.split("."):
            found = found[name]
        return bytes(found)

    original = await value(filed.id)
    changed = {
        "a bit turned": original[:-1] + bytes([original[-1] ^ 1]),
        "cut": original[:-5],
        "another mail's": await value(other.id),
    }[change]
    await entries.update_one({"_id": filed.id}, {"$set": {field: changed}})
    entry = await boxes.entry(owner, filed.id)
    with pytest.raises(Refused) as error:
        key = entry.open_key(owner.keys.private)
        entry.open_meta(key)
        entry.open_body(key, await boxes.serving.body(entry))
    assert (refused(error), error.value.status) == ("mail-damaged", 409)
    assert "backup" in error.value.fix and "canary" not in error.value.words


async def test_a_body_in_gridfs_with_one_bit_turned_is_refused(boxes: Boxes) -> None:
    owner = Owner()
    (filed,) = await boxes.filed(owner, raw=bytes(INLINE))
    chunks = boxes.ground.database["blobs.chunks"]
    chunk = await chunks.find_one({"n": 1})
    assert chunk is not None
    await chunks.update_one({"_id": chunk["_id"]}, {"$set": {"data": bytes(chunk["data"][:-1]) + b"\xff"}})
    entry = await boxes.entry(owner, filed.id)
    with pytest.raises(Refused) as error:
        entry.open_body(entry.open_key(owner.keys.private), await boxes.serving.body(entry))
    assert refused(error) == "mail-damaged"


# --- filing and deleting ----------------------------------------------------------------------------------


async def test_a_mail_delivered_again_is_filed_once_and_keeps_what_its_owner_did(boxes: Boxes) -> None:
    ada, bob = Owner(), Owner()
    entries = await boxes.filed(ada, bob)
    await boxes.serving.change(ada.account, [entries[0].id], add=["seen"], folder="archive")
    await asyncio.gather(boxes.filing.file(entries), boxes.filing.file(entries[:1]))
    assert await boxes.ground.database["entries"].count_documents({}) == 2
    entry = await boxes.entry(ada, entries[0].id)
    assert (entry.folder, entry.flags) == ("archive", ("seen",))


async def test_a_deleted_mail_leaves_a_mark_without_content_and_is_not_brought_back_by_a_redelivery(
    boxes: Boxes,
) -> None:
    owner = Owner()
    (filed,) = await boxes.filed(owner)
    assert await boxes.serving.delete(owner.account, filed.id)
    await boxes.filing.file([filed])
    assert await boxes.serving.find(owner.account, filed.id) is None
    assert await boxes.serving.page(owner.account, "inbox", 10) == []
    assert await boxes.serving.counts(owner.account) == {}
    mark = await boxes.ground.database["entries"].find_one({"_id": filed.id})
    assert mark is not None and set(mark) == {"_id", "account", "mail", "role", "gone"}
    assert not await boxes.serving.delete(owner.account, filed.id)
    assert await boxes.serving.change(owner.account, [filed.id], add=["seen"], folder="inbox") == 0


async def test_nobody_changes_or_deletes_anothers_mail(boxes: Boxes) -> None:
    owner, other = Owner(), Owner()
    (filed,) = await boxes.filed(owner)
    assert not await boxes.serving.delete(other.account, filed.id)
    assert await boxes.serving.change(other.account, [filed.id], add=["seen"], remove=["flagged"], folder="trash") == 0
    assert (await boxes.entry(owner, filed.id)).folder == "inbox"


async def test_a_shared_body_goes_with_its_last_owner(boxes: Boxes) -> None:
    owners = [Owner() for _ in range(3)]
    entries = await boxes.filed(*owners, raw=bytes(INLINE))
    for left, owner, entry in zip((1, 1, 0), owners, entries, strict=True):
        assert await boxes.serving.delete(owner.account, entry.id)
        assert await boxes.stored() == left


async def test_a_shared_body_stays_while_a_mail_still_on_its_way_needs_it(boxes: Boxes) -> None:
    owner = Owner()
    (filed,) = await boxes.filed(owner, raw=bytes(INLINE))
    assert filed.body is not None
    await boxes.ground.database["spool"].insert_one({"_id": filed.mail, "body": filed.body.document()})
    assert await boxes.serving.delete(owner.account, filed.id)
    assert await boxes.stored() == 1


async def test_a_small_body_is_kept_in_each_entry_and_a_large_or_widely_shared_one_once(boxes: Boxes) -> None:
    await boxes.filed(Owner(), Owner(), raw=bytes(1000))
    assert await boxes.stored() == 0
    await boxes.filed(*(Owner() for _ in range(5)), raw=bytes(INLINE // 4))
    assert await boxes.stored() == 1


# --- listing ----------------------------------------------------------------------------------------------


async def _all(boxes: Boxes, account: UUID, limit: int) -> list[Entry]:
    found: list[Entry] = []
    while page := await boxes.serving.page(account, "inbox", limit, (found[-1].at, found[-1].id) if found else None):
        assert len(page) <= limit
        found += page
    return found


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
async def test_paging_shows_every_mail_once_newest_first_also_those_of_the_same_millisecond(
    boxes: Boxes, limit: int
) -> None:
    owner = Owner()
    moments: Sequence[datetime] = [NOON] * 7 + [NOON + timedelta(milliseconds=n) for n in (1, 1, 2)]
    ids = {(await boxes.filed(owner, at=at))[0].id for at in moments}
    await boxes.filed(Owner())
    found = await _all(boxes, owner.account, limit)
    assert {e.id for e in found} == ids and len(found) == len(ids)
    assert [(e.at, e.id.bytes) for e in found] == sorted(((e.at, e.id.bytes) for e in found), reverse=True)


async def test_mail_that_arrives_or_goes_while_one_pages_moves_nothing_else(boxes: Boxes) -> None:
    owner = Owner()
    for _ in range(6):
        await boxes.filed(owner)
    first = await boxes.serving.page(owner.account, "inbox", 3)
    await boxes.filed(owner, at=NOON + timedelta(hours=1))
    await boxes.serving.delete(owner.account, first[-1].id)
    rest = await boxes.serving.page(owner.account, "inbox", 10, (first[-1].at, first[-1].id))
    assert len(rest) == 3 and not {e.id for e in first} & {e.id for e in rest}


async def test_folders_are_counted_with_what_is_unseen(boxes: Boxes) -> None:
    owner = Owner()
    one, two, _three = [(await boxes.filed(owner))[0].id for _ in range(3)]
    await boxes.filed(Owner())
    assert await boxes.serving.change(owner.account, [one, two], add=["seen", "flagged"]) == 2
    assert await boxes.serving.change(owner.account, [two], remove=["flagged"], folder="archive") == 1
    assert await boxes.serving.counts(owner.account) == {"inbox": (2, 1), "archive": (1, 0)}
    assert (await boxes.entry(owner, two)).flags == ("seen",)


def test_meta_survives_odd_bytes_and_does_not_show_itself() -> None:
    odd = Meta(subject="\udcff odd", attachments=({"name": "a"},), to=("x",))
    assert Meta.decode(odd.encode()) == odd
    assert repr(META) == "Meta(...)"
