"""An installation's keys in memory and in a directory, for tests of sealing."""

from datetime import datetime
from pathlib import Path

from secumail.sealing import identities
from secumail.sealing.claims import Claims
from secumail.sealing.identities import Identities
from secumail.sealing.keyring import KeyRing
from secumail.sealing.kms import all_scopes, create_key_files
from secumail.sealing.transport import Transport, TransportKey


class Shelf:
    """The store of transport pairs, as MongoDB would keep it."""

    def __init__(self) -> None:
        self.pairs: dict[str, TransportKey] = {}

    async def newest(self, service: str) -> TransportKey | None:
        own = [p for p in self.pairs.values() if p.service == service]
        return max(own, key=lambda p: p.created, default=None)

    async def find(self, id_: str) -> TransportKey | None:
        return self.pairs.get(id_)

    async def add(self, key: TransportKey) -> None:
        self.pairs.setdefault(key.id, key)

    async def older_than(self, service: str, moment: datetime) -> list[TransportKey]:
        return [p for p in self.pairs.values() if p.service == service and p.created < moment]

    async def remove(self, id_: str) -> None:
        self.pairs.pop(id_, None)


class Installation:
    """Key files, identities and a shelf; a `transport` for each service that asks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "keys"
        create_key_files(self.folder, all_scopes())
        self.pinned = folder / "identities.json"
        identities.write(self.pinned, KeyRing(self.folder, all_scopes()))
        self.identities = Identities.read(self.pinned)
        self.shelf = Shelf()

    def transport(self, service: str) -> Transport:
        """One process of a service: with no memory of its own yet."""
        scope = KeyRing(self.folder, [f"{service}.transport"])[f"{service}.transport"]
        return Transport(service, scope, self.identities, self.shelf)

    async def ready(self, *services: str) -> list[Claims]:
        """The claims of each service, its pair of the day made."""
        transports = [self.transport(service) for service in services]
        for transport in transports:
            await transport.rotate_if_due()
        return [Claims(t) for t in transports]
