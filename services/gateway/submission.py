"""Taking a raw mail in: whose it is, for whom, and what goes on the way. Pure.

From here on the mail is kept byte for byte; what is done to it is done here: line ends become CRLF, Bcc is taken
out, a missing Date or Message-ID is put in front (RFC 6409 section 8).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from uuid import UUID

from secumail.directory import domain_of, normal
from secumail.errors import Refused
from secumail.mailbox.entry import Meta
from secumail.mailbox.mime import MAX_HEADER, addresses, has_odd_lines, header, parse
from secumail.mailbox.summary import summary
from secumail.mailbox.tree import Mime

# A lone CR too: some readers take it for a line end, and would see fields that others do not.
_LINE_END = re.compile(rb"\r\n|\r|\n")
_MBOX_LINE = re.compile(rb"From [^\r]*\r\n")
_END_OF_HEADER = re.compile(rb"\r\n\r\n|\A\r\n")
_BCC = re.compile(rb"(?im)^(?:resent-)?bcc[ \t]*:.*(?:\r\n[ \t].*)*(?:\r\n|\Z)")
_ADDRESS = re.compile(r"[^\s@<>\"(),:;\[\]\\\x00-\x1f\x7f]{1,64}@[^\s@<>\"(),:;\[\]\\\x00-\x1f\x7f]{1,253}\Z")


@dataclass(frozen=True)
class Taken:
    """`raw` goes on the way, `own` (with Bcc) is the sender's copy."""

    raw: bytes
    own: bytes
    recipients: tuple[str, ...]
    summary: Meta

    def __repr__(self) -> str:
        return f"Taken(recipients={len(self.recipients)})"


def take(given: bytes, sender: str, explicit: Sequence[str], max_recipients: int, now: datetime, mail: UUID) -> Taken:
    """The mail as it goes on. `explicit` recipients (the SMTP way) go before those in To, Cc and Bcc.

    Refused: no header, one too large, a line in it that is no field, From is not the sender, no recipient, too many,
    one malformed.
    """
    own = _LINE_END.sub(b"\r\n", given)
    if mbox_line := _MBOX_LINE.match(own):
        own = own[mbox_line.end() :]
    end = _END_OF_HEADER.search(own)
    head = own[: end.start() + 2] if end is not None else own
    if len(head) > MAX_HEADER:
        raise Refused(
            "header-too-large", f"The header is larger than {MAX_HEADER // 2**20} MB.",
            "Name the recipients with ?to= and leave fields out that nobody reads.", 413,
        )  # fmt: skip
    whole = parse(own)
    message = whole if whole is not None else header(own)
    if not message.keys():
        raise Refused(
            "not-a-mail", "The text has no header fields.",
            "Send a raw mail (RFC 5322): header fields such as From, To and Subject, an empty line, then the text.",
        )  # fmt: skip
    if has_odd_lines(message):
        # Where one reader ends the header another goes on, and would see a sender that was not checked.
        raise Refused(
            "header-malformed", "The header has a line that is no header field.",
            "Write each field as Name: value, and an empty line between the header and the text.",
        )  # fmt: skip
    _check_from(message, sender)
    recipients = _recipients(message, explicit, max_recipients)
    wanted = {"From": sender, "Date": format_datetime(now), "Message-ID": f"<{mail}@{domain_of(sender)}>"}
    missing = {name: value for name, value in wanted.items() if message.get(name) is None}
    added = "".join(f"{name}: {value}\r\n" for name, value in missing.items()).encode()
    for name, value in missing.items():
        message[name] = value
    raw = added + _BCC.sub(b"", head) + own[len(head) :]
    return Taken(raw, added + own, recipients, summary(message, whole is not None))


def _check_from(message: Mime, sender: str) -> None:
    authors = addresses(message, "From")
    if message.get("From") is None:
        return
    if len(message.get_all("From", [])) != 1 or len(authors) != 1 or normal(authors[0]) != normal(sender):
        raise Refused(
            "sender-not-yours", "From is not exactly your own address.",
            "Write one From field with the address you are logged in with, or leave it out.", 403,
        )  # fmt: skip


def _recipients(message: Mime, explicit: Sequence[str], most: int) -> tuple[str, ...]:
    found = list(explicit) or [a for name in ("To", "Cc", "Bcc") for a in addresses(message, name)]
    if not found:
        raise Refused("no-recipients", "The mail is for nobody.", "Name recipients in To, Cc or Bcc, or with ?to=.")
    if len(found) > most:
        raise Refused(
            "too-many-recipients", f"The mail has {len(found)} recipients; the limit is {most}.",
            "Send it in several parts, or ask your administrator to raise the limit.",
        )  # fmt: skip
    for place, address in enumerate(found, 1):
        if not _ADDRESS.match(address.strip()):
            raise Refused(
                "recipient-malformed", f"Recipient {place} of {len(found)} is no mail address.",
                "Write it as name@domain.",
            )  # fmt: skip
    once = {normal(address): address.strip() for address in reversed(found)}
    return tuple(reversed(once.values()))
