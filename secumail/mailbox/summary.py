"""What a list of mails shows of a mail, read from its raw bytes once, where it is taken in."""

from typing import Any

from secumail.mailbox import mime
from secumail.mailbox.entry import Meta
from secumail.mailbox.tree import Mime

PREVIEW = 160
_TEXT = 4096


def summarise(raw: bytes) -> Meta:
    """Subject, addresses, preview and attachments of a mail. Any bytes will do; what can't be read is left out."""
    whole = mime.parse(raw)
    return summary(mime.header(raw), whole=False) if whole is None else summary(whole)


def summary(shown: Mime, whole: bool = True) -> Meta:
    """The same of a mail that was parsed already. `whole`: it has more than its header."""
    preview, attachments = _look(shown) if whole else ("", ())
    return Meta(
        subject=mime.field(shown, "Subject"),
        sender=mime.field(shown, "From"),
        to=mime.addresses(shown, "To"),
        cc=mime.addresses(shown, "Cc"),
        date=mime.field(shown, "Date"),
        message_id=mime.field(shown, "Message-ID"),
        preview=preview,
        attachments=attachments,
    )


def _look(message: Mime) -> tuple[str, tuple[dict[str, Any], ...]]:
    preview = ""
    attachments: list[dict[str, Any]] = []
    for part in mime.leaves(message):
        kind = part.get_content_type()
        if mime.is_attachment(part):
            attachments.append({"name": mime.file_name(part) or "", "type": kind, "size": _size(part)})
        elif kind == "text/plain" and not preview:
            preview = " ".join(mime.text(part, _TEXT).split())[:PREVIEW]
    return preview, tuple(attachments)


def _size(part: Mime) -> int:
    """The decoded size, estimated for base64 without decoding it."""
    if part.is_multipart():
        return len(mime.data(part))
    payload = part.get_payload()
    length = len(payload) if isinstance(payload, str) else 0
    return length * 3 // 4 if str(part.get("Content-Transfer-Encoding", "")).lower() == "base64" else length
