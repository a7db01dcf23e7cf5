"""From addresses to mailboxes: who a recipient is, or why there is none. Pure but for the directory it is given."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from secumail.directory import Entry, domain_of
from secumail.mailbox.entry import Sealed
from secumail.sealing.hpke import PublicKey
from secumail.spool.record import Guest, Recipient


class Addresses(Protocol):
    """The signed directory (secumail.directory), as far as it is needed here."""

    async def address(self, address: str) -> Entry | None:
        """The account behind an address, None for an unknown one."""


async def resolve(
    recipients: Sequence[Recipient],
    addresses: Sequence[str],
    domains: Collection[str],
    directory: Addresses,
    mail: UUID,
    sealed: Sealed | None,
    guests: Mapping[int, Guest],
    now: datetime | None = None,
) -> tuple[Recipient, ...]:
    """Each recipient with its account (and, given the sealed mail, its wrap), or with the reason it has none.

    `mail`: the root's id, which wraps are bound to. A guest, someone outside with a pickup, counts as an account.
    """
    resolved = []
    for recipient in recipients:
        address = addresses[recipient.index]
        if domain_of(address) not in domains:
            guest = guests.get(recipient.index)
            if guest is not None and domain_of(address):
                resolved.append(_visiting(recipient, guest, mail, sealed, now or datetime.now(UTC)))
            else:
                unreached = "no-relay" if domain_of(address) else "malformed-recipient"
                # What a rule forbids it forbids, whether or not there is a way.
                forbidden = recipient.reason == "encryption-required"
                resolved.append(replace(recipient, reason=recipient.reason if forbidden else unreached))
            continue
        entry = await directory.address(address)
        if entry is None or entry.group:
            resolved.append(replace(recipient, reason="unknown-recipient"))
        elif not entry.active:
            resolved.append(replace(recipient, reason="suspended-recipient"))
        else:
            wrap = sealed.wrap(mail, entry.account, entry.key) if sealed is not None else None
            resolved.append(replace(recipient, reason=None, account=entry.account, wrap=wrap))
    return tuple(resolved)


def _visiting(recipient: Recipient, guest: Guest, mail: UUID, sealed: Sealed | None, now: datetime) -> Recipient:
    """A guest whose pickup has ended (the mail was held for so long) gets nothing: nobody has the key any more."""
    if guest.expires <= now:
        return replace(recipient, reason="pickup-expired")
    wrap = sealed.wrap(mail, guest.id, PublicKey(guest.key)) if sealed is not None else None
    return replace(recipient, reason=None, account=guest.id, wrap=wrap)
