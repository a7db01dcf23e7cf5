"""People send while each service, the broker and the database are killed in turn, and at last all of them at once."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from secumail.installation import services
from secumail.installation.home import Home, Ports
from secumail.installation.process import Child
from secumail.installation.supervisor import Stack
from secumail.topology import SERVICES
from services.dlp.reading import read
from tests import corpus
from tests.chaos.ledger import Ledger, insist, until
from tests.e2e.desk import put_lists
from tests.people import Office, Person, mail
from tests.pictures import photograph

pytestmark = pytest.mark.chaos

MAILS = 500
SENDERS, RECIPIENTS = 4, 3
AT_ONCE = 8
LARGE = "A line of seventy letters, so that the mail must lie in the blob store..\r\n" * 5000
EACH = (*SERVICES, "broker", "database")
KILLED = (*((name,) for name in EACH), EACH)
STUCK_AFTER = "5"


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """An installation to break, which drives standing mails on after a few seconds."""
    home = Home(Path(tmp_path_factory.mktemp("killed")), Ports.free())
    programs = [
        replace(program, environment={**program.environment, "SECUMAIL_STUCK_AFTER": STUCK_AFTER})
        for program in services.programs(home)
    ]
    async with Stack(home, programs) as running:
        yield running


@dataclass
class Post:
    """A mail to send, perhaps hidden in a picture; its id once it is accepted."""

    sender: Person
    recipients: list[Person]
    raw: bytes
    key: str
    cover: bytes | None = None
    id: str = ""

    async def submit(self) -> None:
        """Send it as a patient client does, with the same key each time."""
        answer = await insist(self._send, within=90)
        assert answer.status_code == 202, answer.text
        self.id = answer.json()["id"]

    async def _send(self) -> httpx.Response:
        if self.cover is None:
            return await self.sender.send(self.raw, self.key)
        files = {"message": ("mail.eml", self.raw, "message/rfc822"), "cover": ("a.png", self.cover, "image/png")}
        return await self.sender.post("/messages", files=files, headers={"Idempotency-Key": self.key})


def posts(senders: list[Person], recipients: list[Person]) -> Iterator[Post]:
    """Real mails to one to three people; every 25th large enough for the blob store, every 50th hidden in a picture."""
    groups = [list(group) for n in range(1, len(recipients) + 1) for group in itertools.combinations(recipients, n)]
    stored = (file.read_bytes() for file in corpus.files()[:: corpus.COUNT // (2 * MAILS)])
    for number, sender, to in zip(range(MAILS), itertools.cycle(senders), itertools.cycle(groups)):
        addresses = [person.address for person in to]
        if number % 50 == 49:
            yield Post(sender, to, mail(sender.address, ", ".join(addresses)), uuid4().hex, photograph(640, 480))
        elif number % 25 == 24:
            yield Post(sender, to, mail(sender.address, ", ".join(addresses), text=LARGE), uuid4().hex)
        else:
            raws = (corpus.readdressed(raw, sender.address, *addresses) for raw in stored)
            # What dlp can't read it holds: here for every mail to arrive, those few are left out.
            yield Post(sender, to, next(raw for raw in raws if read(raw).unreadable is None), uuid4().hex)


async def killed(child: Child) -> None:
    """Kill -9, and wait until it is back at work."""
    restarts = child.restarts
    await child.kill()

    async def restarted() -> bool:
        return child.restarts > restarts

    await until(restarted, 10, f"{child.name} was started again")
    await child.ready()


async def test_every_accepted_mail_arrives_once_whatever_is_killed(stack: Stack) -> None:
    office = Office(stack.home)
    # One of the real mails carries a script, which the default rules hold.
    await put_lists(await office.administrator(), {"rules": []})
    senders = [await office.newcomer() for _ in range(SENDERS)]
    recipients = [await office.newcomer() for _ in range(RECIPIENTS)]
    waiting = list(posts(senders, recipients))
    sent: list[Post] = []

    async def send() -> None:
        while waiting:
            post = waiting.pop()
            await post.submit()
            sent.append(post)

    async def kill() -> None:
        for number, names in enumerate(KILLED):
            # Spread over the sending, so that each of them dies at work.
            due = MAILS * (number + 1) // (len(KILLED) + 2)
            await until(lambda due=due: _reached(sent, due), 90, f"{due} mails were accepted")
            await asyncio.gather(*(killed(stack.child(name)) for name in names))

    await asyncio.gather(kill(), *(send() for _ in range(AT_ONCE)))

    async with Ledger(stack.home) as ledger:
        await ledger.settled(within=90)
        assert await ledger.faults() == []
        # A kill may leave a sealed blob that nothing names; a mail that went its way may not.
        assert await ledger.orphans() <= sum(child.restarts for child in stack.children)
    assert len({post.id for post in sent}) == MAILS
    for person in recipients:
        due = Counter(post.id for post in sent if person in post.recipients)
        assert Counter(row["mail"] for row in await person.mails()) == due
    for person in senders:
        due = Counter(post.id for post in sent if person is post.sender)
        assert Counter(row["mail"] for row in await person.mails("sent")) == due
        assert await person.mails() == []
    await office.close()


async def _reached(sent: list[Post], count: int) -> bool:
    return len(sent) >= count
