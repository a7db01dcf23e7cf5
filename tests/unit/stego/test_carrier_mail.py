"""The carrier mail on the wire, and the pictures found in mails."""

import dataclasses
import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.stego import hiding
from services.stego.carrier import MAIL_LIMIT, PICTURES_LIMIT, Attached, CarrierRefused, MailHeaders, carrier, images
from tests import pictures

HEADERS = MailHeaders(
    sender="Anna Gärtner <anna@northwind.example>",
    to="Bob <bob@partner.example>, carol@partner.example",
    subject="Grüße aus dem Garten",
    date=datetime(2026, 5, 4, 9, 30, tzinfo=UTC),
    message_id="<1f6c@northwind.example>",
)
TEXT = "Hello Bob,\n\nthe tulips are out at last.\n\nAnna\n"


@pytest.fixture(scope="module")
def photograph() -> bytes:
    return pictures.photograph(256, 192, seed=7)


def made(headers: MailHeaders, picture: bytes, name: str, text: str) -> bytes:
    return carrier(headers, [Attached(picture, "png", name)], text)


def parsed(mail: bytes) -> EmailMessage:
    message = message_from_bytes(mail, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def with_pictures(*pictures: bytes, maintype: str = "image", subtype: str = "png") -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "anna@northwind.example"
    mail.set_content("see below")
    for picture in pictures:
        mail.add_attachment(picture, maintype, subtype, filename="p.png")
    return mail


def test_the_carrier_is_an_ordinary_mail_with_a_picture(photograph):
    mail = parsed(made(HEADERS, photograph, "garden.png", TEXT))
    assert mail["From"] == HEADERS.sender
    assert mail["To"] == HEADERS.to
    assert mail["Subject"] == HEADERS.subject
    assert mail["Message-ID"] == HEADERS.message_id
    assert mail["Date"].datetime == HEADERS.date
    assert "Cc" not in mail
    body = mail.get_body()
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == TEXT
    (picture,) = mail.iter_attachments()
    assert picture.get_content_type() == "image/png"
    assert picture.get_filename() == "garden.png"
    assert picture.get_content() == photograph


def test_nothing_in_it_names_the_program_or_what_it_hides(photograph):
    mail = made(HEADERS, photograph, "garden.png", TEXT)
    head = mail[: mail.index(b"iVBOR")].lower()  # up to the base64 of the PNG
    assert not re.search(rb"secumail|stego|python|={10}|x-|user-agent", head)


def wire_faults(mail: bytes) -> list[str]:
    faults = []
    if not mail.isascii():
        faults.append("8-bit")
    if re.search(rb"\r(?!\n)|(?<!\r)\n", mail):
        faults.append("bare CR or LF")
    if max(map(len, mail.split(b"\r\n"))) > 998:
        faults.append("line over 998 bytes")
    if b"\0" in mail:
        faults.append("NUL")
    return faults


@pytest.mark.parametrize(
    "text", [TEXT, "", "x" * 5000, "From me\n.\n..\n", "Grüße\r\nund\rmehr", "😀" * 400, "\t a \x0c b\x85c"]
)
def test_the_wire_form_is_7_bit_with_crlf_and_short_lines(photograph, text):
    mail = made(HEADERS, photograph, "Garten im März, öäü.png", text)
    assert wire_faults(mail) == []
    assert images(mail) == [photograph]
    (picture,) = parsed(mail).iter_attachments()
    assert picture.get_filename() == "Garten im März, öäü.png"


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(max_size=300),
    subject=st.text(max_size=200),
    name=st.text(max_size=80),
)
def test_whatever_is_typed_makes_a_clean_mail_or_a_clear_refusal(text, subject, name):
    headers = dataclasses.replace(HEADERS, subject=subject)
    picture = b"\x89PNG\r\n\x1a\n and more"
    try:
        mail = made(headers, picture, name + ".png", text)
    except CarrierRefused as error:
        assert error.fix
        return
    assert wire_faults(mail) == []
    assert images(mail) == [picture]


def test_a_long_message_id_is_never_split(photograph):
    long_id = "<" + "a1b2c3d4-" * 18 + "@mail.northwind.example>"
    mail = made(dataclasses.replace(HEADERS, message_id=long_id), photograph, "a.png", TEXT)
    assert re.search(rb"\r\nMessage-ID:\s+" + re.escape(long_id.encode()) + rb"\r\n", mail)


def test_many_recipients_are_folded_and_kept(photograph):
    to = ", ".join(f"Person Number {n} <person{n}@partner.example>" for n in range(60))
    mail = made(dataclasses.replace(HEADERS, to=to, cc="dora@partner.example"), photograph, "a.png", TEXT)
    assert [a.addr_spec for a in parsed(mail)["To"].addresses] == [f"person{n}@partner.example" for n in range(60)]
    assert parsed(mail)["Cc"] == "dora@partner.example"
    assert wire_faults(mail) == []


