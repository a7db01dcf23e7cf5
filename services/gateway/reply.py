"""A guest's reply: the mail that is made of what was typed on a pickup's page. Pure."""

import re
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from uuid import UUID

from secumail.directory import domain_of
from secumail.errors import Refused
from secumail.mailbox.entry import Meta
from services.gateway.pickup import Inside

MAX_TEXT = 100_000
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>\Z")
_ANSWERED = re.compile(r"(?i)re:\s")


def reply(inside: Inside, answered: Meta, text: str, mail: UUID, now: datetime) -> bytes:
    """A mail from the guest's address to the sender; Refused where nothing, or too much, was typed.

    From is what the sender wrote as the recipient: it is not proven, and the mail is not signed.
    """
    if not text.strip():
        raise Refused("reply-empty", "The reply is empty.", "Type something.")
    if len(text) > MAX_TEXT:
        raise Refused("reply-too-long", f"The reply has more than {MAX_TEXT} characters.", "Write a shorter one.", 413)
    ascii_addresses = inside.address.isascii() and inside.sender.isascii()
    message = EmailMessage(policy=SMTP if ascii_addresses else SMTPUTF8)
    subject = " ".join(answered.subject.split())
    message["From"] = inside.address
    message["To"] = inside.sender
    message["Subject"] = subject if _ANSWERED.match(subject) else f"Re: {subject}".strip()
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{mail}@{domain_of(inside.sender)}>"
    if _MESSAGE_ID.match(answered.message_id):
        message["In-Reply-To"] = answered.message_id
        message["References"] = answered.message_id
    message.set_content(text.encode("utf-8", "replace").decode(), cte="quoted-printable")
    return message.as_bytes()
