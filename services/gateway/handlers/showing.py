"""A mail as it is shown: taken out of the protection it came in, judged, taken apart."""

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel

from secumail.apart import apart
from secumail.contracts.commands.crypto import SignatureVerdict, VerifySignature
from secumail.contracts.commands.protection import Layer, OpenedMail, OpenMail
from secumail.directory import domain_of
from secumail.errors import Refused
from secumail.mailbox import mime
from secumail.mailbox.entry import Entry, Folder, Meta
from secumail.multipart_signed import split
from services.gateway.handlers.door import Door
from services.gateway.reading import View, is_protected, view
from services.gateway.sessions import Session

_MIME_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\Z")


class AttachmentRow(BaseModel):
    """One attachment; `number` counts from 1."""

    number: int
    name: str
    type: str
    size: int


class Mail(BaseModel):
    """One mail, opened. `layers`: how it came protected (S/MIME, OpenPGP), outermost first. `remote_content`: what it
    refers to may be loaded. `forged_from`: it names another author inside than outside, whom nobody proves. `hidden`:
    an image of it carries another mail for you (POST .../reveal)."""

    id: UUID
    mail: UUID
    folder: Folder
    flags: list[str]
    at: datetime
    subject: str
    sender: str
    to: list[str]
    cc: list[str]
    date: str
    message_id: str
    text: str
    html: str
    attachments: list[AttachmentRow]
    signature: SignatureVerdict
    layers: list[Layer]
    remote_content: bool
    forged_from: bool
    hidden: bool


@dataclass(frozen=True)
class Content:
    """A mail as its author wrote it, and what is known of the protection it came in."""

    raw: bytes
    signature: SignatureVerdict
    layers: tuple[Layer, ...] = ()
    remote_content: bool = True
    forged_from: bool = False

    def __repr__(self) -> str:
        return f"Content(layers={len(self.layers)})"


async def content(door: Door, session: Session, raw: bytes) -> Content:
    """What is inside a filed mail: decrypted with the reader's keys where it came encrypted, and its signature judged.

    Of a mail that was tampered with, or is for other keys, nothing but its outer header is inside.
    """
    if not is_protected(raw):
        payload, signature = split(raw)
        return Content(payload, await verdict(door, payload, signature, session.account))
    reply = await door.ask(
        OpenMail(
            account=session.account,
            mail=base64.b64encode(raw).decode(),
            keys=tuple(await door.decryption.open(session)),
        ),
        OpenedMail,
    )
    return Content(base64.b64decode(reply.mail), reply.signature, reply.layers, reply.remote_content, reply.forged_from)


async def shown(door: Door, session: Session, entry: Entry, meta: Meta, raw: bytes, hidden: bool | None = None) -> Mail:
    """A decrypted mail as it is shown."""
    inside = await content(door, session, raw)
    seen = await apart(len(inside.raw), view, inside.raw)
    return Mail(
        id=entry.id,
        mail=entry.mail,
        folder=entry.folder,
        flags=list(entry.flags),
        at=entry.at,
        subject=meta.subject,
        sender=meta.sender,
        to=list(meta.to),
        cc=list(meta.cc),
        date=meta.date,
        message_id=meta.message_id,
        text=seen.text,
        html=seen.html,
        attachments=[
            AttachmentRow(number=a.number, name=a.name, type=a.media_type, size=len(a.data)) for a in seen.attachments
        ],
        signature=inside.signature,
        layers=list(inside.layers),
        remote_content=inside.remote_content,
        forged_from=inside.forged_from,
        hidden="stego" in meta.extra if hidden is None else hidden,
    )


def attachment(seen: View, number: int) -> Response:
    """An attachment as a download: never shown in the page, never sniffed."""
    if not 1 <= number <= len(seen.attachments):
        raise Refused("no-such-attachment", "The mail has no attachment of this number.", "They count from 1.", 404)
    chosen = seen.attachments[number - 1]
    kind = chosen.media_type if _MIME_TYPE.match(chosen.media_type) else "application/octet-stream"
    return Response(
        chosen.data,
        media_type=kind,
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(chosen.name, safe='')}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
        },
    )


async def verdict(door: Door, payload: bytes, signature: bytes | None, reader: UUID | None = None) -> SignatureVerdict:
    """By the digest alone: the mail need not be shown to crypto."""
    sender = next(iter(mime.addresses(mime.header(payload), "From")), "")
    others = signature is not None and domain_of(sender) not in door.settings.domains
    return await door.ask(
        VerifySignature(
            signature="" if signature is None else base64.b64encode(signature).decode() or "AA==",
            sha256=hashlib.sha256(payload).hexdigest(),
            # Only others sign with longer digests.
            sha384=hashlib.sha384(payload).hexdigest() if others else "",
            sha512=hashlib.sha512(payload).hexdigest() if others else "",
            sender=sender,
            account=reader,
        ),
        SignatureVerdict,
    )
