"""A signed mail gives the original back byte for byte: to us, and to openssl."""

import email
import email.policy
import hashlib
import re
from base64 import b64encode
from itertools import chain, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secumail.multipart_signed import boundary_for, is_canonical, join, outer_fields, split
from services.crypto.smime.signing import sign
from services.crypto.smime.verification import State, verify

LETTER = (
    b"From: Alice <alice@northwind.example>\r\n"
    b"To: bob@northwind.example\r\n"
    b"Subject: Harvest\r\n"
    b"Message-ID: <1@northwind.example>\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"\r\n"
    b"Gr\xc3\xbc\xc3\x9fe\r\n"
)

# Mails as the world writes them: what a generator of random bytes would hardly ever hit.
FIELDS = st.sampled_from(
    [
        b"From: alice@northwind.example",
        b"from :alice@northwind.example",
        b"To: " + b", ".join([b"someone@northwind.example"] * 60),
        b"Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n =?utf-8?b?4pyT?=",
        b'Subject: Gr\xfc\xdfe "unbalanced (comment; boundary=x',
        b"Subject:",
        b"Subject: " + b"x" * 1200,
        b"SUBJECT:\r\n\t \r\n folded oddly",
        b"Date: yesterday",
        b"References: " + b"<a@b.example> " * 200,
        b"Content-Type: text/plain; charset=x-unheard-of",
        b'Content-Type: multipart/mixed; boundary="=_"',
        b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary=b',
        b"Content-Transfer-Encoding: 8bit",
        b"MIME-Version: 1.0",
        b"Received: from nowhere",
        b"no field at all",
        b"From someone Sat Nov 21 10:00:00 2026",
    ]
)
LINES = st.sampled_from(
    [
        b"",
        b".",
        b"--",
        b"--b",
        b"--b--",
        b"--=_",
        b"--=_0123456789abcdef0123456789abcdef--",
        b"From the start",
        b"trailing space  ",
        b"\xe4\xf6\xfc \xe2\x82\xac \xff\xfe",
        b"y" * 1022,
        b"y" * 1023,
        b"y" * 5000,
        b"a\rb",
        b"Subject: not a field",
    ]
)
CRLF = st.just(b"\r\n")
ANY_BREAK = st.sampled_from([b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\0", b"\x0b", b"\xc2\x85"])


@st.composite
def mails(draw: st.DrawFn, breaks: st.SearchStrategy[bytes]) -> bytes:
    header = [field + draw(breaks) for field in draw(st.lists(FIELDS, max_size=8))]
    body = [line + draw(breaks) for line in draw(st.lists(LINES, max_size=8))]
    end = draw(st.sampled_from([b"", b"no final line break"]))
    return b"".join([*header, draw(breaks), *body, end])


def digest(payload):
    return hashlib.sha256(payload).digest()


def outer(mail):
    return mail[: mail.index(b"\r\n\r\n") + 2]


@given(raw=st.one_of(st.binary(max_size=300), mails(ANY_BREAK), mails(CRLF)))
@settings(max_examples=300, deadline=None)
def test_any_bytes_come_back_unchanged_and_good(raw, alice, house, now):
    payload, signature = split(sign(raw, alice.key, alice.certificate, alice.chain))

    assert payload == raw
    assert verify(signature, digest(raw), alice.address, house.trust, now).state is State.GOOD


@given(raw=mails(CRLF).map(lambda raw: raw.replace(b"a\rb", b"ab")))
@settings(max_examples=60, deadline=None)
def test_openssl_hands_every_canonical_mail_back_byte_for_byte(raw, alice, house, openssl_reads):
    assert is_canonical(raw)
    assert openssl_reads(sign(raw, alice.key, alice.certificate, alice.chain), house) == raw


@pytest.mark.parametrize("text", [b"one\ntwo\r\n", b"one\r\r\ntwo\r\n", b"one\r\ntwo\r"])
def test_openssl_refuses_uncanonical_mail_that_we_find_good(text, alice, house, now, openssl_reads):
    raw = b"From: alice@northwind.example\r\n\r\n" + text
    mail = sign(raw, alice.key, alice.certificate, alice.chain)

    assert not is_canonical(raw)
    assert openssl_reads(mail, house) is None
    payload, signature = split(mail)
    assert verify(signature, digest(payload), alice.address, house.trust, now).state is State.GOOD


@pytest.mark.parametrize("text", [b"one\rtwo\r\n", b"\rone\r\n", b"one\0two\r\n", b"\0\r\n", b"one\0"])
def test_openssl_accepts_a_carriage_return_or_a_nul_inside_a_line(text, alice, house, openssl_reads):
    raw = b"Subject: x\r\n\r\n" + text

    assert not is_canonical(raw)
    assert openssl_reads(sign(raw, alice.key, alice.certificate, alice.chain), house) == raw


@pytest.mark.parametrize("options", [(), ("-crlfeol",), ("-nosmimecap",), ("-keyid",)])
def test_a_mail_openssl_signed_is_good(options, alice, house, now, openssl_signs):
    mail = openssl_signs(LETTER, alice.key, alice.certificate, alice.chain, *options)

    payload, signature = split(mail)

    # openssl signs lines that end in CRLF, and writes LF into the file unless told not to.
    received = re.sub(rb"\r?\n", b"\r\n", payload)
    assert received == LETTER
    assert verify(signature, digest(received), alice.address, house.trust, now).state is State.GOOD


def test_a_mail_reader_sees_the_fields_outside_and_the_original_inside(alice):
    mail = email.message_from_bytes(
        sign(LETTER, alice.key, alice.certificate, alice.chain), policy=email.policy.default
    )

    assert mail.get_content_type() == "multipart/signed"
    assert mail.get_param("micalg") == "sha-256"
    assert (mail["From"], mail["Subject"]) == ("Alice <alice@northwind.example>", "Harvest")
    inside, signature = mail.iter_parts()
    assert inside.get_content() == "Grüße\r\n"
    assert inside["Message-ID"] == mail["Message-ID"]
    assert (signature.get_content_type(), signature.get_filename()) == (
        "application/pkcs7-signature",
        "smime.p7s",
    )
    assert not mail.defects


def test_a_reply_still_finds_its_way(alice):
    fields = b"Reply-To: desk@northwind.example\r\nIn-Reply-To: <0@x>\r\nReferences: <0@x>\r\n"

    assert outer(sign(fields + LETTER, alice.key, alice.certificate, alice.chain)).startswith(fields)


def test_a_blind_copy_is_not_shown_outside(alice):
    assert b"Bcc" not in outer(sign(b"Bcc: boss@northwind.example\r\n" + LETTER, alice.key, alice.certificate, ()))


@pytest.mark.parametrize(
    "subject",
    [b"x\rBcc: evil@foe.example", b"x\0\x0b\x0c\rBcc: evil@foe.example", b"x\r\n \r\n Bcc: evil@foe.example"],
)
def test_a_field_can_not_start_another_one(subject):
    fields = email.message_from_bytes(outer_fields(b"Subject: " + subject + b"\r\n\r\n"))

    assert fields.keys() == ["Subject"]
    assert "evil@foe.example" in fields["Subject"]


@settings(deadline=None)
@given(raw=st.one_of(mails(ANY_BREAK), mails(CRLF)))
def test_the_outer_header_is_plain_folded_text_whatever_the_mail(raw):
    copied = outer_fields(raw)

    lines = copied.split(b"\r\n")[:-1]
    names = [line.partition(b":")[0] for line in lines if not line.startswith(b" ")]
    assert all(len(line) <= 998 and line.strip() for line in lines)
    assert not re.search(rb"[\0-\t\x0b-\x1f]|\r(?!\n)|(?<!\r)\n", copied.replace(b"\r\n", b""))
    assert len(names) == len(set(names)) and {*names} <= {b"From", b"To", b"Subject", b"Date", b"References"}


def test_folding_changes_nothing_of_a_field():
    value = b" " + b"a  long \t subject ".replace(b"\t", b" ") * 40
    copied = outer_fields(b"Subject:" + value + b"\r\n\r\n")

    assert max(map(len, copied.split(b"\r\n"))) <= 78
    assert copied.replace(b"\r\n", b"") == b"Subject:" + value.rstrip()


def test_a_field_without_room_to_fold_stays_inside():
    assert outer_fields(b"Subject: " + b"x" * 1000 + b"\r\nTo: bob@northwind.example\r\n\r\n") == (
        b"To: bob@northwind.example\r\n"
    )


def test_of_a_repeated_field_the_first_counts():
    assert outer_fields(b"From: alice@a.example\r\nFrom: mallory@b.example\r\n\r\n") == (b"From: alice@a.example\r\n")


def test_ten_thousand_fields_and_a_thousand_recipients_are_no_trouble(alice, house, openssl_reads):
    fields = b"".join(b"X-Trace-%d: %d\r\n" % (number, number) for number in range(10_000))
    people = b"To: " + b",\r\n ".join(b"person%d@northwind.example" % number for number in range(1_000)) + b"\r\n"
    raw = fields + people + LETTER
    mail = sign(raw, alice.key, alice.certificate, alice.chain)

    assert split(mail)[0] == raw
    assert openssl_reads(mail, house) == raw
    assert b"person999@northwind.example" in outer(mail) and b"X-Trace" not in outer(mail)


def test_a_boundary_found_in_the_mail_is_drawn_again():
    draws = chain(["taken", "taken", "free"], repeat("never reached"))

    assert boundary_for(b"... --=_taken ...", lambda: next(draws)) == b"=_free"


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        (b"\r\nplain\r\n", None),
        (b"\r\n\xfcber\r\n", "8bit"),
        (b"\r\nlone\nfeed\r\n", "binary"),
        (b"\r\n\0\r\n", "binary"),
    ],
)
def test_the_mail_says_what_transport_it_needs(raw, label, alice):
    mail = email.message_from_bytes(sign(raw, alice.key, alice.certificate, ()))

    assert mail["Content-Transfer-Encoding"] == label


