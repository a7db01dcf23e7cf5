"""Header protection (RFC 9788): a mail's header fields go into what is signed and encrypted, and come out of it.

Pure. Around an encrypted mail goes what its section 3.2.1 calls hcp_baseline: the Subject as `[...]`, no Comments and
no Keywords. What a reader without header protection would miss is shown in the text (`legacy_display`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from secumail import entity
from secumail.entity import Entity, Field
from secumail.mailbox import mime
from secumail.multipart_signed import folded
from services.crypto import legacy_display
from services.crypto.addresses import same_mailbox
from services.crypto.editing import Edit, edited, with_header_ended, with_parameters, without_parameters

Mode = Literal["cipher", "clear"]
"""Whether what is protected will be encrypted, or only signed."""

HIDDEN_SUBJECT = b" [...]"

_NOT_OUTSIDE = (b"comments", b"keywords")
_NOWHERE = (b"bcc", b"hp-outer")
_MARKS = (b"hp", b"protected-headers")
# What is put on a mail on its way, by others than its author: it is in no payload, and stays.
_ON_THE_WAY = (
    b"return-path",
    b"delivered-to",
    b"received",
    b"received-spf",
    b"authentication-results",
    b"dkim-signature",
    b"list-id",
    b"list-unsubscribe",
    b"list-post",
)


def protect(raw: bytes, mode: Mode) -> tuple[bytes, bytes]:
    """The mail as (payload, outer header): what to sign and encrypt, and the fields that go around it.

    The payload is `raw` with all its fields but Bcc, marked for readers (`hp`, and `protected-headers` as
    Thunderbird knows it), for "cipher" also with an `HP-Outer` field for each field of the outer header, and with
    the Subject shown at the top of the text. All other bytes are as in `raw`. The outer header is folded anew,
    ends with no blank line, and says nothing about the content (no MIME-Version, no Content-Type).
    """
    mail = entity.read(raw)
    outer = [field for field in _outside(mail, mode) if field]
    parameters = [b'protected-headers="v1"; hp="' + mode.encode() + b'"']
    edits = [Edit(0, mail.begin, b"")]
    edits += [Edit(field.begin, field.end, b"") for field in mail.fields if field.name in _NOWHERE]
    edits += without_parameters(mail, *_MARKS)
    subject = mime.decoded(mail.value(b"subject").decode("utf-8", "replace")) if mode == "cipher" else ""
    if subject:
        shown = legacy_display.written(mail, subject)
        parameters += shown.parameters
        edits += shown.edits
    edits += with_parameters(mail, *parameters)
    if mode == "cipher":
        edits += [Edit(mail.header_end, mail.header_end, b"HP-Outer: " + field) for field in outer]
    return edited(raw, with_header_ended(mail, edits)), b"".join(outer)


def around(raw: bytes, mode: Mode) -> bytes:
    """The outer header alone, as `protect` makes it."""
    return b"".join(_outside(entity.read(raw), mode))


def without_bcc(raw: bytes) -> bytes:
    """The mail without what no recipient may see."""
    mail = entity.read(raw)
    edits = [Edit(field.begin, field.end, b"") for field in mail.fields if field.name in _NOWHERE]
    return edited(raw, edits, mail.begin)


@dataclass(frozen=True)
class Revealed:
    """A mail as its reader is shown it.

    `whole`: whether all its fields come from the payload; `forged`: From inside and outside differ and nothing
    proves the one inside, so the one outside is shown.
    """

    mail: bytes
    whole: bool
    forged: bool = False


def names_author(payload: Entity) -> bool:
    """Whether the payload of a signed or encrypted mail is a mail by itself: then nothing around it counts."""
    return payload.field(b"from") is not None


def reveal(payload: bytes, outer: bytes, *, proven: bool) -> Revealed:
    """The mail as shown: the payload with its own header fields, without all that header protection added.

    `outer` is the mail it was found in (only its header counts). Of a payload that has the mail's header, no field of
    the outer header is shown but those that were put on the mail on its way (RFC 9788 section 4.3). `proven` says
    that the payload is signed by who its From names: without that, a From that differs from the outer one
    counts for nothing (section 4.4). Programs before RFC 9788 put some fields only into the payload, and most programs
    none: the outer ones are shown for those that are missing.
    """
    inner, outside = entity.read(payload), entity.read(outer)
    forged = False
    if names_author(inner):
        forged = not proven and not _same_from(inner, outside)
        theirs = (*_ON_THE_WAY, b"from") if forged else _ON_THE_WAY
        kept = [field for field in outside.fields if field.name in theirs]
        dropped = [field for field in inner.fields if field.name in (*_NOWHERE, *theirs)]
    else:
        marked = any(inner.type.get(mark) for mark in _MARKS)
        own = {field.name for field in inner.fields} - {*_ON_THE_WAY} if marked else set()
        kept = [f for f in outside.fields if not _is_structural(f) and f.name not in (*_NOWHERE, *own)]
        dropped = [f for f in inner.fields if not _is_structural(f) and f.name not in own - {*_NOWHERE}]
    edits = [Edit(0, inner.begin, b"".join(outside.line(field) for field in kept))]
    edits += [Edit(field.begin, field.end, b"") for field in dropped]
    edits += [*without_parameters(inner, *_MARKS), *legacy_display.removed(inner)]
    return Revealed(edited(payload, with_header_ended(inner, edits)), names_author(inner), forged)


def senders(mail: Entity) -> tuple[str, ...]:
    """The addresses in From."""
    header = b"".join(mail.line(field) for field in mail.fields if field.name == b"from")
    return mime.addresses(mime.header(header), "From")


def sender(mail: Entity) -> str:
    """The one address in From; empty where there is none, or more than one."""
    found = senders(mail)
    return found[0] if len(found) == 1 else ""


def _same_from(inner: Entity, outside: Entity) -> bool:
    ours, theirs = senders(inner), senders(outside)
    return len(ours) == len(theirs) and all(same_mailbox(one, other) for one, other in zip(ours, theirs, strict=True))


def _outside(mail: Entity, mode: Mode) -> Iterator[bytes]:
    for field in mail.fields:
        if _is_structural(field) or field.name in _NOWHERE:
            continue
        name = mail.raw[field.begin : field.value_at].rstrip(b" \t:")
        if mode == "clear" or field.name not in (*_NOT_OUTSIDE, b"subject"):
            yield folded(name, field.value)
        elif field.name == b"subject":
            yield folded(name, HIDDEN_SUBJECT)


def _is_structural(field: Field) -> bool:
    return field.name.startswith(b"content-") or field.name == b"mime-version"
