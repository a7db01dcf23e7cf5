"""Used covers and the library in MongoDB, sealed: who has the database learns how many there are, and nothing else."""

import asyncio
import hmac
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from secumail.errors import Transient
from secumail.sealing import stream
from secumail.sealing.kms import NONCE_BYTES, Scope
from secumail.store.blobs import BlobRef, Blobs
from secumail.store.client import Collection, Document, DuplicateKeyError
from services.stego import refusals
from services.stego.library import LibraryCover, choose
from services.stego.terms import LOOK_BYTES, Judged, Rate, alike

_PAIRS = tuple(itertools.combinations(range(LOOK_BYTES), 2))
_TOKEN = 8  # bytes
_ROUNDS = 5


class StoredUsedCovers:
    """Collection `covers_used`: {_id: keyed hash of the file, mail: keyed hash, look: sealed, pairs: keyed hashes}.

    Nearly the same is no equality that a keyed hash shows. But looks that differ in at most six bits have two of
    their eight bytes in common: so each pair of bytes, hashed, finds the few looks that are then compared.
    """

    def __init__(self, collection: Collection, scope: Scope) -> None:
        self._used = collection
        self._scope = scope

    async def use(self, mail: UUID, covers: Sequence[tuple[bytes, int]]) -> None:
        looks = await self._looks()
        ours = await self._mail(mail)
        fresh: list[bytes] = []  # what an earlier run noted stays: its pictures may be on their way
        for digest, look in covers:
            id_ = await self._id(digest)
            document = {"_id": id_, "mail": ours, "look": looks.seal(id_, look), "pairs": looks.pairs(look)}
            try:
                await self._used.insert_one(document)
                fresh.append(id_)
            except DuplicateKeyError:
                found = await self._used.find_one({"_id": id_})
                if found is None or found["mail"] != ours:
                    await self._forget(fresh)
                    raise refusals.used() from None
        # After the insertion: of two mails that take one picture at once, each sees the other.
        for _, look in covers:
            if any(other != ours for other in await self._alike(looks, look)):
                await self._forget(fresh)
                raise refusals.used()

    async def knows(self, digest: bytes, look: int, mail: UUID | None = None) -> bool:
        found = await self._used.find_one({"_id": await self._id(digest)}, {"mail": 1})
        others = [found["mail"]] if found is not None else []
        ours = await self._mail(mail) if mail is not None else b""
        return any(other != ours for other in [*others, *await self._alike(await self._looks(), look)])

    async def _alike(self, looks: "_Looks", look: int) -> list[bytes]:
        """The mails, hashed, that pictures of nearly this look were used for."""
        found = self._used.find({"pairs": {"$in": looks.pairs(look)}}, {"look": 1, "mail": 1})
        return [d["mail"] async for d in found if alike(look, looks.open(d))]

    async def _forget(self, ids: Sequence[bytes]) -> None:
        """What was noted for a mail that goes out in no picture."""
        await self._used.delete_many({"_id": {"$in": list(ids)}})

    async def _mail(self, mail: UUID) -> bytes:
        """Mailboxes name mails by their ids: in clear, an id would tell which filed mail carries something."""
        return await self._scope.hmac(b"mail/" + mail.bytes)

    async def _id(self, digest: bytes) -> bytes:
        return await self._scope.hmac(b"cover/" + digest)

    async def _looks(self) -> "_Looks":
        return _Looks(await self._scope.derive("looks"), await self._scope.derive("pairs"))


class _Looks:
    """Looks under keys of their own: one call to the scope for all of them, not one each."""

    def __init__(self, sealing: bytes, pairing: bytes) -> None:
        self._cipher = AESGCM(sealing)
        self._pairing = pairing

    def seal(self, id_: bytes, look: int) -> bytes:
        # A nonce from the id, which is a keyed hash of the file: one file has one look.
        return self._cipher.encrypt(id_[:NONCE_BYTES], look.to_bytes(LOOK_BYTES), id_)

    def open(self, document: Document) -> int:
        id_ = bytes(document["_id"])
        return int.from_bytes(self._cipher.decrypt(id_[:NONCE_BYTES], bytes(document["look"]), id_))

    def pairs(self, look: int) -> list[bytes]:
        data = look.to_bytes(LOOK_BYTES)
        return [hmac.digest(self._pairing, bytes((i, j, data[i], data[j])), "sha256")[:_TOKEN] for i, j in _PAIRS]


