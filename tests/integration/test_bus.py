"""The bus on a real broker: what becomes of each event, and of each question."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage
from pymongo.errors import NetworkTimeout

from secumail import telemetry, topology
from secumail.bus.asking import Answering, Asking
from secumail.contracts.commands import Done
from secumail.contracts.commands.auth import ListAccounts, LoggedIn, LogIn, Register, Registered
from secumail.contracts.commands.crypto import GetAuthority
from secumail.contracts.events import AccountChanged, MailDelivered, MailSubmitted
from secumail.errors import Permanent, Refused, Transient
from secumail.sealing import letters
from secumail.sealing.accounts import AccountKeys
from secumail.service import Service
from secumail.topology import COMMANDS, EVENTS
from tests.contract.examples import ACCOUNT, MAIL, claim
from tests.integration.ground import Ground, until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRET = "ada@northwind.example"
Handle = Callable[[MailSubmitted], Awaitable[None]]


def submitted(mail: UUID | None = None) -> MailSubmitted:
    return MailSubmitted(mail=mail or uuid4(), size=1, recipients=1, claim=claim("gateway", "dlp", "submission"))


class Dlp:
    """A process of dlp that handles mail.submitted as a test says."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.dead: list[tuple[UUID, str]] = []

    @classmethod
    @asynccontextmanager
    async def at_work(cls, ground: Ground, handle: Handle, in_flight: int = 10) -> AsyncIterator["Dlp"]:
        settings = ground.settings("dlp").model_copy(update={"in_flight": in_flight})
        service = Service("dlp", settings)
        dlp = cls(service)
        service.work.handle("mail.submitted", MailSubmitted, handle)
        service.work.on_dead(dlp._note)
        await service.outgoing.start()
        await service.work.start()
        try:
            yield dlp
        finally:
            await service.work.stop()
            await service.outgoing.stop()

    async def _note(self, mail: UUID, code: str) -> None:
        self.dead.append((mail, code))


async def publish(ground: Ground, body: bytes, **headers: Any) -> None:
    """Put an event before dlp, in the trace TRACE."""
    events = await (await ground.operator()).get_exchange(EVENTS, ensure=False)
    message = Message(
        body,
        delivery_mode=DeliveryMode.PERSISTENT,
        headers={"traceparent": TRACE, **headers},
        correlation_id=str(MAIL),
        message_id="event",
        type="mail.submitted",
    )
    await events.publish(message, "mail.submitted")


def told(message: AbstractIncomingMessage) -> dict[str, Any]:
    """The headers, but for the broker's own count of deliveries."""
    return {name: value for name, value in message.headers.items() if name != "x-delivery-count"}


async def fails_with(ground: Ground, error: Exception, **headers: Any) -> tuple[list[tuple[UUID, str]], bytes]:
    """dlp fails at an event with an error: whom it called stuck, and the event's body."""

    async def handle(_event: MailSubmitted) -> None:
        raise error

    async def somewhere_else() -> bool:
        depth = await (await ground.operator()).declare_queue("dlp.mail.submitted", passive=True)
        return depth.declaration_result.message_count == 0 and failed.is_set()

    failed = asyncio.Event()
    event = submitted(MAIL)

    async def noting(event: MailSubmitted) -> None:
        failed.set()
        await handle(event)

    async with Dlp.at_work(ground, noting) as dlp:
        await publish(ground, event.encode(), **headers)
        await until(somewhere_else)
    return dlp.dead, event.encode()


# --- an event ---------------------------------------------------------------------------------------------


async def test_an_event_is_handled_in_the_trace_it_came_in_and_then_gone(ground: Ground) -> None:
    seen: list[tuple[MailSubmitted, str]] = []

    async def handle(event: MailSubmitted) -> None:
        seen.append((event, telemetry.trace_id()))

    async def done() -> bool:
        return bool(seen)

    tracing = telemetry.start("dlp")
    async with Dlp.at_work(ground, handle) as dlp:
        await publish(ground, submitted(MAIL).encode())
        await until(done)
    tracing.shutdown()
    assert seen == [(submitted(MAIL), TRACE.split("-")[1])]
    assert dlp.dead == [] and await ground.everything() == {}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Transient("database-away"), "database-away"),
        (NetworkTimeout("mongodb://secret"), "NetworkTimeout"),
        (ConnectionResetError(SECRET), "ConnectionResetError"),
        (TimeoutError(SECRET), "TimeoutError"),
    ],
)
async def test_a_passing_fault_sends_the_event_to_wait_with_its_trace_and_its_count(
    ground: Ground, error: Exception, code: str
) -> None:
    dead, body = await fails_with(ground, error)
    waiting = await ground.one("dlp.retry.5s")
    assert (waiting.body, waiting.message_id, waiting.correlation_id) == (body, "event", str(MAIL))
    assert waiting.routing_key == "dlp.mail.submitted" and waiting.delivery_mode == DeliveryMode.PERSISTENT
    assert told(waiting) == {"retry": "dlp.retry.5s", "x-attempt": 1, "x-retry-reason": code, "traceparent": TRACE}
    assert dead == [] and await ground.everything() == {}


