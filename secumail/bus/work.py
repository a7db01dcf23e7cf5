"""Working off queues: each event is handled, then acked; a failure goes to a retry step or to the dead letters.

transient (Transient, the store or the broker away)  -> <service>.retry.<step>, attempts counted
permanent, malformed, unknown, attempts spent        -> mail.dead, with the error's code or type, never its text
killed in the middle                                 -> the broker delivers it again (20 times at most)
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from faststream.middlewares import AckPolicy
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitQueue
from faststream.rabbit.message import RabbitMessage
from faststream.security import BaseSecurity
from pydantic import ValidationError

from secumail import telemetry, topology
from secumail.bus.connection import PATIENCE, tls_context
from secumail.bus.outgoing import Outgoing
from secumail.contracts.events import Event
from secumail.errors import Permanent, SecuMailError, Transient

log = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)
Handle = Callable[[E], Awaitable[None]]
OnDead = Callable[[UUID, str], Awaitable[None]]

GRACE = 30.0
"""Seconds that work in hand may take at a stop; deployments give the process 15 more."""
_WATCH_EVERY = 15.0
_LOST_AFTER = 60.0
_TRANSIENT: tuple[type[Exception], ...] = (ConnectionError, TimeoutError)


class Work:
    """One process's consumers. `transient`: further exception types worth a retry (the store's)."""

    def __init__(
        self,
        service: str,
        url: str,
        ca: Path | None,
        outgoing: Outgoing,
        in_flight: int,
        transient: tuple[type[Exception], ...] = (),
    ) -> None:
        security = BaseSecurity(ssl_context=tls_context(ca)) if url.startswith("amqps") else None
        self._broker = RabbitBroker(
            url,
            security=security,
            app_id=service,
            graceful_timeout=GRACE,
            reconnect_interval=1.0,
            ack_policy=AckPolicy.MANUAL,
            apply_types=False,
            logger=None,
        )
        self._service = service
        self._outgoing = outgoing
        self._in_flight = in_flight
        self._transient: tuple[type[Exception], ...] = (Transient, *_TRANSIENT, *transient)
        self._queues: list[topology.WorkQueue] = []
        self._on_dead: OnDead | None = None
        self._watchdog: asyncio.Task[None] | None = None
        self._head: dict[str, tuple[float, float]] = {}
        self.lost = asyncio.Event()

    def on_dead(self, call: OnDead) -> None:
        """Call this with the mail and the code of each event that becomes a dead letter."""
        self._on_dead = call

    def handle(self, topic: str, model: type[E], handler: Handle[E], at_once: int | None = None) -> None:
        """Consume this service's queue for `topic`, at most `at_once` events at a time; before `start`."""
        queue = topology.queue(self._service, topic)
        self._queues.append(queue)

        async def consume(message: RabbitMessage) -> None:
            await self._consume(queue, model, handler, message)

        self._subscribe(RabbitQueue(queue.name, queue_type=QueueType.QUORUM, declare=False), consume, at_once)

    def answer(self, call: Callable[[RabbitMessage], Awaitable[None]]) -> None:
        """Consume this service's command queue; before `start`."""
        self._subscribe(RabbitQueue(topology.command_queue(self._service), declare=False), call)

    def _subscribe(
        self, queue: RabbitQueue, call: Callable[[RabbitMessage], Awaitable[None]], at_once: int | None = None
    ) -> None:
        async def as_it_is(message: Any) -> Any:
            return message

        self._broker.subscriber(
            queue,
            channel=Channel(prefetch_count=at_once or self._in_flight),
            decoder=as_it_is,
            # What is to be answered is answered sealed (asking.py); FastStream would reply to the default exchange
            # besides, and be refused, at the price of a channel for each question.
            no_reply=True,
        )(call)

    async def start(self) -> None:
        """Connect and begin; waits for a broker that is booting."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                await self._broker.connect()
                break
            except _TRANSIENT:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.5)
        await self._broker.start()
        self._watchdog = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Take no more, finish what is in hand (GRACE seconds at most), leave."""
        if self._watchdog is not None:
            self._watchdog.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watchdog
        try:
            await self._broker.stop()
        except Exception as error:  # a channel that the broker has closed meanwhile can't be left in order
            log.warning("left out of order", extra={"cause": type(error).__name__})

    async def connected(self) -> bool:
        """Whether the broker answers."""
        return await self._broker.ping(timeout=2)

    async def backlog_age(self, topic: str) -> float:
        """About how long, in seconds, the oldest event in the queue has waited; 0 for an empty one.

        Infinite while there is a backlog of which nothing has been seen yet.
        """
        name = topology.queue(self._service, topic).name
        ready, _ = await self._depth(name)
        if ready == 0:
            return 0.0
        seen = self._head.get(name)
        return float("inf") if seen is None else seen[0] + (time.monotonic() - seen[1])

    # --- one event --------------------------------------------------------------------------------------

    async def _consume(
        self, queue: topology.WorkQueue, model: type[E], handler: Handle[E], message: RabbitMessage
    ) -> None:
        raw = message.raw_message
        attempt = int(message.headers.get("x-attempt", 0))
        if raw.timestamp is not None:
            self._head[queue.name] = (max(0.0, time.time() - raw.timestamp.timestamp()), time.monotonic())
        with telemetry.processing(
            queue.name,
            message.headers.get("traceparent"),
            {
                "messaging.message.id": str(raw.message_id),
                "messaging.message.conversation_id": str(raw.correlation_id),
                "messaging.message.body.size": len(message.body),
                "secumail.attempt": attempt,
            },
        ) as span:
            event: Event | None = None
            try:
                event = model.model_validate_json(message.body)
                span.set_attribute("secumail.mail.id", str(event.mail))
                await handler(event)
            except ValidationError:
                telemetry.failed(span, "malformed")
                await self._dead(queue, message, "malformed", event)
            except self._transient as error:
                code = error.code if isinstance(error, SecuMailError) else type(error).__name__
                telemetry.failed(span, code)
                await self._retry(queue, message, code, attempt, event)
            except Permanent as error:
                telemetry.failed(span, error.code)
                await self._dead(queue, message, error.code, event)
            except Exception as error:
                # A fault of ours. The place is logged, the text is not: it may quote the mail.
                code = error.code if isinstance(error, SecuMailError) else type(error).__name__
                log.exception("handler failed", extra={"queue": queue.name, "cause": code})
                telemetry.failed(span, code)
                await self._dead(queue, message, code, event)
            await message.ack()

    async def _retry(
        self, queue: topology.WorkQueue, message: RabbitMessage, code: str, attempt: int, event: Event | None
    ) -> None:
        step = topology.next_step(attempt)
        if step is None:
            await self._dead(queue, message, code, event)
            return
        log.info("retry", extra={"queue": queue.name, "code": code, "attempt": attempt + 1})
        room = topology.retry_queue(self._service, step)
        headers: dict[str, str | int] = {"retry": room, "x-attempt": attempt + 1, "x-retry-reason": code}
        await self._hand_over(topology.RETRY, queue.name, message, headers)

    async def _dead(self, queue: topology.WorkQueue, message: RabbitMessage, code: str, event: Event | None) -> None:
        log.error("dead letter", extra={"queue": queue.name, "code": code})
        # A malformed event names no mail; its correlation id does.
        mail = event.mail if event is not None else _uuid(message.raw_message.correlation_id)
        if mail is not None and self._on_dead is not None:
            try:
                await self._on_dead(mail, code)
            except self._transient:
                log.warning("mail not marked as stuck", extra={"queue": queue.name})
        await self._hand_over(topology.DEAD, self._service, message, {"x-error": code, "x-queue": queue.name})

    async def _hand_over(self, exchange: str, key: str, message: RabbitMessage, headers: dict[str, str | int]) -> None:
        """Publish the message elsewhere before it is acked here; as long as the broker refuses, it stays in hand."""
        raw = message.raw_message
        kept = {"traceparent": message.headers["traceparent"]} if "traceparent" in message.headers else {}
        while True:
            try:
                await self._outgoing.raw(
                    exchange,
                    key,
                    message.body,
                    type_=raw.type,
                    id_=raw.message_id,
                    subject=raw.correlation_id,
                    headers={**kept, **headers},
                )
                return
            except Transient:
                if raw.channel.is_closed:
                    raise  # the broker has taken it back and will deliver it again
                await asyncio.sleep(1)

    # --- the watchdog -----------------------------------------------------------------------------------

    async def _depth(self, name: str) -> tuple[int, int]:
        """Ready messages and consumers of a queue."""
        queue = await self._broker.declare_queue(RabbitQueue(name, declare=False, robust=False))
        counted = await queue.channel.get_underlay_channel()
        answer = await counted.queue_declare(name, passive=True, timeout=5)
        return answer.message_count or 0, answer.consumer_count or 0

    async def _watch(self) -> None:
        """A broker restart can leave a process connected but consuming nothing: then it must start afresh."""
        alone_since: float | None = None
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            try:
                counts = [(await self._depth(q.name))[1] for q in self._queues]
            except Exception as error:
                log.warning("the broker does not answer", extra={"cause": type(error).__name__})
                counts = [0]
            if all(counts):
                alone_since = None
                continue
            alone_since = alone_since or time.monotonic()
            if time.monotonic() - alone_since > _LOST_AFTER:
                log.error("consumers lost; starting afresh")
                self.lost.set()


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None
