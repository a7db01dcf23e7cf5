"""The sent log in numbers."""

from datetime import UTC, datetime
from typing import Any

from secumail.mailbox.entry import Meta
from services.gateway.sent_log import Sums

SUNDAY = datetime(2026, 11, 22, 23, 59, tzinfo=UTC)
MONDAY = datetime(2026, 11, 23, 0, 1, tzinfo=UTC)


def line(code: str, *to: str, sender: str = "ada@Northwind.example", **extra: Any) -> Meta:
    return Meta(extra={"code": code, "envelope": {"sender": sender, "recipients": list(to)}, **extra})


def test_a_mail_counts_once_for_each_domain_it_went_to_and_by_its_day() -> None:
    sums = Sums()
    sums.add([(SUNDAY, False, line("clean", "b@x.example", "c@X.example", "d@y.example"))])
    sums.add(
        [(MONDAY, False, line("warned", "b@x.example", rule="parts")), (MONDAY, True, line("danger", "e@z.example"))]
    )
    assert (sums.mails, sums.codes) == (3, {"clean": 1, "warned": 1, "released": 1})
    assert sums.rules == {"parts": 1}
    assert sums.senders == {"northwind.example": 3}
    assert sums.recipients == {"x.example": 2, "y.example": 1, "z.example": 1}
    assert sums.days == {"2026-11-22": 1, "2026-11-23": 2}
