"""How a service lives: what all six have in common, wired once. Each service's bootstrap.py adds its own."""

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import uvicorn

from secumail import telemetry, topology
from secumail.bus.asking import Answering
from secumail.bus.outgoing import Outgoing
from secumail.bus.work import GRACE, Work
from secumail.directory import Directory
from secumail.errors import Transient
from secumail.health import Check, HealthApp
from secumail.mailbox.mailbox import Mailboxes
from secumail.sealing.claims import Claims
from secumail.sealing.identities import Identities
from secumail.sealing.keyring import KeyRing
from secumail.sealing.kms import SCOPES
from secumail.sealing.transport import Transport
from secumail.settings import Settings
from secumail.spool.redrive import Redriver
from secumail.spool.spool import Spool
from secumail.store.blobs import GridFSBlobs
from secumail.store.client import PyMongoError, open_database
from secumail.store.rewrapping import Rewrapping
from secumail.store.transport import StoredTransportKeys

log = logging.getLogger(__name__)

_KEY_CARE_EVERY = 600.0
_TURN = 0.001
"""Seconds after which a thread that computes gives way to another."""

Task = Callable[[], Coroutine[Any, Any, None]]


class Service:
    """One process of one service: its connections, keys and background tasks.

    Subsystems are attributes, wired in order and without a connection; `run` connects, works until a signal or
    until the bus has lost its consumers, finishes what is in hand and leaves. Exit code 1 asks for a restart.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings
        self.keys = KeyRing(settings.keys, SCOPES[name], settings.token)
        self.identities = Identities.read(settings.identities)
        self.database = open_database(settings, name)
        self.blobs = GridFSBlobs(self.database)
        self.transport = Transport(
            name,
            self.keys[f"{name}.transport"],
            self.identities,
            StoredTransportKeys(self.database["transport_keys"]),
        )
        self.claims = Claims(self.transport)
        address_scope = self.keys["address"] if "address" in SCOPES[name] else None
        self.directory = Directory(self.database["directory"], self.identities, address_scope)
        self.outgoing = Outgoing(name, settings.amqp, settings.tls_ca)
        self.work = Work(name, settings.amqp, settings.tls_ca, self.outgoing, settings.in_flight, (PyMongoError,))
        self.spool = Spool(self.database["spool"], self.blobs, self.transport, self.outgoing.event)
        self.mailboxes = Mailboxes(self.database["entries"], self.blobs, self.database["spool"])
        self.answering = Answering(self.outgoing, self.transport, "gateway", self._signing_key)
        self.checks: dict[str, Check] = {"database": self._database_answers, "broker": self._broker_answers}
        self._tasks: list[Task] = [self._care_for_keys, Rewrapping(self.database, self.keys).run]
        self._before: list[Task] = []
        self._after: list[Task] = []
        self._servers: list[uvicorn.Server] = []
        self._consumes = bool([q for q in topology.WORK_QUEUES if q.service == name] or name in topology.ANSWERS)
        self._started = False
        self.checks["started"] = self._has_started
        if name in topology.ANSWERS:
            self.work.answer(self.answering)
        queues = [q for q in topology.WORK_QUEUES if q.service == name]
        if queues:
            redriver = Redriver(
                self.database["spool"],
                queues,
                self.outgoing.event,
                self.work.backlog_age,
                settings.stuck_after,
            )
            self.in_background(redriver.run)
            self.work.on_dead(self.spool.stuck)

    def before_work(self, task: Task) -> None:
        """Run `task` once at start, when the database answers and keys are there, before any work is taken."""
        self._before.append(task)

    def at_end(self, task: Task) -> None:
        """Run `task` when the work is over."""
        self._after.append(task)

    def in_background(self, task: Task) -> None:
        """Keep `task` running while the service works."""
        self._tasks.append(task)

    def serve(self, app: Any, **options: Any) -> None:
        """Serve an ASGI application besides the health port."""
        self._servers.append(_Server(uvicorn.Config(app, log_config=None, access_log=False, **options)))

    async def run(self) -> int:
        """Live. Returns the exit code."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold keys
        tracing = telemetry.start(self.name)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        health = _Server(
            uvicorn.Config(
                HealthApp(self.checks),
                host=self.settings.bind,
                port=self.settings.health_port,
                lifespan="off",
                log_config=None,
                access_log=False,
                http="h11",
            )
        )
        health_task = asyncio.create_task(health.serve())
        stopping = asyncio.create_task(stop.wait())
        lost = asyncio.create_task(self.work.lost.wait())
        code = 0
        tasks: list[asyncio.Task[Any]] = []
        doors: list[asyncio.Task[None]] = []
        try:
            starting = asyncio.create_task(self._start())
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                tasks = [asyncio.create_task(task()) for task in self._tasks]
                doors = [asyncio.create_task(server.serve()) for server in self._servers]
                settle()
                self._started = True
                log.info("ready")
                await asyncio.wait({stopping, lost, *tasks, *doors}, return_when=asyncio.FIRST_COMPLETED)
                code = 0 if stopping.done() else 1
            else:
                starting.cancel()
        finally:
            self._started = False
            for server in self._servers:
                server.should_exit = True
            if doors:
                await asyncio.wait(doors, timeout=GRACE)  # requests in hand are answered
            await self._stop([*tasks, *doors])
            health.should_exit = True
            await health_task
            for task in (stopping, lost):
                task.cancel()
            tracing.shutdown()
        for task in (*tasks, *doors):
            if task.done() and not task.cancelled() and task.exception() is not None:
                log.error("background task failed", exc_info=task.exception())
        log.info("stopped")
        return code

    async def _start(self) -> None:
        await self._database_there()
        await self.transport.rotate_if_due()
        for task in self._before:
            await task()
        await self.outgoing.start()
        if self._consumes:
            await self.work.start()

    async def _stop(self, tasks: list[asyncio.Task[Any]]) -> None:
        if self._consumes:
            with contextlib.suppress(Exception):  # a broker that is gone must not keep us from leaving
                await asyncio.wait_for(self.work.stop(), GRACE + 5)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        for leave in (*self._after, self.outgoing.stop):
            with contextlib.suppress(Exception):
                await asyncio.wait_for(leave(), 5)

    async def _database_there(self) -> None:
        deadline = asyncio.get_running_loop().time() + 60
        while not await self._database_answers():
            if asyncio.get_running_loop().time() > deadline:
                raise Transient("database-away")
            await asyncio.sleep(0.3)

    async def _database_answers(self) -> bool:
        try:
            answer = await self.database.client.admin.command("hello")
        except PyMongoError:
            return False
        return bool(answer.get("isWritablePrimary"))

    async def _broker_answers(self) -> bool:
        if not self.outgoing.connected:
            return False
        return await self.work.connected() if self._consumes else True

    async def _has_started(self) -> bool:
        return self._started

    async def _care_for_keys(self) -> None:
        while True:
            await asyncio.sleep(_KEY_CARE_EVERY)
            try:
                await self.transport.rotate_if_due()
                await self.transport.retire(await self.database["spool"].distinct("keys", {"open": True}))
            except PyMongoError as error:
                log.warning("keys not cared for", extra={"cause": type(error).__name__})

    async def _signing_key(self, account: Any) -> Any:
        entry = await self.directory.account(account)
        return entry.signing_key() if entry is not None and entry.active and not entry.group else None


def settle() -> None:
    """Set the interpreter up for a process that serves for long.

    What was loaded at start stays: the collector need not look at it again, nor after every 700 objects. Where a thread
    computes beside the loop (a list of words is compiled), the loop gets its turn after a millisecond, not five: a mail
    that is filtered meanwhile asks for it again a dozen times, wherever a library has let go of the interpreter.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    sys.setswitchinterval(_TURN)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: one place decides when a process stops."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main(name: str, settings: type[Settings], wire: Callable[[Any], Service | Awaitable[Service]]) -> None:
    """The entry of every `python -m services.<name>`."""
    given = settings()
    telemetry.start_logs(name, given.log_level)

    async def live() -> int:
        service = wire(given)
        if isinstance(service, Awaitable):
            service = await service
        return await service.run()

    raise SystemExit(asyncio.run(live()))
