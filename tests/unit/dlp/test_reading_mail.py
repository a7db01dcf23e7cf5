"""Whatever bytes arrive, reading gives passages and attachments or says why not."""

import base64
import hashlib
import time
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secumail.mailbox.tree import MAX_DEPTH, MAX_PARTS
from services.dlp.message import Message, Unreadable
from services.dlp.reading import read

PDF = b"%PDF-1.7 quarterly numbers"


def text_of(message: Message, name: str) -> str:
    return "\n".join(passage.text.strip() for passage in message.passages if passage.name == name)


def names(message: Message) -> list[str]:
    return [passage.name for passage in message.passages]


def a_mail_with_a_file(name: str = "plan.pdf") -> bytes:
    mail = EmailMessage()
    mail["Subject"] = "Numbers"
    mail.set_content("See the file.")
    mail.add_attachment(PDF, maintype="application", subtype="pdf", filename=name)
    return mail.as_bytes()


def test_a_plain_mail_is_its_subject_and_its_body() -> None:
    message = read(b"Subject: Lunch\r\n\r\nAt noon?\r\n")
    assert message.subject == "Lunch"
    assert [(p.name, p.text) for p in message.passages] == [("subject", "Lunch"), ("body", "At noon?\r\n")]
    assert message.attachments == () and message.unreadable is None


def test_an_attachment_is_known_by_the_digest_of_its_decoded_bytes() -> None:
    (attachment,) = read(a_mail_with_a_file()).attachments
    assert attachment.sha256 == hashlib.sha256(PDF).hexdigest()
    assert attachment.sha1 == hashlib.sha1(PDF, usedforsecurity=False).hexdigest()
    assert (attachment.index, attachment.size, attachment.media_type) == (1, len(PDF), "application/pdf")
    assert str(attachment) == "attachment 1 (plan.pdf)"


def test_a_file_name_is_read_as_text_too() -> None:
    assert text_of(read(a_mail_with_a_file("übernahme falcon.pdf")), "name of attachment 1") == "übernahme falcon.pdf"


def test_a_text_attachment_is_both_a_passage_and_an_attachment() -> None:
    mail = EmailMessage()
    mail.set_content("See the file.")
    mail.add_attachment("the falcon flies", filename="note.txt")
    message = read(mail.as_bytes())
    assert text_of(message, "attachment 1") == "the falcon flies"
    assert len(message.attachments) == 1


def test_html_is_split_into_what_shows_and_its_markup() -> None:
    mail = b'Content-Type: text/html\n\n<p title="hidden">fal<b>con</b> &amp; co</p><!-- secret -->'
    message = read(mail)
    assert text_of(message, "body") == "falcon & co"
    assert "hidden" in text_of(message, "body markup") and "secret" in text_of(message, "body markup")


def test_html_is_also_read_as_it_is_seen() -> None:
    message = read(b'Content-Type: text/html\n\n<p>fal<i style="display:none">zz</i>con</p>')
    assert text_of(message, "body").strip() == "falzzcon"
    assert text_of(message, "body, as it is seen").strip() == "falcon"
    assert [p.alternative for p in message.passages if p.name in ("body", "body, as it is seen")] == [(1, 0), (1, 1)]


def test_lines_that_go_on_are_read_both_ways() -> None:
    head = b"Content-Type: text/plain; format=flowed; DelSp=yes\r\n\r\n"
    message = read(head + b"the fal \r\ncon \r\n  flies\r\n")
    assert text_of(message, "body, as flowed") == "the falcon flies"
    assert text_of(message, "body") == "the fal \r\ncon \r\n  flies"
    assert len({passage.alternative for passage in message.passages if passage.name.startswith("body")}) == 2


@pytest.mark.parametrize("kind", ["enriched", "richtext"])
def test_enriched_text_is_read_with_and_without_its_commands(kind: str) -> None:
    message = read(f"Content-Type: text/{kind}\n\nfal<bold>con</bold><nl>2 < 3".encode())
    assert text_of(message, "body") == "fal<bold>con</bold><nl>2 < 3"
    assert text_of(message, "body, as it is seen") == "falcon\n2 < 3"
    assert [p.alternative for p in message.passages if p.name.startswith("body")] == [(1, 0), (1, 1)]


def test_renderings_of_one_text_are_alternatives() -> None:
    mail = EmailMessage()
    mail.set_content("falcon")
    mail.add_alternative("<p>falcon</p>", subtype="html")
    plain, rich = (p for p in read(mail.as_bytes()).passages if p.name == "body")
    assert plain.alternative is not None and rich.alternative is not None
    assert plain.alternative[0] == rich.alternative[0] and plain.alternative[1] != rich.alternative[1]


