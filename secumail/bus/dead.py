"""Dead letters, for the operator: looked at without losing any, replayed, discarded.

They lie in the quorum queues `<service>.dead`. A service that gives up on a message writes why (x-error) and where
it lay (x-queue); where the broker gave up (delivered too often), x-death says so.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from secumail import topology
from secumail.bus.connection import connect
from secumail.bus.outgoing import CONFIRM_TIMEOUT
from secumail.errors import Refused

LOOKED_THROUGH = 10_000
"""Letters of one queue that are looked through at most: they are all held in memory meanwhile."""

_SHOWN = ("version", "mail", "generation", "recipient", "attempt", "size", "recipients", "route", "verdict", "reason")
"""What of an event may be shown: never its claim."""
_WORK = frozenset(q.name for q in topology.WORK_QUEUES)


@dataclass(frozen=True)
class Letter:
    """One dead letter. `queue` is the work queue it comes from, `error` a code or an exception's type.

    `id` is the event's, or a digest of the body where there is none; `died` None where nobody noted the time.
    """

    id: str
    service: str
    queue: str
    type: str
    error: str
    mail: str
    died: datetime | None
    size: int
    event: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, service: str, message: AbstractIncomingMessage) -> Self:
        """From the message as it lies in the queue."""
        headers = message.headers
        by_broker = _given_up(headers.get("x-death"))
        died = message.timestamp
        if by_broker is not None and isinstance(by_broker.get("time"), datetime):
            died = by_broker["time"]
        return cls(
            id=message.message_id or hashlib.sha256(message.body).hexdigest()[:32],
            service=service,
            queue=str(headers.get("x-queue") or (by_broker or {}).get("queue", "")),
            type=message.type or "",
            error=str(headers.get("x-error") or (by_broker or {}).get("reason", "unknown")),
            mail=message.correlation_id or "",
            died=died,
            size=len(message.body),
            event=_shown(message.body),
        )


Wanted = Callable[[Letter], bool]
Before = Callable[[Letter], Awaitable[None]]
Act = Callable[[Letter, AbstractIncomingMessage], Awaitable[None]]


class DeadLetters:
    """The dead-letter queues, over one connection."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, ca: Path | None) -> AsyncIterator[Self]:
        """As a user who may read the dead queues and write the work queues: the operator."""
        connection = await connect(url, ca, "dead letters", patience=0)
        async with connection:
            yield cls(await connection.channel(publisher_confirms=True, on_return_raises=True))

    async def look(self, services: Sequence[str], most: int = LOOKED_THROUGH) -> list[Letter]:
        """The oldest letters of each service's queue, at most `most` each. They stay where they are."""
        seen: list[Letter] = []
        for service in services:
            async with self._letters(service, most) as letters:
                seen += [letter for letter, _ in letters]
        return seen

    async def replay(self, services: Sequence[str], wanted: Wanted, before: Before) -> list[Letter]:
        """Publish the wanted letters to their work queues, each acked here only when the broker has it there.

        `before` runs first, and may refuse. Killed in between, a letter is in both queues, which does no harm: a
        step that is done already does nothing. Attempts are counted afresh.
        """
        return await self._take(services, wanted, before, self._publish)

    async def discard(self, services: Sequence[str], wanted: Wanted, before: Before) -> list[Letter]:
        """Take the wanted letters away for good; `before` may refuse."""
        return await self._take(services, wanted, before, None)

    async def _take(self, services: Sequence[str], wanted: Wanted, before: Before, act: Act | None) -> list[Letter]:
        taken = []
        for service in services:
            async with self._letters(service, LOOKED_THROUGH) as letters:
                for letter, message in letters:
                    if wanted(letter):
                        await before(letter)
                        if act is not None:
                            await act(letter, message)
                        await message.ack()
                        taken.append(letter)
        return taken

    @asynccontextmanager
    async def _letters(self, service: str, most: int) -> AsyncIterator[list[tuple[Letter, AbstractIncomingMessage]]]:
        """The letters that are there now (not those that arrive meanwhile); what was not acked is given back."""
        queue = await self._channel.get_queue(topology.dead_queue(service))
        messages: list[AbstractIncomingMessage] = []
        try:
            for _ in range(min(queue.declaration_result.message_count or 0, most)):
                message = await queue.get(fail=False, timeout=CONFIRM_TIMEOUT)
                if message is None:
                    break
                messages.append(message)
            yield [(Letter.read(service, message), message) for message in messages]
        finally:
            held = [message for message in messages if not message.processed]
            if held:
                await held[-1].nack(multiple=True, requeue=True)

    async def _publish(self, letter: Letter, dead: AbstractIncomingMessage) -> None:
        if letter.queue not in _WORK:
            raise Refused(
                "no-such-queue", f"Letter {letter.id} names no work queue to go back to.",
                "Look at it with `secumail dead show`, then `secumail dead discard` it.",
            )  # fmt: skip
        kept = {"traceparent": dead.headers["traceparent"]} if "traceparent" in dead.headers else {}
        message = Message(
            dead.body,
            content_type=dead.content_type,
            delivery_mode=DeliveryMode.PERSISTENT,
            message_id=dead.message_id,
            correlation_id=dead.correlation_id,
            type=dead.type,
            app_id=dead.app_id,
            timestamp=datetime.now(UTC),
            headers=kept,
        )
        await self._channel.default_exchange.publish(message, letter.queue, mandatory=True, timeout=CONFIRM_TIMEOUT)


def _given_up(deaths: object) -> Mapping[str, Any] | None:
    """The broker's own note of the death in a work queue, if it was the broker that gave up."""
    for death in deaths if isinstance(deaths, list) else ():
        if isinstance(death, Mapping) and death.get("queue") in _WORK:
            return death
    return None


def _shown(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except ValueError:
        return {}
    if not isinstance(event, dict):
        return {}
    return {name: event[name] for name in _SHOWN if isinstance(event.get(name), str | int)}
