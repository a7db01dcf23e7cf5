"""stego's step, mail.encrypted (conceal) -> mail.concealed, and its answer: what an image hides."""

import asyncio
import base64
import binascii
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from uuid import UUID

from secumail.contracts.claims import SealedClaim
from secumail.contracts.commands.stego import Reveal, Revealed
from secumail.contracts.events import MailConcealed, MailEncrypted
from secumail.directory import Directory
from secumail.errors import Permanent, Refused
from secumail.mailbox import entry as mailbox
from secumail.mailbox.entry import Sealed
from secumail.mailbox.summary import summarise
from secumail.sealing.claims import Claims, Step, TransitKeys
from secumail.spool.advance import Advance
from secumail.spool.record import Envelope, Recipient, Record, Stage
from secumail.spool.spool import Spool
from services.stego.carrier import CarrierRefused, MailHeaders, carrier
from services.stego.payload import KEY_SIZE
from services.stego.ports import Embedder

MAX_IMAGE = 16 * 2**20
"""Bytes of a picture that can be revealed, so also of one that anything is hidden in."""


class Concealment:
    """The step and the answer, over the ports. Pictures are worked on one at a time, off the event loop."""

    def __init__(self, spool: Spool, claims: Claims, directory: Directory, embedder: Embedder, domain: str) -> None:
        self._spool = spool
        self._claims = claims
        self._directory = directory
        self._embedder = embedder
        self._domain = domain
        self._one = asyncio.Semaphore(1)

    async def on_encrypted(self, event: MailEncrypted) -> None:
        """Hide one mail."""
        await self._spool.step(event, Stage.ENCRYPTED, {Stage.CONCEALED}, lambda record: self._conceal(record, event))

    async def _conceal(self, record: Record, event: MailEncrypted) -> Advance:
        if event.claim is None:
            raise Permanent("no-claim")
        keys = await self._claims.open(event.claim, Step(event.type, record.id, record.generation), by={"crypto"})
        envelope = Envelope.decode(record.unseal("envelope", await self._spool.read(record.envelope), keys.envelope))
        signed = record.unseal("signed", await self._spool.read(record.mime), keys.content)
        cover = record.unseal("cover", await self._spool.read(record.cover), keys.content)
        key = secrets.token_bytes(KEY_SIZE)
        try:
            async with self._one:
                image = await asyncio.to_thread(self._embedder.hide, cover, signed, key)
            if len(image) > MAX_IMAGE:
                raise CarrierRefused(
                    "too-large", "The picture with the mail in it is too large.", "Take a smaller one."
                )
            mail = carrier(self._headers(record, envelope), image, envelope.cover_name, envelope.cover_text)
        except Refused as refused:
            return await self._failed(record, keys, refused.code)
        meta = replace(summarise(mail), extra={"stego": base64.b64encode(key).decode()})
        sealed = mailbox.seal(record.root, mail, meta)
        recipients = await self._wrapped(record, sealed)
        filed = len({r.account for r in recipients if r.account is not None})
        claim = await self._envelope_claim(record, keys) if any(r.account is None for r in recipients) else None
        return Advance(
            Stage.CONCEALED,
            "concealed",
            (MailConcealed(mail=record.id, generation=record.generation, size=len(mail), claim=claim),),
            recipients=recipients,
            body=await self._spool.keep(sealed.body, max(filed, 1)) if filed else None,
            meta=sealed.meta,
        )

    async def _failed(self, record: Record, keys: TransitKeys, code: str) -> Advance:
        """The cover does not do: the mail goes to nobody, and the sender is told why."""
        recipients = tuple(replace(r, account=None, wrap=None, reason=r.reason or code) for r in record.recipients)
        claim = await self._envelope_claim(record, keys)
        return Advance(
            Stage.CONCEALED,
            f"not-concealed:{code}",
            (MailConcealed(mail=record.id, generation=record.generation, size=0, claim=claim),),
            recipients=recipients,
        )

    async def _envelope_claim(self, record: Record, keys: TransitKeys) -> SealedClaim:
        step = Step("mail.concealed", record.id, record.generation)
        return await self._claims.seal(step, "delivery", TransitKeys(keys.envelope), "sealed")

    async def _wrapped(self, record: Record, sealed: Sealed) -> tuple[Recipient, ...]:
        wrapped = []
        for recipient in record.recipients:
            entry = await self._directory.account(recipient.account) if recipient.account is not None else None
            if entry is None:
                wrapped.append(replace(recipient, account=None, reason=recipient.reason or "unknown-recipient"))
            else:
                wrapped.append(replace(recipient, wrap=sealed.wrap(record.root, entry.account, entry.key)))
        return tuple(wrapped)

    def _headers(self, record: Record, envelope: Envelope) -> MailHeaders:
        summary = envelope.summary
        return MailHeaders(
            sender=str(summary.get("sender", envelope.sender)),
            to=", ".join(_addresses(summary.get("to"))) or "undisclosed-recipients:;",
            cc=", ".join(_addresses(summary.get("cc"))),
            subject=envelope.cover_text.splitlines()[0][:60] if envelope.cover_text else "A picture",
            date=_date(str(summary.get("date", "")), record.accepted),
            message_id=str(summary.get("message_id") or f"<{record.root}@{self._domain}>"),
        )

    async def reveal(self, command: Reveal, _actor: UUID | None) -> Revealed:
        """What the image hides from everyone without the key."""
        try:
            image = base64.b64decode(command.image, validate=True)
            key = base64.b64decode(command.key, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Refused("malformed-command", "Image or key is not base64.", "Encode it.") from error
        if len(image) > MAX_IMAGE or len(key) != KEY_SIZE:
            raise Refused(
                "image-too-large", "The image or its key has a size we don't take.", "Reveal it offline.", 413
            )
        async with self._one:
            payload = await asyncio.to_thread(self._embedder.reveal, image, key)
        return Revealed(payload=base64.b64encode(payload).decode())


def _addresses(stored: object) -> Sequence[str]:
    return [str(a) for a in stored] if isinstance(stored, list | tuple) else []


def _date(text: str, otherwise: datetime) -> datetime:
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return otherwise
    return date if date.tzinfo is not None else otherwise
