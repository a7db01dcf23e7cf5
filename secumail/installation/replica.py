"""A mongod made into what SecuMail needs: replica set, collections, indexes, one role and one user per service."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import ConnectionFailure, OperationFailure

from secumail.errors import Refused
from secumail.installation.home import DATABASE, REPLICA_SET
from secumail.store import indexes
from secumail.store.client import Database, Document, connect

Rights = Mapping[str, Mapping[str, Sequence[str]]]
"""Service -> collection -> MongoDB actions."""

Client: TypeAlias = AsyncIOMotorClient[Document]

_AUTHENTICATION_FAILED = 18
_NOT_YET_INITIALIZED = 94
_SCRAM: Mapping[str, Any] = {"mechanisms": ["SCRAM-SHA-256"]}


@dataclass(frozen=True)
class Member:
    """The set's only member: its `host:port`, and the operator, who may do everything there."""

    address: str
    operator: str
    password: str
    ca: Path

    def connect(self) -> Client:
        """The operator's client; it speaks to this member whatever that thinks of its replica set."""
        return self._client(f"{self.operator}:{quote(self.password, safe='')}@")

    def connect_as_stranger(self) -> Client:
        """A client without a user."""
        return self._client("")

    def _client(self, user: str) -> Client:
        url = f"mongodb://{user}{self.address}/?directConnection=true&tls=true"
        return connect(url, str(self.ca), "installation")


class SetUp:
    """Takes a fresh or changed mongod one step further each time it is called; True once all is as it should be."""

    def __init__(self, member: Member, passwords: Mapping[str, str], rights: Rights) -> None:
        self._member = member
        self._passwords = passwords
        self._rights = rights
        self._done = False

    async def __call__(self) -> bool:
        stranger, operator = self._member.connect_as_stranger(), self._member.connect()
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
        if not self._done:
            if not await self._operator_known(operator):
                await self._create_operator(stranger)
                return False  # a client that was once refused does not ask again for ten seconds
            await self._ensure_contents(operator)
            self._done = True
        return True

    async def _join(self, stranger: Client, operator: Client) -> None:
        """The member knows no set: it is new, or its address has changed and it does not find itself."""
        host = {"_id": 0, "host": self._member.address}
        fresh = {"_id": REPLICA_SET, "members": [host]}
        try:
            config = (await operator.admin.command("replSetGetConfig"))["config"]
        except OperationFailure as error:
            if error.code == _NOT_YET_INITIALIZED:
                await operator.admin.command("replSetInitiate", fresh)
            elif error.code == _AUTHENTICATION_FAILED:
                # Nobody can log in yet. Until the first user is there, mongod trusts the loopback address.
                await stranger.admin.command("replSetInitiate", fresh)
            else:
                raise
        else:
            config |= {"version": config["version"] + 1, "members": [config["members"][0] | host]}
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
        member = self._member
        try:
            await stranger.admin.command("createUser", member.operator, pwd=member.password, roles=["root"], **_SCRAM)
        except OperationFailure as error:
            raise Refused(
                "operator-locked-out",
                "The database has users, but the operator's password is not the one kept here.",
                "Put back secrets/operator of this installation, or begin anew with: make reset",
            ) from error

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
        password = self._passwords[service]
        roles = [{"role": service, "db": DATABASE}]
        await operator.admin.command(command, service, pwd=password, roles=roles, **_SCRAM)
