"""Whatever point a service dies at, the mail it had in hand is neither lost nor doubled.

Each test lets a service handle one mail undisturbed and counts the points of it (before and after each write, publish
and ack, see doomed.py); then it sends one mail for each of these points, and the service dies there.
"""

import asyncio
import functools
import itertools
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from secumail.installation import services
from secumail.installation.home import Home, Ports
from secumail.installation.supervisor import Stack
from secumail.spool.record import Envelope
from secumail.spool.spool import NewMail
from tests.chaos import doomed
from tests.chaos.ledger import Ledger, insist, until
from tests.people import Office, Person, mail
from tests.pictures import photograph

pytestmark = pytest.mark.chaos

DOOMED = ("gateway", "dlp", "crypto", "stego", "delivery")
STUCK_AFTER = "2"
BLACK, CONFIDENTIAL = "falcon", "heron"
SMALL = "Good morning.\r\n"
LARGE = "A line of seventy letters, so that the mail must lie in the blob store..\r\n" * 4200
OUTSIDE = "eve@elsewhere.example"

LAST = {"submit": "after publish mail.submitted", "decide": "after update entries"}
"""The last point of a handling, where it isn't the ack."""

Act = Callable[[str], Awaitable[None]]


@pytest.fixture(scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    """An installation of its own, whose services die where they are told to."""
    home = Home(Path(tmp_path_factory.mktemp("doomed")), Ports.free())
    programs = [doomed.program(home, name, SECUMAIL_STUCK_AFTER=STUCK_AFTER) for name in DOOMED]
    async with Stack(home, [*services.programs(home, ["auth"]), *programs]):
        opened = Office(home)
        await change_lists(opened, words=[{"term": BLACK}, {"term": CONFIDENTIAL, "scope": "outside"}])
        yield opened
        await opened.close()


async def change_lists(office: Office, **change: Any) -> None:
    """Give dlp other lists."""
    administrator = await office.administrator()
    lists = (await administrator.get("/lists")).json()
    headers = {**administrator.headers, "If-Match": f'"{lists["version"]}"'}
    answer = await administrator.door.put("/lists", json={**lists, **change}, headers=headers)
    assert answer.status_code == 200, answer.text


@dataclass
class Letters:
    """Mails from one person to the same others; `sent` has the ids of those that were accepted."""

    sender: Person
    recipients: Sequence[str]
    text: str = SMALL
    hidden: bool = False
    form: str = "auto"
    bcc: str = ""
    sent: list[str] = field(default_factory=list)

    def id(self, key: str) -> str:
        """The id that a mail with this Idempotency-Key will have."""
        named = f"rest/{self.sender.account}/{key}".encode()
        return str(NewMail(named, "submission", None, Envelope("", ()), b"").id)

    async def send(self, key: str) -> httpx.Response:
        """Send once, whatever comes of it."""
        bcc = f"Bcc: {self.bcc}\r\n" if self.bcc else ""
        raw = mail(self.sender.address, ", ".join(self.recipients), key, self.text, bcc)
        if not self.hidden:
            return await self.sender.send(raw, key, form=self.form)
        # A picture of the mail's own, the same one when it is sent again.
        cover = photograph(640, 480, seed=UUID(self.id(key)).int)
        files = {"message": ("mail.eml", raw, "message/rfc822"), "cover": ("picture.png", cover, "image/png")}
        return await self.sender.post("/messages", files=files, headers={"Idempotency-Key": key})

    async def insist(self, key: str) -> None:
        """Send until it is accepted."""
        answer = await insist(lambda: self.send(key))
        assert answer.status_code == 202, answer.text
        assert answer.json()["id"] == self.id(key)
        self.sent.append(answer.json()["id"])

    async def states(self) -> list[str]:
        """The recipients' states of every mail sent, once they are settled."""
        submissions = await asyncio.gather(*(self._settled(id_) for id_ in self.sent))
        return [" ".join(r["state"] for r in submission["recipients"]) for submission in submissions]

    async def _settled(self, id_: str) -> dict[str, Any]:
        settled: dict[str, Any] = {}

        async def look() -> bool:
            settled.update((await insist(lambda: self.sender.get(f"/submissions/{id_}", wait=5))).json())
            return bool(settled["settled"])

        await until(look, 60, f"mail {id_} settled")
        return settled


async def die_at_every_point(
    office: Office, service: str, step: str, writers: Iterator[Letters], act: Act | None = None
) -> list[str]:
    """Let `service` die at each point of `step`, once each, every time with another mail; the points.

    The step comes with sending, or with `act` on a mail that was sent and settled. Behind the public door all the
    mails lie in the queue together.
    """
    doom = doomed.doom(office.home, service)
    trial, key = next(writers), uuid4().hex
    await trial.insist(key)
    if act is not None:
        await trial.states()
        await act(trial.id(key))
    handling = f"{step}-{trial.id(key)}"
    await until(lambda: _came_to(doom, handling, LAST.get(step, "after ack")), 20, f"{service} did {step}")
    points, died_before = doom.points(handling), len(doom.deaths())

    planned = [(next(writers), uuid4().hex, str(number)) for number in range(len(points))]
    for letters, key, number in planned:
        if act is None:
            doom.kill_at(f"{step}-{letters.id(key)}", number)
        await letters.insist(key)
    if act is not None:
        await asyncio.gather(
            *(letters.states() for letters in {id(letters): letters for letters, *_ in planned}.values())
        )
        for letters, key, number in planned:
            doom.kill_at(f"{step}-{letters.id(key)}", number)
            await act(letters.id(key))
    await until(lambda: _died(doom), 180, f"{service} died at every point of {step}")
    assert sorted(doom.deaths()[died_before:]) == sorted(f"{step} {point}" for point in points)
    return points


async def _came_to(doom: doomed.Doom, handling: str, last: str) -> bool:
    return doom.points(handling)[-1:] == [last]


async def _died(doom: doomed.Doom) -> bool:
    return not doom.waiting()


async def begin(office: Office, *recipients: str, **letters: Any) -> Letters:
    """A newcomer's letters. The first is sent at once: with it a certificate is issued, which happens only once."""
    begun = Letters(await office.newcomer(), recipients, **letters)
    await begun.insist(uuid4().hex)
    await begun.states()
    return begun


async def exactly(ids: Sequence[str], person: Person, folder: str) -> None:
    """The folder has each of these mails once, and nothing else."""
    assert Counter(row["mail"] for row in await person.mails(folder)) == Counter(ids)


# A large mail lies in the blob store: more writes, for those services that write there.
@pytest.mark.parametrize(
    ("service", "text"),
    [("gateway", SMALL), ("gateway", LARGE), ("dlp", SMALL), ("crypto", SMALL), ("crypto", LARGE), ("delivery", SMALL)],
    ids=["gateway", "gateway-large", "dlp", "crypto", "crypto-large", "delivery"],
)
async def test_a_mail_that_passes_is_delivered_once(office: Office, service: str, text: str) -> None:
    bob = await office.newcomer()
    letters = await begin(office, bob.address, text=text)
    await die_at_every_point(office, service, "submit" if service == "gateway" else "step", itertools.repeat(letters))

    assert set(await letters.states()) == {"delivered"}
    await exactly(letters.sent, bob, "inbox")
    await exactly(letters.sent, letters.sender, "sent")
    await exactly([], letters.sender, "inbox")


async def test_a_sender_s_first_mail_for_which_a_certificate_is_issued(office: Office) -> None:
    bob = await office.newcomer()
    writers = [Letters(await office.newcomer(), [bob.address]) for _ in range(24)]
    points = await die_at_every_point(office, "crypto", "step", iter(writers))

    assert "after insert signing_keys" in points
    wrote = [letters for letters in writers if letters.sent]
    assert [await letters.states() for letters in wrote] == [["delivered"]] * (1 + len(points))
    await exactly([id_ for letters in wrote for id_ in letters.sent], bob, "inbox")


async def test_a_mail_that_is_split_by_form_is_delivered_once(office: Office) -> None:
    bob, carol = await office.newcomer(), await office.newcomer()
    letters = await begin(office, bob.address, bcc=carol.address, form="smime", text=LARGE)
    points = await die_at_every_point(office, "crypto", "step", itertools.repeat(letters))

    assert points.count("after insert spool") == 2, "a part for Bob, and one for Carol"
    assert set(await letters.states()) == {"delivered delivered"}
    for person in (bob, carol):
        await exactly(letters.sent, person, "inbox")
        path = f"/messages/{(await person.mails())[0]['id']}"
        shown = await insist(functools.partial(person.get, path))
        assert shown.json()["layers"][0]["state"] == "opened"


async def test_a_held_mail_is_held_once(office: Office) -> None:
    bob = await office.newcomer()
    letters = await begin(office, bob.address, text=f"The {BLACK} flies.\r\n")
    await die_at_every_point(office, "dlp", "step", itertools.repeat(letters))

    assert set(await letters.states()) == {"held"}
    assert len(await held(office, letters)) == len(letters.sent)
    await exactly([], bob, "inbox")


async def test_a_mail_that_is_held_for_some_and_passes_for_others(office: Office) -> None:
    bob = await office.newcomer()
    letters = await begin(office, bob.address, OUTSIDE, text=f"The {CONFIDENTIAL} flies.\r\n{LARGE}")
    await die_at_every_point(office, "dlp", "step", itertools.repeat(letters))

    assert set(await letters.states()) == {"delivered held"}
    assert len(await held(office, letters)) == len(letters.sent)
    await exactly(letters.sent, bob, "inbox")


@pytest.mark.parametrize(
    ("service", "step", "decision", "state"),
    [
        ("dlp", "released", "release", "delivered"),
        ("dlp", "rejected", "reject", "rejected"),
        ("gateway", "decide", "release", "delivered"),
        ("gateway", "decide", "reject", "rejected"),
    ],
)
async def test_a_reviewer_s_decision_is_carried_out_once(
    office: Office, service: str, step: str, decision: str, state: str
) -> None:
    bob = await office.newcomer()
    letters = await begin(office, bob.address, text=f"The {BLACK} flies.\r\n")
    for entry in (await held(office, letters)).values():
        await decide(office, decision, entry)

    async def act(id_: str) -> None:
        await decide(office, decision, (await held(office, letters))[id_])

    await die_at_every_point(office, service, step, itertools.repeat(letters), act)
    assert set(await letters.states()) == {state}
    await exactly(letters.sent if state == "delivered" else [], bob, "inbox")
    assert await held(office, letters) == {}


async def held(office: Office, letters: Letters) -> dict[str, str]:
    """The sender's mails in quarantine: their entries by the mail's id. None is there twice."""
    reviewer = await office.administrator()
    rows = (await insist(lambda: reviewer.get("/quarantine", limit=200))).json()["data"]
    mine = [row for row in rows if row["sender"] == letters.sender.address]
    assert len({row["subject"] for row in mine}) == len(mine)
    return {letters.id(row["subject"]): row["id"] for row in mine}


async def decide(office: Office, decision: str, entry: str) -> None:
    """A patient reviewer: asks again where no answer came."""
    reviewer = await office.administrator()

    async def done() -> bool:
        answer = await insist(lambda: reviewer.post(f"/quarantine/{decision}", json={"ids": [entry]}))
        (said,) = answer.json()
        assert said["done"] or said["code"] in ("no-answer", "not-now", "decided-already"), said
        return said["done"] or said["code"] == "decided-already"

    await until(done, 60, f"{decision} of {entry}")


async def test_a_sender_gets_exactly_one_bounce(office: Office) -> None:
    bob = await office.newcomer()
    letters = await begin(office, bob.address, f"nobody@{office.domain}")
    await die_at_every_point(office, "delivery", "step", itertools.repeat(letters))

    assert set(await letters.states()) == {"delivered bounced"}
    await exactly(letters.sent, bob, "inbox")
    ada = letters.sender

    async def bounced() -> bool:
        return len(await ada.mails()) >= len(letters.sent)

    await until(bounced, 30, "a bounce for each mail")
    bounces = [(await ada.get(f"/messages/{row['id']}/original")).text for row in await ada.mails()]
    about = [re.findall(r"(?m)^Original-Envelope-Id: (\S+)", bounce) for bounce in bounces]
    assert sorted(about) == sorted([id_] for id_ in letters.sent)


@pytest.mark.parametrize("service", ["stego", "delivery"])
async def test_a_mail_hidden_in_an_image_is_delivered_once(office: Office, service: str) -> None:
    bob = await office.newcomer()
    letters = await begin(office, bob.address, hidden=True)
    await die_at_every_point(office, service, "step", itertools.repeat(letters))

    assert set(await letters.states()) == {"delivered"}
    await exactly(letters.sent, bob, "inbox")


async def test_a_mail_whose_event_was_never_published_is_driven_on(office: Office) -> None:
    bob = await office.newcomer()
    letters = Letters(await office.newcomer(), [bob.address])
    gateway, dlp = doomed.doom(office.home, "gateway"), doomed.doom(office.home, "dlp")
    key = uuid4().hex
    gateway.kill_at(f"submit-{letters.id(key)}", "before publish mail.submitted")
    dlp.kill_at(
        "redriver",
        "before findAndModify spool",
        "after findAndModify spool",
        "before publish mail.submitted",
        "after publish mail.submitted",
    )
    with pytest.raises(httpx.TransportError):
        await letters.send(key)  # and this client does not come back

    await until(lambda: _died(dlp), 180, "the re-driver died at every point")
    letters.sent.append(letters.id(key))
    assert await letters.states() == ["delivered"]
    await exactly(letters.sent, bob, "inbox")


async def test_the_audit_chain_has_each_step_once(office: Office) -> None:
    bob = await office.newcomer()
    letters = await begin(office, bob.address)
    doom = doomed.doom(office.home, "delivery")
    for seam in ("insert audit", "update spool", "delete acts"):
        for point in (f"before {seam}", f"after {seam}"):
            doom.kill_at("sealer", point)
            await letters.insist(uuid4().hex)
            await change_lists(office)  # an act
            await until(lambda: _died(doom), 30, f"the sealer died {point}")
    assert set(await letters.states()) == {"delivered"}


async def test_afterwards_nothing_stands_still_and_the_chain_is_whole(office: Office) -> None:
    async with Ledger(office.home) as ledger:
        await ledger.settled(within=60)
        assert await ledger.faults() == []
