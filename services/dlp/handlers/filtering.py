"""dlp's step, mail.submitted -> mail.filtered | mail.blocked | mail.rejected, and the scan before sending."""

import asyncio
import base64
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from secumail.audit import Acts
from secumail.contracts.commands.dlp import Foreseen, Scan, ScanReply
from secumail.contracts.events import Event, MailBlocked, MailFiltered, MailRejected, MailSetAside, MailSubmitted
from secumail.directory import REVIEWERS, Directory, Entry
from secumail.errors import Permanent, Refused, Transient
from secumail.mailbox.taken_out import digest
from secumail.sealing.claims import Claims, Step, TransitKeys
from secumail.spool import record as spooled
from secumail.spool.advance import Advance, Part
from secumail.spool.record import Envelope, Recipient, Record, Stage, State
from secumail.spool.spool import Spool
from services.dlp import holding
from services.dlp.inspection import HasFilesError, inspect, texts_alone
from services.dlp.keeping import KeptLists
from services.dlp.message import Extract, File, Message, Passage
from services.dlp.policy import TOLD, Decision, Rules, Verdict
from services.dlp.ports import Filing
from services.dlp.sentences import ACCEPTED, PICTURES

_LARGE = 256 * 1024
_ORIGINS = {"gateway": ("submission", "reply"), "delivery": ("bounce",), "dlp": ("submission", "reply")}
"""Which service may take in which kind of mail; what dlp gives itself, it has taken from the gateway."""
_DECIDED = frozenset({Stage.FILTERED, Stage.HELD, Stage.SPLIT, Stage.DONE})

_FIRST_COVER = 10_000
"""The number of a hidden mail's first cover among its files: far behind its attachments."""

_SYSTEM = Verdict((), "pass", "exempt-sender", "A notice of the mail system.", ACCEPTED)


@dataclass(frozen=True)
class Pictures:
    """Extractors that read the words in pictures: one with patience, on the queue of its own, and one for a person who
    waits for the answer. `spool` has room of its own: mails that take long must not take that of the others."""

    patient: Extract
    brief: Extract
    spool: Spool


