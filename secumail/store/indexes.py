"""Every index, as data. Few on purpose: each one costs every write. A test explains each repository query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from secumail.store.client import Database

TOMBSTONE_DAYS = 400
ENTRY_PAGE = (("account", 1), ("folder", 1), ("at", -1), ("_id", -1))


@dataclass(frozen=True)
class Index:
    """Keys in order, and MongoDB's options."""

    keys: Sequence[tuple[str, int]]
    options: Mapping[str, Any] = field(default_factory=dict)


def _where(name: str) -> dict[str, Any]:
    return {"partialFilterExpression": {name: {"$exists": True}}}


INDEXES: Mapping[str, Sequence[Index]] = {
    "spool": (
        Index((("open", 1),), _where("open")),
        Index((("unsealed", 1),), _where("unsealed")),
        Index((("stuck", 1),), _where("stuck")),
        Index((("body.id", 1),), _where("body.id")),
        Index((("expires", 1),), {"expireAfterSeconds": 0}),
    ),
    "entries": (
        Index(ENTRY_PAGE, _where("folder")),
        Index((("account", 1), ("at", -1), ("_id", -1)), _where("decision")),
        Index((("body.id", 1),), _where("body.id")),
        Index((("gone", 1),), {"expireAfterSeconds": TOMBSTONE_DAYS * 86_400, **_where("gone")}),
    ),
    "directory": (Index((("account", 1),)),),
    "accounts": (
        Index((("lookup", 1),), {"unique": True}),
        Index((("listed", 1),), {"partialFilterExpression": {"listed": False}}),
        Index((("created", 1),)),
    ),
    "groups": (),
    "sessions": (
        Index((("ends", 1),), {"expireAfterSeconds": 0}),
        Index((("account", 1),)),
    ),
    "transport_keys": (Index((("service", 1), ("created", -1))),),
    "signing_keys": (),
    "certificates": (
        Index((("account", 1), ("issued", 1))),
        Index((("ends", 1),)),
        Index((("revoked", 1),), _where("revoked")),
    ),
    "crls": (),
    "decryption_keys": (Index((("account", 1),)),),
    "openpgp_keys": (Index((("account", 1),)),),
    "peers": (Index((("owner", 1),)),),
    "pickups": (
        Index((("token", 1),), {"unique": True}),
        Index((("account", 1), ("created", -1))),
        Index((("due", 1),), _where("due")),
        Index((("expires", 1),), {"expireAfterSeconds": 0}),
    ),
    "lists": (),
    "covers": (Index((("at", 1),)), Index((("mail", 1),), _where("mail"))),
    "covers_used": (Index((("pairs", 1),)), Index((("mail", 1),))),
    "audit": (),
    "acts": (Index((("unsealed", 1), ("at", 1)), _where("unsealed")),),
    "blobs.files": (Index((("filename", 1), ("uploadDate", 1))),),
    "blobs.chunks": (Index((("files_id", 1), ("n", 1)), {"unique": True}),),
}


async def create(database: Database) -> None:
    """Make collections and indexes that are missing. Done at installation, never by a service."""
    existing = set(await database.list_collection_names())
    for name, indexes in INDEXES.items():
        if name not in existing:
            await database.create_collection(name)
        for index in indexes:
            await database[name].create_index(list(index.keys), **index.options)
