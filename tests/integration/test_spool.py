"""The spool on a real database: what is taken in is kept, and each step happens once, whoever is killed or races."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from secumail import topology
from secumail.contracts.events import (
    Event,
    MailBlocked,
    MailDelivered,
    MailEncrypted,
    MailFiltered,
    MailRejected,
    MailSubmitted,
)
from secumail.errors import Permanent, Transient
from secumail.sealing.claims import Claims, Step, TransitKeys
from secumail.spool.advance import Advance, Part
from secumail.spool.record import Recipient, Record, Stage, State, Verdict
from secumail.spool.redrive import AT_ONCE, Redriver
from secumail.spool.spool import IN_FLIGHT_BYTES, NewMail, Spool
from secumail.store.blobs import INLINE, BlobRef
from tests.contract.examples import claim
from tests.integration.ground import Ground, Published, new_mail, until

LARGE = bytes(INLINE + 1)
PASSED = {Stage.FILTERED, Stage.HELD, Stage.SPLIT}


def filtered(record: Record) -> MailFiltered:
    return MailFiltered(
        mail=record.id,
        generation=record.generation,
        size=record.size,
        verdict="pass",
        claim=claim("dlp", "crypto", "pass"),
    )


async def passing(record: Record) -> Advance:
    """What dlp does with a mail that may go on."""
    return Advance(
        Stage.FILTERED,
        "passed:clean",
        (filtered(record),),
        recipients=tuple(r.to(State.QUEUED) for r in record.recipients),
        verdict=Verdict("clean"),
    )


async def delivering(record: Record) -> Advance:
    """What delivery does at the end."""
    return Advance(
        Stage.DONE,
        "delivered",
        (MailDelivered(mail=record.id, generation=record.generation, delivered=len(record.recipients)),),
        recipients=tuple(r.to(State.DELIVERED) for r in record.recipients),
    )


class House:
    """The spool as gateway and dlp use it, each with what it has published."""

    def __init__(self, ground: Ground, gateway: Spool, dlp: Spool, told: Published, published: Published) -> None:
        self.ground, self.gateway, self.dlp, self.told, self.published = ground, gateway, dlp, told, published

    @classmethod
    async def open(cls, ground: Ground) -> "House":
        await ground.service("crypto")
        told, published = Published(), Published()
        return cls(ground, await ground.spool("gateway", told), await _ready(ground, published), told, published)

    async def taken(self, mail: NewMail | None = None) -> MailSubmitted:
        """A mail taken in: the event that brings it to dlp."""
        accepted = await self.gateway.submit(mail or new_mail())
        assert isinstance(accepted.event, MailSubmitted)
        return accepted.event

    async def document(self, event: Event) -> dict[str, Any]:
        found = await self.ground.database["spool"].find_one({"_id": event.mail})
        assert found is not None
        return found

    async def blobs(self) -> int:
        return await self.ground.database["blobs.files"].count_documents({})


async def _ready(ground: Ground, published: Published) -> Spool:
    return await ground.spool("dlp", published)


@pytest.fixture
async def house(ground: Ground) -> House:
    return await House.open(ground)


# --- taking in --------------------------------------------------------------------------------------------


async def test_a_mail_sent_again_with_its_key_is_the_same_mail(house: House) -> None:
    mail = new_mail()
    first, again = await house.gateway.submit(mail), await house.gateway.submit(mail)
    assert (first.replayed, first.same) == (False, True)
    assert (again.id, again.replayed, again.same) == (first.id, True, True)
    assert again.event is not None and first.event is not None
    assert again.event.encode() == first.event.encode(), "the event of the first time is announced, byte for byte"
    assert await house.ground.database["spool"].count_documents({}) == 1


@pytest.mark.parametrize(
    "change",
    [{"raw": b"Subject: other\r\n\r\n"}, {"cover": b"a picture"}],
    ids=["another text", "another picture"],
)
async def test_a_key_used_again_for_another_mail_is_noticed(house: House, change: dict[str, Any]) -> None:
    mail = new_mail()
    await house.gateway.submit(mail)
    other = await house.gateway.submit(replace(mail, **change))
    assert (other.replayed, other.same) == (True, False)
    to_another = replace(mail, envelope=replace(mail.envelope, recipients=("eve@northwind.example",)))
    assert not (await house.gateway.submit(to_another)).same


async def test_a_mail_sent_again_when_it_is_on_its_way_is_not_announced_again(house: House) -> None:
    mail = new_mail()
    event = await house.taken(mail)
    await house.dlp.step(event, Stage.SUBMITTED, PASSED, passing)
    again = await house.gateway.submit(mail)
    assert (again.replayed, again.same, again.event) == (True, True, None)
    await house.gateway.announce(again)
    assert house.told.events == []


async def test_many_at_once_with_one_key_are_one_mail_and_leave_no_blob_behind(house: House) -> None:
    mail = new_mail(LARGE)
    others = [
        Spool(s.database["spool"], s.blobs, s.transport, Published())
        for s in [await house.ground.service("gateway")] * 2
    ]
    taken = await asyncio.gather(*(spool.submit(mail) for spool in (house.gateway, *others) for _ in range(3)))
    assert sorted(t.replayed for t in taken) == [False] + [True] * 8
    assert await house.blobs() == 1


async def test_many_mails_at_once_are_all_taken_and_all_go_on(house: House) -> None:
    mails = [new_mail() for _ in range(50)]
    taken = await asyncio.gather(*(house.gateway.submit(mail) for mail in (*mails, *mails[:5])))
    assert [t.replayed for t in taken] == [False] * 50 + [True] * 5
    events = [t.event for t in taken if t.event is not None]
    await asyncio.gather(*(house.dlp.step(event, Stage.SUBMITTED, PASSED, passing) for event in events))
    assert await house.ground.database["spool"].count_documents({"stage": "filtered", "steps": {"$size": 2}}) == 50
    assert {e.mail for e in house.published.events} == {mail.id for mail in mails}
    assert len({e.encode() for e in house.published.events}) == 50


async def test_a_mail_is_kept_even_when_the_broker_does_not_take_its_event(house: House) -> None:
    fails = Published(Transient("publish-not-confirmed"), RuntimeError("anything"))
    gateway = await house.ground.spool("gateway", fails)
    for _ in range(2):
        accepted = await gateway.submit(new_mail())
        await gateway.announce(accepted)
        assert await gateway.find(accepted.id) is not None
    assert fails.events == []


async def test_only_mail_of_256_kib_and_more_leaves_its_record(house: House) -> None:
    small = await house.document(await house.taken(new_mail(b"x" * (INLINE - 1024))))
    assert set(small["mime"]) == {"in"} and await house.blobs() == 0
    large = await house.document(await house.taken(new_mail(LARGE)))
    assert set(large["mime"]) == {"id"} and set(large["envelope"]) == {"in"} and await house.blobs() == 1


async def test_neither_text_nor_addresses_are_readable_in_the_record(house: House) -> None:
    event = await house.taken(new_mail(b"Subject: canary\r\n\r\ncanary", "canary@northwind.example"))
    assert b"canary" not in str(await house.document(event)).encode()
    assert b"canary" not in event.encode()


# --- one step ---------------------------------------------------------------------------------------------


async def test_a_step_run_again_publishes_what_it_published_byte_for_byte_and_nothing_else(house: House) -> None:
    event = await house.taken()
    await house.dlp.step(event, Stage.SUBMITTED, PASSED, passing)
    before = await house.document(event)

    async def never(_record: Record) -> Advance:
        raise AssertionError("the work is done")

    for _ in range(3):
        await house.dlp.step(event, Stage.SUBMITTED, PASSED, never)
    first, *again = house.published.bodies
    assert again == [first] * 3
    assert await house.document(event) == before


async def test_a_step_cut_off_between_write_and_publish_is_made_good_by_its_rerun(house: House) -> None:
    event = await house.taken()
    cut_off = Published(Transient("publish-not-confirmed"))
    dlp = await _ready(house.ground, cut_off)
    with pytest.raises(Transient):
        await dlp.step(event, Stage.SUBMITTED, PASSED, passing)
    assert (await house.document(event))["stage"] == "filtered"
    await dlp.step(event, Stage.SUBMITTED, PASSED, passing)
    assert [e.type for e in cut_off.events] == ["mail.filtered"]
    assert cut_off.bodies == [e["body"] for e in (await house.document(event))["out"]]


@pytest.mark.parametrize("processes", [1, 2], ids=["in one process", "in two processes"])
async def test_of_two_racers_one_wins_and_the_other_publishes_the_winners_event(house: House, processes: int) -> None:
    both = asyncio.Barrier(2)

    async def racing(record: Record) -> Advance:
        await both.wait()
        return replace(await passing(record), verdict=Verdict("clean"), events=(await _own(house, record),))

    event = await house.taken()
    racers = [house.dlp] * 2 if processes == 1 else [house.dlp, await _other_process(house)]
    await asyncio.gather(*(racer.step(event, Stage.SUBMITTED, PASSED, racing) for racer in racers))
    document = await house.document(event)
    stored = [e["body"] for e in document["out"]]
    assert house.published.bodies == stored * 2, "each seals a claim of its own; only the stored one may go out"
    assert [s["step"] for s in document["steps"]] == ["accepted", "passed:clean"]


async def _own(house: House, record: Record) -> MailFiltered:
    """An event with a claim sealed for this racer alone: no two are the same."""
    claims = Claims((await house.ground.service("dlp")).transport)
    sealed = await claims.seal(Step("mail.filtered", record.id, 0), "crypto", TransitKeys.generate(), "pass")
    return filtered(record).model_copy(update={"claim": sealed})


async def _other_process(house: House) -> Spool:
    other = house.ground.process("dlp")
    return Spool(other.database["spool"], other.blobs, other.transport, house.published)


async def test_an_event_of_a_generation_gone_by_does_nothing(house: House) -> None:
    event = await house.taken()

    async def released(record: Record) -> Advance:
        return replace(await passing(record), step="released", generation=1)

    await house.dlp.step(event, Stage.SUBMITTED, PASSED, released)
    before, published = await house.document(event), list(house.published.bodies)
    await house.dlp.step(event, Stage.FILTERED, {Stage.ENCRYPTED}, passing)
    assert (await house.document(event), house.published.bodies) == (before, published)


async def test_an_event_of_a_generation_to_come_and_one_of_no_mail_are_dead_letters(house: House) -> None:
    event = await house.taken()
    for wrong, code in (
        (event.model_copy(update={"generation": 1}), "generation-unknown"),
        (event.model_copy(update={"mail": new_mail().id}), "no-such-mail"),
    ):
        with pytest.raises(Permanent) as refused:
            await house.dlp.step(wrong, Stage.SUBMITTED, PASSED, passing)
        assert refused.value.code == code


async def test_an_event_that_comes_late_again_does_nothing(house: House) -> None:
    event = await house.taken()
    await house.dlp.step(event, Stage.SUBMITTED, PASSED, passing)
    await house.dlp.step(filtered_event(event), Stage.FILTERED, {Stage.DONE}, delivering)
    before, published = await house.document(event), list(house.published.bodies)
    await house.dlp.step(event, Stage.SUBMITTED, PASSED, passing)
    assert (await house.document(event), house.published.bodies) == (before, published)


async def test_a_mail_that_another_hop_has_ended_is_not_told_of_by_one_that_could_have(house: House) -> None:
    event = await house.taken()
    await house.dlp.step(event, Stage.SUBMITTED, PASSED, passing)
    await house.dlp.step(filtered_event(event), Stage.FILTERED, {Stage.DONE}, delivering)
    published = list(house.published.bodies)
    await house.dlp.step(event, Stage.SUBMITTED, {*PASSED, Stage.DONE}, passing)
    assert house.published.bodies == published, "dlp may not say mail.delivered: the broker would close its channel"


def filtered_event(event: MailSubmitted) -> MailFiltered:
    return MailFiltered(mail=event.mail, size=event.size, verdict="pass", claim=claim("dlp", "crypto", "pass"))


async def test_a_stuck_mail_is_marked_until_its_next_step(house: House) -> None:
    event = await house.taken()
    await house.dlp.stuck(event.mail, "blob-gone")
    (record,) = await house.gateway.status(event.mail)
    assert (record.stuck, [s["step"] for s in record.steps]) == ("blob-gone", ["accepted", "stuck:blob-gone"])
    await house.dlp.step(event, Stage.SUBMITTED, PASSED, passing)
    (record,) = await house.gateway.status(event.mail)
    assert record.stuck is None


async def test_a_mail_that_has_ended_never_becomes_stuck(house: House) -> None:
    event = await house.taken()
    await house.dlp.step(event, Stage.SUBMITTED, PASSED, delivering)
    await house.dlp.stuck(event.mail, "blob-gone")
    assert (await house.gateway.status(event.mail))[0].stuck is None


# --- blobs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"small", LARGE], ids=["inline", "in GridFS"])
async def test_the_last_step_removes_everything_sealed(house: House, raw: bytes) -> None:
    event = await house.taken(new_mail(raw, cover=raw))
    assert {"mime", "envelope", "cover"} <= set(await house.document(event))
    await house.dlp.step(event, Stage.SUBMITTED, PASSED, delivering)
    document = await house.document(event)
    assert not {"mime", "envelope", "cover", "body", "meta", "open"} & set(document)
    assert document["keys"] == [] and document["expires"] > datetime.now(UTC) + timedelta(days=29)
    assert await house.blobs() == 0 and await house.ground.database["blobs.chunks"].count_documents({}) == 0


async def test_a_filed_body_stays_for_the_mailboxes_and_one_nobody_got_goes(house: House) -> None:
    async def sealing(record: Record) -> Advance:
        body = await house.dlp.keep(LARGE)
        return Advance(
            Stage.ENCRYPTED, "sealed", (MailEncrypted(mail=record.id, size=1, route="direct"),), body=body, meta=b"m"
        )

    async def bouncing(record: Record) -> Advance:
        return replace(await delivering(record), recipients=tuple(r.to(State.BOUNCED, "x") for r in record.recipients))

    for last, left in ((delivering, 1), (bouncing, 1)):
        event = await house.taken(new_mail(LARGE))
        await house.dlp.step(event, Stage.SUBMITTED, {Stage.ENCRYPTED}, sealing)
        assert not {"mime", "cover"} & set(await house.document(event)), "the transit form has served"
        await house.dlp.step(event, Stage.ENCRYPTED, {Stage.DONE}, last)
        assert await house.blobs() == left


async def test_blobs_go_even_when_the_broker_does_not_take_the_last_event(house: House) -> None:
    event = await house.taken(new_mail(LARGE))
    dlp = await _ready(house.ground, Published(Transient("publish-not-confirmed")))
    with pytest.raises(Transient):
        await dlp.step(event, Stage.SUBMITTED, PASSED, delivering)
    assert await house.blobs() == 0


async def test_a_vanished_blob_is_a_fault_with_a_name(house: House) -> None:
    event = await house.taken(new_mail(LARGE))
    await house.ground.database["blobs.files"].delete_many({})
    record = await house.dlp.find(event.mail)
    assert record is not None
    for ref in (record.mime, None):
        with pytest.raises(Permanent) as refused:
            await house.dlp.read(ref)
        assert refused.value.code == "blob-gone"


async def test_a_tampered_part_is_a_fault_with_its_name(house: House) -> None:
    event = await house.taken()
    record = await house.dlp.find(event.mail)
    assert record is not None and event.claim is not None
    claims = Claims((await house.ground.service("dlp")).transport)
    keys = await claims.open(event.claim, Step("mail.submitted", event.mail, 0), by={"gateway"})
    mime, envelope = await house.dlp.read(record.mime), await house.dlp.read(record.envelope)
    assert record.unseal("mime", mime, keys.content).endswith(b"Good morning.\r\n")
    for part, sealed, key in (
        ("mime", mime[:-1] + bytes([mime[-1] ^ 1]), keys.content),
        ("envelope", envelope[:-1], keys.envelope),
        ("mime", envelope, keys.envelope),
    ):
        with pytest.raises(Permanent) as refused:
            record.unseal(part, sealed, key)
        assert refused.value.code == f"{part}-tampered"


# --- splitting --------------------------------------------------------------------------------------------


async def splitting(record: Record) -> Advance:
    """Recipient 0 may have the mail, the others are held."""
    event = MailSubmitted(
        mail=record.id, size=record.size, recipients=len(record.recipients), claim=claim("gateway", "dlp", "x")
    )
    passes, held = record.recipients[:1], record.recipients[1:]
    child, other = Part.id(record.id, [0]), Part.id(record.id, [r.index for r in held])
    return Advance(
        Stage.SPLIT,
        "split",
        (event,),
        split=(
            Part(
                tuple(r.to(State.QUEUED) for r in passes), Stage.FILTERED, Verdict("clean"), "passed:clean",
                filtered(replace(record, id=child)),
            ),
            Part(
                tuple(r.to(State.HELD, "black-word") for r in held), Stage.HELD, Verdict("black-word"),
                "held:black-word", MailBlocked(mail=other, reason="black-word"),
            ),
        ),
    )  # fmt: skip


def three(raw: bytes = LARGE) -> NewMail:
    return new_mail(raw, "a@northwind.example", "b@northwind.example", "c@elsewhere.example")


async def test_a_split_makes_children_in_the_parents_trace_with_disjoint_recipients(house: House) -> None:
    event = await house.taken(three())
    await house.dlp.step(event, Stage.SUBMITTED, PASSED, splitting)
    parent, *children = await house.gateway.status(event.mail)
    assert (parent.stage, parent.recipients, len(children)) == (Stage.DONE, (), 2)
    states = [[(r.index, r.state) for r in child.recipients] for child in sorted(children, key=lambda c: c.stage)]
    assert states == [[(0, State.QUEUED)], [(1, State.HELD), (2, State.HELD)]]
    assert {(c.parent, c.root, c.trace, c.account) for c in children} == {
        (parent.id, parent.root, parent.trace, parent.account)
    }
    assert {(e.type, e.mail) for e in house.published.events} == {
        ("mail.filtered", Part.id(event.mail, [0])),
        ("mail.blocked", Part.id(event.mail, [1, 2])),
    }
    assert await house.blobs() == 1, "they share the mail"


async def test_what_children_share_stays_until_the_last_of_them_has_ended(house: House) -> None:
    event = await house.taken(three())
    await house.dlp.step(event, Stage.SUBMITTED, PASSED, splitting)
    passed, held = house.published.events
    await house.dlp.step(passed, Stage.FILTERED, {Stage.DONE}, delivering)
    assert await house.blobs() == 1
    record = await house.dlp.find(held.mail)
    assert record is not None and len(await house.dlp.read(record.mime)) > INLINE

    rejected = MailRejected(mail=held.mail, reason="rejected-by-reviewer")
    change = Advance(Stage.DONE, "rejected", (rejected,), tuple(r.to(State.REJECTED, "x") for r in record.recipients))
    assert await house.dlp.advance(record, change)
    assert await house.blobs() == 0


class Cut:
    """A collection whose process is killed at its n-th insert."""

    def __init__(self, collection: Any, at: int) -> None:
        self._collection, self._left = collection, at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    async def insert_one(self, document: dict[str, Any]) -> None:
        if self._left == 0:
            raise AutoReconnect("killed")
        self._left -= 1
        await self._collection.insert_one(document)


@pytest.mark.parametrize("made", [0, 1])
async def test_a_split_cut_off_between_its_plan_and_its_children_is_finished_by_the_rerun(
    house: House, made: int
) -> None:
    event = await house.taken(three())
    service = await house.ground.service("dlp")
    doomed = Spool(Cut(service.database["spool"], made), service.blobs, service.transport, house.published)
    with pytest.raises(AutoReconnect):
        await doomed.step(event, Stage.SUBMITTED, PASSED, splitting)
    assert (await house.document(event))["stage"] == "split" and house.published.events == []
    assert await house.ground.database["spool"].count_documents({"parent": event.mail}) == made

    # Meanwhile a child that was made may be driven to its end: its sibling's mail must not go with it.
    for child in await house.gateway.status(event.mail):
        if child.parent is not None and child.stage is Stage.FILTERED:
            await house.dlp.step(filtered(child), Stage.FILTERED, {Stage.DONE}, delivering)
    assert await house.blobs() == 1

    await house.dlp.step(event, Stage.SUBMITTED, PASSED, splitting)
    parent, *children = await house.gateway.status(event.mail)
    assert parent.stage is Stage.DONE
    assert sorted(r.index for child in children for r in child.recipients) == [0, 1, 2]
    held = next(child for child in children if child.stage is Stage.HELD)
    record = await house.dlp.find(held.id)
    assert record is not None and len(await house.dlp.read(record.mime)) > INLINE


async def test_children_that_ended_before_the_split_was_finished_leave_no_blob(house: House) -> None:
    event = await house.taken(three())

    class Hurried(Published):
        """Each child is at its end before the split has heard that its event is published."""

        async def __call__(self, event: Event, trace: str | None = None) -> None:
            await super().__call__(event, trace)
            record = await house.dlp.find(event.mail)
            if record is not None and record.parent is not None and record.stage is not Stage.DONE:
                assert await house.dlp.advance(record, await delivering(record))

    hurried = await _ready(house.ground, Hurried())
    await hurried.step(event, Stage.SUBMITTED, PASSED, splitting)
    assert {r.stage for r in await house.gateway.status(event.mail)} == {Stage.DONE}
    assert await house.blobs() == 0


# --- room -------------------------------------------------------------------------------------------------


async def test_mail_in_work_is_bounded_in_bytes_whatever_the_number(house: House) -> None:
    events = [await house.taken() for _ in range(6)]
    third = IN_FLIGHT_BYTES // 3
    at_work, most = 0, 0
    full = asyncio.Event()

    async def slow(record: Record) -> Advance:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        if at_work == 3:
            full.set()
        await full.wait()
        at_work -= 1
        return await passing(record)

    large = [event.model_copy(update={"size": third}) for event in events]
    await asyncio.gather(*(house.dlp.step(event, Stage.SUBMITTED, PASSED, slow) for event in large))
    assert most == 3


async def test_a_mail_larger_than_the_whole_room_is_worked_on_alone(house: House) -> None:
    event = (await house.taken()).model_copy(update={"size": 2 * IN_FLIGHT_BYTES})
    await asyncio.wait_for(house.dlp.step(event, Stage.SUBMITTED, PASSED, passing), 5)
    assert len(house.published.events) == 1


async def test_a_step_that_fails_gives_its_room_back(house: House) -> None:
    async def fails(_record: Record) -> Advance:
        raise Transient("database-away")

    event = (await house.taken()).model_copy(update={"size": IN_FLIGHT_BYTES})
    with pytest.raises(Transient):
        await house.dlp.step(event, Stage.SUBMITTED, PASSED, fails)
    await asyncio.wait_for(house.dlp.step(event, Stage.SUBMITTED, PASSED, passing), 5)


# --- the re-driver ----------------------------------------------------------------------------------------


QUEUE = topology.queue("dlp", "mail.submitted")
STUCK_AFTER = 30.0


async def _redriver(house: House, backlog: float = 0.0) -> Redriver:
    async def age(topic: str) -> float:
        assert topic == QUEUE.topic
        return backlog

    documents = (await house.ground.service("dlp")).database["spool"]
    return Redriver(documents, [QUEUE], house.published, age, STUCK_AFTER)


async def _standing(house: House, seconds: float, mail: NewMail | None = None) -> MailSubmitted:
    event = await house.taken(mail)
    since = datetime.now(UTC) - timedelta(seconds=seconds)
    await house.ground.database["spool"].update_one({"_id": event.mail}, {"$set": {"moved": since}})
    return event


async def test_what_stands_still_is_driven_with_its_own_event(house: House) -> None:
    standing, _moving = await _standing(house, STUCK_AFTER + 1), await _standing(house, STUCK_AFTER - 5)
    redriver = await _redriver(house)
    assert await redriver.turn(QUEUE) == 1
    assert house.published.bodies == [standing.encode()]
    assert await redriver.turn(QUEUE) == 0, "driven once, it is given the same time again"


async def test_a_mere_backlog_is_left_alone(house: House) -> None:
    standing = await _standing(house, 100)
    assert await (await _redriver(house, backlog=90)).turn(QUEUE) == 0
    assert await (await _redriver(house, backlog=float("inf"))).turn(QUEUE) == 0
    assert await (await _redriver(house, backlog=60)).turn(QUEUE) == 1
    assert house.published.bodies == [standing.encode()]


async def test_dead_letters_held_mail_and_mail_of_other_queues_are_not_driven(house: House) -> None:
    async def holding(record: Record) -> Advance:
        return Advance(Stage.HELD, "held:black-word", (MailBlocked(mail=record.id, reason="black-word"),))

    stuck, held, passed, ended = [await _standing(house, 0) for _ in range(4)]
    await house.dlp.stuck(stuck.mail, "malformed")
    for event, work in ((held, holding), (passed, passing), (ended, delivering)):
        await house.dlp.step(event, Stage.SUBMITTED, PASSED, work)
    since = datetime.now(UTC) - timedelta(hours=1)
    await house.ground.database["spool"].update_many({}, {"$set": {"moved": since}})
    house.published.events.clear()
    assert await (await _redriver(house)).turn(QUEUE) == 0
    assert house.published.events == []


async def test_at_most_fifty_are_driven_in_a_turn_and_replicas_share_them(house: House) -> None:
    event = await _standing(house, 100)
    document = await house.document(event)
    copies = [{**document, "_id": new_mail().id} for _ in range(69)]
    await house.ground.database["spool"].insert_many(copies)
    one, two = await _redriver(house), await _redriver(house)
    assert sum(await asyncio.gather(one.turn(QUEUE), two.turn(QUEUE))) == 70
    assert len(house.published.events) == 70
    await house.ground.database["spool"].update_many({}, {"$unset": {"driven": ""}})
    assert await one.turn(QUEUE) == AT_ONCE == 50


async def test_a_split_that_was_cut_off_is_driven_by_the_event_that_brought_it(house: House) -> None:
    event = await house.taken(three())
    service = await house.ground.service("dlp")
    doomed = Spool(Cut(service.database["spool"], 0), service.blobs, service.transport, house.published)
    with pytest.raises(AutoReconnect):
        await doomed.step(event, Stage.SUBMITTED, PASSED, splitting)
    since = datetime.now(UTC) - timedelta(hours=1)
    await house.ground.database["spool"].update_many({}, {"$set": {"moved": since}})
    assert await (await _redriver(house)).turn(QUEUE) == 1
    (driven,) = house.published.events
    await house.dlp.step(driven, Stage.SUBMITTED, PASSED, splitting)
    assert (await house.document(event))["stage"] == "done"


async def test_the_redriver_goes_on_after_a_failure(house: House) -> None:
    await _standing(house, 100)
    service = await house.ground.service("dlp")
    fails = Published(TimeoutError())

    async def no_backlog(_topic: str) -> float:
        return 0.0

    redriver = Redriver(service.database["spool"], [QUEUE], fails, no_backlog, stuck_after=0.05)
    running = asyncio.create_task(redriver.run())

    async def driven() -> bool:
        return bool(fails.events)

    await until(driven, 10)
    running.cancel()


def test_a_blob_is_described_by_what_it_is() -> None:
    for ref in (BlobRef(inline=b"x"), BlobRef()):
        assert BlobRef.read(ref.document()) == ref


def test_a_terminal_recipient_keeps_no_key() -> None:
    recipient = Recipient(0, State.QUEUED, wrap=b"wrap")
    assert [recipient.to(state).wrap for state in (State.DEFERRED, State.DELIVERED, State.BOUNCED)] == [
        b"wrap",
        None,
        None,
    ]