@pytest.mark.parametrize(("attempt", "room"), [(5, "5s"), (6, "1m"), (15, "1m"), (16, "15m"), (39, "15m")])
async def test_each_further_failure_waits_at_its_step(ground: Ground, attempt: int, room: str) -> None:
    await fails_with(ground, Transient("database-away"), **{"x-attempt": attempt})
    waiting = await ground.one(f"dlp.retry.{room}")
    assert waiting.headers["x-attempt"] == attempt + 1


@pytest.mark.parametrize(
    ("error", "code", "attempt"),
    [
        (Transient("database-away"), "database-away", sum(topology.ATTEMPTS_PER_STEP.values())),
        (Permanent("blob-gone"), "blob-gone", 0),
        (ValueError(f"{SECRET} wrote something"), "ValueError", 0),
    ],
    ids=["attempts spent", "permanent", "a fault of ours"],
)
async def test_what_can_not_be_done_becomes_a_dead_letter_with_a_code_and_never_a_text(
    ground: Ground, caplog: pytest.LogCaptureFixture, error: Exception, code: str, attempt: int
) -> None:
    formatter = telemetry.JsonLines("dlp")
    with caplog.at_level(logging.INFO, "secumail"):
        stuck, body = await fails_with(ground, error, **{"x-attempt": attempt})
    dead = await ground.one("dlp.dead")
    assert dead.body == body and dead.message_id == "event"
    assert told(dead) == {"x-error": code, "x-queue": "dlp.mail.submitted", "traceparent": TRACE}
    assert stuck == [(MAIL, code)]
    assert await ground.everything() == {}
    logged = [formatter.format(record) for record in caplog.records]
    assert any(json.loads(line).get("code") == code for line in logged)
    assert SECRET not in "".join(logged)


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'{"type":"mail.blocked"}'])
async def test_a_malformed_event_becomes_a_dead_letter_and_the_mail_it_came_for_is_called_stuck(
    ground: Ground, body: bytes
) -> None:
    async def handle(_event: MailSubmitted) -> None:
        raise AssertionError("nothing to handle")

    async def noted() -> bool:
        return bool(dlp.dead)

    async with Dlp.at_work(ground, handle) as dlp:
        await publish(ground, body)
        await until(noted)
        dead = await ground.one("dlp.dead")
    assert (dead.body, dead.headers["x-error"]) == (body, "malformed")
    assert dlp.dead == [(MAIL, "malformed")]


