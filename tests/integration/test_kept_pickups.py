"""Pickups in the database: attempts that are counted, keys that can't be swapped, and an end that is one."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from secumail.audit import Acts
from secumail.errors import Permanent
from secumail.mailbox.entry import Entry
from secumail.sealing.hpke import PrivateKey
from secumail.store.blobs import INLINE
from services.gateway import pickup
from services.gateway.adapters.pickups import Pickups
from services.gateway.pickup import Inside, Pickup, Stretching
from tests.integration.ground import Ground

SENDER = PrivateKey.generate()
STRETCHED = bytes(32)


async def pickups(ground: Ground) -> Pickups:
    """The gateway's."""
    gateway = await ground.service("gateway")
    acts = Acts(gateway.database["acts"])
    return Pickups(
        gateway.database["pickups"], gateway.database["sessions"], gateway.mailboxes, acts, gateway.transport,
        Stretching(1),
    )  # fmt: skip


def made(mail: UUID | None = None, account: UUID | None = None, lasts: timedelta = timedelta(days=1)) -> Pickup:
    """A pickup, made now."""
    inside = Inside(PrivateKey.generate(), "carol@elsewhere.example", "ada@northwind.example")
    owner = account or uuid4(), SENDER.public
    now = datetime.now(UTC)
    return pickup.invite(mail or uuid4(), 0, inside, owner, "", (bytes(16), STRETCHED), (now, now + lasts))


async def test_attempts_that_race_are_ten_and_no_more(ground: Ground) -> None:
    kept = await pickups(ground)
    (one,) = await kept.add([made()])
    taken = await asyncio.gather(*(kept.attempt(one.id, datetime.now(UTC)) for _ in range(30)))
    assert sorted(t.attempts for t in taken if t is not None) == list(range(10))
    assert await kept.attempt(one.id, datetime.now(UTC)) is None


async def test_replies_that_race_are_five_and_no_more_and_a_form_counts_once(ground: Ground) -> None:
    kept = await pickups(ground)
    (one,) = await kept.add([made()])
    forms = [f"form {n % 8}" for n in range(40)]
    done = await asyncio.gather(*(kept.answer(one.id, form, datetime.now(UTC)) for form in forms))
    allowed = {form for form, ok in zip(forms, done, strict=True) if ok}
    assert len(allowed) == 5
    again = {form for form in forms if await kept.answer(one.id, form, datetime.now(UTC))}
    assert again == allowed


async def test_a_repeated_submission_finds_its_guests_again(ground: Ground) -> None:
    kept, mail, account = await pickups(ground), uuid4(), uuid4()
    first, again = [(await kept.add([made(mail, account)]))[0] for _ in range(2)]
    assert (again.public, again.token) == (first.public, first.token)


async def test_a_database_writer_cannot_have_a_mail_sealed_to_a_key_of_his_own(ground: Ground) -> None:
    kept, mail, account = await pickups(ground), uuid4(), uuid4()
    (one,) = await kept.add([made(mail, account)])
    his = PrivateKey.generate().public.raw
    await ground.database["pickups"].update_one({"_id": one.id}, {"$set": {"public": his}})
    with pytest.raises(Permanent, match="pickup-forged"):
        await kept.add([made(mail, account)])


async def test_the_end_of_a_pickup_is_the_end_of_its_key_its_visits_and_its_mail(ground: Ground) -> None:
    kept, delivery = await pickups(ground), await ground.service("delivery")
    over, lasting = await kept.add([made(lasts=timedelta(0)), made()])
    now = datetime.now(UTC)
    blobs = [await delivery.blobs.put(bytes(INLINE + 1)) for _ in range(2)]
    for one, blob in zip((over, lasting), blobs, strict=True):
        await delivery.mailboxes.file([Entry.new(one.id, one.mail, "received", "inbox", now, 1, b"key", b"meta", blob)])
        link = one.shown(SENDER)
        assert link is not None
        _, visit = pickup.begin(one.id, one.unlock(link.token, STRETCHED), now, now + timedelta(minutes=1))
        await kept.visit(visit)
    assert await kept.sweep(now) >= 1
    for one, blob, left in ((over, blobs[0], False), (lasting, blobs[1], True)):
        stored = await ground.database["pickups"].find_one({"_id": one.id})
        assert stored is not None and ("sealed" in stored) == left
        entry = await ground.database["entries"].find_one({"account": one.id})
        assert entry is not None and ({"key", "meta", "body"} <= entry.keys()) == left
        assert bool(await ground.database["blobs.files"].find_one({"_id": blob.id})) == left
        assert bool(await ground.database["sessions"].find_one({"account": one.id})) == left
    assert await kept.sweep(now) == 0, "what was swept is not looked at again"
