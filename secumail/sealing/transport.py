"""Transport keys: each service's own key pair of the day, and everybody's public halves.

A pair is made daily and signed by its service's identity; an old private half is destroyed once no mail in the
spool names it, so yesterday's disks stay shut. Replicas of a service share their pairs through the store, wrapped
under the service's KMS scope.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from secumail.errors import Transient
from secumail.sealing.hpke import PrivateKey, PublicKey
from secumail.sealing.identities import Identities
from secumail.sealing.kms import Scope

LIFETIME = timedelta(days=1)
_LOOK_AGAIN = 60.0  # seconds a public half is used before the store is asked for a newer one


@dataclass(frozen=True)
class TransportKey:
    """One pair as stored: `private` is wrapped, `signature` is the identity's over id and public half."""

    id: str
    service: str
    public: bytes
    private: bytes
    signature: bytes
    created: datetime

    def signed(self) -> bytes:
        """What the signature covers."""
        return _signed(self.id, self.service, self.public)


class TransportStore(Protocol):
    """Where pairs are kept (secumail.store.transport)."""

    async def newest(self, service: str) -> TransportKey | None:
        """The pair made last."""

    async def find(self, id_: str) -> TransportKey | None:
        """One pair."""

    async def add(self, key: TransportKey) -> None:
        """Keep a pair; one of the same id that is there already stays."""

    async def older_than(self, service: str, moment: datetime) -> list[TransportKey]:
        """The pairs made before `moment`."""

    async def remove(self, id_: str) -> None:
        """Destroy a pair."""


class Transport:
    """One service's view: its own private halves, everybody's current public halves."""

    def __init__(self, service: str, scope: Scope, identities: Identities, store: TransportStore) -> None:
        self.service = service
        self._scope = scope
        self._identities = identities
        self._store = store
        self._private: dict[str, PrivateKey] = {}
        self._current: dict[str, tuple[float, str, PublicKey]] = {}

    async def rotate_if_due(self, now: datetime | None = None) -> None:
        """Make today's pair where the newest is older than a day. Replicas that race agree on the first."""
        now = now or datetime.now(UTC)
        newest = await self._store.newest(self.service)
        if newest is not None and newest.created > now - LIFETIME:
            return
        await self._make(f"{self.service}/{now:%Y%m%dT%H}", now)

    async def rotate(self, now: datetime | None = None) -> str:
        """Make a new pair although the newest is not a day old. Returns its id; older ones are retired as ever."""
        now = now or datetime.now(UTC)
        id_ = f"{self.service}/{now:%Y%m%dT%H%M%S%f}"
        await self._make(id_, now)
        return id_

    async def _make(self, id_: str, now: datetime) -> None:
        pair = PrivateKey.generate()
        key = TransportKey(
            id_,
            self.service,
            pair.public.raw,
            await self._scope.wrap(pair.raw, id_),
            await self._scope.sign(_signed(id_, self.service, pair.public.raw)),
            now,
        )
        await self._store.add(key)
        self._current.pop(self.service, None)

    async def retire(self, in_use: Collection[str], now: datetime | None = None) -> list[str]:
        """Destroy own pairs older than two lifetimes that no mail in the spool names. Returns their ids.

        Two, because others may go on sealing to a pair for a while after a newer one is there.
        """
        now = now or datetime.now(UTC)
        old = [k.id for k in await self._store.older_than(self.service, now - 2 * LIFETIME) if k.id not in in_use]
        for id_ in old:
            await self._store.remove(id_)
            self._private.pop(id_, None)
        return old

    async def public(self, service: str) -> tuple[str, PublicKey]:
        """Id and public half of a service's current pair; Transient while it has none yet."""
        cached = self._current.get(service)
        if cached is not None and cached[0] > time.monotonic():
            return cached[1], cached[2]
        key = await self._store.newest(service)
        if key is None:
            raise Transient("no-transport-key")
        self._identities.check(service, key.signature, key.signed())
        public = PublicKey(key.public)
        self._current[service] = (time.monotonic() + _LOOK_AGAIN, key.id, public)
        return key.id, public

    async def private(self, id_: str) -> PrivateKey:
        """One of this service's private halves; KeyError where it was destroyed or never ours."""
        if id_ not in self._private:
            key = await self._store.find(id_)
            if key is None or key.service != self.service:
                raise KeyError(id_)
            self._private[id_] = PrivateKey(await self._scope.unwrap(key.private, id_))
        return self._private[id_]

    async def sign(self, data: bytes) -> bytes:
        """By this service's identity."""
        return await self._scope.sign(data)

    async def keyed(self, data: bytes) -> bytes:
        """A keyed digest that only this service can make: equality without a dictionary attack."""
        return await self._scope.hmac(data)

    def check(self, by: str, signature: bytes, data: bytes) -> None:
        """Forged unless the service `by` signed `data`."""
        self._identities.check(by, signature, data)


def _signed(id_: str, service: str, public: bytes) -> bytes:
    return f"transport/{service}/{id_}/".encode() + public
