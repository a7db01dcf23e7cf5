"""What becomes of each recipient: one entry for each mailbox, one last state for each recipient."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secumail.contracts.events import MailBounced, MailDelivered
from secumail.errors import Permanent
from secumail.spool.record import TERMINAL, Recipient, Record, Stage, State
from secumail.store.blobs import BlobRef
from services.delivery.filing import entries, outcome, settled

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
ADA, BOB = uuid4(), uuid4()


def queued(index: int, account: UUID | None, reason: str | None = None) -> Recipient:
    """A recipient as crypto leaves it."""
    return Recipient(index, State.QUEUED, reason, account=account, wrap=b"wrap" if account else None)


def record(*recipients: Recipient, sealed: bool = True) -> Record:
    """A mail that reached delivery."""
    body, meta = (BlobRef(inline=b"sealed"), b"meta") if sealed else (None, None)
    return Record(
        uuid4(), uuid4(), "submission", ADA, Stage.ENCRYPTED, 1, 100, recipients, None, None, None, body, meta,
        ("gateway", b""), (), "", NOW, NOW,
    )  # fmt: skip


RECIPIENTS = st.lists(st.sampled_from([ADA, BOB, None]), min_size=1, max_size=6).map(
    lambda accounts: tuple(queued(n, account) for n, account in enumerate(accounts))
)


@given(RECIPIENTS)
def test_each_mailbox_gets_one_entry_and_the_same_one_when_filed_again(recipients: tuple[Recipient, ...]) -> None:
    mail = record(*recipients)
    filed = entries(mail, NOW, 5000)
    assert sorted(e.account for e in filed) == sorted({r.account for r in recipients if r.account is not None})
    assert all((e.mail, e.role, e.folder, e.flags) == (mail.root, "received", "inbox", ()) for e in filed)
    assert [e.id for e in entries(mail, NOW, 5000)] == [e.id for e in filed]
    assert {e.size for e in filed} <= {5000}, "the size is that of what is filed, not of a mail hidden in it"


@given(RECIPIENTS)
def test_every_recipient_ends_and_the_events_count_them(recipients: tuple[Recipient, ...]) -> None:
    last = settled(recipients)
    assert [r.index for r in last] == [r.index for r in recipients]
    assert all(r.state in TERMINAL and r.wrap is None for r in last)
    told = outcome(record(*recipients), last)
    delivered = sum(e.delivered for e in told if isinstance(e, MailDelivered))
    bounced = sum(e.bounced for e in told if isinstance(e, MailBounced))
    assert (delivered, bounced) == (
        sum(r.account is not None for r in recipients),
        sum(r.account is None for r in recipients),
    )
    assert len(told) == len({r.state for r in last})


def test_a_bounced_recipient_keeps_its_reason() -> None:
    last = settled((queued(0, None, "no-relay"), queued(1, None)))
    assert [(r.state, r.reason) for r in last] == [
        (State.BOUNCED, "no-relay"),
        (State.BOUNCED, "unknown-recipient"),
    ]
    (told,) = outcome(record(), last)
    assert isinstance(told, MailBounced)
    assert (told.bounced, told.reason) == (2, "no-relay")


def test_a_mail_whose_body_is_missing_is_not_filed_as_an_empty_one() -> None:
    with pytest.raises(Permanent, match="nothing-to-file"):
        entries(record(queued(0, ADA), sealed=False), NOW, 5000)
    assert entries(record(queued(0, None), sealed=False), NOW, 5000) == []
