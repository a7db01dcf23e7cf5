"""The two descriptions others build on, AsyncAPI of the broker and OpenAPI of the public door: current and sound."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from faststream.specification.asyncapi.v3_0_0.schema.schema import ApplicationSchema
from openapi_spec_validator import validate

from scripts import asyncapi, openapi
from secumail import topology
from secumail.contracts.commands import COMMANDS
from tests.contract.examples import EVENTS

ASYNC: dict[str, Any] = asyncapi.document()
OPEN: dict[str, Any] = json.loads(openapi.text())
OPERATIONS = [
    pytest.param(path, operation, id=f"{method} {path}")
    for path, methods in OPEN["paths"].items()
    for method, operation in methods.items()
]


@pytest.mark.parametrize("described", [asyncapi, openapi], ids=["asyncapi", "openapi"])
def test_the_written_description_is_current(described: Any) -> None:
    name = described.__name__
    current = described.FILE.exists() and described.FILE.read_text() == described.text()
    assert current, (
        f"docs/{described.FILE.name} is stale. Renew it by `python -m {name}`, and read the difference: it is what "
        "clients and other services will notice."
    )


# --- AsyncAPI ---------------------------------------------------------------------------------------------


def test_the_broker_description_has_the_shape_of_asyncapi_3() -> None:
    read = ApplicationSchema.model_validate(ASYNC)
    assert read.asyncapi == "3.0.0"
    assert set(read.channels) == set(ASYNC["channels"])
    assert {o["action"] for o in ASYNC["operations"].values()} == {"send", "receive"}


def test_every_reference_leads_somewhere() -> None:
    for document in (ASYNC, OPEN):
        references = list(_references(document))
        assert references
        for reference in references:
            assert _resolve(document, reference) is not None, reference


def test_every_operation_speaks_of_messages_of_its_own_channel() -> None:
    for name, operation in ASYNC["operations"].items():
        channel = _resolve(ASYNC, operation["channel"]["$ref"])
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{operation['channel']['$ref']}/messages/"), name
            assert message["$ref"].rpartition("/")[2] in channel["messages"], name


def test_the_broker_description_tells_who_sends_and_receives_what() -> None:
    def operations(action: str) -> set[tuple[str, str]]:
        found = ASYNC["operations"].values()
        return {(o["tags"][0]["name"], o["channel"]["$ref"].split("/")[2]) for o in found if o["action"] == action}

    commands = {topology.command_queue(service) for service in topology.ANSWERS}
    assert operations("send") == {
        *((service, key) for service, keys in topology.PUBLISHES.items() for key in keys),
        *(("gateway", queue) for queue in commands),
    }
    assert operations("receive") == {
        *((q.service, q.name) for q in topology.WORK_QUEUES),
        *((queue.split(".")[0], queue) for queue in commands),
        ("gateway", "gateway.events"),
    }


def test_every_queue_the_broker_keeps_is_described_and_no_other() -> None:
    passwords = dict.fromkeys((*topology.SERVICES, topology.OPERATOR), "irrelevant")
    kept: Any = topology.definitions(passwords)["queues"]
    described = {
        c["bindings"]["amqp"]["queue"]["name"]
        for c in ASYNC["channels"].values()
        if c.get("bindings", {}).get("amqp", {}).get("is") == "queue"
    }
    assert described == {queue["name"] for queue in kept}


def test_every_contract_is_described_and_a_command_never_shows_its_content_on_the_wire() -> None:
    messages = ASYNC["components"]["messages"]
    assert set(messages) == {
        *(event.type for event in EVENTS),
        *(command.name for command in COMMANDS),
        *(f"{command.name}.reply" for command in COMMANDS),
    }
    for command in COMMANDS:
        assert messages[command.name]["payload"] == {"$ref": "#/components/schemas/Letter"}
        assert messages[f"{command.name}.reply"]["payload"] == {"type": "string", "format": "binary"}


def test_no_event_has_a_field_that_could_hold_content() -> None:
    # Free text in an event would lie readable on the broker's disk. A claim's texts are bounded and sealed.
    for event in EVENTS:
        schema = ASYNC["components"]["schemas"][type(event).__name__]
        for name, field in schema["properties"].items():
            free = field.get("type") == "string" and not {"const", "enum", "format", "pattern"} & set(field)
            assert not free, f"{event.type}.{name} is free text"


# --- OpenAPI ----------------------------------------------------------------------------------------------


def test_the_door_description_is_valid_openapi_3_1() -> None:
    assert OPEN["openapi"].startswith("3.1")
    validate(OPEN)


@pytest.mark.parametrize(("path", "operation"), OPERATIONS)
def test_an_operation_says_what_it_is_and_answers_errors_as_problem_details(
    path: str, operation: dict[str, Any]
) -> None:
    # Outside the API only what has its place by a standard, or stands in certificates.
    assert path.startswith(("/api/v1/", "/pki/", "/.well-known/openpgpkey/"))
    assert operation["operationId"] and operation["summary"] and operation["description"]
    assert len(operation["tags"]) == 1
    responses = operation["responses"]
    assert "422" not in responses, "FastAPI's own error shape is not ours"
    for status in ("4XX", "5XX"):
        problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        assert responses[status]["content"] == problem


def test_operation_ids_are_unique_and_fastapis_own_error_shape_is_nowhere() -> None:
    ids = [operation["operationId"] for methods in OPEN["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))
    assert not {"HTTPValidationError", "ValidationError"} & set(OPEN["components"]["schemas"])
    assert set(OPEN["components"]["schemas"]["Problem"]["required"]) >= {"type", "title", "status", "detail", "fix"}


def _references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def _resolve(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name.replace("~1", "/").replace("~0", "~")]
    return found
