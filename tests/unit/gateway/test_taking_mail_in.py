"""Taking a mail in: what goes on the way is what was given, but for line ends, Bcc, and two fields put in front."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secumail.errors import Refused
from services.gateway.submission import Taken, take

ADA = "ada@northwind.example"
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
ID = UUID("8b3f4c6e-0f0e-4a52-9d2c-1c8f4a0d7e11")
COMPLETE = b"From: ada@northwind.example\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@x>\r\n"
TO = b"To: bob@northwind.example\r\n"


def taken(raw: bytes, *explicit: str, most: int = 1000) -> Taken:
    """Ada's mail, taken in."""
    return take(raw, ADA, explicit, most, NOW, ID)


def crlf(raw: bytes) -> bytes:
    """Every line end as CRLF."""
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def split_at_header(raw: bytes) -> tuple[bytes, bytes]:
    """The header with its last line end, and the body."""
    header, _, body = raw.partition(b"\r\n\r\n")
    return header + b"\r\n", body


LINE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=30).map(str.encode)
BODY = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from([b"Bcc: x", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"text"]), max_size=30).map(
        b"".join
    ),
)
ENDS = st.sampled_from([b"\r\n", b"\n", b"\r"])
NAME = st.sampled_from([b"Bcc", b"bcc", b"BCC", b"bCC", b"Resent-Bcc", b"resent-BCC"])
FOLD = st.sampled_from([b"", b"\r\n ", b"\r\n\t", b" ", b"\r\n   \r\n "])


@given(BODY)
def test_the_body_goes_on_byte_for_byte_but_for_its_line_ends(body: bytes) -> None:
    mail = taken(COMPLETE + TO + b"\r\n" + body)
    assert mail.raw == mail.own == COMPLETE + TO + b"\r\n" + crlf(body)


def test_a_line_that_no_reader_ends_the_header_at_is_told_from_a_boundary_that_the_body_lacks() -> None:
    multipart = COMPLETE + TO + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    for body in (b"--b\r\n\r\ntext\r\n--b--\r\n", b"no boundary", b""):
        assert taken(multipart + body).raw == multipart + body
    with pytest.raises(Refused, match="header"):
        taken(COMPLETE + TO + b"no field\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n")


def test_a_group_without_members_and_a_comma_at_the_end_name_nobody() -> None:
    mail = taken(COMPLETE + b"To: undisclosed-recipients:;\r\nCc:\r\nBcc: bob@x.example,\r\n\r\n")
    assert mail.recipients == ("bob@x.example",)


@given(BODY)
def test_what_was_taken_in_once_is_taken_in_again_unchanged(body: bytes) -> None:
    once = taken(TO + b"Bcc: eve@x.example\r\n\r\n" + body).raw
    assert taken(once).raw == once


@given(BODY, ENDS)
def test_any_line_end_makes_the_same_mail(body: bytes, end: bytes) -> None:
    raw = COMPLETE + TO + b"Bcc:\r\n eve@x.example\r\n\r\nText "
    assert taken(raw.replace(b"\r\n", end) + body).raw == taken(raw + body).raw


@given(st.lists(st.tuples(NAME, FOLD, FOLD), min_size=1, max_size=4), st.permutations(range(5)), BODY)
def test_no_form_of_bcc_goes_on_the_way_and_all_of_it_stays_in_the_senders_copy(
    forms: list[tuple[bytes, bytes, bytes]], order: list[int], body: bytes
) -> None:
    hidden = [
        name + b":" + first + b' "Secret, One" <secret@x.example>,' + second + b" two@secret.example\r\n"
        for name, first, second in forms
    ]
    fields = [TO, b"Subject: a bcc: b\r\n", b"X-Bcc: kept\r\n", b"Bccc: kept\r\n", b"".join(hidden)]
    mail = taken(COMPLETE + b"".join(fields[i] for i in order) + b"\r\n" + body)
    kept, text = split_at_header(mail.raw)
    assert b"secret" not in kept.lower()
    assert (kept.count(b"kept"), kept.count(b"a bcc: b")) == (2, 1)
    assert text == crlf(body)
    assert all(crlf(field) in mail.own for field in hidden)


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\n", b"\r"])
def test_a_bcc_that_ends_the_mail_is_taken_out_too(end: bytes) -> None:
    mail = taken(TO + b"Bcc: eve@x.example" + end)
    assert b"eve" not in mail.raw
    assert mail.recipients == ("bob@northwind.example", "eve@x.example")


