"""Bounces: what a sender is told when a recipient can't be served (RFC 3464). Pure."""

import re
from collections.abc import Sequence
from datetime import datetime
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTPUTF8
from email.utils import format_datetime
from uuid import UUID

from secumail.reasons import reason

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>\Z")


def bounce(
    mail: UUID, sender: str, failed: Sequence[tuple[str, str]], domain: str, original_id: str, at: datetime
) -> bytes:
    """The delivery status notification for `failed`: (address, reason code) each."""
    lines = [f"  {address}: {reason(code).words}" for address, code in failed]
    # Everything follows from the arguments, the boundary too: a step that runs again makes the same mail.
    report = MIMEMultipart("report", f"=_{mail.hex}", None, policy=SMTPUTF8)
    report.set_param("report-type", "delivery-status")
    report["From"] = f"Mail delivery <postmaster@{domain}>"
    report["To"] = sender
    report["Subject"] = "Your mail could not be delivered"
    report["Date"] = format_datetime(at)
    report["Message-ID"] = f"<bounce.{mail}@{domain}>"
    report["Auto-Submitted"] = "auto-replied"
    if _MESSAGE_ID.match(original_id):
        report["In-Reply-To"] = original_id
        report["References"] = original_id
    words = "Your mail could not be delivered to:\n\n" + "\n".join(lines) + "\n\nNothing more will be tried.\n"
    report.attach(MIMEText(words, "plain", "utf-8", policy=SMTPUTF8))
    report.attach(_status(mail, failed, domain))
    return report.as_bytes()


def _status(mail: UUID, failed: Sequence[tuple[str, str]], domain: str) -> Message:
    """message/delivery-status: a list of header blocks, one for the mail and one for each recipient."""
    status = Message(policy=SMTPUTF8)
    status["Content-Type"] = "message/delivery-status"
    status.attach(_block(("Reporting-MTA", f"dns; {domain}"), ("Original-Envelope-Id", str(mail))))
    for address, code in failed:
        # RFC 6533 section 3: an address beyond ASCII has a type of its own.
        kind = "rfc822" if address.isascii() else "utf-8"
        status.attach(
            _block(("Final-Recipient", f"{kind}; {address}"), ("Action", "failed"), ("Status", reason(code).status))
        )
    return status


def _block(*fields: tuple[str, str]) -> Message:
    block = Message(policy=SMTPUTF8)
    for name, value in fields:
        block[name] = value
    return block
