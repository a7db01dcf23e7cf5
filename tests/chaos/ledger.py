"""The reckoning after the chaos: what the mailboxes, the spool, the broker and the audit chain say, side by side."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Self

import aio_pika
import httpx
from aio_pika.abc import AbstractConnection

from secumail import audit, topology
from secumail.bus.connection import tls_context
from secumail.installation import credentials
from secumail.installation.database import member
from secumail.installation.home import DATABASE, Home
from secumail.sealing.identities import Identities
from secumail.store.client import Database
from tests.people import Person


async def until(true: Callable[[], Awaitable[bool]], within: float, what: str) -> None:
    """Wait for a condition; the test fails with `what` where it does not come."""
    deadline = time.monotonic() + within
    while not await true():
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}"
        await asyncio.sleep(0.1)


async def insist(call: Callable[[], Awaitable[httpx.Response]], within: float = 90) -> httpx.Response:
    """What a patient client does: the same request again after a lost connection, and after any 5xx."""
    deadline = time.monotonic() + within
    while True:
        try:
            answer = await call()
            if answer.status_code < 500:
                return answer
            fault = str(answer.status_code)
        except httpx.TransportError as error:
            fault = type(error).__name__
        assert time.monotonic() < deadline, f"no answer within {within:.0f} s: {fault}"
        await asyncio.sleep(0.1)


async def subjects(person: Person, folder: str = "inbox") -> Counter[str]:
    """How often each subject is in a folder."""
    return Counter(row["subject"] for row in await person.mails(folder))


class Ledger:
    """The operator's look at an installation, as an async context manager."""

    def __init__(self, home: Home) -> None:
        self._home = home

    async def __aenter__(self) -> Self:
        self._client = member(self._home).connect()
        self.database: Database = self._client[DATABASE]
        password = credentials.read(self._home, topology.OPERATOR, credentials.AMQP)
        self.broker: AbstractConnection = await aio_pika.connect(
            self._home.amqp_url(topology.OPERATOR, password), ssl_context=tls_context(self._home.ca)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.broker.close()
        self._client.close()

    async def settled(self, within: float) -> None:
        """Wait until no mail is on its way and every step is in the audit chain."""

        async def quiet() -> bool:
            spool = self.database["spool"]
            waiting = {"$or": [{"open": True}, {"unsealed": True}]}
            return not (await spool.count_documents(waiting) or await self.database["acts"].count_documents({}))

        try:
            await until(quiet, within, "every mail settled and sealed")
        except AssertionError:
            standing = {"stage": 1, "origin": 1, "stuck": 1, "steps.step": 1, "moved": 1, "driven": 1, "out.key": 1}
            found = await self.database["spool"].find({"open": True}, standing).to_list(5)
            raise AssertionError(f"still on their way: {found}; queues: {await self.queues()}") from None

    async def queues(self) -> dict[str, int]:
        """Ready messages of each queue that is not empty."""
        depths: dict[str, int] = {}
        async with self.broker.channel() as channel:
            for name in _QUEUES:
                queue = await channel.declare_queue(name, passive=True)
                if queue.declaration_result.message_count:
                    depths[name] = queue.declaration_result.message_count
        return depths

    async def faults(self) -> list[str]:
        """Everything that must not be: dead letters, stuck mails, a broken chain, references to nothing."""
        faults = [f"{count} in {name}" for name, count in (await self.queues()).items() if name.endswith(".dead")]
        async for mail in self.database["spool"].find({"stuck": {"$exists": True}}):
            faults.append(f"mail {mail['_id']} is stuck: {mail['stuck']}")
        found = await audit.verify(self.database, Identities.read(self._home.identities))
        faults += found.faults
        faults += [f"step {row} is {times} times in the chain" for row, times in await self._sealed_twice()]
        named, kept = await self._named_blobs(), await self._kept_blobs()
        faults += [f"{where} names a blob that is gone" for id_, where in named.items() if id_ not in kept]
        return faults

    async def orphans(self) -> int:
        """How many blobs no record names: harmless, as they are sealed, but room that is lost."""
        return len(await self._kept_blobs() - (await self._named_blobs()).keys())

    async def _sealed_twice(self) -> Iterable[tuple[tuple[Any, ...], int]]:
        rows: Counter[tuple[Any, ...]] = Counter()
        async for batch in self.database["audit"].find():
            rows.update(tuple(row) for row in batch["rows"] if row[1] >= 0)
        return [(row, times) for row, times in rows.items() if times > 1]

    async def _named_blobs(self) -> dict[Any, str]:
        named: dict[Any, str] = {}
        for collection, fields in (
            ("spool", ("mime", "envelope", "cover", "body")), ("entries", ("body",)), ("lists", ("lists",)),
        ):  # fmt: skip
            async for document in self.database[collection].find({}, {f"{field}.id": 1 for field in fields}):
                for field in fields:
                    if id_ := document.get(field, {}).get("id"):
                        named[id_] = f"{collection} {document['_id']}"
        return named

    async def _kept_blobs(self) -> set[Any]:
        return set(await self.database["blobs.chunks"].distinct("files_id"))


_QUEUES = (
    *(queue.name for queue in topology.WORK_QUEUES),
    *(topology.retry_queue(service, step) for service in topology.consumers() for step in topology.RETRY_STEPS),
    *(topology.dead_queue(service) for service in topology.consumers()),
)
