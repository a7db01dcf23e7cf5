"""The corpus of real mails, as the other tests use it."""

import email
import re
from datetime import UTC, datetime
from uuid import UUID

from services.gateway.submission import take
from tests import corpus

LINE_END = re.compile(rb"\r\n|\r|\n")
ADA, BOB, CLEO = "ada@northwind.example", "bob@northwind.example", "cleo@northwind.example"


def test_the_importer_readdresses_a_mail_and_keeps_every_other_byte() -> None:
    stored = (
        b"From fork@list.example  Tue Jul 30 08:30:04 2002\n"
        b"Received: from a\n\tby b; Tue\n"
        b"FROM: Somebody\n <x@list.example>\n"
        b"Resent-To: y@list.example\n"
        b"cc: z@list.example,\n  w@list.example\n"
        b"Subject: caf\xe9  \n"
        b"\n"
        b"From: kept, as this is text\r\n\xff\x00\n"
    )
    assert corpus.readdressed(stored, ADA, BOB, CLEO) == (
        b"From: ada@northwind.example\r\nTo: bob@northwind.example, cleo@northwind.example\r\n"
        b"Received: from a\r\n\tby b; Tue\r\n"
        b"Subject: caf\xe9  \r\n"
        b"\r\n"
        b"From: kept, as this is text\r\n\xff\x00\r\n"
    )


def test_every_real_mail_is_taken_in_with_its_text_unchanged_but_for_line_ends() -> None:
    taken = 0
    for file, raw in zip(corpus.files(), corpus.mails(ADA, BOB, CLEO), strict=True):
        mail = take(raw, ADA, (), 100, datetime(2026, 1, 1, tzinfo=UTC), UUID(int=1))
        assert mail.recipients == (BOB, CLEO), file
        text = LINE_END.sub(b"\r\n", raw).partition(b"\r\n\r\n")[2]
        assert mail.raw.partition(b"\r\n\r\n")[2] == text, file
        assert email.message_from_bytes(mail.raw).get_all("From") == [ADA], file
        taken += 1
    assert taken == corpus.COUNT
