"""What the sender of a held mail has to say to the reviewers: /submissions/{id}/appeal."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, status
from pydantic import BaseModel, ConfigDict, Field

from secumail.directory import REVIEWERS
from secumail.directory import Entry as Group
from secumail.errors import Refused, Transient
from secumail.mailbox.entry import Appeal, entry_id
from secumail.spool.record import Stage
from services.gateway.handlers.door import Asking, Behind, Door
from services.gateway.handlers.submissions import own_records

router = APIRouter()


class Plea(BaseModel):
    """A sentence or two: why the mail should go. Only reviewers read it."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=500, pattern=r"\S")


@router.post("/submissions/{id}/appeal", status_code=status.HTTP_204_NO_CONTENT, operation_id="appealSubmission")
async def appeal(door: Behind, session: Asking, id: UUID, given: Plea) -> None:
    """Say something to the reviewers about your mail that they hold; once."""
    waiting = [r for r in await own_records(door, session, id) if r.stage is Stage.HELD]
    if not waiting:
        raise Refused("not-held", "No reviewer has this mail to decide on.", "See what became of it: sent.", 409)
    reviewers = await door.directory.group(REVIEWERS)
    if reviewers is None:
        raise Transient("no-reviewers")
    said = Appeal(datetime.now(UTC), given.text)
    kept = [record.id for record in waiting if await _kept(door, reviewers, record.id, said)]
    if not kept:
        raise Refused(
            "appealed-already", "You have said something to the reviewers about this mail before.",
            "Wait for their decision, or write to one of them.", 409,
        )  # fmt: skip
    for mail in kept:
        await door.spool.note(mail, "appealed", session.account)


async def _kept(door: Door, reviewers: Group, mail: UUID, said: Appeal) -> bool:
    entry = await door.mailboxes.find(reviewers.account, entry_id(reviewers.account, mail, "held"))
    return entry is not None and await door.mailboxes.appeal(entry, said.seal(entry, reviewers.key))