class Filtering:
    """The steps and the scan, over the ports. Without `pictures` these are noted and not read."""

    def __init__(
        self,
        spool: Spool,
        claims: Claims,
        mailboxes: Filing,
        directory: Directory,
        lists: KeptLists,
        extract: Extract,
        pictures: Pictures | None,
        acts: Acts,
        domains: Sequence[str],
    ) -> None:
        self._spool = spool
        self._claims = claims
        self._mailboxes = mailboxes
        self._directory = directory
        self._lists = lists
        self._extract = extract
        self._pictures = pictures
        self._acts = acts
        self._domains = tuple(domains)

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
        asked = self.rules, raw, command.sender, command.recipients, entry.roles
        read, decision = await self._decide(*asked, self._extract)
        unread = self._pictures is not None and _must_wait(read, decision)
        if self._pictures is not None and unread:
            read, seen = await self._decide(*asked, self._pictures.brief)
            unread = any(trouble.rule == "ocr-timeout" for trouble in read.troubles)
            decision = decision if unread else seen
        for verdict in decision.verdicts:
            if verdict.action != "pass":
                await self._acts.record(actor, f"scanned:{verdict.code}", "scan")
        return ScanReply(
            verdicts=tuple(
                Foreseen(recipients=v.recipients, action="pass", code="pictures-unread", notice=PICTURES)
                if unread and v.action == "pass"
                else Foreseen(recipients=v.recipients, action=v.action, code=_told(v), notice=v.notice)
                for v in decision.verdicts
            )
        )

    # --- the steps --------------------------------------------------------------------------------------

    async def on_submitted(self, event: MailSubmitted) -> None:
        """Filter one mail, or set it aside where it would pass but for pictures that nobody has read yet."""
        await self._spool.step(
            event, Stage.SUBMITTED, {Stage.READING, *_DECIDED}, lambda record: self._filter(record, event)
        )

    async def on_set_aside(self, event: MailSetAside) -> None:
        """Read a mail's pictures, and filter it."""
        spool = self._spool if self._pictures is None else self._pictures.spool
        await spool.step(event, Stage.READING, _DECIDED, lambda record: self._filter(record, event))

    async def _filter(self, record: Record, event: MailSubmitted | MailSetAside) -> Advance:
        seen = isinstance(event, MailSetAside)
        by, says = event.claim.by, event.claim.says
        if seen != (by == "dlp") or record.origin not in _ORIGINS.get(by, ()) or says != record.origin:
            raise Permanent("origin-not-accepted")
        keys = await self._claims.open(event.claim, Step(event.type, record.id, record.generation), by=_ORIGINS)
        sealed = await self._spool.read(record.envelope), await self._spool.read(record.mime)
        envelope = Envelope.decode(record.unseal("envelope", sealed[0], keys.envelope))
        raw = record.unseal("mime", sealed[1], keys.content)
        if record.origin == "bounce":
            return await self._passed(record, keys, _SYSTEM)
        extract = self._pictures.patient if seen and self._pictures is not None else self._extract
        rules = self.rules  # one version, whatever comes meanwhile
        roles, reasoned = await self._roles(record, rules), bool(envelope.why)
        read, decision = await self._decide(
            rules, raw, envelope.sender, envelope.recipients, roles, extract,
            reasoned=reasoned, beside=await self._beside(record, envelope, keys),
        )  # fmt: skip
        if self._pictures is not None and not seen and _must_wait(read, decision):
            return await self._set_aside(record, keys)
        if not decision.covers(len(envelope.recipients)):
            raise Permanent("recipients-left-out")
        if len(decision.verdicts) > 1:
            return await self._split(record, envelope, raw, read, decision, keys, event)
        verdict = decision.verdicts[0]
        if verdict.action == "pass":
            await self._log(record.id, envelope, read, decision, record.size, verdict)
            return await self._passed(record, keys, verdict)
        stage, step, recipients, told = _stopped(record, record.id, record.recipients, verdict)
        if stage is Stage.HELD:
            await self._hold(record.id, envelope, raw, verdict, keys)
        return Advance(stage, step, (told,), recipients=recipients, verdict=_shown(verdict))

    async def _beside(self, record: Record, envelope: Envelope, keys: TransitKeys) -> list[Passage | File]:
        """What everybody sees of a mail that is to be hidden: the cover text, the sender's pictures and their names."""
        if not envelope.conceal:
            return []
        cover = record.unseal("cover", await self._spool.read(record.cover), keys.content) if envelope.covers else b""
        pictures = envelope.pictures(cover)
        names = "\n".join(name for name, _ in pictures)
        return [
            Passage("cover text", envelope.cover_text),
            Passage("pictures' names", names),
            *(
                File(_FIRST_COVER + number, f"cover {number + 1} ({name})", name, "", data)
                for number, (name, data) in enumerate(pictures)
            ),
        ]

    async def _set_aside(self, record: Record, keys: TransitKeys) -> Advance:
        """Put a mail where its pictures are read, by a claim that dlp makes out to itself."""
        step = Step("mail.set-aside", record.id, record.generation)
        claim = await self._claims.seal(step, "dlp", keys, record.origin)
        event = MailSetAside(mail=record.id, generation=record.generation, size=record.size, claim=claim)
        waiting = tuple(r.to(State.READING) for r in record.recipients)
        return Advance(Stage.READING, "reading-pictures", (event,), recipients=waiting)

    async def _roles(self, record: Record, rules: Rules) -> tuple[str, ...] | None:
        """The sender's, where a rule asks for them; None of an account that is gone."""
        if record.account is None or not rules.ask_for_roles:
            return ()
        entry = await self._directory.account(record.account)
        return entry.roles if entry is not None else None

    async def _decide(
        self,
        rules: Rules,
        raw: bytes,
        sender: str,
        recipients: Sequence[str],
        roles: Sequence[str] | None,
        extract: Extract,
        *,
        reasoned: bool = False,
        beside: Sequence[Passage | File] = (),
    ) -> tuple[Message, Decision]:
        now = datetime.now(UTC)

        def work(extract: Extract) -> tuple[Message, Decision]:
            return inspect(raw, sender, recipients, rules, self._domains, extract, roles, reasoned, now, beside)

        # A large mail, or one whose files another process reads, must not keep the others (and the broker's
        # heartbeat) waiting.
        if len(raw) <= _LARGE:
            with contextlib.suppress(HasFilesError):
                return work(texts_alone)
        return await asyncio.to_thread(work, extract)

    async def _passed(self, record: Record, keys: TransitKeys, verdict: Verdict) -> Advance:
        return Advance(
            Stage.FILTERED,
            f"passed:{verdict.code}",
            (await self._filtered(record.id, record, keys, verdict),),
            recipients=tuple(r.to(State.QUEUED) for r in record.recipients),
            verdict=_shown(verdict),
        )

    async def _filtered(self, mail: UUID, record: Record, keys: TransitKeys, verdict: Verdict) -> MailFiltered:
        """The word that lets it pass: signed, and with it on what condition."""
        says = "pass-encrypted" if verdict.encrypted else "pass"
        if verdict.without:
            says = f"pass-without:{digest(verdict.without)}"
        claim = await self._claims.seal(Step("mail.filtered", mail, record.generation), "crypto", keys, says)
        return MailFiltered(
            mail=mail,
            generation=record.generation,
            size=record.size,
            verdict="pass",
            without=verdict.without,
            claim=claim,
        )

    async def _log(
        self, mail: UUID, envelope: Envelope, read: Message, decision: Decision, size: int, verdict: Verdict
    ) -> None:
        """A line of the reviewers' sent log. By the mail's id: a rerun writes no second one."""
        terms = (await self._lists.term_ids()).counted(decision.terms)
        group = await self._reviewers()
        line = holding.logged(mail, envelope, read, terms, size, verdict, group, datetime.now(UTC))
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
        event: MailSubmitted | MailSetAside,
    ) -> Advance:
        """Different verdicts for different recipients: one child mail each, in the same trace."""
        parts = []
        told: Event
        for verdict in decision.verdicts:
            mine = [r for r in record.recipients if r.index in verdict.recipients]
            child = Part.id(record.id, verdict.recipients)
            shown = _shown(verdict)
            if verdict.action == "pass":
                recipients = tuple(r.to(State.QUEUED) for r in mine)
                told = await self._filtered(child, record, keys, verdict)
                await self._log(child, envelope, read, decision, record.size, verdict)
                parts.append(Part(recipients, Stage.FILTERED, shown, f"passed:{verdict.code}", told))
            else:
                stage, step, recipients, told = _stopped(record, child, mine, verdict)
                if stage is Stage.HELD:
                    await self._hold(child, envelope, raw, verdict, keys)
                parts.append(Part(recipients, stage, shown, step, told))
        # The event that brought the mail here stays its `out`: driven again, it finishes the split.
        return Advance(Stage.SPLIT, "split", (event,), split=tuple(parts))

    async def _reviewers(self) -> Entry:
        group = await self._directory.group(REVIEWERS)
        if group is None:
            # Without reviewers nothing could be held; so nothing passes either.
            raise Transient("no-reviewers")
        return group


