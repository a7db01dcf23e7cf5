"""Publishing: persistent, confirmed by a quorum, and refused where no queue takes what must be worked on."""

import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractExchange, AbstractRobustConnection, HeadersType
from aio_pika.exceptions import AMQPException
from aiormq.exceptions import ChannelInvalidStateError

from secumail import telemetry, topology
from secumail.bus.connection import connect
from secumail.contracts.events import AccountChanged, Event
from secumail.errors import Transient

log = logging.getLogger(__name__)

CONFIRM_TIMEOUT = 10.0
IN_FLIGHT = 200
"""Unconfirmed publishes at once: the gain of more is nothing, the loss in a crash grows."""


class Outgoing:
    """One process's publishing connection (apart from the consuming one: a memory alarm blocks publishers only)."""

    def __init__(self, service: str, url: str, ca: Path | None) -> None:
        self.service = service
        self._url = url
        self._ca = ca
        self._connection: AbstractRobustConnection | None = None
        self._exchanges: dict[str, AbstractExchange] = {}
        self._slots = asyncio.Semaphore(IN_FLIGHT)

    async def start(self) -> None:
        """Connect; waits for a broker that is booting."""
        self._connection = await connect(self._url, self._ca, f"{self.service} publishing")
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        for name in (topology.EVENTS, topology.RETRY, topology.DEAD, topology.COMMANDS):
            self._exchanges[name] = await channel.get_exchange(name, ensure=False)

    async def stop(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()

    @property
    def connected(self) -> bool:
        """Whether the broker can be reached now."""
        return self._connection is not None and self._connection.connected.is_set()

    async def event(self, event: Event | AccountChanged, trace: str | None = None) -> None:
        """Publish an event; Transient where the broker does not take it. `trace`: go on in that stored trace."""
        subject = str(event.mail if isinstance(event, Event) else event.account)
        id_ = str(event.event_id)
        with (
            telemetry.within(trace),
            telemetry.sending(
                topology.EVENTS,
                event.routing_key,
                {
                    "messaging.message.id": id_,
                    "messaging.message.conversation_id": subject,
                    **({"secumail.mail.id": subject} if isinstance(event, Event) else {}),
                },
            ),
        ):
            await self.raw(
                topology.EVENTS,
                event.routing_key,
                event.encode(),
                type_=event.type,
                id_=id_,
                subject=subject,
                headers={"traceparent": telemetry.traceparent()},
            )

    async def raw(
        self,
        exchange: str,
        key: str,
        body: bytes,
        *,
        type_: str | None = None,
        id_: str | None = None,
        subject: str | None = None,
        headers: HeadersType | None = None,
        reply_to: str | None = None,
        persistent: bool = True,
    ) -> None:
        """Publish bytes; Transient where the broker does not take them in time."""
        message = Message(
            body,
            content_type="application/json",
            delivery_mode=DeliveryMode.PERSISTENT if persistent else DeliveryMode.NOT_PERSISTENT,
            message_id=id_,
            correlation_id=subject,
            type=type_,
            app_id=self.service,
            headers=headers or {},
            reply_to=reply_to,
            timestamp=datetime.now(UTC),
        )
        # Work must find its queue; of news (mail.delivered) nobody may be there to hear.
        mandatory = exchange != topology.EVENTS or topology.is_work(key)
        try:
            async with self._slots:
                await self._exchanges[exchange].publish(message, key, mandatory=mandatory, timeout=CONFIRM_TIMEOUT)
        except (
            AMQPException,
            ChannelInvalidStateError,
            OSError,
            TimeoutError,
            RuntimeError,
            KeyError,
        ) as error:
            # RuntimeError: aio-pika's word for a closed channel. KeyError: not started.
            raise Transient("publish-not-confirmed") from error
