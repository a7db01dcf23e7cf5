"""stego's step, mail.encrypted (conceal) -> mail.concealed, and its answer: what pictures hide."""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from uuid import UUID

from secumail import telemetry
from secumail.contracts.claims import SealedClaim
from secumail.contracts.commands.stego import Revealed, RevealPictures
from secumail.contracts.events import MailConcealed, MailEncrypted
from secumail.directory import Directory
from secumail.errors import Permanent, Refused, Transient
from secumail.mailbox import entry as mailbox
from secumail.mailbox.entry import Sealed
from secumail.mailbox.summary import summarise
from secumail.sealing.claims import Claims, Step, TransitKeys
from secumail.spool.advance import Advance
from secumail.spool.record import Envelope, Recipient, Record, Stage
from secumail.spool.spool import Spool
from services.stego import parts
from services.stego.carrier import Attached, CarrierRefused, MailHeaders, carrier
from services.stego.keys import KEY_SIZE
from services.stego.ports import Library, Pictures, UsedCovers
from services.stego.terms import RATES, Hidden, Rate

MAX_PICTURES = 24 * 2**20
"""Bytes of pictures that can be revealed at once, so also of those that anything is hidden in."""


class Concealment:
    """The step and the answer, over the ports. Hiding and revealing never wait for each other."""

    def __init__(
        self,
        spool: Spool,
        claims: Claims,
        directory: Directory,
        hiding: Pictures,
        revealing: Pictures,
        used: UsedCovers,
        library: Library,
        domain: str,
    ) -> None:
        self._spool = spool
        self._claims = claims
        self._directory = directory
        self._hiding = hiding
        self._revealing = revealing
        self._used = used
        self._library = library
        self._domain = domain

    async def on_encrypted(self, event: MailEncrypted) -> None:
        """Hide one mail. What the library gave for it is gone when the mail has moved on, whoever moved it."""
        await self._spool.step(event, Stage.ENCRYPTED, {Stage.CONCEALED}, lambda record: self._conceal(record, event))
        await self._library.spend(event.mail)

    async def _conceal(self, record: Record, event: MailEncrypted) -> Advance:
        if event.claim is None:
            raise Permanent("no-claim")
        keys = await self._claims.open(event.claim, Step(event.type, record.id, record.generation), by={"crypto"})
        envelope = Envelope.decode(record.unseal("envelope", await self._spool.read(record.envelope), keys.envelope))
        signed = record.unseal("signed", await self._spool.read(record.mime), keys.content)
        key = secrets.token_bytes(KEY_SIZE)
        try:
            covers = await self._covers(record, envelope, keys, signed)
            hidden = await self._hidden([file for _, file in covers], signed, key, _rate(envelope))
            pictures = [Attached(one.file, one.kind, name) for (name, _), one in zip(covers, hidden, strict=True)]
            mail = carrier(self._headers(record, envelope), pictures, envelope.cover_text)
            # Last of all that may be refused: a picture that nothing went out in is not used.
            await self._used.use(record.id, [(one.digest, one.look) for one in hidden])
        except Refused as refused:
            await self._library.give_back(record.id)
            if refused.code == "cover-used" and not envelope.covers:
                raise Transient("library-contested") from refused  # somebody's own was the same, at the same moment
            # The other part of a mail that was split has had its pictures, as a rule.
            shared = refused.code == "cover-used" and record.parent is not None
            return await self._failed(record, keys, "cover-shared" if shared else refused.code)
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

    async def _covers(
        self, record: Record, envelope: Envelope, keys: TransitKeys, signed: bytes
    ) -> list[tuple[str, bytes]]:
        """(name, file) of the sender's covers, or of the library's where the sender gave none."""
        if not envelope.covers:
            return await self._from_library(record.id, signed, _rate(envelope))
        return envelope.pictures(record.unseal("cover", await self._spool.read(record.cover), keys.content))

    async def _from_library(self, mail: UUID, signed: bytes, rate: Rate) -> list[tuple[str, bytes]]:
        """(name, file) of pictures that carry the mail. One that somebody has used as his own is thrown away."""
        size = len(parts.frame(signed, parts.PAYLOAD_LIMIT))
        while True:
            taken = await self._library.take(mail, size, rate)
            spent = [
                cover.id
                for cover, file in taken
                if await self._used.knows(hashlib.sha256(file).digest(), cover.judged.look, mail)
            ]
            if not spent:
                return [(cover.name, file) for cover, file in taken]
            for id_ in spent:
                await self._library.remove(id_, mail)

    async def _hidden(self, files: Sequence[bytes], signed: bytes, key: bytes, rate: Rate) -> list[Hidden]:
        """The pictures with the mail in them, read back and revealed."""

        def progress(done: int, of: int) -> None:
            telemetry.progress("hidden", done, of)

        hidden = await self._hiding.apart(self._hiding.hide, files, signed, key, rate, progress)
        if sum(len(one.file) for one in hidden) > MAX_PICTURES:
            raise CarrierRefused(
                "too-large", "The pictures with the mail in them are too large.", "Take smaller ones, or JPEGs."
            )
        return hidden

    async def _failed(self, record: Record, keys: TransitKeys, code: str) -> Advance:
        """The covers do not do: the mail goes to nobody, and the sender is told why."""
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
            subject=_first_words(envelope.cover_text) or ("Pictures" if len(envelope.covers) > 1 else "A picture"),
            date=_date(str(summary.get("date", "")), record.accepted),
            message_id=str(summary.get("message_id") or f"<{record.root}@{self._domain}>"),
        )

    async def reveal(self, command: RevealPictures, _actor: UUID | None) -> Revealed:
        """What the pictures hide from everyone without the key."""
        files = decoded(command.images)
        (key,) = decoded((command.key,))
        if len(key) != KEY_SIZE:
            raise Refused("malformed-command", "The key is no stego key.", "Give it as the mail's metadata have it.")
        payload = await self._revealing.apart(self._revealing.reveal, files, key)
        return Revealed(payload=base64.b64encode(payload).decode())


def decoded(images: Sequence[str]) -> list[bytes]:
    """Files of a command. Raises Refused for what is no base64, or more than is worked on at once."""
    try:
        files = [base64.b64decode(image, validate=True) for image in images]
    except (binascii.Error, ValueError) as error:
        raise Refused("malformed-command", "A picture or the key is not base64.", "Encode it.") from error
    if sum(len(file) for file in files) > MAX_PICTURES:
        raise Refused(
            "pictures-too-large",
            f"The pictures have more than {MAX_PICTURES // 2**20} MB.",
            "Work on them offline: secumail stego.",
            413,
        )
    return files


def _rate(envelope: Envelope) -> Rate:
    return next((rate for rate in RATES if rate == envelope.rate), "normal")


def _first_words(text: str) -> str:
    """The beginning of a text's first line that has words, as one line."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return next((line[:60] for line in lines if line), "")


def _addresses(stored: object) -> Sequence[str]:
    return [str(a) for a in stored] if isinstance(stored, list | tuple) else []


def _date(text: str, otherwise: datetime) -> datetime:
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return otherwise
    return date if date.tzinfo is not None else otherwise