def test_a_forwarded_mail_is_an_attachment_and_is_read_through() -> None:
    mail = EmailMessage()
    mail.set_content("FYI")
    inner = EmailMessage()
    inner["Subject"] = "Falcon"
    inner.set_content("It flies.")
    inner.add_attachment(PDF, maintype="application", subtype="pdf", filename="plan.pdf")
    mail.add_attachment(inner)
    message = read(mail.as_bytes())
    assert text_of(message, "attachment 1: subject") == "Falcon"
    assert text_of(message, "attachment 1: body") == "It flies."
    assert [a.media_type for a in message.attachments] == ["message/rfc822", "application/pdf"]
    assert message.attachments[1].sha256 == hashlib.sha256(PDF).hexdigest()


def test_text_outside_the_parts_of_a_multipart_is_read() -> None:
    mail = b"Content-Type: multipart/mixed; boundary=b\n\nbefore\n--b\n\ninside\n--b--\nafter\n"
    message = read(mail)
    assert text_of(message, "body preamble") == "before"
    assert text_of(message, "body epilogue") == "after"


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (b"=?utf-8?b?w5xiZXJuYWhtZQ==?=", "Übernahme"),
        (b"=?utf-8?q?=C3=9Cber?= =?utf-8?q?nahme?=", "Übernahme"),
        (b"=?utf-8?q?=C3?=\r\n =?utf-8?q?=9Cber?=", "Über"),
        (b"=?iso-8859-1?Q?=DCber_alles?= now", "Über alles now"),
        ("Übernahme".encode(), "Übernahme"),
        ("Übernahme".encode("latin-1"), "Übernahme"),
        (b"=?utf-8?b?w5w?= without padding", "Ü without padding"),
        (b"=?nonsense?q?falcon?=", "falcon"),
        (b"two\r\n lines", "two lines"),
    ],
)
def test_a_subject_is_read_as_a_mail_program_shows_it(subject: bytes, expected: str) -> None:
    assert read(b"Subject: " + subject + b"\r\n\r\n").subject == expected


@pytest.mark.parametrize(
    ("charset", "body", "expected"),
    [
        ("utf-8", "Übernahme".encode(), "Übernahme"),
        ("iso-8859-1", "Übernahme".encode("latin-1"), "Übernahme"),
        ("koi8-r", "сокол".encode("koi8-r"), "сокол"),
        ("gb2312", "机密".encode("gb2312"), "机密"),
        ("utf-8", b"falcon \xff flies", "falcon \ufffd flies"),
        ("no-such-charset", b"falcon", "falcon"),
        ("punycode", b"falcon-abc", "falcon-abc"),
        ("unicode_escape", b"falcon \\ud800", "falcon \\ud800"),
        ("base64", b"falcon", "falcon"),
    ],
)
def test_a_body_is_decoded_whatever_its_charset_claims(charset: str, body: bytes, expected: str) -> None:
    message = read(f"Content-Type: text/plain; charset={charset}\n\n".encode() + body)
    assert text_of(message, "body") == expected


@pytest.mark.parametrize("encoding", ["base64", "BASE64 ", " base64 (as usual)"])
def test_a_transfer_encoding_is_recognised_however_it_is_spelt(encoding: str) -> None:
    mail = f"Content-Transfer-Encoding: {encoding}\n\n".encode() + base64.encodebytes(b"falcon")
    assert text_of(read(mail), "body") == "falcon"


def nested(depth: int) -> bytes:
    head = b"".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n'.encode() for n in range(depth))
    return head + b"\nfalcon\n"


