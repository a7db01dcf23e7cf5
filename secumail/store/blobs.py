"""Large sealed data behind a port: inside its record under 256 KiB, else in GridFS (an object store later).

Order matters: a blob is written before the record that names it, and removed after the record that named it, so
a crash leaves at worst an orphan, never a record without its blob.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bson import ObjectId
from gridfs.errors import NoFile

from secumail.errors import Permanent
from secumail.store.client import Database, GridFSBucket

INLINE = 256 * 1024


@dataclass(frozen=True)
class BlobRef:
    """Where sealed data lies: `inline` itself, or the `id` of a stored blob."""

    inline: bytes | None = None
    id: ObjectId | None = None

    def document(self) -> dict[str, Any]:
        """As a field of a record."""
        return {"id": self.id} if self.id is not None else {"in": self.inline}

    @classmethod
    def read(cls, field: Mapping[str, Any]) -> "BlobRef":
        """From a field of a record."""
        return cls(inline=field.get("in"), id=field.get("id"))


class Blobs(Protocol):
    """The port. All data in it is sealed already."""

    async def put(self, data: bytes, share: int = 1) -> BlobRef:
        """Keep `data` for `share` records: inline where all their copies together are small."""

    async def get(self, ref: BlobRef) -> bytes:
        """The data; Permanent("blob-gone") where it has vanished."""

    async def remove(self, ref: BlobRef | None) -> None:
        """Forget it; harmless for one that is inline or gone."""


class GridFSBlobs:
    """Blobs in GridFS."""

    def __init__(self, database: Database) -> None:
        self._bucket = GridFSBucket(database, bucket_name="blobs")

    async def put(self, data: bytes, share: int = 1) -> BlobRef:
        if len(data) * share < INLINE:
            return BlobRef(inline=data)
        id_ = ObjectId()
        await self._bucket.upload_from_stream_with_id(id_, "", data)
        return BlobRef(id=id_)

    async def get(self, ref: BlobRef) -> bytes:
        if ref.inline is not None:
            return ref.inline
        try:
            stream = await self._bucket.open_download_stream(ref.id)
            data: bytes = await stream.read()
        except NoFile as error:
            raise Permanent("blob-gone") from error
        return data

    async def remove(self, ref: BlobRef | None) -> None:
        if ref is None or ref.id is None:
            return
        try:
            await self._bucket.delete(ref.id)
        except NoFile:
            return
