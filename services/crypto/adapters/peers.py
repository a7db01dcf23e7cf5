"""Pins in MongoDB. A key names its owner's address, and addresses are not readable at rest: a pin is wrapped whole.

Pins are each account's own, so that nobody can slip others a key; those of the organisation are an administrator's.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID

from cryptography import x509
from pydantic import Base64Bytes, BaseModel, ConfigDict

from secumail.audit import Acts
from secumail.directory import normal
from secumail.errors import Refused
from secumail.sealing.kms import Scope
from secumail.store.client import Collection, Document, DuplicateKeyError
from services.crypto import peers
from services.crypto.forms import Kind
from services.crypto.peers import PeerKey, Pin, Seen, Source
from services.crypto.ports import PeerKeys

EVERYONE: Final = "everyone"
"""Who owns the organisation's pins."""
PIN_LIMIT = 5_000
"""Pins of one owner."""
_KINDS: tuple[Kind, ...] = ("smime", "openpgp")
_TRIES = 5

Owner = UUID | Literal["everyone"]


@dataclass(frozen=True)
class OwnedPin:
    """A pin, and whether it is the organisation's."""

    id: str
    everyone: bool
    pin: Pin


class _StoredSeen(BaseModel):
    model_config = ConfigDict(frozen=True)

    encoded: Base64Bytes
    fingerprint: str
    identity: str
    ends: datetime | None
    source: Source
    at: datetime


