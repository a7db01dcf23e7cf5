"""A private broker and database: who gets in, who may do what, and what survives an accident."""

import asyncio
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aio_pika
import psutil
import pytest
from aio_pika import DeliveryMode, Message
from aiormq.exceptions import AMQPError, ChannelAccessRefused, ProbableAuthenticationError
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError

from secumail.errors import Refused
from secumail.installation import credentials
from secumail.installation.home import ROOT, Home, Ports
from secumail.installation.process import State, end_orphans, records
from secumail.installation.supervisor import Stack, is_running
from secumail.store.client import Database
from secumail.topology import EVENTS

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
async def installation(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with Stack(Home(tmp_path_factory.mktemp("home"), Ports.free()), services=()) as stack:
        yield stack


@pytest.fixture(scope="module")
def home(installation: Stack) -> Home:
    return installation.home


async def broker_as(
    home: Home, user: str, password: str | None = None, trust: str | None = ""
) -> aio_pika.abc.AbstractConnection:
    password = password or credentials.read(home, user, credentials.AMQP)
    context = ssl.create_default_context(cafile=str(home.ca) if trust == "" else trust)
    return await aio_pika.connect(home.amqp_url(user, password), ssl_context=context)


def database_as(home: Home, user: str, password: str | None = None, trusting: bool = True) -> Database:
    password = password or credentials.read(home, user, credentials.MONGODB)
    trust = {"tlsCAFile": str(home.ca)} if trusting else {}
    client = AsyncIOMotorClient(home.mongodb_url(user, password), serverSelectionTimeoutMS=15_000, **trust)
    return client["secumail"]


async def until(condition: Callable[[], bool], within: float = 40) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.05)


async def test_the_broker_and_the_database_prove_themselves_by_the_installations_own_authority(
    home: Home,
) -> None:
    connection = await broker_as(home, "dlp")
    await connection.close()
    with pytest.raises(AMQPError, match="CERTIFICATE_VERIFY_FAILED"):
        await broker_as(home, "dlp", trust=None)

    assert (await database_as(home, "dlp").client.admin.command("ping"))["ok"] == 1
    distrustful = AsyncIOMotorClient(home.mongodb_url("dlp", "x"), serverSelectionTimeoutMS=500)
    with pytest.raises(ServerSelectionTimeoutError, match="CERTIFICATE_VERIFY_FAILED"):
        await distrustful.admin.command("ping")


async def test_neither_speaks_without_tls(home: Home) -> None:
    plain = AsyncIOMotorClient(f"mongodb://127.0.0.1:{home.ports.mongodb}", serverSelectionTimeoutMS=500)
    with pytest.raises(ServerSelectionTimeoutError):
        await plain.admin.command("ping")
    with pytest.raises((AMQPError, OSError)):
        await aio_pika.connect(f"amqp://dlp:x@127.0.0.1:{home.ports.amqps}/secumail", timeout=5)


async def test_a_wrong_password_opens_neither(home: Home) -> None:
    with pytest.raises(ProbableAuthenticationError):
        await broker_as(home, "dlp", password="guess")
    with pytest.raises(OperationFailure, match="Authentication failed"):
        await database_as(home, "dlp", password="guess")["spool"].find_one({})


async def test_one_services_password_is_not_anothers(home: Home) -> None:
    with pytest.raises(OperationFailure, match="Authentication failed"):
        other = credentials.read(home, "stego", credentials.MONGODB)
        await database_as(home, "auth", password=other)["accounts"].find_one({})


async def test_a_service_reads_and_writes_only_the_collections_it_works_with(home: Home) -> None:
    await database_as(home, "auth")["accounts"].insert_one({"_id": "account", "lookup": b"1"})
    stego = database_as(home, "stego")
    for refused in (
        stego["accounts"].find_one({}),
        stego["accounts"].insert_one({}),
        stego["directory"].insert_one({}),
        stego["spool"].delete_one({}),
        stego["invented"].insert_one({}),
    ):
        with pytest.raises(OperationFailure, match="not authorized"):
            await refused
    with pytest.raises(OperationFailure, match="not authorized"):
        await stego.client["elsewhere"]["invented"].insert_one({})


async def test_a_service_takes_no_other_services_mail_and_makes_no_queue(home: Home) -> None:
    connection = await broker_as(home, "dlp")
    async with connection:
        with pytest.raises(ChannelAccessRefused):
            await (await (await connection.channel()).get_queue("crypto.mail.filtered")).get(fail=False)
        with pytest.raises(ChannelAccessRefused):
            await (await connection.channel()).declare_queue("dlp.invented")
        channel = await connection.channel()
        exchange = await channel.get_exchange(EVENTS, ensure=False)
        with pytest.raises(ChannelAccessRefused):
            await exchange.publish(Message(b"{}"), "mail.delivered", timeout=5)


