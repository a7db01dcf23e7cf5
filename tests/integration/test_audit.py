"""The audit trail on a real database: every step is in the chain, and no change of it stays unnoticed."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from secumail.audit import Acts, Finding, Sealer, verify
from secumail.contracts.events import MailSubmitted
from secumail.spool.record import Stage
from tests.integration.ground import Ground, Published, new_mail
from tests.integration.test_spool import PASSED, delivering

LATER = timedelta(minutes=1)


class Trail:
    """Mails and acts, and the sealer's and the auditor's view of them."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.chain = ground.database["audit"]
        self.spool = ground.database["spool"]

    async def sealer(self) -> Sealer:
        delivery = await self.ground.service("delivery")
        return Sealer(delivery.database, delivery.keys["delivery.audit"])

    async def seal(self) -> int:
        """One turn, in a while: when mails are quiet."""
        return await (await self.sealer()).turn(datetime.now(UTC) + LATER)

    async def mail(self) -> MailSubmitted:
        accepted = await (await self.ground.spool("gateway", Published())).submit(new_mail())
        assert isinstance(accepted.event, MailSubmitted)
        return accepted.event

    async def delivered(self) -> MailSubmitted:
        event = await self.mail()
        await (await self.ground.spool("dlp", Published())).step(event, Stage.SUBMITTED, PASSED, delivering)
        return event

    async def act(self, step: str = "logged-in") -> None:
        account = uuid4()
        await Acts((await self.ground.service("gateway")).database["acts"]).record(account, step, account)

    async def finding(self) -> Finding:
        return await verify(self.ground.database, (await self.ground.service("delivery")).identities)

    async def rows(self) -> list[list[Any]]:
        return [row async for batch in self.chain.find().sort("_id", 1) for row in batch["rows"]]


@pytest.fixture
async def trail(ground: Ground) -> Trail:
    return Trail(ground)


async def test_every_step_and_every_act_is_chained_once_and_the_chain_holds(trail: Trail) -> None:
    event = await trail.delivered()
    await trail.act()
    assert await trail.seal() == 3
    assert await trail.seal() == 0
    await trail.act("logged-out")
    assert await trail.seal() == 1
    finding = await trail.finding()
    assert (finding.batches, finding.steps, finding.faults) == (2, 4, ())
    assert len(finding.head) == 64
    assert {(row[0], row[1], row[4]) for row in await trail.rows() if row[0] == str(event.mail)} == {
        (str(event.mail), 0, "accepted"),
        (str(event.mail), 1, "delivered"),
    }
    assert await trail.ground.database["acts"].count_documents({}) == 0


async def test_a_mail_still_on_its_way_is_taken_when_it_has_been_quiet_a_while(trail: Trail) -> None:
    event = await trail.mail()
    sealer = await trail.sealer()
    assert await sealer.turn() == 0
    assert await sealer.turn(datetime.now(UTC) + LATER) == 1
    await (await trail.ground.spool("dlp", Published())).step(event, Stage.SUBMITTED, PASSED, delivering)
    assert await sealer.turn() == 1, "only the step that is new"
    assert (await trail.finding()).faults == ()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"rows.0.4": "something-else"}, "batch 1 was changed"),
        ({"rows.0.3": "dlp", "digest": "0" * 64}, "batch 1 was changed"),
        ({"signature": bytes(64)}, "batch 1 is not signed by this installation's sealer"),
        ({"previous": "0" * 64}, "batch 1 does not follow the one before it"),
    ],
    ids=["a row", "a row and its digest", "the signature", "the link"],
)
async def test_a_changed_batch_is_found(trail: Trail, change: dict[str, Any], fault: str) -> None:
    for _ in range(3):
        await trail.delivered()
        await trail.seal()
    await trail.chain.update_one({"_id": 1}, {"$set": change})
    faults = (await trail.finding()).faults
    assert fault in faults
    assert not any("batch 0" in f for f in faults)


async def test_a_missing_batch_is_found_and_so_is_one_put_in_its_place_by_anybody_else(trail: Trail) -> None:
    for _ in range(3):
        await trail.delivered()
        await trail.seal()
    batch = await trail.chain.find_one({"_id": 1})
    assert batch is not None
    await trail.chain.delete_one({"_id": 1})
    assert "batch 1 is missing" in (await trail.finding()).faults
    dlp = await trail.ground.service("dlp")
    forged = await dlp.keys["dlp.transport"].sign(batch["digest"].encode())
    await trail.chain.insert_one({**batch, "signature": forged})
    assert (await trail.finding()).faults == ("batch 1 is not signed by this installation's sealer",)


async def test_a_batch_cut_off_from_the_end_is_found_by_the_mails_it_sealed(trail: Trail) -> None:
    for _ in range(2):
        await trail.delivered()
        await trail.seal()
    before = await trail.finding()
    await trail.chain.delete_one({"_id": 1})
    after = await trail.finding()
    assert after.head != before.head
    assert len(after.faults) == 2 and all("differs from what was sealed" in fault for fault in after.faults)


@pytest.mark.parametrize(
    "change", [{"steps.1.actor": "crypto"}, {"steps.1.step": "rejected"}, {"steps.0.at": datetime(2020, 1, 1)}]
)
async def test_a_sealed_step_changed_in_its_mail_is_found(trail: Trail, change: dict[str, Any]) -> None:
    event = await trail.delivered()
    await trail.delivered()
    await trail.seal()
    await trail.spool.update_one({"_id": event.mail}, {"$set": change})
    (fault,) = (await trail.finding()).faults
    assert str(event.mail) in fault and "differs from what was sealed" in fault


async def test_sealers_that_race_make_one_chain_without_a_gap(trail: Trail) -> None:
    for _ in range(20):
        await trail.delivered()
    racers = [
        Sealer(s.database, s.keys["delivery.audit"]) for s in (trail.ground.process("delivery") for _ in range(3))
    ]
    await asyncio.gather(*(racer.turn() for racer in racers))
    for racer in racers:
        await racer.turn()
    finding = await trail.finding()
    assert finding.faults == ()
    assert {(row[0], row[1]) for row in await trail.rows()} == {
        (str(mail["_id"]), n) async for mail in trail.spool.find() for n in range(2)
    }


async def test_a_sealer_killed_between_chain_and_marks_is_made_good_by_the_next(trail: Trail) -> None:
    await trail.delivered()
    await trail.act()
    steps = await trail.seal()
    # As if the marks had never been made.
    await trail.spool.update_many({}, {"$set": {"unsealed": True}, "$unset": {"sealed": ""}})
    await trail.seal()
    finding = await trail.finding()
    assert (finding.faults, finding.steps) == ((), steps)
    assert await trail.spool.count_documents({"unsealed": True}) == 0


async def test_the_chain_names_nobody(trail: Trail) -> None:
    await trail.delivered()
    await trail.seal()
    assert "northwind" not in str(await trail.rows())