def test_a_signed_mail_can_be_signed_again(alice):
    once = sign(LETTER, alice.key, alice.certificate, alice.chain)
    twice = sign(once, alice.key, alice.certificate, alice.chain)

    assert split(twice)[0] == once
    assert split(split(twice)[0])[0] == LETTER


@pytest.mark.parametrize(
    "raw",
    [
        LETTER,
        b"",
        b"no header, no line break",
        b'Content-Type: multipart/signed; protocol="application/pgp-signature"; boundary=b\r\n\r\n--b\r\n',
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
    ],
)
def test_a_mail_without_signature_is_whole_and_unsigned(raw, alice, house, now):
    assert split(raw) == (raw, None)
    assert verify(None, digest(raw), alice.address, house.trust, now).state is State.UNSIGNED


def test_a_mail_cut_anywhere_is_never_taken_for_a_good_one(alice, house, now):
    mail = sign(LETTER, alice.key, alice.certificate, alice.chain)
    # From here on only the closing delimiter is cut, and all of the signature is there.
    complete = mail.rindex(b"\r\n\r\n--")

    for end in range(complete):
        payload, signature = split(mail[:end])
        state = verify(signature, digest(payload), alice.address, house.trust, now).state
        assert state in {State.UNSIGNED, State.UNREADABLE}, end


