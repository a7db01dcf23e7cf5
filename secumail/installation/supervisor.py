"""One supervisor for one installation: broker and database, the services, and their end in order."""

import asyncio
import contextlib
import fcntl
import os
import resource
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from secumail import topology
from secumail.errors import Refused
from secumail.installation import broker, certificates, credentials, database
from secumail.installation.home import Home, private_directory
from secumail.installation.keys import prepare_keys
from secumail.installation.probes import listens
from secumail.installation.process import INFRASTRUCTURE, Child, end_orphans
from secumail.installation.program import Program
from secumail.installation.replica import Rights
from secumail.installation.services import outside, programs
from secumail.store.rights import RIGHTS

Definitions = Callable[[Mapping[str, str]], Mapping[str, object]]
"""From passwords by user to the broker's definitions."""


async def prepare(home: Home, definitions: Definitions = topology.definitions) -> None:
    """Writes all that processes read at start: certificates, passwords, keys, configuration. Idempotent."""
    home.save()
    certificates.ensure(home)
    credentials.ensure(home)
    await prepare_keys(home)
    if outside("AMQP_URL") is None:
        broker.write_definitions(home, definitions(credentials.read_all(home, credentials.AMQP)))
        broker.prepare(home)
    if outside("MONGODB_URL") is None:
        database.prepare(home)


class Stack:
    """A running installation, as an async context manager: entered when all is ready, left when all is down.

    `services` None means all six; an empty sequence means broker and database only. A broker or database that
    the environment names (AMQP_URL, MONGODB_URL) is used instead of a private one.
    """

    def __init__(
        self,
        home: Home,
        services: Sequence[Program] | None = None,
        definitions: Definitions = topology.definitions,
        rights: Rights = RIGHTS,
    ) -> None:
        self.home = home
        self._services = services
        self._definitions = definitions
        self._rights = rights
        self._children: dict[str, Child] = {}
        self._lock = contextlib.ExitStack()

    @property
    def children(self) -> Sequence[Child]:
        """In the order in which they were started."""
        return tuple(self._children.values())

    def child(self, name: str) -> Child:
        """One process: "epmd", "broker", "database", or a service's name."""
        return self._children[name]

    async def __aenter__(self) -> Self:
        try:
            self._lock.enter_context(locked(self.home))
            await asyncio.to_thread(end_orphans, self.home)
            await self._find_ports_free()
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """The public door first, then the services, then broker and database; everything within its grace."""
        services = [name for name in self._children if name not in (*INFRASTRUCTURE, "gateway")]
        for names in (["gateway"], services, INFRASTRUCTURE):
            await asyncio.gather(*(self._children[name].stop() for name in names if name in self._children))
        self._children.clear()
        self._lock.close()

    async def _find_ports_free(self) -> None:
        # Else a stranger's answers would be taken for our children's.
        for name, port in self.home.ports.by_name().items():
            if await listens(port):
                raise Refused(
                    "port-taken",
                    f"Port {port}, for {name}, is taken.",
                    "Stop who listens there, or choose another base port: secumail up --port N",
                )

    async def _start(self) -> None:
        # A core file would hold keys; children inherit the limit.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        await prepare(self.home, self._definitions)
        if outside("MONGODB_URL") is None:
            self._begin(database.program(self.home, self._rights))
        if outside("AMQP_URL") is None:
            epmd = self._begin(broker.epmd(self.home))
            await epmd.ready()
            self._begin(broker.program(self.home))
        # Services wait for broker and database themselves, so that all boot at once.
        for program in programs(self.home) if self._services is None else self._services:
            self._begin(program)
        await asyncio.gather(*(child.ready() for child in self.children))

    def _begin(self, program: Program) -> Child:
        child = self._children[program.name] = Child(program, self.home)
        child.start()
        return child


@contextlib.contextmanager
def locked(home: Home) -> Iterator[None]:
    """Holds an installation: one supervisor at a time. The lock ends with its process, however that ends."""
    private_directory(home.path)
    with (home.path / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused("running", f"{home.path} is already up.", "Stop it with: secumail down") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def holder(home: Home) -> int | None:
    """The pid of the supervisor that holds this installation."""
    path = home.path / "lock"
    if not path.exists():
        return None
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read())
    return None


def is_running(home: Home) -> bool:
    """Whether a supervisor holds this installation."""
    return holder(home) is not None