async def test_all_listen_on_the_loopback_address_only(installation: Stack) -> None:
    addresses = {
        connection.laddr.ip
        for child in installation.children
        for connection in psutil.Process(child.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses <= {"127.0.0.1", "::1"}
    assert "127.0.0.1" in addresses


async def test_nobody_else_on_the_machine_reads_what_the_installation_keeps(home: Home) -> None:
    assert home.path.stat().st_mode & 0o077 == 0
    secret = (home.path / "secrets", home.tls, home.keys, home.mongodb, home.rabbitmq, home.logs)
    exposed = [
        path
        for directory in secret
        for path in directory.rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    assert exposed == []


async def test_no_password_reaches_a_log_or_a_command_line(installation: Stack, home: Home) -> None:
    passwords = [file.read_bytes() for file in (home.path / "secrets").rglob("*_password")]
    assert len(passwords) == 14
    lines = [" ".join(psutil.Process(child.pid).cmdline()).encode() for child in installation.children]
    for text in (*lines, *(log.read_bytes() for log in home.logs.glob("*.log"))):
        assert not [password for password in passwords if password in text]


async def test_a_confirmed_message_survives_the_brokers_sudden_death(installation: Stack, home: Home) -> None:
    connection = await broker_as(home, "gateway")
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await channel.get_exchange(EVENTS, ensure=False)
        kept = Message(b'{"kept": true}', delivery_mode=DeliveryMode.PERSISTENT)
        await exchange.publish(kept, "mail.submitted")

        broker = installation.child("broker")
        first, restarts = broker.pid, broker.restarts
        await broker.kill()
    await broker.restart()
    assert broker.pid != first
    assert broker.restarts >= restarts

    connection = await broker_as(home, "dlp")
    async with connection:
        queue = await (await connection.channel()).get_queue("dlp.mail.submitted")
        message = await queue.get(timeout=10)
        assert message.body == b'{"kept": true}'
        await message.ack()


async def test_a_document_survives_the_databases_sudden_death_and_it_comes_back_by_itself(
    installation: Stack, home: Home
) -> None:
    accounts = database_as(home, "auth")["accounts"]
    await accounts.insert_one({"_id": "survivor", "lookup": b"2"})
    database = installation.child("database")
    first, restarts = database.pid, database.restarts

    await database.kill()
    await until(lambda: database.state is State.READY and database.pid not in (None, first))

    assert database.restarts == restarts + 1
    assert await accounts.find_one({"_id": "survivor"}) is not None


async def test_an_installation_has_one_supervisor(home: Home) -> None:
    with pytest.raises(Refused, match="already up"):
        async with Stack(home, services=()):
            pass
    assert is_running(home)


async def test_stopping_leaves_no_process_and_another_port_keeps_the_data(tmp_path: Path) -> None:
    first = Home(tmp_path, Ports.free())
    async with Stack(first, services=()) as stack:
        await database_as(first, "auth")["accounts"].insert_one({"_id": "kept", "lookup": b"3"})
        processes = [psutil.Process(child.pid) for child in stack.children]
        processes += [child for process in processes for child in process.children(recursive=True)]
    # What Erlang itself started ends a moment after it, when its pipe closes.
    await until(lambda: not [process for process in processes if process.is_running()], within=5)
    assert not is_running(first)

    moved = Home(tmp_path, Ports.free())
    assert moved.ports.mongodb != first.ports.mongodb
    async with Stack(moved, services=()):
        assert await database_as(moved, "auth")["accounts"].find_one({"_id": "kept"}) is not None


async def test_a_taken_port_is_named_before_anything_starts(home: Home, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=f"Port {home.ports.amqps}, for broker, is taken") as refused:
        async with Stack(Home(tmp_path, home.ports), services=()):
            pass
    assert "secumail up --port" in refused.value.fix
    assert records(Home(tmp_path)) == []


HOLD = """
import asyncio, sys
from pathlib import Path
from secumail.installation.home import Home
from secumail.installation.supervisor import Stack

async def hold():
    async with Stack(Home.open(Path(sys.argv[1])), services=()):
        print("up", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""


async def test_what_a_killed_supervisor_leaves_behind_is_ended_before_the_next_start(tmp_path: Path) -> None:
    home = Home(tmp_path, Ports.free())
    home.save()
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, str(home.path), cwd=ROOT, stdout=subprocess.PIPE
    )
    assert supervisor.stdout is not None
    assert await asyncio.wait_for(supervisor.stdout.readline(), 60) == b"up\n"
    supervisor.send_signal(signal.SIGKILL)
    await supervisor.wait()
    orphans = records(home)
    assert len([record for record in orphans if record.process() is not None]) == 3

    assert sorted(await asyncio.to_thread(end_orphans, home)) == ["broker", "database", "epmd"]

    assert [record.name for record in orphans if record.process() is not None] == []
