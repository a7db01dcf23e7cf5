"""Attachments taken out of a mail: what is left is the rest of the mail, and says what is missing."""

import hashlib
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP, default

import pytest

from secumail.mailbox.taken_out import NOTE, digest, without
from secumail.mailbox.tree import MAX_DEPTH

PLAN, MENU = b"the secret plan" * 9, b"the canteen's menu"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def mail_with(*files: bytes) -> bytes:
    """A mail with a text, a page and these files."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = "ada@northwind.example", "eve@elsewhere.example", "Grüße, Plan"
    mail.set_content("Good morning.\r\n")
    mail.add_alternative("<p>Good morning.</p>", subtype="html")
    for number, data in enumerate(files):
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=f"secret-{number}.bin")
    return mail.as_bytes()


def parts(raw: bytes) -> list[tuple[str, bytes]]:
    mail = BytesParser(policy=default).parsebytes(raw)
    return [(part.get_content_type(), part.get_payload(decode=True)) for part in mail.walk() if not part.is_multipart()]


def test_a_note_stands_where_the_attachment_was_and_everything_else_stays() -> None:
    raw = mail_with(MENU, PLAN, MENU)
    left = without(raw, [sha256(PLAN)])
    was, now = parts(raw), parts(left)
    assert now == [*was[:3], ("text/plain", NOTE.encode()), was[4]]
    assert b"secret-1.bin" not in left
    head = raw.split(b"\r\n\r\n", 1)[0]
    assert left.startswith(head), "the header is as the sender wrote it"


def test_all_copies_of_a_file_are_taken_out_and_a_mail_that_is_one_file_keeps_its_header() -> None:
    assert [data for _, data in parts(without(mail_with(PLAN, MENU, PLAN), [sha256(PLAN)]))].count(NOTE.encode()) == 2
    raw = b"Subject: plan\r\nContent-Type: application/pdf; name=p.pdf\r\n\r\n%PDF\r\n"
    left = without(raw, [sha256(b"%PDF\r\n")])
    assert left.startswith(b"Subject: plan\r\n")
    assert parts(left) == [("text/plain", NOTE.encode())]


def test_an_attached_mail_is_an_attachment() -> None:
    inner = mail_with(PLAN)
    outer = EmailMessage(policy=SMTP)
    outer["Subject"] = "See below"
    outer.set_content("See below.\r\n")
    outer.add_attachment(BytesParser(policy=SMTP).parsebytes(inner))
    left = without(outer.as_bytes(), [sha256(inner)])
    assert parts(left) == [("text/plain", b"See below.\r\n"), ("text/plain", NOTE.encode())]


@pytest.mark.parametrize("digests", [[], [sha256(b"something else")]])
def test_what_is_not_named_stays(digests: list[str]) -> None:
    raw = mail_with(PLAN)
    assert parts(without(raw, digests)) == parts(raw)


def test_it_is_done_twice_to_the_same_effect() -> None:
    raw = mail_with(PLAN, MENU)
    once = without(raw, [sha256(PLAN)])
    assert without(once, [sha256(PLAN)]) == once == without(raw, [sha256(PLAN)])


def test_a_mail_that_cannot_be_taken_apart_stays_as_it_is() -> None:
    head = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(MAX_DEPTH + 2)
    )
    assert without(head, [sha256(b"")]) == head


def test_another_choice_has_another_digest() -> None:
    assert len({digest([]), digest(["a"]), digest(["a", "b"]), digest(["b", "a"])}) == 4