@pytest.mark.parametrize(
    ("mail", "reason"),
    [
        (nested(MAX_DEPTH + 1), Unreadable.TOO_DEEP),
        (nested(5000), Unreadable.TOO_DEEP),
        (b"Content-Type: message/rfc822\n\n" * 3000 + b"\nfalcon", Unreadable.TOO_DEEP),
        (
            b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * (MAX_PARTS + 1),
            Unreadable.TOO_MANY_PARTS,
        ),
        (b"X-A: b\n" * 10_000 + b"\nfalcon", Unreadable.TOO_MANY_HEADERS),
        (b"Content-Type: text/plain\nContent-Type: text/html\n\nfalcon", Unreadable.AMBIGUOUS_HEADER),
        (b"Content-Transfer-Encoding: rot13\n\nsnypba", Unreadable.UNKNOWN_ENCODING),
        (b"Content-Type: multipart/mixed\n\nfalcon", Unreadable.BROKEN_MULTIPART),
        (b"Content-Type: multipart/mixed; boundary=b\n\nfalcon", Unreadable.BROKEN_MULTIPART),
        (
            b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nZmFsY29u",
            Unreadable.BROKEN_MULTIPART,
        ),
        (b"Content-Type: text/plain" + b";x=1" * 100_000 + b"\n\nfalcon", Unreadable.DAMAGED),
    ],
)
def test_a_mail_that_two_readers_could_read_differently_is_unreadable(mail: bytes, reason: Unreadable) -> None:
    assert read(mail) == Message(unreadable=reason)


def test_the_deepest_nesting_allowed_is_read() -> None:
    assert text_of(read(nested(MAX_DEPTH)), "body") == "falcon"


@pytest.mark.parametrize(
    "mail",
    [
        b"",
        b"\n",
        b"\x00\xff\xfe",
        b"no header at all",
        b": : :\n\n",
        b"Content-Type: text/plain; charset*=x'y\n\nfalcon",
        b"Content-Disposition: attachment; filename*=x; filename*0=b\n\nfalcon",
        b"Content-Disposition: attachment; filename*" + b"9" * 5000 + b"=b\n\nfalcon",
        b"Content-Transfer-Encoding: base64\n\n!!!=!=!",
        b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 x\nrubbish",
        a_mail_with_a_file()[:-30],
    ],
)
def test_odd_mail_is_still_read(mail: bytes) -> None:
    assert read(mail).unreadable is None


HOSTILE = [
    b"Content-Type: text/html\n\n" + b"<a b=" * 60_000,
    b"Content-Type: text/html\n\n" + b"<a \"> '" * 40_000,
    b"Content-Type: text/html\n\n" + b'<a b="> ' * 40_000,
    b"Content-Type: text/html\n\n" + b"</a" * 100_000,
    b"Content-Type: text/html\n\n" + b"<!--" * 80_000,
    b"Content-Type: text/html\n\n" + b"<script>" * 40_000,
    b"Content-Type: text/html\n\n" + b"&#" + b"9" * 300_000,
    b"Subject: " + b"=?a?q?" * 50_000 + b"\n\n",
    b"Subject: " + b"=?a?q?b?= " * 30_000 + b"\n\n",
    b'Content-Type: text/plain; x="' + b";" * 300_000 + b"\n\nfalcon",
    b"Content-Transfer-Encoding: " + b"(" * 300_000 + b"\n\nfalcon",
    b"Content-Type: text/plain; charset=punycode\n\n" + b"a" * 100_000 + b"-" + b"b" * 200_000,
]


@pytest.mark.parametrize("mail", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_mail_costs_no_more_time_than_its_size(mail: bytes) -> None:
    # Quadratic readers take minutes on these 300 KB; a linear one takes milliseconds.
    begun = time.process_time()
    read(mail)
    assert time.process_time() - begun < 3


PIECES = [
    b"Content-Type: multipart/mixed; boundary=b\n",
    b"Content-Type: message/rfc822\n",
    b"Content-Type: text/html; charset=utf-7\n",
    b"Content-Transfer-Encoding: base64\n",
    b"Content-Disposition: attachment; filename*0*=utf-8''%ff; filename*1=x\n",
    b"Subject: =?utf-8?b?w5w?=\n",
    b"\n",
    b"\r\n",
    b"--b\n",
    b"--b--\n",
    b"<p>fal<b>con&#x110000;&#xd800;",
    b"+2AA-",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=30).map(b"".join))
def test_no_bytes_make_reading_raise(raw: bytes) -> None:
    message = read(raw)
    assert message.unreadable is None or message == Message(unreadable=message.unreadable)
    for passage in message.passages:
        passage.text.encode("utf-8")


@given(st.binary(max_size=300), st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=30))
@settings(deadline=None)
def test_an_attachment_arrives_as_it_was_sent(data: bytes, name: str) -> None:
    mail = EmailMessage()
    mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    (attachment,) = read(mail.as_bytes()).attachments
    assert attachment.sha256 == hashlib.sha256(data).hexdigest()


def test_the_header_of_a_mail_of_parts_is_no_damaged_mail() -> None:
    head = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=q\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    assert read(b"Content-Type: message/global-headers\r\n\r\n" + head).troubles == ()
