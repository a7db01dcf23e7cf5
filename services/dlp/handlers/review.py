"""What becomes of held mail: released or rejected by a reviewer, refused when nobody decided in time."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from uuid import UUID

from secumail import telemetry
from secumail.contracts.commands import Done
from secumail.contracts.commands.dlp import Reject, Release, ReleaseReply
from secumail.contracts.events import MailFiltered, MailRejected
from secumail.directory import Directory
from secumail.errors import Refused, Transient
from secumail.spool.advance import Advance
from secumail.spool.record import Record, Stage, State, Vote
from secumail.spool.spool import Spool
from services.dlp.keeping import allowed
from services.dlp.ports import Overdue

log = logging.getLogger(__name__)

_EXPIRE_EVERY = 600.0
EXPIRED = "review-expired"
RELEASES = ("released", "released-encrypted")
"""What a reviewer's claim may say."""


class Review:
    """The reviewers' answers and the watch over what waits for them, over the ports."""

    def __init__(self, spool: Spool, directory: Directory, overdue: Overdue, hold_for: timedelta) -> None:
        self._spool = spool
        self._directory = directory
        self._overdue = overdue
        self._hold_for = hold_for

    async def release(self, command: Release, actor: UUID | None) -> ReleaseReply:
        """Let a held mail go on, by the reviewer's own claim. Releasing twice is releasing once.

        Where two reviewers are needed, the first one's release is kept as a vote.
        """
        reviewer = await allowed(self._directory, actor, "reviewer")
        record = await self._held(command.mail, command.generation)
        if record is None:
            return ReleaseReply()
        if record.account == reviewer:
            raise Refused("own-mail", "You wrote this mail: others decide on it.", "Leave it to another reviewer.", 403)
        claim = command.claim
        if claim.by != f"account:{actor}" or claim.to != "crypto" or claim.says not in RELEASES:
            raise Refused("claim-not-yours", "The release is not signed by who asks for it.", "Log in again.", 403)
        if record.verdict is not None and record.verdict.encrypted and claim.says == RELEASES[0]:
            raise Refused(
                "encryption-required", "A rule lets this mail leave encrypted only.", "Release it encrypted.", 409
            )
        if record.verdict is not None and record.verdict.reviewers > 1:
            vote = Vote(reviewer, claim.says)
            await self._others(record, vote)
            record = await self._voted(record, vote)
            if not await self._others(record, vote):
                return ReleaseReply(missing=1)
        generation = record.generation + 1
        event = MailFiltered(
            mail=record.id, generation=generation, size=record.size, verdict="released", claim=command.claim
        )
        change = Advance(
            Stage.FILTERED,
            claim.says,
            (event,),
            recipients=tuple(r.to(State.QUEUED) for r in record.recipients),
            generation=generation,
            actor=str(actor),
        )
        await self._turn(record, change)
        return ReleaseReply()

    async def _others(self, record: Record, vote: Vote) -> list[Vote]:
        """The votes of others who are reviewers still. Refused where one of them was on a condition that this is not.

        Asked before and after the vote is written: another's may have come in between.
        """
        entries = [(other, await self._directory.account(other.account)) for other in record.votes]
        counting = [
            other
            for other, entry in entries
            if other.account != vote.account and entry and entry.active and "reviewer" in entry.roles
        ]
        if vote.says == RELEASES[0] and any(other.says == RELEASES[1] for other in counting):
            raise Refused(
                "vote-encrypted", "Another reviewer released it on condition that it leaves encrypted only.",
                "Release it encrypted, or reject it.", 409,
            )  # fmt: skip
        return counting

    async def _voted(self, record: Record, vote: Vote) -> Record:
        """The record with this vote in it, or a stricter one. Two who vote in the same moment each find the other's."""
        said = {before.says for before in record.votes if before.account == vote.account}
        if said.isdisjoint({vote.says, RELEASES[1]}):
            change = Advance(Stage.HELD, f"voted:{vote.says}", (), actor=str(vote.account), vote=vote)
            await self._turn(record, change)
        return await self._spool.find(record.id) or record

    async def reject(self, command: Reject, actor: UUID | None) -> Done:
        """Refuse a held mail for good. Rejecting twice is rejecting once."""
        await allowed(self._directory, actor, "reviewer")
        record = await self._held(command.mail, command.generation, after=Stage.DONE)
        if record is None:
            return Done()
        event = MailRejected(mail=record.id, generation=record.generation, reason="rejected-by-reviewer")
        change = Advance(
            Stage.DONE,
            "rejected",
            (event,),
            recipients=tuple(r.to(State.REJECTED, "rejected-by-reviewer") for r in record.recipients),
            actor=str(actor),
        )
        await self._turn(record, change)
        return Done()

    async def expire(self) -> None:
        """Refuse, now and then, what no reviewer has decided in time."""
        while True:
            try:
                await self.expire_until(datetime.now(UTC))
            except Exception as error:  # tried again at the next look; a fault must not end the watch
                log.warning("held mails not looked at", extra={"cause": type(error).__name__})
            await asyncio.sleep(_EXPIRE_EVERY)

    async def expire_until(self, now: datetime) -> None:
        """Refuse what is held since longer than it may be at `now`. The reviewers' copy of it stays."""
        for mail in await self._overdue.since(now - self._hold_for):
            record = await self._spool.find(mail)
            if record is None or record.stage is not Stage.HELD:
                continue
            change = Advance(
                Stage.DONE,
                "expired",
                (MailRejected(mail=record.id, generation=record.generation, reason=EXPIRED),),
                recipients=tuple(r.to(State.REJECTED, EXPIRED) for r in record.recipients),
            )
            try:
                await self._turn(record, change)
            except Refused:
                continue  # a reviewer was faster

    async def _held(self, mail: UUID, generation: int, after: Stage = Stage.FILTERED) -> Record | None:
        """The held mail; None where this very act was done before; Refused where another was."""
        record = await self._spool.find(mail)
        if record is None:
            raise Refused("no-such-mail", "There is no such mail.", "Look at the quarantine again.", 404)
        if record.stage is Stage.HELD and record.generation == generation:
            return record
        released = record.generation > generation
        if released and after is Stage.FILTERED:
            return None
        ended = record.stage is Stage.DONE and not released
        expired = ended and any(r.reason == EXPIRED for r in record.recipients)
        if ended and not expired and after is Stage.DONE:
            return None
        done = "released" if released else "expired" if expired else "rejected" if ended else "not held"
        raise Refused("decided-already", f"This mail is {done} already.", "Look at the quarantine again.", 409)

    async def _turn(self, record: Record, change: Advance) -> None:
        with (
            telemetry.within(record.trace),
            telemetry.serving(change.step, {"secumail.mail.id": str(record.id)}),
        ):
            try:
                moved = await self._spool.advance(record, change)
            except Transient as error:
                # Written, not yet published: the re-driver publishes it.
                log.warning("publish put off", extra={"mail": str(record.id), "code": error.code})
                return
        if not moved:
            raise Refused("decided-already", "Somebody else has just decided this mail.", "Look again.", 409)
