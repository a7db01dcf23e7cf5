"""delivery's steps: mail.encrypted (direct) and mail.concealed -> filed, or bounced."""

from datetime import UTC, datetime

from secumail.contracts.claims import SealedClaim
from secumail.contracts.events import Event, MailConcealed, MailEncrypted
from secumail.errors import Permanent
from secumail.mailbox.summary import summarise
from secumail.sealing.claims import Claims, Step
from secumail.spool.advance import Advance
from secumail.spool.record import Envelope, Recipient, Record, Stage, State
from secumail.spool.spool import NewMail, Spool
from services.delivery.bounces import bounce
from services.delivery.filing import entries, outcome, settled
from services.delivery.ports import Filing


class Delivery:
    """The steps, over the ports."""

    def __init__(self, spool: Spool, mailboxes: Filing, claims: Claims, domain: str) -> None:
        self._spool = spool
        self._mailboxes = mailboxes
        self._claims = claims
        self._domain = domain

    async def on_encrypted(self, event: MailEncrypted) -> None:
        """File a sealed mail."""
        await self._spool.step(
            event,
            Stage.ENCRYPTED,
            {Stage.DONE},
            lambda record: self._file(record, event, event.claim, "crypto"),
        )

    async def on_concealed(self, event: MailConcealed) -> None:
        """File a carrier mail."""
        await self._spool.step(
            event,
            Stage.CONCEALED,
            {Stage.DONE},
            lambda record: self._file(record, event, event.claim, "stego"),
        )

    async def _file(
        self, record: Record, event: MailEncrypted | MailConcealed, claim: SealedClaim | None, by: str
    ) -> Advance:
        now = datetime.now(UTC)
        await self._mailboxes.file(entries(record, now, event.size))
        recipients = settled(record.recipients)
        if any(r.state is State.BOUNCED for r in recipients):
            await self._bounce(record, recipients, event, claim, by, now)
        step = "delivered" if any(r.state is State.DELIVERED for r in recipients) else "bounced"
        return Advance(Stage.DONE, step, outcome(record, recipients), recipients=recipients)

    async def _bounce(
        self,
        record: Record,
        recipients: tuple[Recipient, ...],
        event: Event,
        claim: SealedClaim | None,
        by: str,
        now: datetime,
    ) -> None:
        """Tell the sender. The bounce's key names mail and generation: a rerun makes no second one."""
        if claim is None:
            raise Permanent("no-claim-for-bounce")
        keys = await self._claims.open(claim, Step(event.type, record.id, record.generation), by={by})
        sealed = await self._spool.read(record.envelope)
        envelope = Envelope.decode(record.unseal("envelope", sealed, keys.envelope))
        if not envelope.sender:
            return  # a bounce never bounces (RFC 5321 4.5.5)
        failed = [
            (envelope.recipients[r.index], r.reason or "unknown-recipient")
            for r in recipients
            if r.state is State.BOUNCED
        ]
        original = str(envelope.summary.get("message_id", ""))
        # Dated by the mail, so that a rerun makes the same bytes.
        raw = bounce(record.id, envelope.sender, failed, self._domain, original, record.moved)
        accepted = await self._spool.submit(
            NewMail(
                key=f"bounce/{record.id}/{record.generation}".encode(),
                origin="bounce",
                account=None,
                envelope=Envelope("", (envelope.sender,), summarise(raw).__dict__),
                raw=raw,
            )
        )
        await self._spool.announce(accepted)
