"""Rotation of an installation's keys: the operator's part, where the keys are.

The operator begins a new version (in the key files, or in the token); the services see it and bring what they stored
under it by themselves (secumail.store.rewrapping). When nothing is left under the older ones, they can be destroyed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from secumail.audit import Acts
from secumail.errors import Refused
from secumail.installation.home import write_private
from secumail.sealing.identities import Identities
from secumail.sealing.keyring import KeyRing
from secumail.sealing.kms import SCOPES, all_scopes, version_of
from secumail.sealing.transport import Transport
from secumail.sealing.wraps import AUTHORITY, AUTHORITY_CONTEXT, WRAPS, holder, rotated_scopes
from secumail.store.client import Database
from secumail.store.rewrapping import count
from secumail.store.transport import StoredTransportKeys
from secumail.topology import OPERATOR, SERVICES

SETTLED = timedelta(minutes=10)
"""How long a version must be the current one before others are destroyed: a process that was in the middle of a write
under an older one, or got the new one late, has long finished."""


@dataclass(frozen=True)
class ScopeStatus:
    """One scope. `wraps`: how many are under which version; None for a scope that never wraps."""

    scope: str
    services: tuple[str, ...]
    versions: Mapping[int, datetime]
    wraps: Mapping[int, int] | None

    @property
    def current(self) -> int:
        """The version that wraps."""
        return max(self.versions)

    @property
    def left(self) -> int:
        """How many are under older versions still."""
        return sum(n for version, n in (self.wraps or {}).items() if version != self.current)


@dataclass(frozen=True)
class Pair:
    """A transport key pair, and how many mails on their way name it."""

    id: str
    service: str
    created: datetime
    mails: int


class Rotation:
    """All scopes of an installation, and what lies under them."""

    def __init__(self, database: Database, keys: KeyRing, authority: Path) -> None:
        self._database = database
        self._keys = keys
        self._authority = authority
        self._acts = Acts(database["acts"])

    async def status(self, scopes: Sequence[str] | None = None) -> list[ScopeStatus]:
        """What there is; of all scopes, or of some."""
        return [
            ScopeStatus(
                name,
                tuple(service for service, held in SCOPES.items() if name in held),
                await self._keys[name].versions(),
                await self._counted(name) if name in rotated_scopes() else None,
            )
            for name in scopes or all_scopes()
        ]

    async def rotate(self, scope: str) -> int:
        """Begin a new version. Returns its number. The authority's files are brought under it at once."""
        new = await self._keys[scope].rotate()
        if scope == AUTHORITY:
            for path in self._authority_keys():
                write_private(path, await self._keys[scope].rewrap(path.read_bytes(), AUTHORITY_CONTEXT))
        await self._acts.record(OPERATOR, f"keys-rotated:{new}", scope)
        return new

    async def retire(self, scope: str, now: datetime | None = None) -> tuple[int, ...]:
        """Destroy the older versions of a scope; Refused while anything is, or may come to be, under them."""
        (found,) = await self.status([scope])
        began, now = found.versions[found.current], now or datetime.now(UTC)
        if len(found.versions) == 1:
            return ()
        if found.left:
            raise Refused(
                "wraps-left", f"{found.left} stored secrets are still under older versions of {scope}.",
                f"{holder(scope).title()} brings them up while it runs: look at `secumail status`, then at its log.",
            )  # fmt: skip
        if now < began + SETTLED:
            raise Refused(
                "too-soon", f"Version {found.current} of {scope} is younger than ten minutes.",
                f"A process may still be writing under an older one. Retire them after {began + SETTLED:%H:%M} UTC.",
            )  # fmt: skip
        gone = await self._keys[scope].retire()
        await self._acts.record(OPERATOR, f"keys-retired:{'+'.join(map(str, gone))}", scope)
        return gone

    async def rotate_transport(self, identities: Identities) -> list[str]:
        """A new transport pair for each service, now. Others seal to it within a minute; old ones go as ever."""
        store = StoredTransportKeys(self._database["transport_keys"])
        made = [
            await Transport(service, self._keys[f"{service}.transport"], identities, store).rotate()
            for service in SERVICES
        ]
        await self._acts.record(OPERATOR, "transport-rotated", OPERATOR)
        return made

    async def pairs(self) -> list[Pair]:
        """The transport pairs there are, by service, newest first."""
        named = self._database["spool"].aggregate(
            [{"$match": {"open": True}}, {"$unwind": "$keys"}, {"$group": {"_id": "$keys", "mails": {"$sum": 1}}}]
        )
        mails = {row["_id"]: row["mails"] async for row in named}
        found = self._database["transport_keys"].find({}, {"service": 1, "created": 1})
        stored = [
            Pair(d["_id"], d["service"], d["created"], mails.get(d["_id"], 0)) async for d in found.sort("created", -1)
        ]
        return sorted(stored, key=lambda pair: SERVICES.index(pair.service))

    async def _counted(self, scope: str) -> Counter[int]:
        if scope == AUTHORITY:
            return Counter(version_of(path.read_bytes()) for path in self._authority_keys())
        found: Counter[int] = Counter()
        for row in WRAPS:
            if row.scope == scope:
                found += await count(self._database, row)
        return found

    def _authority_keys(self) -> Iterator[Path]:
        return self._authority.glob("*.key")
