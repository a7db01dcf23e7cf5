"""dlp's step, mail.submitted -> mail.filtered | mail.blocked, and its answers: lists, release, reject."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from pydantic import ValidationError

from secumail import telemetry
from secumail.audit import Acts
from secumail.contracts.commands import Done
from secumail.contracts.commands.dlp import GetLists, ListsReply, PutLists, Reject, Release
from secumail.contracts.events import Event, MailBlocked, MailFiltered, MailRejected, MailSubmitted
from secumail.directory import REVIEWERS, Directory, Entry
from secumail.errors import Permanent, Refused, Transient
from secumail.sealing.claims import Claims, Step, TransitKeys
from secumail.spool import record as spooled
from secumail.spool.advance import Advance, Part
from secumail.spool.record import Envelope, Recipient, Record, Stage, State
from secumail.spool.spool import Spool
from services.dlp import holding, message, policy
from services.dlp.lists import Lists
from services.dlp.policy import Decision, Rules, Verdict
from services.dlp.ports import Filing, ListVersions

log = logging.getLogger(__name__)

_LARGE = 256 * 1024
_LOOK_EVERY = 2.0
_ORIGINS = {"gateway": ("submission", "reply"), "delivery": ("bounce",)}
"""Which service may take in which kind of mail."""

_SYSTEM = Verdict((), "pass", "exempt-sender", "A notice of the mail system.", "Your mail was accepted.")


class Filtering:
    """The step and the answers, over the ports."""

    def __init__(
        self,
        spool: Spool,
        claims: Claims,
        mailboxes: Filing,
        directory: Directory,
        versions: ListVersions,
        acts: Acts,
        domains: Sequence[str],
    ) -> None:
        self._spool = spool
        self._claims = claims
        self._mailboxes = mailboxes
        self._directory = directory
        self._versions = versions
        self._acts = acts
        self._domains = tuple(domains)
        self._rules = Rules.compile(Lists())

    # --- lists ------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Take the newest lists, if newer than ours."""
        newest = await self._versions.newest(self._rules.lists.version)
        if newest is not None:
            self._rules = await asyncio.to_thread(Rules.compile, newest)
            log.info("lists loaded", extra={"count": len(newest.words)})

    async def follow(self) -> None:
        """Keep the lists up to date with what other replicas were told."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                await self.load()
            except Exception as error:  # the lists we have go on to hold; a fault must not end the watch
                log.warning("lists not looked at", extra={"cause": type(error).__name__})

    async def get_lists(self, _command: GetLists, actor: UUID | None) -> ListsReply:
        """The lists, for reviewers and administrators."""
        await self._allowed(actor, "reviewer", "administrator")
        await self.load()
        return ListsReply(lists=self._rules.lists.model_dump_json())

    async def put_lists(self, command: PutLists, actor: UUID | None) -> ListsReply:
        """Replace the lists by a next version."""
        await self._allowed(actor, "reviewer", "administrator")
        await self.load()
        try:
            given = await asyncio.to_thread(Lists.model_validate_json, command.lists)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "lists"
            raise Refused(
                "lists-malformed", f"The lists are not right at {where}: {first['msg']}.",
                "Mend that place; GET the lists to see their shape.",
            ) from error  # fmt: skip
        lists = given.model_copy(update={"version": command.expects + 1})
        if command.expects != self._rules.lists.version or not await self._versions.add(lists, actor):
            raise Refused(
                "changed-meanwhile",
                "Somebody else changed the lists.",
                "Get them again and repeat your change.",
                409,
            )
        await self._acts.record(actor, f"lists:{lists.version}", "lists")
        await self.load()
        return ListsReply(lists=self._rules.lists.model_dump_json())

    # --- the step ---------------------------------------------------------------------------------------

    async def on_submitted(self, event: MailSubmitted) -> None:
        """Filter one mail."""
        await self._spool.step(
            event,
            Stage.SUBMITTED,
            {Stage.FILTERED, Stage.HELD, Stage.SPLIT},
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
        read, decision = await self._decide(raw, envelope)
        if len(decision.verdicts) > 1:
            return await self._split(record, envelope, raw, read, decision, keys, event)
        verdict = decision.verdicts[0]
        shown = spooled.Verdict(verdict.code, verdict.notice)
        if verdict.action == "pass":
            await self._log(record.id, envelope, read, record.size, verdict)
            return await self._passed(record, record.recipients, keys, shown)
        await self._hold(record.id, envelope, raw, verdict, keys)
        return Advance(
            Stage.HELD,
            f"held:{verdict.code}",
            (MailBlocked(mail=record.id, generation=record.generation, reason=verdict.code),),
            recipients=tuple(r.to(State.HELD, verdict.code) for r in record.recipients),
            verdict=shown,
        )

    async def _decide(self, raw: bytes, envelope: Envelope) -> tuple[message.Message, Decision]:
        def work() -> tuple[message.Message, Decision]:
            read = message.read(raw)
            return read, policy.decide(read, envelope.sender, envelope.recipients, self._rules, self._domains)

        # A large mail must not keep the others (and the broker's heartbeat) waiting.
        return await asyncio.to_thread(work) if len(raw) > _LARGE else work()

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

    async def _log(self, mail: UUID, envelope: Envelope, read: message.Message, size: int, verdict: Verdict) -> None:
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
        read: message.Message,
        decision: Decision,
        keys: TransitKeys,
        event: MailSubmitted,
    ) -> Advance:
        """Different verdicts for different recipients: one child mail each, in the same trace."""
        parts = []
        for verdict in decision.verdicts:
            mine = [r for r in record.recipients if r.index in verdict.recipients]
            child = Part.id(record.id, verdict.recipients)
            shown = spooled.Verdict(verdict.code, verdict.notice)
            if verdict.action == "pass":
                recipients = tuple(r.to(State.QUEUED) for r in mine)
                told: Event = await self._filtered(child, record, keys)
                await self._log(child, envelope, read, record.size, verdict)
                parts.append(Part(recipients, Stage.FILTERED, shown, f"passed:{verdict.code}", told))
            else:
                await self._hold(child, envelope, raw, verdict, keys)
                recipients = tuple(r.to(State.HELD, verdict.code) for r in mine)
                told = MailBlocked(mail=child, generation=record.generation, reason=verdict.code)
                parts.append(Part(recipients, Stage.HELD, shown, f"held:{verdict.code}", told))
        # The event that brought the mail here stays its `out`: driven again, it finishes the split.
        return Advance(Stage.SPLIT, "split", (event,), split=tuple(parts))

    # --- reviewers --------------------------------------------------------------------------------------

    async def release(self, command: Release, actor: UUID | None) -> Done:
        """Let a held mail go on, by the reviewer's own claim. Releasing twice is releasing once."""
        await self._allowed(actor, "reviewer")
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
        await self._allowed(actor, "reviewer")
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

    async def _allowed(self, actor: UUID | None, *roles: str) -> None:
        entry = await self._directory.account(actor) if actor is not None else None
        if entry is None or not entry.active or not set(roles) & set(entry.roles):
            raise Refused(
                "role-missing",
                f"This is for a person with the role {' or '.join(roles)}.",
                "Ask an administrator.",
                403,
            )
