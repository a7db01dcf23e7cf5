"""The bounds within which a mail is taken apart: the same for the filter and for everyone who is shown the mail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secumail.mailbox import mime
from secumail.mailbox.summary import summarise
from secumail.mailbox.tree import MAX_DEPTH, MAX_FIELDS, MAX_PARTS, BeyondBoundsError, Bound, Policy, children, parse
from services.dlp.reading import read
from services.gateway.reading import view

BLOCK = b"Final-Recipient: rfc822; bob@elsewhere.example\r\n\r\n"


def parts(count: int) -> bytes:
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * count


def report(count: int) -> bytes:
    return b"Content-Type: message/delivery-status\r\n\r\n" + BLOCK * count


def nested(depth: int) -> bytes:
    return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))


@pytest.mark.parametrize(
    ("within", "beyond", "bound"),
    [
        (nested(MAX_DEPTH), nested(MAX_DEPTH + 1), Bound.DEPTH),
        (parts(MAX_PARTS - 1), parts(MAX_PARTS), Bound.PARTS),
        (b"X: y\r\n" * MAX_FIELDS, b"X: y\r\n" * (MAX_FIELDS + 1), Bound.FIELDS),
        (report(2 * MAX_PARTS), report(MAX_FIELDS), Bound.FIELDS),
        (report(1) + b"\r\n" * (MAX_FIELDS - 10), report(1) + b"\r\n" * MAX_FIELDS, Bound.FIELDS),
        (b"Content-Type: a/b" + b";x=1" * 64, b"Content-Type: a/b" + b";x=1" * 65, Bound.PARAMETERS),
        (b"Content-Type: a/" + b"b" * 16_000, b"Content-Type: a/" + b"b" * 17_000, Bound.PARAMETERS),
    ],
    ids=["nested", "parts", "fields", "recipients of a report", "empty blocks of a report", "parameters", "length"],
)
def test_a_mail_is_taken_apart_up_to_each_bound_and_refused_beyond_it(
    within: bytes, beyond: bytes, bound: Bound
) -> None:
    parse(within, Policy())
    assert mime.parse(within) is not None
    with pytest.raises(BeyondBoundsError) as refused:
        parse(beyond, Policy())
    assert refused.value.bound is bound
    assert mime.parse(beyond) is None
    assert read(beyond).unreadable == bound.value


def test_a_report_to_a_thousand_recipients_is_read_through() -> None:
    raw = report(1000) + b"Diagnostic-Code: falcon\r\n"
    assert len(children(parse(raw, Policy()))) == 1001
    assert "falcon" in read(raw).passages[-1].text


def test_a_header_is_looked_at_up_to_its_bound_whatever_comes_behind() -> None:
    many = b"Subject: First\r\n" + b"X: y\r\n" * (mime.MAX_HEADER // 6) + b"To: late@x.example\r\n\r\n"
    head = mime.header(many)
    assert mime.field(head, "Subject") == "First"
    assert head["To"] is None


@given(st.binary(max_size=400))
def test_any_bytes_are_taken_apart_or_not_but_never_raise(raw: bytes) -> None:
    for given_ in (raw, b"Content-Type: message/delivery-status\r\n\r\n" + raw, parts(2) + raw):
        mime.header(given_)
        if (mail := mime.parse(given_)) is not None:
            assert list(mime.leaves(mail))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (b"text/plain; charset*=utf-8''utf-8; charset*0=a; name=a.txt", b"\xc3\xa9"),
        (b"text/plain; charset=utf-16; name=a.txt", b"\xc3\xa9"),
        (b"message/rfc822", b"Content-Type: multipart/mixed\r\n\r\n\xc3\xa9"),
    ],
    ids=["parameters that have no order", "a charset that is not its own", "a mail of parts that has none"],
)
def test_what_is_8_bit_is_shown_and_measured_whatever_its_type_says(kind: bytes, text: bytes) -> None:
    mail = b"Content-Type: %b\r\n\r\n%b" % (kind, text)
    assert [one.data for one in view(mail).attachments] == [text]
    assert [one["size"] for one in summarise(mail).attachments] == [len(text)]
