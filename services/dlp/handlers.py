"""dlp's step, mail.submitted -> mail.filtered | mail.blocked | mail.rejected, and answers: scan, release, reject."""

import asyncio
import base64
import contextlib
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from secumail import telemetry
from secumail.audit import Acts
from secumail.contracts.commands import Done
from secumail.contracts.commands.dlp import Foreseen, Reject, Release, Scan, ScanReply
from secumail.contracts.events import Event, MailBlocked, MailFiltered, MailRejected, MailSubmitted
from secumail.directory import REVIEWERS, Directory, Entry
from secumail.errors import Permanent, Refused, Transient
from secumail.sealing.claims import Claims, Step, TransitKeys
from secumail.spool import record as spooled
from secumail.spool.advance import Advance, Part
from secumail.spool.record import Envelope, Recipient, Record, Stage, State
from secumail.spool.spool import Spool
from services.dlp import holding
from services.dlp.inspection import HasFilesError, inspect, texts_alone
from services.dlp.keeping import KeptLists, allowed
from services.dlp.message import Extract, Message
from services.dlp.policy import Decision, Rules, Verdict
from services.dlp.ports import Filing, Overdue
from services.dlp.sentences import ACCEPTED

log = logging.getLogger(__name__)

_LARGE = 256 * 1024
_EXPIRE_EVERY = 600.0
_ORIGINS = {"gateway": ("submission", "reply"), "delivery": ("bounce",)}
"""Which service may take in which kind of mail."""

_SYSTEM = Verdict((), "pass", "exempt-sender", "A notice of the mail system.", ACCEPTED)


