"""Commands over the broker: a sealed question on a service's command queue, a sealed answer on the asker's own.

Also the gateway's ear: every event, on a queue that lives as long as the process.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from faststream.rabbit.message import RabbitMessage
from pydantic import ValidationError

from secumail import telemetry, topology
from secumail.bus.connection import connect
from secumail.bus.outgoing import Outgoing
from secumail.contracts.commands import PRIVILEGED, Command, Reply
from secumail.errors import Refused, SecuMailError, Transient
from secumail.sealing import letters
from secumail.sealing.accounts import AccountKeys
from secumail.sealing.identities import Forged, verify
from secumail.sealing.transport import Transport

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Reply)
Actor = tuple[UUID, AccountKeys]
Answerer = Callable[[Any, UUID | None], Awaitable[Reply]]
Signers = Callable[[UUID], Awaitable[Ed25519PublicKey | None]]
Heard = Callable[[str, str, str], None]


class Asking:
    """The asking side: the gateway's. One exclusive queue for answers, one for events."""

    def __init__(self, service: str, url: str, ca: Path | None, outgoing: Outgoing, transport: Transport) -> None:
        self._service = service
        self._url = url
        self._ca = ca
        self._outgoing = outgoing
        self._transport = transport
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._connection: AbstractRobustConnection | None = None
        self._replies = f"{service}.replies.{uuid4().hex}"

    async def start(self, heard: Heard) -> None:
        """Begin to listen. `heard` gets type, subject id and routing key of each event on the bus."""
        self._connection = await connect(self._url, self._ca, f"{self._service} listening")
        channel = await self._connection.channel()
        replies = await channel.declare_queue(self._replies, exclusive=True, auto_delete=True)
        await replies.bind(topology.COMMANDS, self._replies)
        await replies.consume(self._on_reply, no_ack=True)
        ear = await channel.declare_queue(f"{self._service}.events.{uuid4().hex}", exclusive=True, auto_delete=True)
        for pattern in topology.HEARD:
            await ear.bind(topology.EVENTS, pattern)

        async def hear(message: AbstractIncomingMessage) -> None:
            heard(message.type or "", message.correlation_id or "", message.routing_key or "")

        await ear.consume(hear, no_ack=True)

    async def stop(self) -> None:
        """Stop listening."""
        if self._connection is not None:
            await self._connection.close()

    @property
    def connected(self) -> bool:
        """Whether answers can arrive."""
        return self._connection is not None and self._connection.connected.is_set()

    async def ask(self, command: Command, reply: type[R], actor: Actor | None = None) -> R:
        """The answer to a command; raises the Refused it was refused with, or one for an answer that never came."""
        to = command.name.split(".", 1)[0]
        asked = await letters.ask(self._transport, to, command.name, command.model_dump_json(), command.patience, actor)
        id_ = str(asked.letter.id)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[id_] = future
        try:
            with telemetry.sending(topology.COMMANDS, topology.command_queue(to), {"secumail.command": command.name}):
                await self._outgoing.raw(
                    topology.COMMANDS,
                    topology.command_queue(to),
                    asked.letter.model_dump_json().encode(),
                    type_=command.name,
                    id_=id_,
                    headers={"traceparent": telemetry.traceparent()},
                    reply_to=self._replies,
                    persistent=False,
                )
            body = await asyncio.wait_for(future, command.patience)
        except TimeoutError as error:
            raise Refused(
                "no-answer", f"The {to} service did not answer in time.", "Try again in a minute.", 503
            ) from error
        finally:
            self._waiting.pop(id_, None)
        return reply.model_validate_json(letters.read_answer(asked, body))

    async def _on_reply(self, message: AbstractIncomingMessage) -> None:
        future = self._waiting.get(message.correlation_id or "")
        if future is not None and not future.done():
            future.set_result(message.body)


class Answering:
    """The answering side: looks the command up, checks whose act it is, answers sealed."""

    def __init__(self, outgoing: Outgoing, transport: Transport, asker: str, signers: Signers) -> None:
        self._outgoing = outgoing
        self._transport = transport
        self._asker = asker
        self._signers = signers
        self._known: dict[str, tuple[type[Command], Answerer]] = {}

    def on(self, model: type[Command], answerer: Answerer) -> None:
        """Answer `model` by `answerer(command, actor)`; `actor` is the verified person, None for none."""
        self._known[model.name] = (model, answerer)

    async def __call__(self, message: RabbitMessage) -> None:
        """Answer one letter. Questions are never retried here: the asker sees what went wrong and asks again."""
        raw = message.raw_message
        with telemetry.processing(
            topology.command_queue(self._transport.service),
            message.headers.get("traceparent"),
            {"secumail.command": raw.type if raw.type in self._known else "unknown"},
        ) as span:
            try:
                question = await letters.read(self._transport, message.body, self._asker)
            except Exception as error:
                # Nobody to answer to: an unread letter (forged, or the store away) has shown no key for an answer.
                code = error.code if isinstance(error, SecuMailError) else type(error).__name__
                telemetry.failed(span, code)
                log.warning("letter not accepted", extra={"code": code})
                await message.ack()
                return
            reply: str | Refused
            try:
                reply = (await self._reply(question)).model_dump_json()
            except Refused as refused:
                telemetry.failed(span, refused.code)
                reply = refused
            except Exception as error:
                telemetry.failed(span, type(error).__name__)
                log.exception("answer failed", extra={"command": question.name, "cause": type(error).__name__})
                reply = Refused("failed", "The service could not do this just now.", "Try again in a minute.", 503)
            try:
                await self._outgoing.raw(
                    topology.COMMANDS,
                    message.reply_to,
                    letters.answer(question, reply),
                    subject=str(question.id),
                    persistent=False,
                )
            except Transient as error:
                # The asker has gone, and its queue with it. Unacked, the question would keep one of our places.
                telemetry.failed(span, error.code)
                log.warning("answer not taken", extra={"command": question.name, "code": error.code})
            await message.ack()

    async def _reply(self, question: letters.Question) -> Reply:
        known = self._known.get(question.name)
        if known is None:
            raise Refused("unknown-command", "This service has no such command.", "Update the caller.", 501)
        model, answerer = known
        actor = question.actor
        if actor is not None:
            key = await self._signers(actor)
            try:
                if key is None:
                    raise Forged
                verify(key, question.signature, question.act)
            except Forged as error:
                raise Refused("not-your-act", "The act is not signed by its account.", "Log in again.", 403) from error
        elif question.name in PRIVILEGED:
            raise Refused("not-your-act", "This act needs a person's signature.", "Log in.", 403)
        try:
            command = model.model_validate_json(question.command)
        except ValidationError as error:
            raise Refused("malformed-command", "The command has another shape.", "Update the caller.", 422) from error
        return await answerer(command, actor)
