"""What a list of mails shows of a mail, read from its raw bytes once, where it is taken in."""

import email
import email.errors
import email.header
import email.message
import email.parser
import email.utils
from typing import Any

from secumail.mailbox.entry import Meta

PREVIEW = 160
_PARTS = 200
_TEXT = 4096


def summarise(raw: bytes) -> Meta:
    """Subject, addresses, preview and attachments of a mail. Any bytes will do; what can't be read is left out."""
    return summary_of(email.message_from_bytes(raw))


def summary_of(message: "email.message.Message[str, str]") -> Meta:
    """The same of a parsed mail."""
    preview, attachments = _look(message)
    return Meta(
        subject=header(message, "Subject"),
        sender=header(message, "From"),
        to=addresses(message, "To"),
        cc=addresses(message, "Cc"),
        date=header(message, "Date"),
        message_id=header(message, "Message-ID"),
        preview=preview,
        attachments=attachments,
    )


def header(message: "email.message.Message[str, str]", name: str) -> str:
    """One header field, decoded (RFC 2047) and unfolded; empty where it is missing."""
    value = message.get(name)
    return decoded(value) if value is not None else ""


def decoded(value: object) -> str:
    """A header field's text, whatever its encoding says."""
    text = str(value)
    if "=?" in text:
        try:
            text = str(email.header.make_header(email.header.decode_header(text)))
        except (LookupError, ValueError, email.errors.MessageError):
            text = str(value)
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())


def addresses(message: "email.message.Message[str, str]", name: str) -> tuple[str, ...]:
    """The addresses of all header fields of a name, as written, without display names."""
    values = [decoded(v) for v in message.get_all(name, [])]
    return tuple(address for _, address in email.utils.getaddresses(values) if address)


def _look(message: "email.message.Message[str, str]") -> tuple[str, tuple[dict[str, Any], ...]]:
    preview = ""
    attachments: list[dict[str, Any]] = []
    for count, part in enumerate(message.walk()):
        if count >= _PARTS:
            break
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        name = part.get_filename()
        if name is not None or part.get_content_disposition() == "attachment":
            attachments.append({"name": decoded(name or ""), "type": kind, "size": _size(part)})
        elif kind == "text/plain" and not preview:
            preview = _preview(part)
    return preview, tuple(attachments)


def _preview(part: "email.message.Message[str, str]") -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    charset = part.get_content_charset("utf-8")
    try:
        text = payload[:_TEXT].decode(charset, "replace")
    except LookupError:
        text = payload[:_TEXT].decode("utf-8", "replace")
    return " ".join(text.split())[:PREVIEW]


def _size(part: "email.message.Message[str, str]") -> int:
    """The decoded size, estimated for base64 without decoding it."""
    payload = part.get_payload()
    length = len(payload) if isinstance(payload, str) else 0
    return length * 3 // 4 if str(part.get("Content-Transfer-Encoding", "")).lower() == "base64" else length


def message_header(raw: bytes) -> "email.message.Message[str, str]":
    """A mail's header alone, parsed."""
    return email.parser.BytesHeaderParser().parsebytes(raw)
