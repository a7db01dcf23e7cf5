"""The private MongoDB: a replica set of one, loopback and TLS only, a user with least rights per service."""

import asyncio
import base64
import os
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import ConnectionFailure, OperationFailure

from secumail.errors import Refused
from secumail.installation import certificates, credentials, toolchain
from secumail.installation.home import DATABASE, HOST, REPLICA_SET, Home, private_directory, write_private
from secumail.installation.probes import listens
from secumail.installation.process import Program
from secumail.store import indexes
from secumail.store.client import Database, Document, connect
from secumail.topology import OPERATOR

Rights = Mapping[str, Mapping[str, Sequence[str]]]
"""Service -> collection -> MongoDB actions."""

_AUTHENTICATION_FAILED = 18
_SCRAM: Mapping[str, Any] = {"mechanisms": ["SCRAM-SHA-256"]}

Client: TypeAlias = AsyncIOMotorClient[Document]


def prepare(home: Home) -> None:
    """Makes the data directory and the key by which members of the replica set know each other."""
    private_directory(home.mongodb / "data")
    key_file = home.mongodb / "keyfile"
    if not key_file.exists():
        write_private(key_file, base64.b64encode(secrets.token_bytes(512)))


def program(home: Home, rights: Rights) -> Program:
    """mongod. Ready means: with replica set, collections, indexes, roles and users."""
    argv = [
        str(toolchain.mongod()), "--dbpath", str(home.mongodb / "data"), "--bind_ip", HOST,
        "--port", str(home.ports.mongodb), "--nounixsocket",
        "--replSet", REPLICA_SET, "--oplogSize", "512",
        "--tlsMode", "requireTLS", "--tlsCAFile", str(home.ca),
        "--tlsCertificateKeyFile", str(certificates.key_and_certificate(home, "database")),
        # A service proves itself by its own user and password.
        "--tlsAllowConnectionsWithoutCertificates", "--auth", "--keyFile", str(home.mongodb / "keyfile"),
        "--wiredTigerCacheSizeGB", "0.5", "--quiet",
        "--setParameter", "diagnosticDataCollectionEnabled=false",
    ]  # fmt: skip
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home.mongodb), "LC_ALL": "C"}
    return Program("database", argv, environment, _BringUp(home, rights))


def operator_url(home: Home) -> str:
    """The address for the operator, who speaks to this one member whatever it thinks of its replica set."""
    password = credentials.read(home, OPERATOR, credentials.MONGODB)
    return f"mongodb://{OPERATOR}:{password}@{HOST}:{home.ports.mongodb}/?directConnection=true&tls=true"


class _BringUp:
    """Takes a fresh or changed mongod one step further each time it is asked, until it is as it should be."""

    def __init__(self, home: Home, rights: Rights) -> None:
        self._home = home
        self._rights = rights
        self._set_up = False

    async def __call__(self) -> bool:
        if not await listens(self._home.ports.mongodb):
            return False
        stranger = self._connect(f"mongodb://{HOST}:{self._home.ports.mongodb}/?directConnection=true&tls=true")
        operator = self._connect(operator_url(self._home))
        try:
            return await self._step(stranger, operator)
        except ConnectionFailure:
            return False
        finally:
            stranger.close()
            operator.close()

    async def _step(self, stranger: Client, operator: Client) -> bool:
        hello = await stranger.admin.command("hello")
        if "setName" not in hello:
            await self._join(stranger, operator)
            return False
        if not hello["isWritablePrimary"]:
            return False
        if not self._set_up:
            if not await self._operator_known(operator):
                await self._create_operator(stranger)
                return False  # a client that was once refused does not ask again for ten seconds
            await self._ensure_contents(operator)
            self._set_up = True
        return True

    async def _join(self, stranger: Client, operator: Client) -> None:
        """The member knows no set: it is new, or its port has changed and it does not find itself."""
        member = {"_id": 0, "host": f"{HOST}:{self._home.ports.mongodb}"}
        try:
            config = (await operator.admin.command("replSetGetConfig"))["config"]
        except OperationFailure as error:
            if error.code != _AUTHENTICATION_FAILED:
                raise
            # Nobody can log in yet. Until the first user is there, mongod trusts the loopback address.
            await stranger.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
        else:
            config |= {"version": config["version"] + 1, "members": [config["members"][0] | member]}
            await operator.admin.command("replSetReconfig", config, force=True)

    async def _operator_known(self, operator: Client) -> bool:
        try:
            await operator.admin.command("ping")
        except OperationFailure as error:
            if error.code != _AUTHENTICATION_FAILED:
                raise
            return False
        return True

    async def _create_operator(self, stranger: Client) -> None:
        password = credentials.read(self._home, OPERATOR, credentials.MONGODB)
        try:
            await stranger.admin.command("createUser", OPERATOR, pwd=password, roles=["root"], **_SCRAM)
        except OperationFailure as error:
            raise Refused(
                "operator-locked-out",
                "The database has users, but the operator's password is not the one kept here.",
                f"Put back {self._home.secrets(OPERATOR)}, or begin anew with: make reset",
            ) from error  # fmt: skip

    async def _ensure_contents(self, operator: Client) -> None:
        database = operator[DATABASE]
        await indexes.create(database)
        await asyncio.gather(*(self._ensure_role(database, *item) for item in self._rights.items()))
        await asyncio.gather(*(self._ensure_user(operator, service) for service in self._rights))

    async def _ensure_role(self, database: Database, service: str, rights: Mapping[str, Sequence[str]]) -> None:
        privileges = [
            {"resource": {"db": DATABASE, "collection": collection}, "actions": list(actions)}
            for collection, actions in rights.items()
        ]
        known = await database.command("rolesInfo", service)
        command = "updateRole" if known["roles"] else "createRole"
        await database.command(command, service, privileges=privileges, roles=[])

    async def _ensure_user(self, operator: Client, service: str) -> None:
        known = await operator.admin.command("usersInfo", service)
        command = "updateUser" if known["users"] else "createUser"
        password = credentials.read(self._home, service, credentials.MONGODB)
        roles = [{"role": service, "db": DATABASE}]
        await operator.admin.command(command, service, pwd=password, roles=roles, **_SCRAM)

    def _connect(self, url: str) -> Client:
        return connect(url, str(self._home.ca), "installation")
