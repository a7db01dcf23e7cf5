"""From addresses to mailboxes: who a recipient is, or why there is none. Pure but for the directory it is given."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from uuid import UUID

from secumail.directory import Directory, domain_of
from secumail.mailbox.entry import Sealed
from secumail.spool.record import Recipient


async def resolve(
    recipients: Sequence[Recipient],
    addresses: Sequence[str],
    domains: Collection[str],
    directory: Directory,
    mail: UUID,
    sealed: Sealed | None,
) -> tuple[Recipient, ...]:
    """Each recipient with its account (and, given the sealed mail, its wrap), or with the reason it has none.

    `mail`: the root's id, which wraps are bound to.
    """
    resolved = []
    for recipient in recipients:
        address = addresses[recipient.index]
        if domain_of(address) not in domains:
            reason = "no-relay" if domain_of(address) else "malformed-recipient"
            resolved.append(replace(recipient, reason=reason))
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
