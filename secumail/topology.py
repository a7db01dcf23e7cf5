"""The broker's shape as data: exchanges, queues, bindings, policies, users and their least rights.

`definitions()` writes what RabbitMQ loads at boot (management definitions format); services declare nothing.
Only `x-queue-type` is a queue argument, because arguments can never be changed later; all else is policy.
"""

import base64
import hashlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

VHOST = "secumail"
EVENTS = "mail.events"
RETRY = "mail.retry"
DEAD = "mail.dead"
COMMANDS = "commands"

SERVICES = ("gateway", "auth", "dlp", "crypto", "stego", "delivery")
OPERATOR = "operator"

RETRY_STEPS: Mapping[str, int] = {"5s": 5_000, "1m": 60_000, "15m": 900_000}
"""Waiting times in milliseconds, in the order in which a failing message takes them."""

ATTEMPTS_PER_STEP: Mapping[str, int] = {"5s": 6, "1m": 10, "15m": 24}
"""How often a message waits at each step: half a minute, ten minutes, six hours; then it is a dead letter."""

DELIVERY_LIMIT = 20
COMMAND_TTL = 30_000


@dataclass(frozen=True)
class WorkQueue:
    """A service's queue for one topic. `binding` differs from `topic` where a route is part of the key.

    `patience`: seconds that a step of it may well take, on top of what any step may.
    """

    service: str
    topic: str
    binding: str
    patience: float = 0.0

    @property
    def name(self) -> str:
        """`<service>.<topic>`."""
        return f"{self.service}.{self.topic}"


WORK_QUEUES = (
    WorkQueue("dlp", "mail.submitted", "mail.submitted"),
    WorkQueue("dlp", "mail.set-aside", "mail.set-aside", patience=120.0),
    WorkQueue("crypto", "mail.filtered", "mail.filtered"),
    WorkQueue("stego", "mail.encrypted", "mail.encrypted.conceal", patience=120.0),
    WorkQueue("delivery", "mail.encrypted", "mail.encrypted.direct"),
    WorkQueue("delivery", "mail.concealed", "mail.concealed"),
)

# What each service may publish on the events exchange: what it produces, and (for its re-driver) what it consumes.
PUBLISHES: Mapping[str, tuple[str, ...]] = {
    "gateway": ("mail.submitted",),
    "auth": ("account.changed",),
    "dlp": ("mail.submitted", "mail.set-aside", "mail.filtered", "mail.blocked", "mail.rejected"),
    "crypto": ("mail.filtered", "mail.encrypted.direct", "mail.encrypted.conceal"),
    "stego": ("mail.encrypted.conceal", "mail.concealed"),
    "delivery": (
        "mail.submitted", "mail.encrypted.direct", "mail.concealed",
        "mail.delivered", "mail.deferred", "mail.bounced",
    ),
}  # fmt: skip

HEARD = ("mail.blocked", "mail.rejected", "mail.delivered", "mail.deferred", "mail.bounced", "account.#")
"""What the gateway listens to: what a person is told. The steps between would cost as much as the mail's answer."""

ANSWERS = ("auth", "dlp", "crypto", "stego")
"""The services that answer commands."""


def queue(service: str, topic: str) -> WorkQueue:
    """The work queue of a service for a topic; KeyError where there is none."""
    for q in WORK_QUEUES:
        if (q.service, q.topic) == (service, topic):
            return q
    raise KeyError(f"{service}.{topic}")


def is_work(routing_key: str) -> bool:
    """Whether a queue must take an event of this key. (The others are news: nobody may be listening.)"""
    return any(q.binding == routing_key for q in WORK_QUEUES)


def consumers() -> tuple[str, ...]:
    """The services that have work queues, in order."""
    return tuple(dict.fromkeys(q.service for q in WORK_QUEUES))


def retry_queue(service: str, step: str) -> str:
    """The name of a service's waiting room."""
    return f"{service}.retry.{step}"


def dead_queue(service: str) -> str:
    """The name of a service's dead-letter queue."""
    return f"{service}.dead"


def command_queue(service: str) -> str:
    """The queue (and routing key) on which a service answers commands."""
    return f"{service}.commands"


def next_step(attempt: int) -> str | None:
    """The retry step for the attempt-th failure (0-based), None when its attempts are spent."""
    for step, times in ATTEMPTS_PER_STEP.items():
        if attempt < times:
            return step
        attempt -= times
    return None


def definitions(passwords: Mapping[str, str]) -> dict[str, object]:
    """The whole broker as RabbitMQ definitions. `passwords`: by user, one per service and the operator's."""
    return {
        "vhosts": [{"name": VHOST}],
        "users": [
            {
                "name": user,
                "password_hash": password_hash(passwords[user]),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": "administrator" if user == OPERATOR else "",
            }
            for user in (*SERVICES, OPERATOR)
        ],
        "permissions": [_permission(user) for user in (*SERVICES, OPERATOR)],
        "topic_permissions": list(_topic_permissions()),
        "exchanges": [
            _exchange(EVENTS, "topic"),
            _exchange(RETRY, "headers"),
            _exchange(DEAD, "direct"),
            _exchange(COMMANDS, "topic"),
        ],
        "queues": list(_queues()),
        "bindings": list(_bindings()),
        "policies": list(_policies()),
    }


