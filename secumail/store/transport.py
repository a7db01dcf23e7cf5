"""Transport key pairs in MongoDB."""

from datetime import datetime

from secumail.sealing.transport import TransportKey
from secumail.store.client import Collection, Document, DuplicateKeyError


class StoredTransportKeys:
    """Collection `transport_keys`, one document a pair."""

    def __init__(self, collection: Collection) -> None:
        self._keys = collection

    async def newest(self, service: str) -> TransportKey | None:
        found = await self._keys.find_one({"service": service}, sort=[("created", -1)])
        return _key(found) if found else None

    async def find(self, id_: str) -> TransportKey | None:
        found = await self._keys.find_one({"_id": id_})
        return _key(found) if found else None

    async def add(self, key: TransportKey) -> None:
        try:
            await self._keys.insert_one(
                {
                    "_id": key.id,
                    "service": key.service,
                    "public": key.public,
                    "private": key.private,
                    "signature": key.signature,
                    "created": key.created,
                }
            )
        except DuplicateKeyError:
            return

    async def older_than(self, service: str, moment: datetime) -> list[TransportKey]:
        return [_key(d) async for d in self._keys.find({"service": service, "created": {"$lt": moment}})]

    async def remove(self, id_: str) -> None:
        await self._keys.delete_one({"_id": id_})


def _key(d: Document) -> TransportKey:
    return TransportKey(d["_id"], d["service"], d["public"], d["private"], d["signature"], d["created"])