async def test_an_event_in_hand_when_a_process_stops_is_finished(ground: Ground) -> None:
    begun, go_on, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(_event: MailSubmitted) -> None:
        begun.set()
        await go_on.wait()
        finished.set()

    async with Dlp.at_work(ground, handle) as dlp:
        await publish(ground, submitted().encode())
        await asyncio.wait_for(begun.wait(), 10)
        stopping = asyncio.create_task(dlp.service.work.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        go_on.set()
        await stopping
    assert finished.is_set()
    assert await ground.everything() == {}


async def test_a_process_takes_no_more_at_once_than_it_was_told(ground: Ground) -> None:
    in_hand, most, handled = 0, 0, 0

    async def handle(_event: MailSubmitted) -> None:
        nonlocal in_hand, most, handled
        in_hand += 1
        most = max(most, in_hand)
        await asyncio.sleep(0.02)
        in_hand -= 1
        handled += 1

    async def all_handled() -> bool:
        return handled == 20

    for _ in range(20):
        await publish(ground, submitted().encode())
    async with Dlp.at_work(ground, handle, in_flight=4):
        await until(all_handled)
    assert 1 < most <= 4


async def test_how_long_the_head_of_a_queue_has_waited(ground: Ground) -> None:
    go_on = asyncio.Event()

    async def handle(_event: MailSubmitted) -> None:
        await go_on.wait()

    async def backlog() -> bool:
        return await dlp.service.work.backlog_age("mail.submitted") > 0

    async with Dlp.at_work(ground, handle, in_flight=1) as dlp:
        assert await dlp.service.work.backlog_age("mail.submitted") == 0
        gateway = ground.process("gateway")
        await gateway.outgoing.start()
        for _ in range(3):
            await gateway.outgoing.event(submitted())
        await gateway.outgoing.stop()
        await until(backlog)
        assert await dlp.service.work.backlog_age("mail.submitted") < 30
        go_on.set()


# --- publishing -------------------------------------------------------------------------------------------


async def test_a_published_event_is_persistent_and_names_itself_its_mail_and_its_trace(ground: Ground) -> None:
    gateway = ground.process("gateway")
    await gateway.outgoing.start()
    tracing = telemetry.start("gateway")
    event = submitted(MAIL)
    await gateway.outgoing.event(event, trace=TRACE)
    tracing.shutdown()
    arrived = await ground.one("dlp.mail.submitted")
    assert (arrived.message_id, arrived.correlation_id, arrived.type, arrived.app_id) == (
        str(event.event_id), str(MAIL), "mail.submitted", "gateway",
    )  # fmt: skip
    assert arrived.delivery_mode == DeliveryMode.PERSISTENT and arrived.content_type == "application/json"
    assert str(arrived.headers["traceparent"]).split("-")[1] == TRACE.split("-")[1]
    assert arrived.timestamp is not None
    await gateway.outgoing.stop()
    with pytest.raises(Transient, match="publish-not-confirmed"):
        await gateway.outgoing.event(event)


async def test_work_without_a_queue_is_a_fault_and_news_that_nobody_hears_is_none(ground: Ground) -> None:
    auth, delivery = ground.process("auth"), ground.process("delivery")
    for service in (auth, delivery):
        await service.outgoing.start()
    await auth.outgoing.event(AccountChanged(account=ACCOUNT, change="roles", revision=2))
    await delivery.outgoing.event(MailDelivered(mail=MAIL, delivered=1))
    with pytest.raises(Transient):
        await delivery.outgoing.raw(EVENTS, "mail.unheard-of", b"{}")
    for service in (auth, delivery):
        await service.outgoing.stop()


# --- questions --------------------------------------------------------------------------------------------

KEYS = AccountKeys.generate()


class Talk:
    """A gateway that asks and an auth that answers as a test says, over the broker."""

    def __init__(self, gateway: Service, asker: Asking, auth: Service, heard: list[tuple[str, str, str]]) -> None:
        self.gateway, self.asker, self.auth, self.heard = gateway, asker, auth, heard

    @property
    def answering(self) -> Answering:
        return self.auth.answering


async def _signer(account: UUID) -> Any:
    return KEYS.signer.public_key() if account == ACCOUNT else None


@pytest.fixture
async def talk(ground: Ground) -> AsyncIterator[Talk]:
    gateway, auth = ground.process("gateway"), ground.process("auth")
    auth.answering._signers = _signer
    heard: list[tuple[str, str, str]] = []
    asker = Asking("gateway", gateway.settings.amqp, gateway.settings.tls_ca, gateway.outgoing, gateway.transport)
    await gateway.outgoing.start()
    await asker.start(lambda *news: heard.append(news))
    await auth.outgoing.start()
    await auth.work.start()
    yield Talk(gateway, asker, auth, heard)
    await auth.work.stop()
    await asker.stop()
    for service in (gateway, auth):
        await service.outgoing.stop()


async def test_a_question_is_answered(talk: Talk) -> None:
    answer = LoggedIn(account=ACCOUNT, address=SECRET, display_name="Ada", roles=("member",), bundle="")

    async def log_in(command: LogIn, actor: UUID | None) -> LoggedIn:
        assert (command.password, actor) == ("correct horse", None)
        return answer

    talk.answering.on(LogIn, log_in)
    assert await talk.asker.ask(LogIn(address=SECRET, password="correct horse"), LoggedIn) == answer


async def test_an_answered_question_costs_the_broker_no_channel(ground: Ground, talk: Talk) -> None:
    async def log_in(_command: LogIn, _actor: UUID | None) -> Done:
        return Done()

    def refusals() -> int:
        log = ground.home.log("broker").read_text()
        return log.count("access to exchange 'amq.default' in vhost 'secumail' refused for user 'auth'")

    talk.answering.on(LogIn, log_in)
    before = refusals()
    for _ in range(5):
        await talk.asker.ask(LogIn(address=SECRET, password="x"), Done)
    assert refusals() == before


async def test_a_persons_act_is_believed_by_their_signature_alone(talk: Talk) -> None:
    async def register(_command: Register, actor: UUID | None) -> Registered:
        assert actor == ACCOUNT
        return Registered(account=MAIL)

    talk.answering.on(Register, register)
    command = Register(address=SECRET, display_name="Ada", password="correct horse")
    assert (await talk.asker.ask(command, Registered, (ACCOUNT, KEYS))).account == MAIL
    for actor in (None, (ACCOUNT, AccountKeys.generate()), (uuid4(), KEYS)):
        with pytest.raises(Refused) as refused:
            await talk.asker.ask(command, Registered, actor)
        assert (refused.value.code, refused.value.status) == ("not-your-act", 403)


async def test_a_refusal_and_a_fault_come_back_and_a_fault_tells_no_details(talk: Talk) -> None:
    async def refuses(_command: LogIn, _actor: UUID | None) -> Done:
        raise Refused("wrong-credentials", "Words.", "Fix.", 401)

    async def breaks(_command: GetAuthority, _actor: UUID | None) -> Done:
        raise ValueError(SECRET)

    talk.answering.on(LogIn, refuses)
    with pytest.raises(Refused) as refused:
        await talk.asker.ask(LogIn(address=SECRET, password="x"), Done)
    assert (refused.value.code, refused.value.status) == ("wrong-credentials", 401)
    talk.answering.on(LogIn, breaks)
    with pytest.raises(Refused) as refused:
        await talk.asker.ask(LogIn(address=SECRET, password="x"), Done)
    assert (refused.value.code, refused.value.status) == ("failed", 503)
    assert SECRET not in refused.value.words
    with pytest.raises(Refused) as refused:
        await talk.asker.ask(ListAccounts(), Done, (ACCOUNT, KEYS))
    assert refused.value.code == "unknown-command"


async def test_a_question_nobody_answers_in_time_is_given_up(
    ground: Ground, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LogIn, "patience", 0.3)
    await talk.auth.work.stop()
    with pytest.raises(Refused) as refused:
        await talk.asker.ask(LogIn(address=SECRET, password="correct horse"), LoggedIn)
    assert (refused.value.code, refused.value.status) == ("no-answer", 503)
    waiting = await ground.one("auth.commands")
    assert b"correct horse" not in waiting.body and SECRET.encode() not in waiting.body
    assert waiting.delivery_mode == DeliveryMode.NOT_PERSISTENT


@pytest.mark.parametrize("letter", ["unreadable", "from a gateway that has gone"])
async def test_a_question_that_can_not_be_answered_does_not_keep_its_place(
    ground: Ground, talk: Talk, letter: str
) -> None:
    answered = asyncio.Event()

    async def log_in(_command: LogIn, _actor: UUID | None) -> Done:
        answered.set()
        return Done()

    talk.answering.on(LogIn, log_in)
    body = b"{}"
    if letter != "unreadable":
        command = LogIn(address=SECRET, password="x")
        asked = await letters.ask(talk.gateway.transport, "auth", command.name, command.model_dump_json(), 15)
        body = asked.letter.model_dump_json().encode()
    await talk.gateway.outgoing.raw(COMMANDS, "auth.commands", body, reply_to="gateway.replies.gone")
    # The question after it is answered; and once auth has stopped, nothing comes back into the queue.
    await talk.asker.ask(LogIn(address=SECRET, password="x"), Done)
    await talk.auth.work.stop()
    assert await ground.everything() == {}
    assert answered.is_set()


async def test_the_gateway_hears_what_people_are_told(ground: Ground, talk: Talk) -> None:
    delivery = ground.process("delivery")
    await delivery.outgoing.start()
    await publish(ground, submitted().encode())
    await delivery.outgoing.event(MailDelivered(mail=MAIL, delivered=1))
    await talk.auth.outgoing.event(AccountChanged(account=ACCOUNT, change="roles", revision=2))
    await delivery.outgoing.stop()

    async def both() -> bool:
        return len(talk.heard) == 2

    await until(both)
    assert sorted(talk.heard) == [
        ("account.changed", str(ACCOUNT), "account.changed"),
        ("mail.delivered", str(MAIL), "mail.delivered"),
    ]
