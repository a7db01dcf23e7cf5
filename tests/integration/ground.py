"""A real broker and a real database with nobody at work on them, as each service and the operator meet them."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage

from secumail import topology
from secumail.contracts.events import Event
from secumail.installation import credentials
from secumail.installation.home import DATABASE, Home
from secumail.service import Service
from secumail.settings import Settings
from secumail.spool.record import Envelope
from secumail.spool.spool import NewMail, Spool
from secumail.store.client import Database, connect

T = TypeVar("T")

QUEUES = (
    *(q.name for q in topology.WORK_QUEUES),
    *(topology.retry_queue(s, step) for s in topology.consumers() for step in topology.RETRY_STEPS),
    *(topology.dead_queue(s) for s in topology.consumers()),
    *(topology.command_queue(s) for s in topology.ANSWERS),
)


async def until(look: Callable[[], Awaitable[T]], within: float = 15) -> T:
    """What `look` finds, as soon as it finds something true."""
    deadline = time.monotonic() + within
    while not (found := await look()):
        assert time.monotonic() < deadline, f"not within {within} s: {getattr(look, '__name__', look)}"
        await asyncio.sleep(0.05)
    return found


class Published:
    """A publish port that keeps what it is given: each event's wire form, in order."""

    def __init__(self, *faults: Exception) -> None:
        self.events: list[Event] = []
        self._faults = list(faults)

    async def __call__(self, event: Event, trace: str | None = None) -> None:
        """Keep it; the first calls fail with the given faults."""
        if self._faults:
            raise self._faults.pop(0)
        self.events.append(event)

    @property
    def bodies(self) -> list[bytes]:
        """As they would lie on the broker."""
        return [event.encode() for event in self.events]


class Ground:
    """One installation without services."""

    def __init__(self, home: Home) -> None:
        self.home = home
        password = credentials.read(home, topology.OPERATOR, credentials.MONGODB)
        client = connect(home.mongodb_url(topology.OPERATOR, password), str(home.ca), "tests")
        self.database: Database = client[DATABASE]
        self._services: dict[str, Service] = {}
        self._connections: dict[str, AbstractConnection] = {}
        self._operator: AbstractChannel | None = None

    # --- services ---------------------------------------------------------------------------------------

    async def service(self, name: str) -> Service:
        """A service's subsystems with its own user, rights and keys; its pair of the day is made. Nothing runs."""
        if name not in self._services:
            made = self.process(name)
            await made.transport.rotate_if_due()
            self._services[name] = made
        return self._services[name]

    def process(self, name: str) -> Service:
        """Another process of a service: with no memory of its own yet."""
        return Service(name, self.settings(name))

    def settings(self, name: str) -> Settings:
        """What a service finds in its environment."""
        return Settings(
            amqp_url=self.home.amqp_url(name),
            mongodb_url=self.home.mongodb_url(name),
            secrets=self.home.secrets(name),
            keys=self.home.keys,
            identities=self.home.identities,
            tls_ca=self.home.ca,
            domains=tuple(self.home.domains),
            health_port=self.home.ports.health[name],
        )

    async def spool(self, name: str, publish: Published) -> Spool:
        """A service's spool on the real database, publishing to `publish`."""
        service = await self.service(name)
        return Spool(service.database["spool"], service.blobs, service.transport, publish)

    # --- the broker -------------------------------------------------------------------------------------

    async def connect(self, user: str) -> AbstractConnection:
        """A plain connection as a service's user, or the operator's; one for each."""
        if user not in self._connections or self._connections[user].is_closed:
            url = self.home.amqp_url(user, credentials.read(self.home, user, credentials.AMQP))
            context = ssl.create_default_context(cafile=str(self.home.ca))
            self._connections[user] = await aio_pika.connect(url, ssl_context=context)
        return self._connections[user]

    async def operator(self) -> AbstractChannel:
        """The operator's channel."""
        if self._operator is None or self._operator.is_closed:
            self._operator = await (await self.connect(topology.OPERATOR)).channel(on_return_raises=True)
        return self._operator

    async def arrived(self, queue: str) -> list[AbstractIncomingMessage]:
        """All messages in a queue, taken out."""
        taken = await (await self.operator()).get_queue(queue, ensure=False)
        messages = []
        while (message := await taken.get(fail=False, no_ack=True)) is not None:
            messages.append(message)
        return messages

    async def everything(self) -> dict[str, list[AbstractIncomingMessage]]:
        """What lies in any queue, taken out, by the queue's name."""
        found = {queue: await self.arrived(queue) for queue in QUEUES}
        return {queue: messages for queue, messages in found.items() if messages}

    async def one(self, queue: str, within: float = 15) -> AbstractIncomingMessage:
        """The one message that comes into a queue in time, taken out."""

        async def look() -> list[AbstractIncomingMessage]:
            return await self.arrived(queue)

        (message,) = await until(look, within)
        return message

    # --- care -------------------------------------------------------------------------------------------

    async def clear(self) -> None:
        """No mail anywhere; keys, users and queues stay."""
        mail = ("spool", "entries", "audit", "acts", "blobs.files", "blobs.chunks", "sessions", "lists")
        await asyncio.gather(*(self.database[name].delete_many({}) for name in mail))
        operator = await self.operator()
        for name in QUEUES:
            await (await operator.get_queue(name, ensure=False)).purge()

    async def close(self) -> None:
        """Leave."""
        for connection in self._connections.values():
            await connection.close()
        for service in self._services.values():
            service.database.client.close()
        self.database.client.close()


def new_mail(raw: bytes = b"Subject: plans\r\n\r\nGood morning.\r\n", *recipients: str, **more: Any) -> NewMail:
    """A mail to take in, recognisable by its own key."""
    to = recipients or ("bob@northwind.example",)
    given: dict[str, Any] = {"key": uuid4().bytes, "origin": "submission", "account": uuid4()}
    return NewMail(envelope=Envelope("ada@northwind.example", to), raw=raw, **given | more)
