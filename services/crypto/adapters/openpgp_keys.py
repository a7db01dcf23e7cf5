"""People's OpenPGP keys in MongoDB: what signs in the custody of crypto's KMS scope, what decrypts sealed to the owner.

A key is made when it is first needed, and its owner may be logged out. It is renewed in time, and stays the same key.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from secumail.audit import Acts
from secumail.directory import Directory, Entry, normal
from secumail.errors import Refused
from secumail.sealing import decryption
from secumail.sealing.kms import Scope
from secumail.store.client import Collection, Document, DuplicateKeyError
from services.crypto.openpgp import keys as openpgp
from services.crypto.ports import OpenPGPKeys

RENEW_BEFORE = timedelta(days=60)
"""Others fetch a key anew now and then; this long before its end they shall find a longer one."""
_CACHED = 10_000
_LENGTH = 4


@dataclass(frozen=True)
class _Kept:
    """A stored key. `sealed` as it was read: it is replaced only where it is still this."""

    id: str
    epoch: int
    keys: OpenPGPKeys
    ends: datetime
    sealed: bytes


class StoredOpenPGPKeys:
    """Collections `openpgp_keys` {_id: account, keyed address and number, account, epoch of the account key, sealed:
    wrapped certificate and signing part} and `decryption_keys` {_id, account, kind: "openpgp", wrap, epoch}."""

    def __init__(
        self, keys: Collection, decryption_keys: Collection, scope: Scope, directory: Directory, acts: Acts
    ) -> None:
        self._keys = keys
        self._decryption_keys = decryption_keys
        self._scope = scope
        self._directory = directory
        self._acts = acts
        self._cache: OrderedDict[str, _Kept] = OrderedDict()

    async def of(self, account: UUID, address: str) -> OpenPGPKeys:
        """The key of an account for one of its addresses. Refused where they don't belong together."""
        entry = await self._entry(address)
        if entry.account != account:
            raise _nobody()
        return await self._of(entry, normal(address))

    async def public(self, address: str) -> bytes:
        """The certificate of whoever has this address here; Refused where nobody has."""
        return (await self._of(await self._entry(address), normal(address))).certificate

    async def certificates(self, address: str) -> tuple[bytes, ...]:
        """All certificates an address ever had, to check signatures with; newest first."""
        entry = await self._directory.address(normal(address))
        if entry is None:
            return ()
        found = self._keys.find(_numbered(await self._prefix(entry.account, normal(address)))).sort("_id", -1)
        return tuple([(await self._read(d)).keys.certificate async for d in found])

    async def _entry(self, address: str) -> Entry:
        entry = await self._directory.address(normal(address))
        if entry is None or entry.group or not entry.active:
            raise _nobody()
        return entry

    async def _prefix(self, account: UUID, address: str) -> str:
        return f"{account}/{(await self._scope.hmac(address.encode()))[:16].hex()}/"

    async def _of(self, entry: Entry, address: str) -> OpenPGPKeys:
        prefix = await self._prefix(entry.account, address)
        kept = self._cache.get(prefix)
        now = datetime.now(UTC)
        if kept is None or kept.epoch != entry.epoch or _is_due(kept, now):
            kept = await self._newest(prefix)
            while kept is None or kept.epoch != entry.epoch:
                kept = await self._make(prefix, kept, entry, address, now)
            if _is_due(kept, now):
                kept = await self._renew(kept, now)
            self._cache[prefix] = kept
        self._cache.move_to_end(prefix)
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return kept.keys

    async def _newest(self, prefix: str) -> _Kept | None:
        found = await self._keys.find_one(_numbered(prefix), sort=[("_id", -1)])
        return await self._read(found) if found else None

    async def _read(self, d: Document) -> _Kept:
        keys = _decode(await self._scope.unwrap(d["sealed"], d["_id"]))
        return _Kept(d["_id"], d["epoch"], keys, d["ends"], d["sealed"])

    async def _make(self, prefix: str, old: _Kept | None, entry: Entry, address: str, now: datetime) -> _Kept:
        made = openpgp.generate(address, now)
        keys = OpenPGPKeys(made.certificate, made.signing)
        number = int(old.id.rpartition("/")[2]) + 1 if old else 1
        id_ = f"{prefix}{number:06}"  # so that the newest is the last by its id
        await self._acts.record("crypto", "openpgp-key-made", entry.account)
        # First what decrypts: nobody shall ever encrypt to a key that opens nothing. If this key does not become the
        # one (killed here, or another replica was faster), nothing is ever encrypted to it.
        secret = f"openpgp/{uuid4()}"
        await self._decryption_keys.insert_one(
            {
                "_id": secret,
                "account": entry.account,
                "kind": "openpgp",
                "wrap": decryption.seal(made.decryption, entry.account, secret, entry.key),
                "epoch": entry.epoch,
            }
        )
        kept = _Kept(id_, entry.epoch, keys, now + openpgp.LIFE, await self._scope.wrap(_encode(keys), id_))
        try:
            await self._keys.insert_one(
                {"_id": id_, "account": entry.account, "epoch": kept.epoch, "ends": kept.ends, "sealed": kept.sealed}
            )
        except DuplicateKeyError:
            taken = await self._newest(prefix)
            if taken is None:
                raise
            return taken
        return kept

    async def _renew(self, kept: _Kept, now: datetime) -> _Kept:
        certificate = openpgp.renew(kept.keys.certificate, kept.keys.signer, now)
        keys = OpenPGPKeys(certificate, kept.keys.signer)
        renewed = _Kept(kept.id, kept.epoch, keys, now + openpgp.LIFE, await self._scope.wrap(_encode(keys), kept.id))
        await self._acts.record("crypto", "openpgp-key-renewed", kept.id.partition("/")[0])
        change = {"sealed": renewed.sealed, "ends": renewed.ends}
        done = await self._keys.update_one({"_id": kept.id, "sealed": kept.sealed}, {"$set": change})
        if done.matched_count == 1:
            return renewed
        found = await self._keys.find_one({"_id": kept.id})
        return await self._read(found) if found else renewed


def _nobody() -> Refused:
    return Refused("no-such-person", "Nobody here has this address.", "Look at the address.", 404)


def _is_due(kept: _Kept, now: datetime) -> bool:
    return kept.ends < now + RENEW_BEFORE


def _numbered(prefix: str) -> Document:
    # "0" follows "/": all ids that begin with the prefix.
    return {"_id": {"$gt": prefix, "$lt": f"{prefix[:-1]}0"}}


def _encode(keys: OpenPGPKeys) -> bytes:
    return len(keys.certificate).to_bytes(_LENGTH, "big") + keys.certificate + keys.signer


def _decode(raw: bytes) -> OpenPGPKeys:
    end = _LENGTH + int.from_bytes(raw[:_LENGTH], "big")
    return OpenPGPKeys(raw[_LENGTH:end], raw[end:])
