"""Where a held mail stands, from the quarantine's entry and the spool's record."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from secumail.mailbox.entry import Entry
from secumail.spool.record import Recipient, Record, Stage, State
from services.gateway import held

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MAIL = uuid4()
ENTRY = Entry.new(uuid4(), MAIL, "held", "quarantine", NOW, 10, b"key", b"meta", None)
RECORD = Record(
    id=MAIL, root=MAIL, origin="submission", account=uuid4(), stage=Stage.HELD, generation=0, size=10,
    recipients=(Recipient(0, State.HELD, "black-word"),), envelope=None, mime=None, cover=None, body=None, meta=None,
    authorship=("gateway", b""), published=(), trace="", accepted=NOW, moved=NOW,
)  # fmt: skip


def ended(reason: str) -> Record:
    """The record of a mail that was refused."""
    return replace(RECORD, stage=Stage.DONE, recipients=(Recipient(0, State.REJECTED, reason),))


@pytest.mark.parametrize(
    ("entry", "record", "state"),
    [
        (ENTRY, RECORD, "waiting"),
        (ENTRY, ended("review-expired"), "expired"),
        (ENTRY, None, "expired"),
        (replace(ENTRY, decision=b"sealed", folder="sent-log"), None, "released"),
        (replace(ENTRY, decision=b"sealed", folder="archive"), None, "rejected"),
        # The gateway ended between dlp's answer and the entry.
        (ENTRY, replace(RECORD, stage=Stage.FILTERED, generation=1), "released"),
        (ENTRY, ended("rejected-by-reviewer"), "rejected"),
    ],
)
def test_entry_and_record_together_say_where_a_mail_stands(entry: Entry, record: Record | None, state: str) -> None:
    assert held.state(entry, record) == state


@pytest.mark.parametrize("act", ["released", "released-encrypted", "rejected"])
def test_who_decided_what_is_read_from_the_mails_steps(act: str) -> None:
    steps = (
        {"at": NOW, "actor": "dlp", "step": "held:danger"},
        {"at": NOW, "actor": "rita", "step": "voted:released"},
        {"at": NOW, "actor": "sam", "step": act},
        {"at": NOW, "actor": "delivery", "step": "delivered"},
    )
    decision = held.decided(replace(RECORD, steps=steps), "rejected" if act == "rejected" else "released")
    assert (decision.by, decision.act, decision.note) == ("sam", act, "")
    assert held.decided(RECORD, "released").by == "unknown"
