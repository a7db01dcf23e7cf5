"""A mail as a reader sees it: its text, its attachments. Pure; any bytes will do."""

import email
import email.message
from dataclasses import dataclass

from secumail.mailbox.summary import decoded

_PARTS = 500
_TEXT = 2 * 2**20


@dataclass(frozen=True)
class Attachment:
    """One attachment, numbered from 1 in the order of the mail."""

    number: int
    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True)
class View:
    """The texts (plain, and HTML as it stands: to be sanitised before it is shown) and the attachments."""

    text: str
    html: str
    attachments: tuple[Attachment, ...]


def view(raw: bytes) -> View:
    """What a mail says. Only the first 500 parts and 2 MB of text are looked at."""
    text: list[str] = []
    html: list[str] = []
    attachments: list[Attachment] = []
    for count, part in enumerate(email.message_from_bytes(raw).walk()):
        if count >= _PARTS:
            break
        kind = part.get_content_type()
        if part.is_multipart() and kind != "message/rfc822":
            continue
        name = part.get_filename()
        if name is None and part.get_content_disposition() != "attachment" and kind in ("text/plain", "text/html"):
            (text if kind == "text/plain" else html).append(_text(part))
            continue
        if kind == "message/rfc822" or not part.is_multipart():
            attachments.append(Attachment(len(attachments) + 1, decoded(name or ""), kind, _data(part)))
    return View("\n".join(text)[:_TEXT], "\n".join(html)[:_TEXT], tuple(attachments))


def _data(part: "email.message.Message[str, str]") -> bytes:
    payload = part.get_payload(decode=True)
    if isinstance(payload, bytes):
        return payload
    inner = part.get_payload()
    if isinstance(inner, list) and inner and isinstance(inner[0], email.message.Message):
        return inner[0].as_bytes()
    return b""


def _text(part: "email.message.Message[str, str]") -> str:
    data = _data(part)
    try:
        return data.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return data.decode("utf-8", "replace")
