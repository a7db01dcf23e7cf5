"""Least rights in the real database: each service does what its table says there, and nothing else anywhere."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from secumail.store.client import Collection
from secumail.store.indexes import INDEXES
from secumail.store.rights import RIGHTS
from secumail.topology import SERVICES
from tests.integration.ground import Ground

UNAUTHORIZED = 13
PROBE = {"_id": "probe"}

ATTEMPTS: dict[str, Callable[[Collection], Awaitable[Any]]] = {
    "find": lambda c: c.find_one(PROBE),
    "insert": lambda c: c.insert_one(dict(PROBE)),
    "update": lambda c: c.update_one(PROBE, {"$set": {"seen": True}}),
    "remove": lambda c: c.delete_one(PROBE),
    "createIndex": lambda c: c.create_index([("_id", 1)]),
    "listIndexes": lambda c: c.index_information(),
    "dropCollection": lambda c: c.drop(),
    "collMod": lambda c: c.database.command("collMod", c.name, validationLevel="off"),
}


async def _allowed(attempt: Callable[[Collection], Awaitable[Any]], collection: Collection) -> bool:
    try:
        await attempt(collection)
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
        return False
    return True


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_does_in_each_collection_what_its_rights_say_and_no_more(ground: Ground, name: str) -> None:
    database = (await ground.service(name)).database
    found: dict[str, tuple[str, ...]] = {}
    for collection in (*INDEXES, "elsewhere"):
        if allowed := tuple([a for a, attempt in ATTEMPTS.items() if await _allowed(attempt, database[collection])]):
            found[collection] = allowed
        await ground.database[collection].delete_many(PROBE)
    assert {c: set(actions) for c, actions in found.items()} == {c: set(a) for c, a in RIGHTS[name].items()}


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_reaches_no_other_database_and_no_administration(ground: Ground, name: str) -> None:
    client = (await ground.service(name)).database.client
    attempts: list[Callable[[], Awaitable[Any]]] = [
        client["admin"]["system.users"].find_one,
        client["local"]["oplog.rs"].find_one,
        lambda: client["other"]["mail"].insert_one({}),
        lambda: client["secumail"].command("createUser", "eve", pwd="x", roles=[]),
        lambda: client["secumail"].command("profile", 2),
        lambda: client["secumail"]["entries"].aggregate([{"$out": "elsewhere"}]).to_list(1),
        lambda: client["admin"].command("shutdown"),
    ]
    for attempt in attempts:
        with pytest.raises(OperationFailure) as error:
            await attempt()
        assert error.value.code == UNAUTHORIZED


def test_only_the_gateway_reads_mailboxes_and_nobody_takes_entries_out_or_changes_the_chain() -> None:
    def who(collection: str, action: str) -> set[str]:
        return {service for service, rights in RIGHTS.items() if action in rights.get(collection, ())}

    assert who("entries", "find") == who("entries", "update") == {"gateway"}
    assert who("entries", "insert") == {"gateway", "dlp", "delivery"}
    assert who("entries", "remove") == who("spool", "remove") == set()
    assert (who("audit", "insert"), who("audit", "update"), who("audit", "remove")) == ({"delivery"}, set(), set())
    assert who("directory", "update") == who("accounts", "find") == who("groups", "update") == {"auth"}
    assert who("signing_keys", "find") == {"crypto"}
    assert who("sessions", "find") == {"gateway"}
    assert who("lists", "find") == {"dlp"}
