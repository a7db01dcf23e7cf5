"""Writes docs/asyncapi.json: who says what on the broker, from the contracts and the topology (AsyncAPI 3.0).

python -m scripts.asyncapi          write it
python -m scripts.asyncapi --check  exit 1 where the file is stale
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from secumail import __version__, topology
from secumail.contracts.commands import COMMANDS, Command
from secumail.contracts.events import MAIL_EVENTS, AccountChanged, Event
from secumail.sealing.letters import Letter

FILE = Path(__file__).resolve().parents[1] / "docs" / "asyncapi.json"

Part = dict[str, Any]

_EVENTS: Mapping[str, type[Event] | type[AccountChanged]] = {**MAIL_EVENTS, "account.changed": AccountChanged}
_ASKER = "gateway"
_REPLIES = "gateway.replies"


def document() -> Part:
    """The whole description."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "SecuMail's broker",
            "version": __version__,
            "description": (
                "Events are past tense and carry ids, sizes and one sealed claim: never an address, a subject or a "
                "body. Commands are questions with a deadline; their letter is sealed to the service that answers "
                "(`x-secumail-sealed` names what is inside), the answer to a one-time key of the asker."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "localhost:8444",
                "protocol": "amqps",
                "protocolVersion": "0.9.1",
                "pathname": f"/{topology.VHOST}",
                "description": "RabbitMQ: TLS, one user with least rights for each service.",
                "security": [_ref("securitySchemes", "service")],
            }
        },
        "channels": dict(_channels()),
        "operations": dict(_operations()),
        "components": {
            "messages": dict(_messages()),
            "schemas": _schemas(),
            "securitySchemes": {"service": {"type": "userPassword", "description": "The service's own user."}},
        },
    }


def text() -> str:
    """The file's content."""
    return json.dumps(document(), indent=1) + "\n"


def event_of(topic: str) -> str:
    """The event published under a routing key: `mail.encrypted.direct` carries a `mail.encrypted`."""
    return next(type_ for type_ in _EVENTS if topic == type_ or topic.startswith(f"{type_}."))


def heard() -> tuple[str, ...]:
    """The events that reach the gateway's ear."""
    exact = [pattern.removesuffix(".#") for pattern in topology.HEARD]
    return tuple(type_ for type_ in _EVENTS if any(type_ == e or type_.startswith(f"{e}.") for e in exact))


# --- channels: a routing key to send to, a queue to receive from ------------------------------------------


def _channels() -> Iterator[tuple[str, Part]]:
    for topic in sorted({key for keys in topology.PUBLISHES.values() for key in keys}):
        yield topic, _exchange_channel(topology.EVENTS, topic, event_of(topic))
    for queue in topology.WORK_QUEUES:
        words = f"Takes {queue.binding} from {topology.EVENTS}."
        yield queue.name, _queue_channel(queue.name, words, queue.topic)
    for service in topology.consumers():
        said = [q.topic for q in topology.WORK_QUEUES if q.service == service]
        for step, milliseconds in topology.RETRY_STEPS.items():
            name = topology.retry_queue(service, step)
            times = topology.ATTEMPTS_PER_STEP[step]
            words = f"A failed event waits here {milliseconds // 1000} s, {times} times at most, then goes back."
            yield name, _queue_channel(name, words, *said)
        name = topology.dead_queue(service)
        words = "What this service could not do; header x-error has the code, x-queue the queue. Nobody consumes it."
        yield name, _queue_channel(name, words, *said)
    for service in topology.ANSWERS:
        name = topology.command_queue(service)
        words = f"Questions to {service}. They are not kept beyond {topology.COMMAND_TTL // 1000} s."
        yield name, _queue_channel(name, words, *(c.name for c in _commands(service)))
    yield (
        _REPLIES,
        {
            # Known at run time only: one queue for each process, named in the question.
            "address": None,
            "description": "Answers, on an exclusive queue of the asking process.",
            "messages": {f"{c.name}.reply": _ref("messages", f"{c.name}.reply") for c in COMMANDS},
        },
    )
    yield (
        "gateway.events",
        {
            "address": None,
            "description": "What people are told, on an exclusive queue of each gateway process.",
            "messages": _named(heard()),
        },
    )


def _exchange_channel(exchange: str, key: str, *messages: str) -> Part:
    binding = {
        "is": "routingKey",
        "exchange": {"name": exchange, "type": "topic", "durable": True, "autoDelete": False, "vhost": topology.VHOST},
        "bindingVersion": "0.3.0",
    }
    return {"address": key, "messages": _named(messages), "bindings": {"amqp": binding}}


