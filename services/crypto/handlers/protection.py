"""crypto's step, mail.filtered -> mail.encrypted, and its answers: a signature's verdict, the authority."""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from secumail.contracts.commands.crypto import AuthorityReply, GetAuthority, SignatureVerdict, VerifySignature
from secumail.contracts.events import MailEncrypted, MailFiltered
from secumail.directory import Directory
from secumail.errors import Permanent, Refused
from secumail.mailbox import entry as mailbox
from secumail.mailbox.entry import Meta
from secumail.sealing import stream
from secumail.sealing.claims import Claims, Step, TransitKeys
from secumail.sealing.identities import Forged
from secumail.sealing.transport import Transport
from secumail.spool.advance import Advance
from secumail.spool.record import Envelope, Record, Stage, authorship
from secumail.spool.spool import Spool
from services.crypto.authority import Authority
from services.crypto.ports import Custody
from services.crypto.resolving import resolve
from services.crypto.smime.signing import sign
from services.crypto.smime.verification import Trust, verify

_LARGE = 256 * 1024
_AUTHORS = {"submission": "gateway", "bounce": "delivery"}
"""Which service vouches for who wrote a mail of this origin."""


class Protection:
    """The step and the answers, over the ports."""

    def __init__(
        self,
        spool: Spool,
        claims: Claims,
        transport: Transport,
        directory: Directory,
        custody: Custody,
        issuing: Authority,
        root: x509.Certificate,
        domains: Sequence[str],
    ) -> None:
        self._spool = spool
        self._claims = claims
        self._transport = transport
        self._directory = directory
        self._custody = custody
        self._chain = (issuing.certificate,)
        self._trust = Trust((root,), (issuing.certificate,))
        self._domains = tuple(domains)

    async def on_filtered(self, event: MailFiltered) -> None:
        """Sign one mail and seal it to its recipients."""
        await self._spool.step(event, Stage.FILTERED, {Stage.ENCRYPTED}, lambda record: self._protect(record, event))

    async def _protect(self, record: Record, event: MailFiltered) -> Advance:
        keys = await self._accepted(record, event)
        sealed = await self._spool.read(record.envelope), await self._spool.read(record.mime)
        self._check_authorship(record, *sealed)
        envelope = Envelope.decode(record.unseal("envelope", sealed[0], keys.envelope))
        raw = record.unseal("mime", sealed[1], keys.content)
        signed = await self._signed(record, envelope, raw)
        if envelope.conceal:
            return await self._for_stego(record, envelope, keys, signed)
        return await self._for_delivery(record, envelope, keys, signed)

    async def _accepted(self, record: Record, event: MailFiltered) -> TransitKeys:
        """The mail's keys: by dlp's verdict, or by the signature of one who is a reviewer now. By nothing else."""
        step = Step(event.type, record.id, record.generation)
        claim = event.claim
        if claim.by == "dlp" and claim.says == "pass" and record.generation == 0:
            return await self._claims.open(claim, step, by={"dlp"})
        if claim.by.startswith("account:") and claim.says == "released":
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

    async def _signed(self, record: Record, envelope: Envelope, raw: bytes) -> bytes:
        if record.origin == "submission":
            entry = await self._directory.address(envelope.sender)
            if entry is None or entry.account != record.account:
                raise Permanent("sender-not-the-author")
            signer = await self._custody.signer(record.account, envelope.sender)
        else:
            signer = await self._custody.signer(None, f"postmaster@{self._domains[0]}")
        if len(raw) > _LARGE:
            return await asyncio.to_thread(sign, raw, signer.key, signer.certificate, self._chain)
        return sign(raw, signer.key, signer.certificate, self._chain)

    async def _for_delivery(self, record: Record, envelope: Envelope, keys: TransitKeys, signed: bytes) -> Advance:
        sealed = mailbox.seal(record.root, signed, Meta(**envelope.summary))
        recipients = await resolve(
            record.recipients, envelope.recipients, self._domains, self._directory, record.root, sealed
        )
        filed = len({r.account for r in recipients if r.account is not None})
        claim = None
        if any(r.account is None for r in recipients):
            # Only to write a bounce: the envelope, not the mail.
            step = Step("mail.encrypted", record.id, record.generation)
            claim = await self._claims.seal(step, "delivery", TransitKeys(keys.envelope), "sealed")
        event = MailEncrypted(
            mail=record.id, generation=record.generation, size=len(signed), route="direct", claim=claim
        )
        return Advance(
            Stage.ENCRYPTED,
            "sealed",
            (event,),
            recipients=recipients,
            body=await self._spool.keep(sealed.body, max(filed, 1)) if filed else None,
            meta=sealed.meta,
        )

    async def _for_stego(self, record: Record, envelope: Envelope, keys: TransitKeys, signed: bytes) -> Advance:
        recipients = await resolve(
            record.recipients, envelope.recipients, self._domains, self._directory, record.root, None
        )
        step = Step("mail.encrypted", record.id, record.generation)
        claim = await self._claims.seal(step, "stego", keys, "signed")
        event = MailEncrypted(
            mail=record.id, generation=record.generation, size=len(signed), route="conceal", claim=claim
        )
        mime = await self._spool.keep(stream.seal(signed, keys.content, record.context("signed")))
        return Advance(Stage.ENCRYPTED, "signed", (event,), recipients=recipients, mime=mime)

    # --- answers ----------------------------------------------------------------------------------------

    async def verify_signature(self, command: VerifySignature, _actor: UUID | None) -> SignatureVerdict:
        """What a signature is worth today."""
        try:
            signature = base64.b64decode(command.signature, validate=True) if command.signature else None
            digest = bytes.fromhex(command.sha256)
            verdict = verify(signature, digest, command.sender, self._trust, datetime.now(UTC))
        except (binascii.Error, ValueError) as error:
            raise Refused(
                "malformed-command", "Signature or digest is not encoded as it should be.", "Mend it."
            ) from error
        return SignatureVerdict(**verdict.model_dump(mode="json"))

    async def get_authority(self, _command: GetAuthority, _actor: UUID | None) -> AuthorityReply:
        """The certificates to check our signatures with."""
        certificates = (*self._trust.roots, *self._trust.intermediates)
        pem = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)
        return AuthorityReply(pem=pem.decode())


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Permanent("claim-malformed") from error