class StoredLibrary:
    """Collection `covers`: {_id, key: wrapped, picture: blob, about: sealed, at, actor, mail: it is taken for}."""

    def __init__(self, collection: Collection, blobs: Blobs, scope: Scope) -> None:
        self._covers = collection
        self._blobs = blobs
        self._scope = scope

    async def add(self, file: bytes, name: str, judged: Judged, actor: UUID | None) -> LibraryCover:
        id_, key, now = uuid4(), stream.new_key(), datetime.now(UTC)
        about = json.dumps({"name": name, "size": len(file), "judged": asdict(judged)}).encode()
        sealed = await asyncio.to_thread(stream.seal, file, key, f"picture/{id_}")
        ref = await self._blobs.put(sealed)
        await self._covers.insert_one(
            {
                "_id": id_,
                "key": await self._scope.wrap(key, f"cover/{id_}"),
                "picture": ref.document(),
                "about": stream.seal(about, key, f"about/{id_}"),
                "at": now,
                "actor": str(actor),
            }
        )
        return LibraryCover(id_, name, len(file), judged, now, actor)

    async def all(self) -> list[LibraryCover]:
        found = self._covers.find({}, {"picture": 0}, sort=[("at", 1)])
        return [await self._opened(document) async for document in found]

    async def remove(self, id_: UUID, mail: UUID | None) -> bool:
        found = await self._covers.find_one_and_delete({"_id": id_, "mail": mail})
        if found is not None:
            await self._blobs.remove(BlobRef.read(found["picture"]))
        return found is not None

    async def take(self, mail: UUID, size: int, rate: Rate) -> list[tuple[LibraryCover, bytes]]:
        for _ in range(_ROUNDS):
            taken = await self._taken(mail)
            if taken and sum(cover.judged.room[rate] for cover, _ in taken) >= size:
                return taken
            # None, or what a run that was cut off had got of several.
            await self.give_back(mail)
            known = await self.all()
            for cover in choose([cover for cover in known if cover.mail is None], size, rate):
                changed = await self._covers.update_one({"_id": cover.id, "mail": None}, {"$set": {"mail": mail}})
                if changed.modified_count == 0:  # another mail was quicker
                    break
        raise Transient("library-contested")

    async def give_back(self, mail: UUID) -> None:
        await self._covers.update_many({"mail": mail}, {"$unset": {"mail": ""}})

    async def spend(self, mail: UUID) -> None:
        while (found := await self._covers.find_one_and_delete({"mail": mail})) is not None:
            await self._blobs.remove(BlobRef.read(found["picture"]))

    async def _taken(self, mail: UUID) -> list[tuple[LibraryCover, bytes]]:
        taken = []
        async for document in self._covers.find({"mail": mail}, sort=[("_id", 1)]):
            cover = await self._opened(document)
            key = await self._key(document)
            sealed = await self._blobs.get(BlobRef.read(document["picture"]))
            picture = await asyncio.to_thread(stream.open_sealed, sealed, key, f"picture/{cover.id}")
            taken.append((cover, picture))
        return taken

    async def _key(self, document: Document) -> bytes:
        return await self._scope.unwrap(document["key"], f"cover/{document['_id']}")

    async def _opened(self, document: Document) -> LibraryCover:
        about: dict[str, Any] = json.loads(
            stream.open_sealed(document["about"], await self._key(document), f"about/{document['_id']}")
        )
        judged = Judged(**{**about["judged"], "notes": tuple(about["judged"]["notes"])})
        actor = UUID(document["actor"]) if document["actor"] != "None" else None
        return LibraryCover(
            document["_id"], about["name"], about["size"], judged, document["at"], actor, document.get("mail")
        )
