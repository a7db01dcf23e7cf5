"""Accounts, groups and the directory in MongoDB."""

from dataclasses import asdict
from uuid import UUID

from secumail.directory import Entry
from secumail.sealing.kms import Scope
from secumail.store.client import Collection, Document, DuplicateKeyError
from services.auth.accounts import Account, Credential
from services.auth.passwords import Cost


class StoredAccounts:
    """Collection `accounts`."""

    def __init__(self, collection: Collection) -> None:
        self._accounts = collection

    async def by_lookup(self, lookup: bytes) -> Account | None:
        found = await self._accounts.find_one({"lookup": lookup})
        return _account(found) if found else None

    async def by_id(self, id_: UUID) -> Account | None:
        found = await self._accounts.find_one({"_id": id_})
        return _account(found) if found else None

    async def add(self, account: Account) -> bool:
        try:
            await self._accounts.insert_one(_document(account))
        except DuplicateKeyError:
            return False
        return True

    async def replace(self, account: Account) -> bool:
        result = await self._accounts.replace_one(
            {"_id": account.id, "revision": account.revision - 1}, _document(account)
        )
        return result.matched_count == 1

    async def unlisted(self) -> list[Account]:
        return [_account(d) async for d in self._accounts.find({"listed": False})]

    async def listed(self, account: Account) -> None:
        await self._accounts.update_one({"_id": account.id, "revision": account.revision}, {"$set": {"listed": True}})

    async def everyone(self) -> list[Account]:
        return [_account(d) async for d in self._accounts.find().sort("created", 1)]


class SignedDirectory:
    """Collection `directory`: each entry signed by auth's directory scope; an older revision never replaces a newer."""

    def __init__(self, collection: Collection, scope: Scope) -> None:
        self._entries = collection
        self._scope = scope

    async def publish(self, entry: Entry) -> None:
        document = entry.document(await self._scope.sign(entry.signed()))
        try:
            await self._entries.replace_one(
                {"_id": entry.lookup, "revision": {"$lte": entry.revision}}, document, upsert=True
            )
        except DuplicateKeyError:
            return  # a newer revision stands there


class StoredGroups:
    """Collection `groups`."""

    def __init__(self, collection: Collection) -> None:
        self._groups = collection

    async def create(self, name: str, account: UUID, member: UUID, wrap: bytes) -> bool:
        try:
            await self._groups.insert_one({"_id": name, "account": account, "members": {str(member): wrap}})
        except DuplicateKeyError:
            return False
        return True

    async def grant(self, name: str, member: UUID, wrap: bytes) -> bool:
        result = await self._groups.update_one({"_id": name}, {"$set": {f"members.{member}": wrap}})
        return result.matched_count == 1

    async def of(self, member: UUID) -> dict[str, int]:
        found = self._groups.find({f"members.{member}": {"$exists": True}})
        return {group["_id"]: len(group["members"]) async for group in found}

    async def leave(self, name: str, member: UUID) -> bool:
        others = {"$gt": [{"$size": {"$objectToArray": "$members"}}, 1]}
        result = await self._groups.update_one({"_id": name, "$expr": others}, {"$unset": {f"members.{member}": ""}})
        return result.matched_count == 1


def _document(a: Account) -> Document:
    stored = asdict(a)
    stored["_id"] = stored.pop("id")
    stored["roles"] = list(a.roles)
    return stored


def _account(d: Document) -> Account:
    c = d["credential"]
    credential = Credential(**{**c, "cost": Cost(**c["cost"])})
    rest = {k: v for k, v in d.items() if k not in ("_id", "credential", "roles")}
    return Account(id=d["_id"], credential=credential, roles=tuple(d["roles"]), **rest)
