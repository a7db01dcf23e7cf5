"""The connection to MongoDB, and the few driver names that repositories use.

Motor's end of life is announced; PyMongo's own async client has the same call shapes, so that this file alone
changes when it takes over (docs/decisions).
"""

from typing import Any, TypeAlias

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
    AsyncIOMotorGridFSBucket,
)
from pymongo import ReturnDocument
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from secumail.settings import Settings

Document: TypeAlias = dict[str, Any]
Collection: TypeAlias = AsyncIOMotorCollection[Document]
Database: TypeAlias = AsyncIOMotorDatabase[Document]

__all__ = [
    "AutoReconnect",
    "BulkWriteError",
    "Collection",
    "Database",
    "Document",
    "DuplicateKeyError",
    "GridFSBucket",
    "PyMongoError",
    "ReturnDocument",
    "connect",
    "open_database",
]

GridFSBucket = AsyncIOMotorGridFSBucket


def connect(url: str, ca: str | None, name: str) -> "AsyncIOMotorClient[Document]":
    """A client for `url`; `name` is shown in the server's log. Connects when first used."""
    tls: dict[str, Any] = {"tlsCAFile": ca} if ca else {}
    return AsyncIOMotorClient(
        url,
        appname=name,
        tz_aware=True,
        uuidRepresentation="standard",
        serverSelectionTimeoutMS=10_000,
        connectTimeoutMS=5_000,
        socketTimeoutMS=30_000,
        maxPoolSize=32,
        retryWrites=True,
        **tls,
    )


def open_database(settings: Settings, name: str) -> Database:
    """The installation's database: writes are kept by a majority and journalled before they are answered."""
    client = connect(settings.mongodb, str(settings.tls_ca) if settings.tls_ca else None, name)
    options: CodecOptions[Document] = CodecOptions(tz_aware=True, uuid_representation=UuidRepresentation.STANDARD)
    return client.get_database(
        settings.database,
        codec_options=options,
        write_concern=WriteConcern("majority", j=True),
        read_concern=ReadConcern("local"),
    )
