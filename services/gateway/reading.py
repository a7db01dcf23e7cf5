"""A mail as a reader sees it: its text, its attachments. Pure; any bytes will do."""

from dataclasses import dataclass

from secumail.mailbox import mime

_PROTECTED = ("application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/encrypted")
_TEXT = 2 * 2**20
_NAME = 200


@dataclass(frozen=True)
class Attachment:
    """One attachment, numbered from 1 in the order of the mail; `name` is a plain file name."""

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
    """What a mail says, 2 MB of each text at most. One that can't be taken apart is its own only attachment."""
    message = mime.parse(raw)
    if message is None:
        return View("", "", (Attachment(1, "mail.eml", "message/rfc822", raw),))
    text: list[str] = []
    html: list[str] = []
    attachments: list[Attachment] = []
    for part in mime.leaves(message):
        kind = part.get_content_type()
        if mime.is_attachment(part):
            number = len(attachments) + 1
            name = plain_name(mime.file_name(part) or "") or f"attachment-{number}"
            attachments.append(Attachment(number, name, kind, mime.data(part)))
        else:
            (text if kind == "text/plain" else html).append(mime.text(part, _TEXT))
    return View("\n".join(text)[:_TEXT], "\n".join(html)[:_TEXT], tuple(attachments))


def is_protected(raw: bytes) -> bool:
    """Whether a mail must be opened before it can be shown. (A detached S/MIME signature leaves it readable.)"""
    head = mime.header(raw)
    kind = head.get_content_type()
    return kind in _PROTECTED or (
        kind == "multipart/signed" and "pgp-signature" in str(head.get("Content-Type")).lower()
    )


def plain_name(name: str) -> str:
    """A file name that names no path, hides nothing (control and direction characters) and is not too long."""
    name = "".join(c if c.isprintable() and c not in '/\\:"' else "_" for c in name).strip(" .")
    if len(name) <= _NAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    return stem[: _NAME - len(suffix) - 1] + dot + suffix if dot and len(suffix) < 20 else name[:_NAME]