def test_a_mail_without_from_date_and_message_id_gets_them_in_front() -> None:
    mail = taken(TO + b"\r\nHello")
    assert mail.raw == (
        b"From: ada@northwind.example\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
        b"Message-ID: <8b3f4c6e-0f0e-4a52-9d2c-1c8f4a0d7e11@northwind.example>\r\n" + TO + b"\r\nHello"
    )
    assert (mail.summary.sender, mail.summary.message_id) == (ADA, f"<{ID}@northwind.example>")


def test_a_line_of_a_mailbox_file_in_front_is_taken_off() -> None:
    assert taken(b"From ada Sun Nov 22 10:00:00 2026\n" + COMPLETE + TO + b"\r\n").raw == COMPLETE + TO + b"\r\n"


def test_recipients_are_named_once_in_the_order_of_the_mail() -> None:
    fields = (
        b"Bcc: d@x.example\r\nCc: B@x.example, c@x.example\r\nTo: A <a@x.example>, b@X.example,\r\n a@x.example\r\n"
    )
    assert taken(fields + b"\r\n").recipients == ("a@x.example", "b@X.example", "c@x.example", "d@x.example")
    assert taken(fields + b"\r\n", "e@x.example", "E@x.example ").recipients == ("e@x.example",)


@pytest.mark.parametrize(
    ("raw", "explicit", "code"),
    [
        (b"", (), "not-a-mail"),
        (b"\r\nTo: bob@x.example", (), "not-a-mail"),
        (b"Subject: x\r\n\r\n", (), "no-recipients"),
        (b"Subject: x\r\n\r\nTo: bob@x.example\r\n", (), "no-recipients"),
        (TO + b"X: y\r\n" * 200_000 + b"\r\n", (), "header-too-large"),
        (TO + b"no field\r\n\r\n", (), "header-malformed"),
        (TO + b"Bcc : eve@x.example\r\n\r\n", (), "header-malformed"),
        (TO + b"\r\n", ("",), "recipient-malformed"),
        (TO + b"\r\n", ("a@x.example\r\nDATA",), "recipient-malformed"),
        (b"To: " + b"(" * 20_000 + b"\r\n\r\n", (), "recipient-malformed"),
        (b"From: eve@northwind.example\r\n" + TO + b"\r\n", (), "sender-not-yours"),
        (b"From: ada@northwind.example\r\nFrom: ada@northwind.example\r\n" + TO + b"\r\n", (), "sender-not-yours"),
        (b"To: a@x.example, b@x.example, c@x.example\r\n\r\n", (), "too-many-recipients"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_fault(raw: bytes, explicit: tuple[str, ...], code: str) -> None:
    with pytest.raises(Refused) as refused:
        taken(raw, *explicit, most=2)
    assert refused.value.code == code


@given(st.binary(max_size=300), LINE)
def test_any_bytes_are_taken_or_refused_and_what_is_taken_has_recipients(body: bytes, line: bytes) -> None:
    for raw in (body, TO + b"Subject: " + line + b"\r\n" + body, TO + b"Content-Type: " + line + b"\r\n\r\n" + body):
        try:
            mail = taken(raw)
        except Refused:
            continue
        assert mail.recipients
        assert b"\n" not in mail.raw.replace(b"\r\n", b"")
        assert b"\r" not in mail.raw.replace(b"\r\n", b"")
