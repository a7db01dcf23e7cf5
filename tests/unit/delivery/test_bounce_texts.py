"""Bounces: a sender learns of each recipient what went wrong, in words and for programs (RFC 3464)."""

import ast
import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import services.stego
from secumail.reasons import REASONS, reason
from services.delivery.bounces import bounce

ID = UUID("8b3f4c6e-0f0e-4a52-9d2c-1c8f4a0d7e11")
AT = datetime(2026, 11, 22, 10, tzinfo=UTC)


def made(*failed: tuple[str, str], original: str = "<1@x>", sender: str = "ada@northwind.example") -> EmailMessage:
    """A bounce, as a mail reader parses it."""
    raw = bounce(ID, sender, failed, "northwind.example", original, AT)
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def blocks(report: EmailMessage) -> list[dict[str, str]]:
    """The blocks of the delivery status."""
    (status,) = (part for part in report.walk() if part.get_content_type() == "message/delivery-status")
    return [dict(block.items()) for block in status.get_payload()]


def test_a_bounce_is_a_report_from_the_postmaster_that_answers_the_mail() -> None:
    report = made(("bob@northwind.example", "unknown-recipient"))
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    assert report["From"] == "Mail delivery <postmaster@northwind.example>"
    assert (report["To"], report["Auto-Submitted"]) == ("ada@northwind.example", "auto-replied")
    assert (report["In-Reply-To"], report["References"]) == ("<1@x>", "<1@x>")


def test_each_recipient_is_named_with_words_and_status() -> None:
    report = made(("bob@northwind.example", "unknown-recipient"), ("eve@x.example", "no-relay"))
    text = report.get_body().get_content()
    assert "bob@northwind.example: There is no such address in this organisation." in text
    assert "eve@x.example: This installation does not send mail outside the organisation." in text
    head, bob, eve = blocks(report)
    assert head["Original-Envelope-Id"] == str(ID)
    assert bob == {"Final-Recipient": "rfc822; bob@northwind.example", "Action": "failed", "Status": "5.1.1"}
    assert (eve["Final-Recipient"], eve["Status"]) == ("rfc822; eve@x.example", "5.7.1")


def test_a_bounce_made_again_is_the_same_bytes() -> None:
    failed = [("bob@northwind.example", "unknown-recipient")]
    first, second = (bounce(ID, "ada@x.example", failed, "x.example", "<1@x>", AT) for _ in range(2))
    assert first == second
    assert b"\n" not in first.replace(b"\r\n", b"")


def test_an_address_beyond_ascii_stays_readable() -> None:
    raw = bounce(ID, "jürgen@x.example", [("grün@x.example", "unknown-recipient")], "x.example", "", AT)
    assert "To: jürgen@x.example\r\n".encode() in raw
    assert "Final-Recipient: utf-8; grün@x.example\r\n".encode() in raw


@given(st.text(max_size=300), st.text(max_size=40))
def test_no_original_and_no_code_can_break_a_bounce(original: str, code: str) -> None:
    report = made(("bob@northwind.example", code), original=original)
    assert [name for name in report if name.lower() in ("bcc", "subject")] == ["Subject"]
    assert reason(code).words in report.get_body().get_content()
    assert len(blocks(report)) == 2


def test_an_unknown_code_has_words_that_help() -> None:
    assert "ask your administrator" in made(("bob@x.example", "from-the-future")).get_body().get_content()


def stego_codes() -> set[str]:
    """Every code stego can refuse a mail with, read from its source."""
    prefixes = {"CoverRefused": "cover-", "CarrierRefused": "carrier-"}
    codes = {"payload-too-large", "cover-no-room", "covers-number"}
    for file in Path(services.stego.__path__[0]).rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in prefixes:
                (fault, *_) = (a.value for a in call.args if isinstance(a, ast.Constant))
                codes.add(prefixes[call.func.id] + str(fault))
    return codes - {"carrier-nested"}  # only of a mail that is searched for pictures


def test_every_reason_a_picture_is_refused_for_has_words() -> None:
    assert len(stego_codes()) > 12
    assert stego_codes() <= set(REASONS)


@pytest.mark.parametrize("code", sorted(REASONS))
def test_every_reason_is_a_permanent_failure_in_whole_sentences(code: str) -> None:
    assert reason(code).status.startswith("5.")
    assert reason(code).words[0].isupper()
    assert reason(code).words.endswith(".")
