"""A mail as bytes: fields and parts are found where they lie, whatever the bytes are."""

import email

from hypothesis import given
from hypothesis import strategies as st

from secumail import entity
from secumail.entity import FIELDS_LIMIT, PART_LIMIT

MAIL = (
    b"From: ada@northwind.example\r\n"
    b'Content-Type: Multipart/Mixed; charset="u;t\\"f";\r\n boundary=b\r\n'
    b"\r\npreamble\r\n--b\r\nContent-Type: text/plain\r\n\r\none\r\n"
    b"--b \t\r\n\r\ntwo\r\n--bb\r\nstill two\r\n--b--\r\nepilogue"
)


def test_fields_are_found_as_they_stand() -> None:
    mail = entity.read(MAIL)
    assert [field.name for field in mail.fields] == [b"from", b"content-type"]
    assert b"".join(mail.line(field) for field in mail.fields) == MAIL[: mail.header_end]
    assert MAIL[mail.body :].startswith(b"preamble")


def test_a_quoted_parameter_may_hold_anything() -> None:
    mail = entity.read(MAIL)
    assert mail.type.token == b"multipart/mixed"
    assert mail.type.get(b"charset") == b'u;t"f'
    assert mail.type.get(b"boundary") == b"b"


def test_parts_are_what_stands_between_the_delimiters() -> None:
    first, second = entity.read(MAIL).parts()
    assert first.whole() == b"Content-Type: text/plain\r\n\r\none"
    assert second.content() == b"two\r\n--bb\r\nstill two"


def test_content_is_taken_out_of_its_transfer_encoding() -> None:
    for encoding, body in (
        (b"base64", b"R3L8\r\n3A=="),
        (b"Quoted-Printable", b"Gr=FC=\r\n=DC"),
        (b"8bit", b"Gr\xfc\xdc"),
    ):
        assert entity.read(b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body).content() == b"Gr\xfc\xdc"


def test_a_mail_without_a_type_is_plain_text() -> None:
    for head in (b"", b"Content-Type: nonsense\r\n", b"Content-Type:\r\n", b"Content-Type: ;a=b\r\n"):
        assert entity.read(head + b"\r\nHello").type.token == b"text/plain"


def test_more_fields_and_parts_than_a_mail_has_are_not_read() -> None:
    assert len(entity.read(b"a:\n" * (FIELDS_LIMIT + 5)).fields) == FIELDS_LIMIT
    many = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * (PART_LIMIT + 5)
    assert len(list(entity.read(many).parts())) == PART_LIMIT


@given(st.binary(max_size=300))
def test_any_bytes_are_an_entity(raw: bytes) -> None:
    mail = entity.read(b"Content-Type: multipart/mixed; boundary=b\r\n" + raw)
    assert 0 <= mail.begin <= mail.header_end <= mail.body <= mail.end
    for part in mail.parts():
        assert mail.body <= part.begin <= part.header_end <= part.body <= part.end <= mail.end
        part.content()


@given(
    st.lists(st.binary(max_size=20).filter(lambda body: b"--b" not in body and b"\r" not in body), max_size=4).map(
        lambda bodies: b"".join(b"--b\r\nX: y\r\n\r\n" + body + b"\r\n" for body in bodies) + b"--b--\r\n"
    )
)
def test_the_standard_library_finds_the_same_parts(body: bytes) -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + body
    parsed = email.message_from_bytes(raw)
    theirs = [part.get_payload() for part in parsed.get_payload()] if parsed.is_multipart() else []
    assert len(list(entity.read(raw).parts())) == len(theirs)
