"""What becomes of each recipient: filed, or bounced with a reason. Pure."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from secumail.contracts.events import Event, MailBounced, MailDelivered
from secumail.errors import Permanent
from secumail.mailbox.entry import Entry
from secumail.spool.record import Recipient, Record, State


def entries(record: Record, at: datetime, size: int) -> list[Entry]:
    """One entry for each account that is due the mail (two addresses of one account get one).

    `size`: of the mail as it is filed; a hidden mail's own size is nobody's business.
    """
    due: dict[UUID, Recipient] = {}
    for recipient in record.recipients:
        if recipient.state is State.QUEUED and recipient.account is not None and recipient.wrap is not None:
            due.setdefault(recipient.account, recipient)
    if due and (record.meta is None or record.body is None):
        raise Permanent("nothing-to-file")
    return [
        Entry.new(
            account,
            record.root,
            "received",
            "inbox",
            at,
            size,
            r.wrap or b"",
            record.meta or b"",
            record.body,
        )
        for account, r in due.items()
    ]


def settled(recipients: Sequence[Recipient]) -> tuple[Recipient, ...]:
    """Every recipient in its last state: those with a mailbox delivered, those with a reason bounced."""
    return tuple(
        r.to(State.DELIVERED) if r.account is not None else r.to(State.BOUNCED, r.reason or "unknown-recipient")
        for r in recipients
    )


def outcome(record: Record, recipients: Sequence[Recipient]) -> tuple[Event, ...]:
    """What is told: how many were delivered, how many bounced and why (the first reason)."""
    delivered = sum(r.state is State.DELIVERED for r in recipients)
    bounced = [r for r in recipients if r.state is State.BOUNCED]
    told: list[Event] = []
    if delivered:
        told.append(MailDelivered(mail=record.id, generation=record.generation, delivered=delivered))
    if bounced:
        told.append(
            MailBounced(
                mail=record.id,
                generation=record.generation,
                bounced=len(bounced),
                reason=bounced[0].reason or "unknown-recipient",
            )
        )
    return tuple(told)
