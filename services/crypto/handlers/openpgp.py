"""crypto's answers about OpenPGP keys of our people, and about keys of people outside."""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from secumail.contracts.commands import Done
from secumail.contracts.commands.openpgp import (
    AddPeer,
    ConfirmPeer,
    FindOpenPGPKey,
    GetOpenPGPKey,
    ListPeers,
    OpenPGPKey,
    Peer,
    PeerList,
    PeerRow,
    RemovePeer,
)
from secumail.directory import Directory, Entry, domain_of, normal
from secumail.errors import Refused
from services.crypto import peers
from services.crypto.adapters.openpgp_keys import StoredOpenPGPKeys
from services.crypto.adapters.peers import EVERYONE, OwnedPin, Owner, StoredPeers
from services.crypto.openpgp import keys as openpgp
from services.crypto.openpgp.discovery import hashed_local_part
from services.crypto.peers import WORDS


class OpenPGP:
    """The answers, over what is stored."""

    def __init__(
        self, keys: StoredOpenPGPKeys, pins: StoredPeers, directory: Directory, domains: Sequence[str]
    ) -> None:
        self._keys = keys
        self._pins = pins
        self._directory = directory
        self._domains = domains

    async def get_key(self, command: GetOpenPGPKey, _actor: UUID | None) -> OpenPGPKey:
        """The certificate of one of our people."""
        certificate = await self._keys.public(command.address)
        facts = openpgp.facts(certificate, datetime.now(UTC))
        return OpenPGPKey(
            address=normal(command.address),
            fingerprint=facts.fingerprint,
            ends=facts.expires,
            certificate=base64.b64encode(certificate).decode(),
            armored=openpgp.armored(certificate),
        )

    async def find_key(self, command: FindOpenPGPKey, actor: UUID | None) -> OpenPGPKey:
        """The same, as the Web Key Directory asks for it."""
        if hashed_local_part(command.local_part) != command.hashed:
            raise Refused("no-such-person", "The name does not fit its hash.", "Look at the address.", 404)
        # The host that is asked need not be called as the domain is, where there is one domain only.
        domain = command.domain if command.domain in self._domains else self._domains[0]
        return await self.get_key(GetOpenPGPKey(address=f"{command.local_part}@{domain}"), actor)

    async def list_peers(self, _command: ListPeers, actor: UUID | None) -> PeerList:
        """A person's pins, and the organisation's."""
        person = await self._person(actor)
        rows = [_row(owned) for owned in await self._pins.seen_by(person.account)]
        return PeerList(peers=tuple(sorted(rows, key=lambda row: (row.address, row.kind, row.everyone))))

    async def add_peer(self, command: AddPeer, actor: UUID | None) -> Peer:
        """Pin a key somebody gives."""
        person = await self._person(actor)
        if not domain_of(command.address):
            raise Refused("malformed-address", "This is not a mail address.", "Give it as name@domain.")
        if domain_of(command.address) in self._domains:
            raise Refused(
                "not-outside", "This is an address of this organisation.",
                "Nothing is to be done: keys of colleagues are known.",
            )  # fmt: skip
        owner: Owner = EVERYONE if command.everyone else person.account
        if owner not in _owners(person):
            raise Refused(
                "role-missing", "Keys for everyone are an administrator's.",
                "Pin the key for yourself, or ask an administrator.", 403,
            )  # fmt: skip
        try:
            given = base64.b64decode(command.key, validate=True)
        except binascii.Error as error:
            raise Refused("malformed-command", "The key is not base64.", "Encode it as the API says.") from error
        key = peers.read(given, command.address, datetime.now(UTC))
        return Peer(peer=_row(await self._pins.learn(owner, command.address, key, "upload")))

    async def confirm_peer(self, command: ConfirmPeer, actor: UUID | None) -> Peer:
        """Use the key that a person has compared."""
        person = await self._person(actor)
        owned = await self._pins.confirm(_owners(person), command.id, command.fingerprint, person.account)
        return Peer(peer=_row(owned))

    async def remove_peer(self, command: RemovePeer, actor: UUID | None) -> Done:
        """Forget a key."""
        person = await self._person(actor)
        await self._pins.remove(_owners(person), command.id, person.account)
        return Done()

    async def _person(self, actor: UUID | None) -> Entry:
        entry = await self._directory.account(actor) if actor is not None else None
        if entry is None or not entry.active:
            raise Refused("not-your-act", "This act needs an active account.", "Log in again.", 403)
        return entry


def _owners(person: Entry) -> tuple[Owner, ...]:
    """Whose pins a person may change."""
    return (person.account, EVERYONE) if "administrator" in person.roles else (person.account,)


def _row(owned: OwnedPin) -> PeerRow:
    pin = owned.pin
    state = pin.state(datetime.now(UTC))
    return PeerRow(
        id=owned.id,
        address=pin.address,
        kind=pin.pinned.key.kind,
        fingerprint=pin.pinned.key.fingerprint,
        state=state,
        words=WORDS[state],
        learned_from=pin.pinned.source,
        learned=pin.pinned.at,
        ends=pin.pinned.key.ends,
        other=pin.other.key.fingerprint if pin.other else None,
        gcm=pin.gcm,
        everyone=owned.everyone,
    )