def _queue_channel(name: str, words: str, *messages: str) -> Part:
    queue = {"name": name, "durable": True, "exclusive": False, "autoDelete": False, "vhost": topology.VHOST}
    binding = {"is": "queue", "queue": queue, "bindingVersion": "0.3.0"}
    return {"address": name, "description": words, "messages": _named(messages), "bindings": {"amqp": binding}}


def _named(messages: tuple[str, ...]) -> Part:
    return {message: _ref("messages", message) for message in messages}


# --- operations: what each service sends and receives -----------------------------------------------------


def _operations() -> Iterator[tuple[str, Part]]:
    for service, keys in topology.PUBLISHES.items():
        for key in keys:
            yield f"{service}.send.{key}", _operation("send", service, key, event_of(key))
    for queue in topology.WORK_QUEUES:
        yield f"{queue.service}.receive.{queue.topic}", _operation("receive", queue.service, queue.name, queue.topic)
    yield "gateway.receive.events", _operation("receive", "gateway", "gateway.events", *heard())
    for service in topology.ANSWERS:
        for command in _commands(service):
            channel = topology.command_queue(service)
            for action, who in (("send", _ASKER), ("receive", service)):
                operation = _operation(action, who, channel, command.name)
                operation["reply"] = {
                    "address": {"location": "$message.header#/replyTo"},
                    "channel": _ref("channels", _REPLIES),
                    "messages": [_in_channel(_REPLIES, f"{command.name}.reply")],
                }
                yield f"{who}.{action}.{command.name}", operation


def _operation(action: str, service: str, channel: str, *messages: str) -> Part:
    return {
        "action": action,
        "channel": _ref("channels", channel),
        "messages": [_in_channel(channel, message) for message in messages],
        "tags": [{"name": service}],
    }


# --- messages ---------------------------------------------------------------------------------------------


def _messages() -> Iterator[tuple[str, Part]]:
    headers = {
        "type": "object",
        "properties": {
            "traceparent": {"type": "string", "description": "W3C trace context"},
            "x-attempt": {"type": "integer", "description": "How often it has failed; absent at first"},
        },
    }
    for type_, model in _EVENTS.items():
        yield (
            type_,
            {
                "name": type_,
                "title": model.__name__,
                "summary": _summary(model),
                "contentType": "application/json",
                "headers": headers,
                "payload": _schema(model),
            },
        )
    for command in COMMANDS:
        yield (
            command.name,
            {
                "name": command.name,
                "title": command.__name__,
                "summary": _summary(command),
                "contentType": "application/json",
                "headers": {"type": "object", "properties": {"replyTo": {"type": "string"}}, "required": ["replyTo"]},
                "payload": _schema(Letter),
                "x-secumail-sealed": _schema(command),
            },
        )
        yield (
            f"{command.name}.reply",
            {
                "name": f"{command.name}.reply",
                "title": command.reply.__name__,
                "summary": _summary(command.reply),
                "contentType": "application/octet-stream",
                "payload": {"type": "string", "format": "binary"},
                "x-secumail-sealed": _schema(command.reply),
            },
        )


def _schemas() -> Part:
    models: list[type[BaseModel]] = [*_EVENTS.values(), Letter, *COMMANDS, *(c.reply for c in COMMANDS)]
    once = dict.fromkeys(models)
    _, schema = models_json_schema([(m, "validation") for m in once], ref_template="#/components/schemas/{model}")
    schemas: Part = schema["$defs"]
    return schemas


def _commands(service: str) -> tuple[type[Command], ...]:
    return tuple(c for c in COMMANDS if c.name.startswith(f"{service}."))


def _schema(model: type[BaseModel]) -> Part:
    return _ref("schemas", model.__name__)


def _summary(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _ref(kind: str, name: str) -> Part:
    return {"$ref": f"#/{kind}/{name}" if kind == "channels" else f"#/components/{kind}/{name}"}


def _in_channel(channel: str, message: str) -> Part:
    return {"$ref": f"#/channels/{channel}/messages/{message}"}


def main(arguments: list[str]) -> int:
    """The exit code."""
    if arguments == ["--check"]:
        return 0 if FILE.exists() and FILE.read_text() == text() else 1
    FILE.write_text(text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