def test_the_same_arguments_give_the_same_mail(photograph):
    mails = {made(HEADERS, photograph, "garden.png", TEXT) for _ in range(3)}
    assert len(mails) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"subject": "Hello\r\nBcc: eve@elsewhere.example"}, "carrier-header"),
        ({"sender": "anna@northwind.example\nX: y"}, "carrier-header"),
        ({"message_id": "<a@b>\x00"}, "carrier-header"),
        ({"message_id": ""}, "carrier-header"),
        ({"message_id": "no brackets"}, "carrier-header"),
        ({"sender": ""}, "carrier-header"),
        ({"sender": "nobody"}, "carrier-header"),
        ({"to": "müller@partner.example"}, "carrier-header"),
        ({"to": "bob@pärtner.example"}, "carrier-header"),
        ({"to": "<"}, "carrier-header"),
        ({"date": datetime(2026, 5, 4)}, "carrier-header"),
    ],
)
def test_malformed_headers_are_refused_without_repeating_them(photograph, change, code):
    with pytest.raises(CarrierRefused) as caught:
        made(dataclasses.replace(HEADERS, **change), photograph, "garden.png", TEXT)
    assert caught.value.code == code
    assert caught.value.fix
    assert "@" not in caught.value.words + caught.value.fix


@pytest.mark.parametrize("name", ["", ".png", "garden.exe", "a/b.png", "..\\b.png", 'a".png', "a\n.png", "a\ud800.png"])
def test_a_name_that_is_no_plain_file_name_is_refused(photograph, name):
    with pytest.raises(CarrierRefused) as caught:
        made(HEADERS, photograph, name, TEXT)
    assert caught.value.code == "carrier-name"


@pytest.mark.parametrize("text", ["half \ud800", "nul \0"])
def test_a_cover_text_no_mail_can_hold_is_refused(photograph, text):
    with pytest.raises(CarrierRefused) as caught:
        made(HEADERS, photograph, "garden.png", text)
    assert caught.value.code == "carrier-text"


def test_pictures_are_found_in_the_order_of_the_mail(photograph):
    other = pictures.photograph(130, 130, "JPEG", seed=2)
    assert images(with_pictures(photograph, other).as_bytes()) == [photograph, other]


def test_several_pictures_keep_their_order_and_get_the_ending_of_what_they_are(photograph):
    jpeg = pictures.photograph(130, 130, "JPEG", seed=2)
    names = [("garden.bmp", "png"), ("Hill.JPG", "jpeg"), ("IMG_2031", "png"), ("lake.png", "jpeg"), ("b.jpeg", "jpeg")]
    attached = [Attached(jpeg if kind == "jpeg" else photograph, kind, name) for name, kind in names]
    found = list(parsed(carrier(HEADERS, attached, TEXT)).iter_attachments())
    assert [part.get_filename() for part in found] == ["garden.png", "Hill.JPG", "IMG_2031.png", "lake.jpg", "b.jpeg"]
    assert [part.get_content_type() for part in found] == [f"image/{kind}" for _, kind in names]


def test_a_picture_is_known_by_its_content_not_by_its_declared_type(photograph):
    assert images(with_pictures(photograph, maintype="application", subtype="octet-stream").as_bytes())
    assert not images(with_pictures(b"GIF89a").as_bytes())


def test_a_carrier_forwarded_as_an_attachment_is_found(photograph):
    forward = EmailMessage()
    forward.set_content("see this")
    forward.add_attachment(parsed(made(HEADERS, photograph, "garden.png", TEXT)))
    assert images(forward.as_bytes()) == [photograph]


@pytest.mark.parametrize("mail", [b"", b"\r\n\r\n", b"Subject: x\r\n\r\nplain", b"\xff\xfe\x00", b"--\r\n--"])
def test_a_mail_without_pictures_gives_none(mail):
    assert images(mail) == []


def test_only_so_many_pictures_are_looked_at():
    mail = with_pictures(*[b"\x89PNG\r\n\x1a\n" + bytes([n]) for n in range(PICTURES_LIMIT + 5)])
    assert len(images(mail.as_bytes())) == PICTURES_LIMIT


def test_an_endless_nest_of_parts_is_refused():
    nest = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(2000))
    with pytest.raises(CarrierRefused) as caught:
        images(nest)
    assert caught.value.code == "carrier-nested"
    assert "reveal them alone" in caught.value.fix


def test_a_huge_mail_is_refused_unparsed():
    with pytest.raises(CarrierRefused) as caught:
        images(bytes(MAIL_LIMIT + 1))
    assert caught.value.code == "carrier-too-large"


def test_a_mail_travels_hidden_in_a_mail():
    """The whole way: a protected mail goes into two pictures, the pictures into a mail, and back."""
    secret = b"From: anna@northwind.example\r\nSubject: the plan\r\n\r\nThursday, nine o'clock.\r\n"
    key = bytes(range(32))
    covers = [pictures.photograph(300, 250, seed=4), pictures.photograph(500, 400, "JPEG", seed=5)]
    hidden = hiding.hide(covers, secret, key)
    attached = [Attached(one.file, one.kind, f"{number}.png") for number, one in enumerate(hidden)]
    sent = parsed(carrier(HEADERS, attached, TEXT))
    sent.add_attachment(pictures.photograph(200, 200, seed=6), "image", "png", filename="ordinary.png")
    assert hiding.reveal(images(sent.as_bytes()), key) == secret
