"""The broker as it is defined: where an event arrives, and who may say and hear what."""

import re
import ssl
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
from aio_pika import DeliveryMode, Message
from aio_pika.exceptions import AMQPConnectionError, ProbableAuthenticationError, PublishError
from aiormq.exceptions import ChannelAccessRefused

from secumail import topology
from secumail.topology import COMMANDS, DEAD, EVENTS, PUBLISHES, RETRY, SERVICES
from tests.contract.examples import EVENTS as EXAMPLES
from tests.integration.ground import QUEUES, Ground

TOPICS = tuple(sorted({key for keys in PUBLISHES.values() for key in keys}))
EVENT_OF = {event.routing_key: event for event in EXAMPLES}
WORK = {q.binding: q.name for q in topology.WORK_QUEUES}


def _persistent(body: bytes = b"{}", **headers: Any) -> Message:
    return Message(body, delivery_mode=DeliveryMode.PERSISTENT, headers=headers)


async def _publish(ground: Ground, user: str, exchange: str, key: str, message: Message | None = None) -> None:
    """Publish as a user, confirmed and mandatory; raises what the broker answers."""
    channel = await (await ground.connect(user)).channel(publisher_confirms=True, on_return_raises=True)
    to = channel.default_exchange if not exchange else await channel.get_exchange(exchange, ensure=False)
    await to.publish(message or _persistent(), key, mandatory=True, timeout=5)
    await channel.close()


# --- where an event arrives -------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", TOPICS)
async def test_an_event_arrives_in_its_work_queue_or_at_the_gateways_ear_and_nowhere_else(
    ground: Ground, topic: str
) -> None:
    gateway = await (await ground.connect("gateway")).channel()
    ear = await gateway.declare_queue(f"gateway.events.{uuid4().hex}", exclusive=True, auto_delete=True)
    for pattern in topology.HEARD:
        await ear.bind(EVENTS, pattern)
    publisher = next(service for service in SERVICES if topic in PUBLISHES[service])
    body = uuid4().hex.encode()
    await _publish(ground, publisher, EVENTS, topic, _persistent(body))
    assert {queue: [m.body for m in messages] for queue, messages in (await ground.everything()).items()} == (
        {WORK[topic]: [body]} if topic in WORK else {}
    )
    heard = await ear.get(fail=False, no_ack=True, timeout=5)
    assert (heard.body if heard else None) == (None if topic in WORK else body), "what is no work is news"
    await ear.delete()


@pytest.mark.parametrize("topic", ["mail.unheard-of", "mail.encrypted", "mail.submitted.more", ""])
async def test_an_event_for_nobody_is_refused(ground: Ground, topic: str) -> None:
    with pytest.raises(PublishError):
        await _publish(ground, topology.OPERATOR, EVENTS, topic)


async def test_each_topic_has_at_most_one_work_queue() -> None:
    assert len(WORK) == len(topology.WORK_QUEUES)


# --- rights -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", SERVICES)
async def test_a_service_publishes_its_own_events_and_no_others(ground: Ground, user: str) -> None:
    connection = await ground.connect(user)
    for topic in TOPICS:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=False)
        events = await channel.get_exchange(EVENTS, ensure=False)
        if topic in PUBLISHES[user]:
            await events.publish(_persistent(), topic, timeout=5)
        else:
            with pytest.raises(ChannelAccessRefused):
                await events.publish(_persistent(), topic, timeout=5)
    arrived = await ground.everything()
    assert set(arrived) == {WORK[topic] for topic in PUBLISHES[user] if topic in WORK}


@pytest.mark.parametrize("user", SERVICES)
async def test_a_service_reads_its_own_queues_and_no_others(ground: Ground, user: str) -> None:
    own = {q.name for q in topology.WORK_QUEUES if q.service == user}
    if user in topology.ANSWERS:
        own.add(topology.command_queue(user))
    connection = await ground.connect(user)
    for name in QUEUES:
        channel = await connection.channel()
        queue = await channel.get_queue(name, ensure=False)
        if name in own:
            assert await queue.get(fail=False, no_ack=True) is None
            await channel.close()
        else:
            with pytest.raises(ChannelAccessRefused):
                await queue.get(fail=False, no_ack=True)


@pytest.mark.parametrize("user", SERVICES)
async def test_a_service_writes_into_no_queue_past_the_exchanges(ground: Ground, user: str) -> None:
    for queue in topology.WORK_QUEUES:
        with pytest.raises(ChannelAccessRefused):
            await _publish(ground, user, "", queue.name)
    assert await ground.everything() == {}


@pytest.mark.parametrize("user", SERVICES)
async def test_a_service_makes_and_removes_nothing(ground: Ground, user: str) -> None:
    connection = await ground.connect(user)
    attempts = [
        lambda c: c.declare_queue("gateways.events.of-another"),
        lambda c: c.declare_queue(f"{user}.mail.more"),
        lambda c: c.declare_exchange("mail.more", "topic"),
        lambda c: c.queue_delete("dlp.mail.submitted"),
        lambda c: c.exchange_delete(EVENTS),
    ]  # fmt: skip
    for attempt in attempts:
        with pytest.raises(ChannelAccessRefused):
            await attempt(await connection.channel())
    if user != "gateway":
        with pytest.raises(ChannelAccessRefused):
            await (await connection.channel()).declare_queue(f"gateway.events.{uuid4().hex}", exclusive=True)


