"""crypto's step, mail.filtered -> mail.encrypted: choose forms, sign, encrypt where wished, seal to mailboxes."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from cryptography import x509

from secumail.apart import apart
from secumail.contracts.events import MailEncrypted, MailFiltered
from secumail.directory import Directory, normal
from secumail.errors import Permanent, Transient
from secumail.mailbox import entry as mailbox
from secumail.mailbox.entry import Meta
from secumail.mailbox.taken_out import digest, without
from secumail.sealing import stream
from secumail.sealing.claims import Claims, Step, TransitKeys
from secumail.sealing.identities import Forged
from secumail.sealing.transport import Transport
from secumail.spool.advance import Advance, Part
from secumail.spool.record import Envelope, Recipient, Record, Stage, Verdict, authorship
from secumail.spool.spool import Spool
from services.crypto.forms import Form, Wish, groups, wished
from services.crypto.handlers.forms import Chooser
from services.crypto.ports import Custody, EncryptionKeys, OpenPGPCustody
from services.crypto.protecting import OpenPGPSigner, Recipients, Signer, SmimeSigner, protect
from services.crypto.rate import Rate
from services.crypto.resolving import resolve
from services.crypto.smime.signing import sign

_ENCRYPTED = "-encrypted"
"""What a claim's word ends in where the mail may leave encrypted only: dlp's pass, or a reviewer's release."""
_WITHOUT = "-without:"
"""What follows on a claim's word where attachments are to be taken out first: after it their digest."""
_AUTHORS = {"submission": "gateway", "reply": "gateway", "bounce": "delivery"}
"""Which service vouches for who wrote a mail of this origin."""


