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
from secumail.store.client import Collection, DuplicateKeyError
from services.crypto.openpgp import keys as openpgp
from services.crypto.ports import OpenPGPKeys

RENEW_BEFORE = timedelta(days=60)
"""Others fetch a key anew now and then; this long before its end they shall find a longer one."""
_CACHED = 10_000
_LENGTH = 4


@dataclass(frozen=True)
class _Kept:
    """A stored key. `sealed` as it was read: it is replaced only where it is still this."""

    keys: OpenPGPKeys
    ends: datetime
    sealed: bytes

    def due(self, now: datetime) -> bool:
        """Whether it is time to renew it."""
        return self.ends < now + RENEW_BEFORE


class StoredOpenPGPKeys:
    """Collections `openpgp_keys` {_id: account and keyed address, account, ends, sealed: the wrapped certificate and
    signing part} and `decryption_keys` {_id, account, kind: "openpgp", wrap}.

    A new account key does not bring a new OpenPGP key: its owner's session seals the decryption part anew, and the
    fingerprint that others have pinned stays.
    """

    def __init__(
        self, keys: Collection, decryption_keys: Collection, scope: Scope, directory: Directory, acts: Acts
    ) -> None:
        self._keys = keys
        self._decryption_keys = decryption_keys
        self._scope = scope
        self._directory = directory
        self._acts = acts
        self._cache: OrderedDict[str, tuple[int, _Kept]] = OrderedDict()

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
        """The certificate to check an address's signatures with, if it ever had one; also of who is suspended."""
        entry = await self._directory.address(normal(address))
        if entry is None:
            return ()
        kept = await self._stored(await self._id(entry.account, normal(address)))
        return (kept.keys.certificate,) if kept is not None else ()

    async def _entry(self, address: str) -> Entry:
        entry = await self._directory.address(normal(address))
        if entry is None or entry.group or not entry.active:
            raise _nobody()
        return entry

    async def _id(self, account: UUID, address: str) -> str:
        return f"{account}/{(await self._scope.hmac(address.encode()))[:16].hex()}"

    async def _of(self, entry: Entry, address: str) -> OpenPGPKeys:
        id_, now = await self._id(entry.account, address), datetime.now(UTC)
        epoch, kept = self._cache.get(id_, (entry.epoch, None))
        if kept is None or epoch != entry.epoch or kept.due(now):
            kept = await self._stored(id_) or await self._make(id_, entry, address, now)
            if kept.due(now):
                kept = await self._renew(id_, kept, now)
            self._cache[id_] = entry.epoch, kept
        self._cache.move_to_end(id_)
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return kept.keys

    async def _stored(self, id_: str) -> _Kept | None:
        found = await self._keys.find_one({"_id": id_})
        if found is None:
            return None
        return _Kept(_decode(await self._scope.unwrap(found["sealed"], id_)), found["ends"], found["sealed"])

    async def _make(self, id_: str, entry: Entry, address: str, now: datetime) -> _Kept:
        made = openpgp.generate(address, now)
        keys = OpenPGPKeys(made.certificate, made.signing)
        await self._acts.record("crypto", "openpgp-key-made", entry.account)
        # First what decrypts: nobody shall ever encrypt to a key that opens nothing. If this key does not become the
        # one (killed here, or another replica was faster), nothing is ever encrypted to it.
        secret = f"openpgp/{uuid4()}"
        wrap = decryption.seal(made.decryption, entry.account, secret, entry.key)
        await self._decryption_keys.insert_one(
            {"_id": secret, "account": entry.account, "kind": "openpgp", "wrap": wrap}
        )
        kept = _Kept(keys, now + openpgp.LIFE, await self._scope.wrap(_encode(keys), id_))
        try:
            await self._keys.insert_one(
                {"_id": id_, "account": entry.account, "ends": kept.ends, "sealed": kept.sealed}
            )
        except DuplicateKeyError:
            taken = await self._stored(id_)
            if taken is None:
                raise
            return taken
        return kept

    async def _renew(self, id_: str, kept: _Kept, now: datetime) -> _Kept:
        keys = OpenPGPKeys(openpgp.renew(kept.keys.certificate, kept.keys.signer, now), kept.keys.signer)
        renewed = _Kept(keys, now + openpgp.LIFE, await self._scope.wrap(_encode(keys), id_))
        await self._acts.record("crypto", "openpgp-key-renewed", id_.partition("/")[0])
        change = {"sealed": renewed.sealed, "ends": renewed.ends}
        done = await self._keys.update_one({"_id": id_, "sealed": kept.sealed}, {"$set": change})
        # Where another replica was faster, its certificate is the one.
        return renewed if done.matched_count == 1 else await self._stored(id_) or renewed


def _nobody() -> Refused:
    return Refused("no-such-person", "Nobody here has this address.", "Look at the address.", 404)


def _encode(keys: OpenPGPKeys) -> bytes:
    return len(keys.certificate).to_bytes(_LENGTH, "big") + keys.certificate + keys.signer


def _decode(raw: bytes) -> OpenPGPKeys:
    end = _LENGTH + int.from_bytes(raw[:_LENGTH], "big")
    return OpenPGPKeys(raw[_LENGTH:end], raw[end:])
