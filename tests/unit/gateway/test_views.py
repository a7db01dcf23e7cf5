"""What a reader sees of a mail: text, attachments and names, from any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secumail.mailbox import mime
from secumail.mailbox.summary import summarise
from services.gateway.reading import plain_name, view

MIXED = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"


@given(st.one_of(st.binary(max_size=400), st.binary(max_size=200).map(lambda scraps: MIXED + b"--b\r\n" + scraps)))
def test_any_bytes_have_a_view_and_a_summary(raw: bytes) -> None:
    seen, summary = view(raw), summarise(raw)
    assert [a.number for a in seen.attachments] == list(range(1, len(seen.attachments) + 1))
    for shown in (seen.text, seen.html, summary.subject, summary.preview, *(a.name for a in seen.attachments)):
        shown.encode()


@given(st.text(max_size=400))
def test_a_plain_name_is_no_path_hides_nothing_and_is_short(name: str) -> None:
    plain = plain_name(name)
    assert not set(plain) & set('/\\:"')
    assert plain not in (".", "..")
    assert plain == "" or (plain.isprintable() and len(plain) <= 200)
    assert plain_name(plain) == plain


@given(
    st.binary(max_size=300), st.one_of(st.text(max_size=12), st.sampled_from(["utf-8", "idna", "utf-7", "hex", "\0"]))
)
def test_any_bytes_in_any_charset_are_text(raw: bytes, charset: str) -> None:
    mime.decode(raw, charset).encode()


@given(st.text(max_size=200), st.sampled_from(["utf-8", "utf-16", "utf-7"]))
def test_text_in_its_own_charset_is_that_text(text: str, charset: str) -> None:
    assert mime.decode(text.encode(charset), charset) == text


def test_a_preview_cut_in_the_middle_of_a_character_stays_readable() -> None:
    for shift in range(4):
        raw = b"Content-Type: text/plain\r\n\r\n" + b"x" * shift + "€".encode() * 3000
        assert set(summarise(raw).preview) <= {"x", "€"}


def test_text_comes_from_every_text_part_and_files_from_the_others() -> None:
    seen = view(
        MIXED + b"--b\r\n\r\nOne\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>Two\r\n"
        b"--b\r\nContent-Disposition: attachment\r\n\r\nThree\r\n"
        b"--b\r\nContent-Type: image/png; name=four.png\r\nContent-Transfer-Encoding: base64\r\n\r\nUE5H\r\n--b--\r\n"
    )
    assert (seen.text, seen.html) == ("One", "<p>Two")
    assert [(a.name, a.media_type, a.data) for a in seen.attachments] == [
        ("attachment-1", "text/plain", b"Three"),
        ("four.png", "image/png", b"PNG"),
    ]


@pytest.mark.parametrize("inner", [b"Subject: a\r\n\tb\r\n\r\nFrom here\r\n", b"X: \xff\r\n\r\n\xff\r\n"])
def test_an_attached_mail_comes_back_byte_for_byte(inner: bytes) -> None:
    seen = view(MIXED + b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--b--\r\n")
    assert (seen.text, [a.data for a in seen.attachments]) == ("", [inner])


@pytest.mark.parametrize(
    "raw",
    [
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(2000)),
        b"Content-Type: message/rfc822\r\n\r\n" * 2000,
        MIXED + b"--b\r\n\r\nx\r\n" * 2000,
        b'Content-Type: text/plain; a="' + b'\\";' * 20_000 + b'"\r\n\r\nx',
    ],
    ids=["nested parts", "nested mails", "many parts", "a monstrous field"],
)
def test_a_mail_beyond_the_bounds_is_one_file(raw: bytes) -> None:
    seen = view(raw)
    assert [(a.name, a.data) for a in seen.attachments] == [("mail.eml", raw)]
    assert summarise(b"Subject: Kept\r\n" + raw).subject == "Kept"


def test_addresses_are_read_before_encoded_words_are_decoded() -> None:
    header = mime.header(b"From: =?utf-8?q?=22?= <real@x.example> =?utf-8?q?=22_=3Cshown=40x.example=3E?=\r\n\r\n")
    assert "shown@x.example" not in mime.addresses(header, "From")
