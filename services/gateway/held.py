"""Where a held mail stands: what the quarantine's entry and the spool's record say together. Pure."""

from collections.abc import Mapping
from typing import Literal

from secumail.mailbox.entry import Act, Decision, Entry
from secumail.spool.record import Record, Stage

State = Literal["waiting", "released", "rejected", "expired"]
"""expired: no reviewer decided in time, so it was refused, and its sender told."""


def state(entry: Entry, record: Record | None) -> State:
    """`record` is None where the spool has forgotten the mail, 30 days after its end."""
    if entry.decision is not None:
        return "released" if entry.folder == "sent-log" else "rejected"
    if record is None:
        return "expired"
    # The gateway that carried the decision may have ended before it wrote it down: the record knows.
    if record.generation > 0:
        return "released"
    if record.stage is Stage.HELD:
        return "waiting"
    by_reviewer = any(recipient.reason == "rejected-by-reviewer" for recipient in record.recipients)
    return "rejected" if by_reviewer else "expired"


_ACTS: Mapping[str, Act] = {"released": "released", "released-encrypted": "released-encrypted", "rejected": "rejected"}


def decided(record: Record, state: State) -> Decision:
    """What a reviewer decided, from the mail's steps: the account instead of the address, and no note."""
    step = next((step for step in reversed(record.steps) if step["step"] in _ACTS), None)
    if step is None:
        return Decision("unknown", record.moved, "released" if state == "released" else "rejected", "")
    return Decision(step["actor"], step["at"], _ACTS[step["step"]], "")