class Filtering:
    """The step and the answers, over the ports."""

    def __init__(
        self,
        spool: Spool,
        claims: Claims,
        mailboxes: Filing,
        directory: Directory,
        lists: KeptLists,
        extract: Extract,
        acts: Acts,
        domains: Sequence[str],
        overdue: Overdue,
        hold_for: timedelta,
    ) -> None:
        self._spool = spool
        self._claims = claims
        self._mailboxes = mailboxes
        self._directory = directory
        self._lists = lists
        self._extract = extract
        self._acts = acts
        self._domains = tuple(domains)
        self._overdue = overdue
        self._hold_for = hold_for

    # --- scanning before sending ------------------------------------------------------------------------

    @property
    def rules(self) -> Rules:
        """The lists that count now."""
        return self._lists.rules

    async def scan(self, command: Scan, actor: UUID | None) -> ScanReply:
        """What would become of a mail, for its writer: codes and notices, nothing of what was found."""
        entry = await self._directory.account(actor) if actor is not None else None
        if entry is None or not entry.active or not command.recipients:
            raise Refused("not-your-act", "A mail is scanned for the person who sends it.", "Log in again.", 403)
        raw = base64.b64decode(command.mail)
        _, decision = await self._decide(raw, command.sender, command.recipients, entry.roles)
        for verdict in decision.verdicts:
            if verdict.action != "pass":
                await self._acts.record(actor, f"scanned:{verdict.code}", "scan")
        return ScanReply(
            verdicts=tuple(
                Foreseen(recipients=v.recipients, action=v.action, code=_told(v), notice=v.notice)
                for v in decision.verdicts
            )
        )

    # --- the step ---------------------------------------------------------------------------------------

    async def on_submitted(self, event: MailSubmitted) -> None:
        """Filter one mail."""
        await self._spool.step(
            event,
            Stage.SUBMITTED,
            {Stage.FILTERED, Stage.HELD, Stage.SPLIT, Stage.DONE},
            lambda record: self._filter(record, event),
        )

    async def _filter(self, record: Record, event: MailSubmitted) -> Advance:
        if record.origin not in _ORIGINS.get(event.claim.by, ()) or event.claim.says != record.origin:
            raise Permanent("origin-not-accepted")
        keys = await self._claims.open(event.claim, Step(event.type, record.id, record.generation), by=_ORIGINS)
        sealed = await self._spool.read(record.envelope), await self._spool.read(record.mime)
        envelope = Envelope.decode(record.unseal("envelope", sealed[0], keys.envelope))
        raw = record.unseal("mime", sealed[1], keys.content)
        if record.origin == "bounce":
            return await self._passed(record, record.recipients, keys, spooled.Verdict(_SYSTEM.code, _SYSTEM.notice))
        read, decision = await self._decide(raw, envelope.sender, envelope.recipients, await self._roles(record))
        if len(decision.verdicts) > 1:
            return await self._split(record, envelope, raw, read, decision, keys, event)
        verdict = decision.verdicts[0]
        shown = spooled.Verdict(verdict.code, verdict.notice)
        if verdict.action == "pass":
            await self._log(record.id, envelope, read, record.size, verdict)
            return await self._passed(record, record.recipients, keys, shown)
        stage, step, recipients, told = _stopped(record, record.id, record.recipients, verdict)
        if stage is Stage.HELD:
            await self._hold(record.id, envelope, raw, verdict, keys)
        return Advance(stage, step, (told,), recipients=recipients, verdict=shown)

    async def _roles(self, record: Record) -> tuple[str, ...]:
        """The sender's, where a rule asks for them."""
        if record.account is None or not self.rules.ask_for_roles:
            return ()
        entry = await self._directory.account(record.account)
        return entry.roles if entry is not None else ()

    async def _decide(
        self, raw: bytes, sender: str, recipients: Sequence[str], roles: Sequence[str]
    ) -> tuple[Message, Decision]:
        rules, today = self.rules, datetime.now(UTC).date()

        def work(extract: Extract) -> tuple[Message, Decision]:
            return inspect(raw, sender, recipients, rules, self._domains, extract, roles, today)

        # A large mail, or one whose files another process reads, must not keep the others (and the broker's
        # heartbeat) waiting.
        if len(raw) <= _LARGE:
            with contextlib.suppress(HasFilesError):
                return work(texts_alone)
        return await asyncio.to_thread(work, self._extract)

    async def _passed(
        self,
        record: Record,
        recipients: Sequence[Recipient],
        keys: TransitKeys,
        verdict: spooled.Verdict,
    ) -> Advance:
        return Advance(
            Stage.FILTERED,
            f"passed:{verdict.code}",
            (await self._filtered(record.id, record, keys),),
            recipients=tuple(r.to(State.QUEUED) for r in recipients),
            verdict=verdict,
        )

    async def _filtered(self, mail: UUID, record: Record, keys: TransitKeys) -> MailFiltered:
        claim = await self._claims.seal(Step("mail.filtered", mail, record.generation), "crypto", keys, "pass")
        return MailFiltered(mail=mail, generation=record.generation, size=record.size, verdict="pass", claim=claim)

    async def _log(self, mail: UUID, envelope: Envelope, read: Message, size: int, verdict: Verdict) -> None:
        """A line of the reviewers' sent log. By the mail's id: a rerun writes no second one."""
        line = holding.logged(mail, envelope, read, size, verdict, await self._reviewers(), datetime.now(UTC))
        await self._mailboxes.file([line])

    async def _hold(self, mail: UUID, envelope: Envelope, raw: bytes, verdict: Verdict, keys: TransitKeys) -> None:
        group = await self._reviewers()
        entry, body = holding.held(mail, 0, envelope, raw, verdict, keys, group, datetime.now(UTC))
        await self._mailboxes.file([holding.with_body(entry, await self._spool.keep(body))])

    async def _split(
        self,
        record: Record,
        envelope: Envelope,
        raw: bytes,
        read: Message,
        decision: Decision,
        keys: TransitKeys,
        event: MailSubmitted,
    ) -> Advance:
        """Different verdicts for different recipients: one child mail each, in the same trace."""
        parts = []
        told: Event
        for verdict in decision.verdicts:
            mine = [r for r in record.recipients if r.index in verdict.recipients]
            child = Part.id(record.id, verdict.recipients)
            shown = spooled.Verdict(verdict.code, verdict.notice)
            if verdict.action == "pass":
                recipients = tuple(r.to(State.QUEUED) for r in mine)
                told = await self._filtered(child, record, keys)
                await self._log(child, envelope, read, record.size, verdict)
                parts.append(Part(recipients, Stage.FILTERED, shown, f"passed:{verdict.code}", told))
            else:
                stage, step, recipients, told = _stopped(record, child, mine, verdict)
                if stage is Stage.HELD:
                    await self._hold(child, envelope, raw, verdict, keys)
                parts.append(Part(recipients, stage, shown, step, told))
        # The event that brought the mail here stays its `out`: driven again, it finishes the split.
        return Advance(Stage.SPLIT, "split", (event,), split=tuple(parts))

    # --- reviewers --------------------------------------------------------------------------------------

    async def release(self, command: Release, actor: UUID | None) -> Done:
        """Let a held mail go on, by the reviewer's own claim. Releasing twice is releasing once."""
        await allowed(self._directory, actor, "reviewer")
        record = await self._held(command.mail, command.generation)
        if record is None:
            return Done()
        if command.claim.by != f"account:{actor}" or command.claim.to != "crypto":
            raise Refused("claim-not-yours", "The release is not signed by who asks for it.", "Log in again.", 403)
        generation = record.generation + 1
        event = MailFiltered(
            mail=record.id, generation=generation, size=record.size, verdict="released", claim=command.claim
        )
        change = Advance(
            Stage.FILTERED,
            "released",
            (event,),
            recipients=tuple(r.to(State.QUEUED) for r in record.recipients),
            generation=generation,
            actor=str(actor),
        )
        await self._turn(record, change)
        return Done()

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
            code = "review-expired"
            change = Advance(
                Stage.DONE,
                "expired",
                (MailRejected(mail=record.id, generation=record.generation, reason=code),),
                recipients=tuple(r.to(State.REJECTED, code) for r in record.recipients),
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
        rejected = record.stage is Stage.DONE and not released
        if rejected and after is Stage.DONE:
            return None
        done = "released" if released else "rejected" if rejected else "not held"
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

    async def _reviewers(self) -> Entry:
        group = await self._directory.group(REVIEWERS)
        if group is None:
            # Without reviewers nothing could be held; so nothing passes either.
            raise Transient("no-reviewers")
        return group


def _stopped(
    record: Record, mail: UUID, recipients: Sequence[Recipient], verdict: Verdict
) -> tuple[Stage, str, tuple[Recipient, ...], Event]:
    """Held or refused at once: the stage, the step's words, the recipients then, and the news."""
    code = verdict.code
    if verdict.action == "block":
        news = MailRejected(mail=mail, generation=record.generation, reason=code)
        return Stage.DONE, f"refused:{code}", tuple(r.to(State.REJECTED, code) for r in recipients), news
    held = MailBlocked(mail=mail, generation=record.generation, reason=code)
    return Stage.HELD, f"held:{code}", tuple(r.to(State.HELD, code) for r in recipients), held


def _told(verdict: Verdict) -> str:
    """What is noted without a word to anybody looks like what is clean."""
    return verdict.code if verdict.action != "pass" or verdict.code == "warned" else "clean"