@pytest.mark.parametrize(
    "second_part",
    [
        b"Content-Type: application/pkcs7-signature\r\n\r\nAAAA",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA",
        b"Content-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAAA",
        b"",
    ],
)
def test_a_signature_that_can_not_be_decoded_is_unreadable(second_part, alice, house, now):
    raw = b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n" + second_part + b"\r\n--b--\r\n"
    payload, signature = split(raw)

    assert (payload, signature) == (b"\r\nx", b"")
    assert verify(signature, digest(payload), alice.address, house.trust, now).state is State.UNREADABLE


@pytest.mark.parametrize(
    "content_type",
    [
        b"multipart/signed; boundary=b c",
        b'Multipart/Signed;\r\n\tprotocol="application/x-pkcs7-signature";\r\n\tBOUNDARY="b"',
        b'multipart/signed; x="; boundary=wrong"; boundary="\\b"; boundary=second',
        b"multipart/signed;; micalg=sha-256 ; boundary = b",
    ],
)
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_other_programs_ways_of_writing_it_are_understood(content_type, line_end):
    lines = [
        b"Content-Type: " + content_type,
        b"",
        b"--bb is no delimiter",
        b"--b  ",
        b"",
        b"the text",
        b"--bb",
        b"--b",
        b"content-type: application/x-pkcs7-signature",
        b"content-transfer-encoding: BASE64",
        b"",
        b64encode(b"the signature"),
        b"--b--",
        b"",
    ]

    payload, signature = split(line_end.join(lines))

    assert payload == line_end.join([b"", b"the text", b"--bb"])
    assert signature == b"the signature"


def test_joining_and_splitting_are_inverse_for_an_empty_mail():
    assert split(join(b"", b"\x30\x00", b"b")) == (b"", b"\x30\x00")