def password_hash(password: str) -> str:
    """RabbitMQ's salted SHA-256: base64(salt + sha256(salt + password)), 4 bytes of salt."""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _exchange(name: str, type_: str) -> dict[str, object]:
    return {
        "name": name, "vhost": VHOST, "type": type_,
        "durable": True, "auto_delete": False, "internal": False, "arguments": {},
    }  # fmt: skip


def _queue(name: str, type_: str) -> dict[str, object]:
    return {
        "name": name, "vhost": VHOST, "durable": True, "auto_delete": False, "arguments": {"x-queue-type": type_},
    }  # fmt: skip


def _queues() -> Iterator[dict[str, object]]:
    for q in WORK_QUEUES:
        yield _queue(q.name, "quorum")
    for service in consumers():
        for step in RETRY_STEPS:
            yield _queue(retry_queue(service, step), "quorum")
        yield _queue(dead_queue(service), "quorum")
    for service in ANSWERS:
        # Questions are not worth keeping: who asked has stopped waiting by the time a broker is back.
        yield _queue(command_queue(service), "classic")


def _bindings() -> Iterator[dict[str, object]]:
    def bind(source: str, to: str, key: str, arguments: dict[str, str] | None = None) -> dict[str, object]:
        return {
            "source": source, "vhost": VHOST, "destination": to, "destination_type": "queue",
            "routing_key": key, "arguments": arguments or {},
        }  # fmt: skip

    for q in WORK_QUEUES:
        yield bind(EVENTS, q.name, q.binding)
    for service in consumers():
        for step in RETRY_STEPS:
            # A headers exchange leaves the routing key free: it names the work queue to come back to.
            room = retry_queue(service, step)
            yield bind(RETRY, room, "", {"x-match": "all", "retry": room})
        yield bind(DEAD, dead_queue(service), service)
    for service in ANSWERS:
        yield bind(COMMANDS, command_queue(service), command_queue(service))


def _policies() -> Iterator[dict[str, object]]:
    def policy(name: str, pattern: str, **definition: object) -> dict[str, object]:
        return {
            "vhost": VHOST, "name": name, "pattern": pattern, "apply-to": "queues", "priority": 1,
            "definition": {key.replace("_", "-"): value for key, value in definition.items()},
        }  # fmt: skip

    # At-least-once dead lettering needs reject-publish; else it silently falls back to at-most-once.
    kept = {"dead_letter_strategy": "at-least-once", "overflow": "reject-publish"}
    for service in consumers():
        yield policy(
            f"{service}.work", rf"^{service}\.mail\.", delivery_limit=DELIVERY_LIMIT, max_length=1_000_000,
            dead_letter_exchange=DEAD, dead_letter_routing_key=service, **kept,
        )  # fmt: skip
    for step, milliseconds in RETRY_STEPS.items():
        yield policy(
            f"retry.{step}", rf"^[a-z]+\.retry\.{step}$", message_ttl=milliseconds, max_length=1_000_000,
            dead_letter_exchange="", **kept,
        )  # fmt: skip
    # Each look of an operator is a delivery; at a limit (RabbitMQ 4 has one of its own) a letter would be dropped.
    yield policy(
        "dead", r"^[a-z]+\.dead$", max_length=1_000_000, overflow="reject-publish", delivery_limit=2**31 - 1
    )  # fmt: skip
    yield policy("commands", r"^[a-z]+\.commands$", message_ttl=COMMAND_TTL, max_length=10_000)


def _permission(user: str) -> dict[str, object]:
    def right(configure: str, write: str, read: str) -> dict[str, object]:
        return {"user": user, "vhost": VHOST, "configure": configure, "write": write, "read": read}

    if user == OPERATOR:
        return right("^$", ".*", ".*")
    writes = [EVENTS]
    reads = []
    if user in consumers():
        writes += [RETRY, DEAD]
        reads.append(rf"{user}\.mail\..*")
    if user in ANSWERS:
        writes.append(COMMANDS)
        reads.append(rf"{user}\.commands")
    if user == "gateway":
        # Its own ears: exclusive queues for events and for replies.
        own = r"gateway\.(events|replies)\..*"
        writes += [COMMANDS, own]
        return right(f"^{own}$", _any(writes), _any([EVENTS, COMMANDS, own]))
    return right("^$", _any(writes), _any(reads))


def _topic_permissions() -> Iterator[dict[str, object]]:
    for user in SERVICES:
        writes = [topic.replace(".", r"\.") for topic in PUBLISHES[user]]
        heard = r"^(mail\..+|account\..+)$" if user == "gateway" else "^$"
        yield {"user": user, "vhost": VHOST, "exchange": EVENTS, "write": _any(writes), "read": heard}
        reads = r"^gateway\.replies\..*$" if user == "gateway" else "^$"
        asks = r"^[a-z]+\.commands$" if user == "gateway" else r"^gateway\.replies\..*$"
        yield {"user": user, "vhost": VHOST, "exchange": COMMANDS, "write": asks, "read": reads}


def _any(patterns: list[str]) -> str:
    escaped = [p if "\\" in p else p.replace(".", r"\.") for p in patterns]
    return f"^({'|'.join(escaped)})$" if escaped else "^$"
