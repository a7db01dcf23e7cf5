"""What the reviewers get: the held mail with its reason, and a line of the sent log. Sealed to their group. Pure."""

import base64
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from secumail.directory import Entry as Group
from secumail.mailbox import entry as mailbox
from secumail.mailbox.entry import Entry, Meta
from secumail.sealing.claims import TransitKeys
from secumail.spool.record import Envelope
from secumail.store.blobs import BlobRef
from services.dlp.message import Message
from services.dlp.policy import Verdict


def held(
    mail: UUID, generation: int, envelope: Envelope, raw: bytes, verdict: Verdict, keys: TransitKeys,
    group: Group, at: datetime,
) -> tuple[Entry, bytes]:  # fmt: skip
    """The quarantine's entry (its body left out) and the sealed body. Its key opens the mail for a release."""
    meta = _meta(
        envelope,
        verdict,
        {
            "mail": str(mail),
            "generation": generation,
            "transit": base64.b64encode(keys.encode()).decode(),
            "notice": verdict.notice,
            "reviewers": verdict.reviewers,
            "encrypted": verdict.encrypted,
        },
    )
    sealed = mailbox.seal(mail, raw, meta)
    entry = Entry.new(
        group.account,
        mail,
        "held",
        "quarantine",
        at,
        len(raw),
        sealed.wrap(mail, group.account, group.key),
        sealed.meta,
        None,
    )
    return entry, sealed.body


def logged(
    mail: UUID, envelope: Envelope, message: Message, terms: Mapping[str, int], size: int, verdict: Verdict,
    group: Group, at: datetime,
) -> Entry:  # fmt: skip
    """The sent log's entry: who wrote to whom about what, the hashes of what went along, how often it has black words
    (by their ids); no body."""
    taken_out = {a.index for a in message.attachments if a.sha256 in verdict.without}
    hashes = [{"sha256": a.sha256, "size": a.size} for a in message.attachments if a.index not in taken_out]
    extra = {"hashes": hashes, **({"terms": terms} if terms else {})}
    sealed = mailbox.seal(mail, b"", _meta(envelope, verdict, extra))
    wrap = sealed.wrap(mail, group.account, group.key)
    return Entry.new(group.account, mail, "log", "sent-log", at, size, wrap, sealed.meta, None)


def with_body(entry: Entry, body: BlobRef) -> Entry:
    """The entry with its body's place."""
    return replace(entry, body=body)


def _meta(envelope: Envelope, verdict: Verdict, extra: dict[str, Any]) -> Meta:
    recipients = [envelope.recipients[i] for i in verdict.recipients]
    return replace(
        Meta(**envelope.summary),
        extra={
            "envelope": {"sender": envelope.sender, "recipients": recipients},
            "code": verdict.code,
            "reason": verdict.reason,
            **({"rule": verdict.rule} if verdict.rule else {}),
            **({"why": envelope.why} if envelope.why else {}),
            "findings": [{k: v for k, v in asdict(f).items() if v is not None} for f in verdict.findings],
            **extra,
        },
    )