@pytest.mark.parametrize("user", SERVICES)
async def test_only_the_gateway_asks_and_only_those_asked_answer(ground: Ground, user: str) -> None:
    gateway = await (await ground.connect("gateway")).channel()
    replies = f"gateway.replies.{uuid4().hex}"
    queue = await gateway.declare_queue(replies, exclusive=True, auto_delete=True)
    await queue.bind(COMMANDS, replies)
    for key, allowed in ((topology.command_queue("auth"), user == "gateway"), (replies, user in topology.ANSWERS)):
        if allowed:
            await _publish(ground, user, COMMANDS, key)
        else:
            with pytest.raises(ChannelAccessRefused):
                await _publish(ground, user, COMMANDS, key)
    await queue.delete(if_empty=False)


async def test_the_gateway_hears_replies_and_events_and_not_the_questions(ground: Ground) -> None:
    gateway = await (await ground.connect("gateway")).channel()
    own = await gateway.declare_queue(f"gateway.replies.{uuid4().hex}", exclusive=True, auto_delete=True)
    with pytest.raises(ChannelAccessRefused):
        await own.bind(COMMANDS, topology.command_queue("auth"))


async def test_a_wrong_password_and_a_broker_with_another_certificate_are_refused(ground: Ground) -> None:
    trusted = ssl.create_default_context(cafile=str(ground.home.ca))
    with pytest.raises(ProbableAuthenticationError):
        await aio_pika.connect(ground.home.amqp_url("dlp", "guessed"), ssl_context=trusted)
    with pytest.raises((ssl.SSLCertVerificationError, AMQPConnectionError)):
        await aio_pika.connect(ground.home.amqp_url("dlp", "guessed"), ssl_context=ssl.create_default_context())


# --- retries and dead letters -----------------------------------------------------------------------------


async def test_a_waiting_event_comes_back_to_its_own_work_queue_with_its_headers(ground: Ground) -> None:
    for queue in topology.WORK_QUEUES:
        headers = {"retry": topology.retry_queue(queue.service, "5s"), "x-attempt": 3, "traceparent": "00-aa-bb-01"}
        message = _persistent(queue.name.encode(), **headers)
        await _publish(ground, queue.service, RETRY, queue.name, message)
    for queue in topology.WORK_QUEUES:
        back = await ground.one(queue.name, within=15)
        assert back.body == queue.name.encode()
        assert (back.headers["x-attempt"], back.headers["traceparent"]) == (3, "00-aa-bb-01")
        assert back.delivery_mode == DeliveryMode.PERSISTENT
        (death,) = back.headers["x-death"]
        assert (death["reason"], death["queue"]) == ("expired", topology.retry_queue(queue.service, "5s"))
    assert await ground.everything() == {}


async def test_an_event_that_kills_its_consumer_each_time_becomes_a_dead_letter(ground: Ground) -> None:
    event = EVENT_OF["mail.submitted"]
    await _publish(ground, "gateway", EVENTS, "mail.submitted", _persistent(event.encode()))
    connection = await ground.connect("dlp")
    for delivery in range(topology.DELIVERY_LIMIT + 1):
        channel = await connection.channel()
        queue = await channel.get_queue("dlp.mail.submitted", ensure=False)
        message = await queue.get(timeout=5)
        assert message is not None and message.headers.get("x-delivery-count", 0) == delivery
        await channel.close()  # as a killed process would: not acked
    dead = await ground.one("dlp.dead")
    assert dead.body == event.encode()
    assert [death["reason"] for death in dead.headers["x-death"]] == ["delivery_limit"]
    assert await ground.everything() == {}


async def test_a_dead_letter_goes_to_its_services_own_queue(ground: Ground) -> None:
    for service in topology.consumers():
        await _publish(ground, service, DEAD, service, _persistent(**{"x-error": "malformed"}))
    found = await ground.everything()
    assert {queue: len(messages) for queue, messages in found.items()} == {
        topology.dead_queue(service): 1 for service in topology.consumers()
    }


# --- the definitions as data ------------------------------------------------------------------------------


def _defined() -> Mapping[str, Any]:
    return topology.definitions(dict.fromkeys((*SERVICES, topology.OPERATOR), "password"))


def test_every_queue_has_exactly_one_policy_and_it_is_the_one_meant_for_it() -> None:
    policies = {p["name"]: p for p in _defined()["policies"]}

    def policy_of(queue: str) -> str:
        (name,) = [name for name, p in policies.items() if re.search(p["pattern"], queue)]
        return name

    for queue in topology.WORK_QUEUES:
        assert policy_of(queue.name) == f"{queue.service}.work"
    for service in topology.consumers():
        assert policy_of(topology.dead_queue(service)) == "dead"
        for step in topology.RETRY_STEPS:
            assert policy_of(topology.retry_queue(service, step)) == f"retry.{step}"
    for service in topology.ANSWERS:
        assert policy_of(topology.command_queue(service)) == "commands"


def test_dead_lettering_is_at_least_once_wherever_there_is_any() -> None:
    for policy in _defined()["policies"]:
        definition = policy["definition"]
        if "dead-letter-exchange" in definition:
            assert definition["dead-letter-strategy"] == "at-least-once"
            assert definition["overflow"] == "reject-publish", "without it the broker falls back to at-most-once"
            assert definition["max-length"] > 0


def test_queues_carry_no_argument_that_could_never_be_changed() -> None:
    assert {tuple(queue["arguments"]) for queue in _defined()["queues"]} == {("x-queue-type",)}


def test_passwords_are_not_in_the_definitions() -> None:
    assert "'password'" not in str([u["password_hash"] for u in _defined()["users"]])
    hashes = [user["password_hash"] for user in _defined()["users"]]
    assert len(set(hashes)) == len(hashes), "the same password has another salt for each user"


def test_failing_attempts_take_every_step_in_order_and_then_end() -> None:
    steps = [topology.next_step(attempt) for attempt in range(sum(topology.ATTEMPTS_PER_STEP.values()) + 1)]
    expected = [step for step, times in topology.ATTEMPTS_PER_STEP.items() for _ in range(times)]
    assert steps == [*expected, None]
