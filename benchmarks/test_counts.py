"""What one mail to one recipient costs, in counts that do not depend on the machine: the gate.

Publishes 4 (one for each hop), event bodies at most 4.5 KiB for all of them together, 8 spans. Database: inserts 4
(spool, Sent, sent log, inbox), updates 3 (a step each; the audit marks many mails in one), queries 3 (a read for
each step), each with a little room for what the clock brings.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aio_pika
import pytest

from secumail import topology
from secumail.bus.connection import tls_context
from secumail.cli.operator import Access
from secumail.installation import credentials
from secumail.installation.home import Home, Ports
from secumail.installation.supervisor import Stack
from tests.collector import Collector, collecting
from tests.people import Office, mail

MAILS = 20


@dataclass
class Bench:
    """A running installation, with ears on its broker and its traces."""

    office: Office
    access: Access
    collector: Collector
    heard: list[aio_pika.abc.AbstractIncomingMessage]

    async def database_counts(self) -> dict[str, int]:
        """Operations since mongod's start; those in a group are counted one by one."""
        status = await self.access.database().client.admin.command("serverStatus")
        return {name: status["opcounters"][name] for name in ("insert", "update", "query")}


@pytest.fixture(scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """The installation under measurement."""
    async with collecting() as collector:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
            environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
            home = Home(Path(tmp_path_factory.mktemp("bench")), Ports.free())
            async with Stack(home) as stack:
                password = credentials.read(stack.home, "gateway", credentials.AMQP)
                url = home.amqp_url("gateway", password)
                connection = await aio_pika.connect(url, ssl_context=tls_context(home.ca))
                ear = await (await connection.channel()).declare_queue(f"gateway.events.{uuid4().hex}", exclusive=True)
                await ear.bind(topology.EVENTS, "mail.#")
                heard: list[aio_pika.abc.AbstractIncomingMessage] = []

                async def hear(message: aio_pika.abc.AbstractIncomingMessage) -> None:
                    heard.append(message)

                await ear.consume(hear, no_ack=True)
                office = Office(home)
                yield Bench(office, Access.open(home.path), collector, heard)
                await office.close()
                await connection.close()


async def test_a_mail_is_published_four_times_in_few_bytes_and_leaves_few_spans(bench: Bench) -> None:
    ada, bob = await bench.office.member("ada"), await bench.office.member("bob")
    submission = await ada.sent(mail(ada.address, bob.address, text="x" * 5000 + "\r\n"))
    heard = [m for m in bench.heard if m.correlation_id == submission["id"]]
    assert [m.routing_key for m in heard] == [
        "mail.submitted", "mail.filtered", "mail.encrypted.direct", "mail.delivered",
    ]  # fmt: skip
    carried = sum(len(m.body) for m in heard)
    print(f"bytes of event bodies per mail: {carried}")
    assert carried <= 4608

    trace = (await ada.get(f"/submissions/{submission['id']}/trace")).json()["trace"]
    hops = ("mail.submitted", "mail.filtered", "mail.encrypted")
    wanted = sorted(
        ["POST /api/v1/messages", *["send mail.events"] * 4]
        + [f"process {service}.{topic}" for service, topic in zip(("dlp", "crypto", "delivery"), hops, strict=True)]
    )
    deadline = time.monotonic() + 10
    while len(bench.collector.of_trace(trace)) < len(wanted):
        # Each service exports by its own clock.
        assert time.monotonic() < deadline, "the last span never came"
        await asyncio.sleep(0.05)
    assert sorted(span.name for _, span in bench.collector.of_trace(trace)) == wanted


async def test_a_mail_costs_few_database_operations(bench: Bench) -> None:
    ada, bob = await bench.office.member("ada"), await bench.office.member("bob")
    await ada.sent(mail(ada.address, bob.address))  # certificate issued, caches warm
    began = time.monotonic()
    before = await bench.database_counts()
    for _ in range(MAILS):
        assert (await ada.send(mail(ada.address, bob.address))).status_code == 202
        await asyncio.sleep(0)
    spool = bench.access.database()["spool"]
    deadline = time.monotonic() + 30
    while await spool.count_documents({"open": True}) or await spool.count_documents({"unsealed": True}):
        assert time.monotonic() < deadline, "the mails were not done"
        await asyncio.sleep(0.2)
    after = await bench.database_counts()
    took = time.monotonic() - began

    idle_before = await bench.database_counts()
    await asyncio.sleep(took)  # what the services do by the clock, over the same time, is not a mail's
    idle = await bench.database_counts()
    per_mail = {name: ((after[name] - before[name]) - (idle[name] - idle_before[name])) / MAILS for name in before}
    print(f"database operations per mail: {per_mail}")
    assert per_mail["insert"] <= 4.2, per_mail
    assert per_mail["update"] <= 3.6, per_mail
    assert per_mail["query"] <= 4.2, per_mail