def _stopped(
    record: Record, mail: UUID, recipients: Sequence[Recipient], verdict: Verdict
) -> tuple[Stage, str, tuple[Recipient, ...], Event]:
    """Held, or refused (for a reason, perhaps): the stage, the step's words, the recipients then, and the news."""
    code = verdict.code
    if verdict.action in ("ask", "block"):
        news = MailRejected(mail=mail, generation=record.generation, reason=code)
        return Stage.DONE, f"refused:{code}", tuple(r.to(State.REJECTED, code) for r in recipients), news
    held = MailBlocked(mail=mail, generation=record.generation, reason=code)
    return Stage.HELD, f"held:{code}", tuple(r.to(State.HELD, code) for r in recipients), held


def _must_wait(read: Message, decision: Decision) -> bool:
    """Whether it would pass for somebody with pictures in it that were not read."""
    return read.waits and any(verdict.action == "pass" for verdict in decision.verdicts)


def _told(verdict: Verdict) -> str:
    """What is noted without a word to anybody looks like what is clean."""
    return verdict.code if verdict.action != "pass" or verdict.code in TOLD else "clean"


def _shown(verdict: Verdict) -> spooled.Verdict:
    """As it stands in the spool, for the sender."""
    return spooled.Verdict(verdict.code, verdict.notice, verdict.reviewers, verdict.encrypted)
