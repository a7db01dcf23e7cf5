"""Bounces: what a sender is told when a recipient can't be served (RFC 3464). Pure."""

from collections.abc import Sequence
from datetime import datetime
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTP
from email.utils import format_datetime
from uuid import UUID

REASONS = {
    "unknown-recipient": ("5.1.1", "There is no such address in this organisation."),
    "suspended-recipient": ("5.2.1", "The mailbox is not in use at present."),
    "no-relay": ("5.7.1", "This installation does not send mail outside the organisation."),
    "malformed-recipient": ("5.1.3", "This is no mail address."),
}
"""Reason code -> enhanced status code (RFC 3463) and words."""


def bounce(
    mail: UUID, sender: str, failed: Sequence[tuple[str, str]], domain: str, original_id: str, at: datetime
) -> bytes:
    """The delivery status notification for `failed`: (address, reason code) each."""
    lines = [f"  {address}: {REASONS[reason][1]}" for address, reason in failed]
    report = MIMEMultipart("report", None, None, policy=SMTP)
    report.set_param("report-type", "delivery-status")
    report["From"] = f"Mail delivery <postmaster@{domain}>"
    report["To"] = sender
    report["Subject"] = "Your mail could not be delivered"
    report["Date"] = format_datetime(at)
    report["Message-ID"] = f"<bounce.{mail}@{domain}>"
    report["Auto-Submitted"] = "auto-replied"
    if original_id:
        report["In-Reply-To"] = original_id
        report["References"] = original_id
    words = "Your mail could not be delivered to:\n\n" + "\n".join(lines) + "\n\nNothing more will be tried.\n"
    report.attach(MIMEText(words, "plain", "utf-8", policy=SMTP))
    report.attach(_status(mail, failed, domain))
    return report.as_bytes()


def _status(mail: UUID, failed: Sequence[tuple[str, str]], domain: str) -> Message:
    """message/delivery-status: a list of header blocks, one for the mail and one for each recipient."""
    status = Message(policy=SMTP)
    status["Content-Type"] = "message/delivery-status"
    status.attach(_block(("Reporting-MTA", f"dns; {domain}"), ("Original-Envelope-Id", str(mail))))
    for address, reason in failed:
        code = REASONS[reason][0]
        status.attach(_block(("Final-Recipient", f"rfc822; {address}"), ("Action", "failed"), ("Status", code)))
    return status


def _block(*fields: tuple[str, str]) -> Message:
    block = Message(policy=SMTP)
    for name, value in fields:
        block[name] = value
    return block