class Protection:
    """The step, over the ports."""

    def __init__(
        self,
        spool: Spool,
        claims: Claims,
        transport: Transport,
        directory: Directory,
        custody: Custody,
        keys: EncryptionKeys,
        openpgp: OpenPGPCustody,
        chooser: Chooser,
        chain: Sequence[x509.Certificate],
        domains: Sequence[str],
        rate: Rate,
    ) -> None:
        self._rate = rate
        self._spool = spool
        self._claims = claims
        self._transport = transport
        self._directory = directory
        self._custody = custody
        self._keys = keys
        self._openpgp = openpgp
        self._chooser = chooser
        self._chain = tuple(chain)
        self._domains = tuple(domains)

    async def on_filtered(self, event: MailFiltered) -> None:
        """Protect one mail, and seal it to its recipients."""
        await self._spool.step(event, Stage.FILTERED, {Stage.ENCRYPTED}, lambda record: self._protect(record, event))

    async def _protect(self, record: Record, event: MailFiltered) -> Advance:
        keys = await self._accepted(record, event)
        sealed = await self._spool.read(record.envelope), await self._spool.read(record.mime)
        self._check_authorship(record, *sealed)
        envelope = Envelope.decode(record.unseal("envelope", sealed[0], keys.envelope))
        await self._check_sender(record, envelope)
        recipients = await self._formed(record, envelope, event.claim.says.endswith(_ENCRYPTED))
        made = groups([(r, _form(r), _is_bcc(r, envelope)) for r in recipients])
        if len(made) > 1:
            return await self._split(record, event, keys, made)
        raw = record.unseal("mime", sealed[1], keys.content)
        if event.without:
            raw = await apart(len(raw), without, raw, event.without)
        protected = await self._made(record, envelope, raw, *made[0])
        if envelope.conceal:
            return await self._for_stego(record, envelope, keys, recipients, protected)
        return await self._for_delivery(record, envelope, keys, recipients, protected)

    # --- what is believed -------------------------------------------------------------------------------

    async def _accepted(self, record: Record, event: MailFiltered) -> TransitKeys:
        """The mail's keys: by dlp's verdict, or by the signature of one who is a reviewer now. By nothing else."""
        step = Step(event.type, record.id, record.generation)
        claim = event.claim
        left_out = f"{_WITHOUT}{digest(event.without)}" if event.without else ""
        passes = (f"pass{left_out}",) if left_out else ("pass", f"pass{_ENCRYPTED}")
        if claim.by == "dlp" and claim.says in passes and record.generation == 0:
            return await self._claims.open(claim, step, by={"dlp"})
        if claim.by == "crypto" and claim.says == f"form{left_out}" and record.parent is not None:
            return await self._claims.open(claim, step, by={"crypto"})  # ours, of a verdict that was accepted here
        if claim.by.startswith("account:") and claim.says in ("released", f"released{_ENCRYPTED}") and not left_out:
            entry = await self._directory.account(_uuid(claim.by.removeprefix("account:")))
            if entry is not None and entry.active and "reviewer" in entry.roles:
                return await self._claims.open(claim, step, by=(), person=entry.signing_key())
        raise Permanent("verdict-not-accepted")

    def _check_authorship(self, record: Record, envelope: bytes, mime: bytes) -> None:
        """Nobody between the door and here can have put words into another's mouth."""
        by, signature = record.authorship
        if _AUTHORS.get(record.origin) != by:
            raise Permanent("author-not-accepted")
        digests = hashlib.sha256(envelope).digest(), hashlib.sha256(mime).digest()
        try:
            self._transport.check(by, signature, authorship(record.root, record.origin, record.account, *digests))
        except Forged as error:
            raise Permanent("author-forged") from error

    async def _check_sender(self, record: Record, envelope: Envelope) -> None:
        if record.origin == "submission":
            entry = await self._directory.address(envelope.sender)
            if entry is None or entry.account != record.account:
                raise Permanent("sender-not-the-author")

    # --- forms ------------------------------------------------------------------------------------------

    async def _formed(self, record: Record, envelope: Envelope, encrypted: bool) -> list[Recipient]:
        """The recipients, each with its form, or why it has none. A mail that was split by forms keeps them."""
        wish = wished(envelope.form)
        if record.origin != "submission" or record.account is None:
            return list(record.recipients)
        if wish is None:
            raise Permanent("form-unknown")
        return [
            r if r.form or r.reason else await self._chosen(record.account, r, envelope, wish, encrypted)
            for r in record.recipients
        ]

    async def _chosen(
        self, account: UUID, recipient: Recipient, envelope: Envelope, wish: Wish, encrypted: bool
    ) -> Recipient:
        address, guest = envelope.recipients[recipient.index], recipient.index in envelope.guests
        choice = await self._chooser.choose(account, address, wish, guest, encrypted=encrypted)
        return replace(recipient, form=choice.form, reason=choice.reason)

    async def _split(
        self, record: Record, event: MailFiltered, keys: TransitKeys, made: Sequence[tuple[Form, list[Recipient]]]
    ) -> Advance:
        """One child mail for each form, and for each Bcc recipient of an encrypted one; in the same trace."""
        parts = []
        for form, members in made:
            child = Part.id(record.id, [r.index for r in members])
            says = f"form{_WITHOUT}{digest(event.without)}" if event.without else "form"
            claim = await self._claims.seal(Step("mail.filtered", child, 0), "crypto", keys, says)
            told = MailFiltered(mail=child, size=record.size, verdict=event.verdict, without=event.without, claim=claim)
            parts.append(Part(tuple(members), Stage.FILTERED, record.verdict or Verdict("pass"), f"form:{form}", told))
        return Advance(Stage.SPLIT, "split", (event,), split=tuple(parts))

    # --- making -----------------------------------------------------------------------------------------

    async def _made(
        self, record: Record, envelope: Envelope, raw: bytes, form: Form, members: Sequence[Recipient]
    ) -> bytes:
        """The mail in its form. A guest's reply stays as it is: we sign in nobody's name but our people's and ours."""
        if record.origin == "reply":
            return raw
        if record.origin != "submission":
            signer = await self._custody.signer(None, f"postmaster@{self._domains[0]}")
            return await apart(len(raw), sign, raw, signer.key, signer.certificate, self._chain)
        if not self._rate.take(record.account, time.monotonic()):
            raise Transient("signing-rate")  # tried again in a while: a burst is put off, not lost
        if form is Form.SIGNED:
            signer = await self._custody.signer(record.account, envelope.sender)
            return await apart(len(raw), sign, raw, signer.key, signer.certificate, self._chain)
        recipients, by = await self._readers(form, [*(envelope.recipients[r.index] for r in members), envelope.sender])
        return await apart(len(raw), protect, raw, form, recipients, by, datetime.now(UTC))

    async def _readers(self, form: Form, addresses: Sequence[str]) -> tuple[Recipients, Signer]:
        """What to encrypt to, and who signs: the last of the addresses, who is to read it too."""
        people = {normal(a): (await self._directory.address(a), a) for a in addresses}
        known = [(entry.account, a) for entry, a in people.values() if entry and entry.active and not entry.group]
        account, sender = known[-1]
        if form is Form.OPENPGP:
            keys = [await self._openpgp.of(*person) for person in known]
            signer = OpenPGPSigner(keys[-1].signer, keys[-1].certificate)
            return Recipients(openpgp=tuple(key.certificate for key in keys)), signer
        certificates = [await self._keys.encryption(*person) for person in known]
        own = await self._custody.signer(account, sender)
        return Recipients(tuple(certificates)), SmimeSigner(own.key, own.certificate, self._chain, certificates[-1])

    async def _for_delivery(
        self,
        record: Record,
        envelope: Envelope,
        keys: TransitKeys,
        formed: Sequence[Recipient],
        protected: bytes,
    ) -> Advance:
        sealed = mailbox.seal(record.root, protected, Meta(**envelope.summary))
        recipients = await resolve(
            formed, envelope.recipients, self._domains, self._directory, record.root, sealed, envelope.guests
        )
        filed = len({r.account for r in recipients if r.account is not None})
        claim = None
        if any(r.account is None for r in recipients):
            # Only to write a bounce: the envelope, not the mail.
            step = Step("mail.encrypted", record.id, record.generation)
            claim = await self._claims.seal(step, "delivery", TransitKeys(keys.envelope), "sealed")
        event = MailEncrypted(
            mail=record.id, generation=record.generation, size=len(protected), route="direct", claim=claim
        )
        return Advance(
            Stage.ENCRYPTED,
            "sealed",
            (event,),
            recipients=recipients,
            body=await self._spool.keep(sealed.body, max(filed, 1)) if filed else None,
            meta=sealed.meta,
        )

    async def _for_stego(
        self,
        record: Record,
        envelope: Envelope,
        keys: TransitKeys,
        formed: Sequence[Recipient],
        protected: bytes,
    ) -> Advance:
        recipients = await resolve(
            formed, envelope.recipients, self._domains, self._directory, record.root, None, envelope.guests
        )
        step = Step("mail.encrypted", record.id, record.generation)
        claim = await self._claims.seal(step, "stego", keys, "signed")
        event = MailEncrypted(
            mail=record.id, generation=record.generation, size=len(protected), route="conceal", claim=claim
        )
        mime = await self._spool.keep(stream.seal(protected, keys.content, record.context("signed")))
        return Advance(Stage.ENCRYPTED, "signed", (event,), recipients=recipients, mime=mime)


def _form(recipient: Recipient) -> Form | None:
    return Form(recipient.form) if recipient.form is not None else None


def _is_bcc(recipient: Recipient, envelope: Envelope) -> bool:
    named = {normal(a) for name in ("to", "cc") for a in envelope.summary.get(name, ())}
    return normal(envelope.recipients[recipient.index]) not in named


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Permanent("claim-malformed") from error