class _StoredPin(BaseModel):
    """What is wrapped."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    address: str
    pinned: _StoredSeen
    other: _StoredSeen | None
    gcm: bool


class StoredPeers:
    """Collection `peers`: {_id: keyed digest of owner, kind and address; owner; sealed: the wrapped pin}."""

    def __init__(self, collection: Collection, scope: Scope, acts: Acts) -> None:
        self._peers = collection
        self._scope = scope
        self._acts = acts

    async def reads(self, account: UUID, address: str) -> tuple[frozenset[Kind], bool]:
        """Which kinds of keys the account can encrypt with to the peer now, and whether AuthEnvelopedData is read."""
        keys = await self.keys(account, address)
        has: dict[Kind, bool] = {"smime": keys.smime is not None, "openpgp": keys.openpgp is not None}
        return frozenset(kind for kind, there in has.items() if there), keys.gcm

    async def keys(self, account: UUID, address: str) -> PeerKeys:
        """The keys to encrypt to the peer with: the account's own pins, else the organisation's; usable ones only."""
        now = datetime.now(UTC)
        pins = {kind: await self._in_force(account, kind, address, now) for kind in _KINDS}
        smime, openpgp = pins["smime"], pins["openpgp"]
        return PeerKeys(
            x509.load_der_x509_certificate(smime.pinned.key.encoded) if smime else None,
            openpgp.pinned.key.encoded if openpgp else None,
            bool(smime and smime.gcm),
        )

    async def seen_by(self, account: UUID) -> list[OwnedPin]:
        """An account's pins and the organisation's."""
        found = self._peers.find({"owner": {"$in": [str(account), EVERYONE]}})
        return [await self._read(d) async for d in found]

    async def learn(
        self, owner: Owner, address: str, key: PeerKey, source: Source, gcm: bool | None = None
    ) -> OwnedPin:
        """Pin a key, or note that another one was seen. `gcm`: what is now known of AuthEnvelopedData."""
        id_ = await self._id(owner, key.kind, address)
        seen = Seen(key, source, datetime.now(UTC))
        for _ in range(_TRIES):
            found = await self._peers.find_one({"_id": id_})
            old = (await self._read(found)).pin if found else None
            pin = peers.learn(old, normal(address), seen, gcm)
            if old == pin or await self._keep(id_, owner, pin, found):
                if old is None or (pin.other is not None and pin.other != old.other):
                    step = "peer-pinned" if old is None else "peer-key-changed"
                    await self._acts.record(str(owner), step, id_)
                return OwnedPin(id_, owner == EVERYONE, pin)
        raise Refused("not-now", "The pin is being changed by others just now.", "Try again in a minute.", 503)

    async def confirm(self, owners: Sequence[Owner], id_: str, fingerprint: str, actor: UUID) -> OwnedPin:
        """Use the key that waits. Refused for a pin of none of the owners, and for another fingerprint."""
        found = await self._owned(owners, id_)
        owned = await self._read(found)
        pin = peers.confirm(owned.pin, fingerprint)
        if not await self._keep(id_, found["owner"], pin, found):
            raise Refused("changed-meanwhile", "The pin was changed meanwhile.", "Look at it again.", 409)
        await self._acts.record(actor, "peer-confirmed", id_)
        return replace(owned, pin=pin)

    async def remove(self, owners: Sequence[Owner], id_: str, actor: UUID) -> None:
        """Forget a pin. Refused for one of none of the owners."""
        await self._owned(owners, id_)
        await self._peers.delete_one({"_id": id_})
        await self._acts.record(actor, "peer-removed", id_)

    async def _in_force(self, account: UUID, kind: Kind, address: str, now: datetime) -> Pin | None:
        owners: tuple[Owner, ...] = (account, EVERYONE)
        for owner in owners:
            found = await self._peers.find_one({"_id": await self._id(owner, kind, address)})
            if found is not None:
                pin = (await self._read(found)).pin
                return pin if pin.pinned.key.usable(now) else None
        return None

    async def _owned(self, owners: Sequence[Owner], id_: str) -> Document:
        found = await self._peers.find_one({"_id": id_, "owner": {"$in": [str(owner) for owner in owners]}})
        if found is None:
            raise Refused("no-such-peer", "No such key is yours to change.", "Look at the list of peers.", 404)
        return found

    async def _id(self, owner: Owner, kind: Kind, address: str) -> str:
        return (await self._scope.hmac(f"peer/{owner}/{kind}/{normal(address)}".encode()))[:16].hex()

    async def _keep(self, id_: str, owner: Owner | str, pin: Pin, replaced: Document | None) -> bool:
        """Store a pin where nobody changed it meanwhile."""
        sealed = await self._scope.wrap(_stored(pin).model_dump_json().encode(), id_)
        if replaced is not None:
            done = await self._peers.update_one(
                {"_id": id_, "sealed": replaced["sealed"]}, {"$set": {"sealed": sealed}}
            )
            return done.matched_count == 1
        if await self._peers.count_documents({"owner": str(owner)}, limit=PIN_LIMIT) >= PIN_LIMIT:
            raise Refused("too-many-peers", f"There are {PIN_LIMIT} pinned keys.", "Remove some first.", 409)
        try:
            await self._peers.insert_one({"_id": id_, "owner": str(owner), "sealed": sealed})
        except DuplicateKeyError:
            return False
        return True

    async def _read(self, d: Document) -> OwnedPin:
        stored = _StoredPin.model_validate_json(await self._scope.unwrap(d["sealed"], d["_id"]))
        pinned = _seen(stored.kind, stored.pinned)
        other = _seen(stored.kind, stored.other) if stored.other else None
        return OwnedPin(d["_id"], d["owner"] == EVERYONE, Pin(stored.address, pinned, other, stored.gcm))


def _stored(pin: Pin) -> _StoredPin:
    return _StoredPin(
        kind=pin.pinned.key.kind,
        address=pin.address,
        pinned=_stored_seen(pin.pinned),
        other=_stored_seen(pin.other) if pin.other else None,
        gcm=pin.gcm,
    )


def _stored_seen(seen: Seen) -> _StoredSeen:
    return _StoredSeen(
        encoded=base64.b64encode(seen.key.encoded),
        fingerprint=seen.key.fingerprint,
        identity=seen.key.identity,
        ends=seen.key.ends,
        source=seen.source,
        at=seen.at,
    )


def _seen(kind: Kind, stored: _StoredSeen) -> Seen:
    key = PeerKey(kind, stored.encoded, stored.fingerprint, stored.identity, stored.ends)
    return Seen(key, stored.source, stored.at)
