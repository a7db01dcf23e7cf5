"""Header fields go into what is protected and come out of it as they were (RFC 9788)."""

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secumail import entity
from services.crypto.headers import protect, reveal


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


# RFC 9788, appendix C.3.1: what is inside a signed and encrypted message under hcp_baseline.
BASELINE = crlf("""\
MIME-Version: 1.0
Content-Transfer-Encoding: 7bit
Subject: smime-signed-enc-hp-baseline
Message-ID: <smime-signed-enc-hp-baseline@example>
From: Alice <alice@smime.example>
To: Bob <bob@smime.example>
Date: Sat, 20 Feb 2021 10:09:02 -0500
User-Agent: Sample MUA Version 1.0
HP-Outer: Subject: [...]
HP-Outer: Message-ID: <smime-signed-enc-hp-baseline@example>
HP-Outer: From: Alice <alice@smime.example>
HP-Outer: To: Bob <bob@smime.example>
HP-Outer: Date: Sat, 20 Feb 2021 10:09:02 -0500
HP-Outer: User-Agent: Sample MUA Version 1.0
Content-Type: text/plain; charset="utf-8"; hp="cipher"

This is the
smime-signed-enc-hp-baseline
message.
""")
AROUND_BASELINE = crlf("""\
Subject: [...]
Message-ID: <smime-signed-enc-hp-baseline@example>
From: Alice <alice@smime.example>
To: Bob <bob@smime.example>
Date: Sat, 20 Feb 2021 10:09:02 -0500
User-Agent: Sample MUA Version 1.0
MIME-Version: 1.0
Content-Type: application/pkcs7-mime; name="smime.p7m"; smime-type="enveloped-data"

""")
# RFC 9788, appendix E.1 and E.2: the hidden Subject shown in the text.
SHOWN_IN_TEXT = crlf("""\
Date: Fri, 21 Jan 2022 20:40:48 -0500
From: Alice <alice@example.net>
To: Bob <bob@example.net>
Subject: Dinner plans
Message-ID: <text-plain-legacy-display@lhp.example>
MIME-Version: 1.0
Content-Type: text/plain; charset="us-ascii"; hp-legacy-display="1";
 hp="cipher"
HP-Outer: Date: Fri, 21 Jan 2022 20:40:48 -0500
HP-Outer: From: Alice <alice@example.net>
HP-Outer: To: Bob <bob@example.net>
HP-Outer: Subject: [...]
HP-Outer: Message-ID: <text-plain-legacy-display@lhp.example>

Subject: Dinner plans

Let's meet at Rama's Roti Shop at 8pm and go to the park
from there.
""")
SHOWN_IN_HTML = SHOWN_IN_TEXT.partition(b"\r\n\r\n")[0].replace(b"text/plain", b"text/html") + crlf("""

<html><head><title></title></head><body>
<div class="header-protection-legacy-display">
<pre>Subject: Dinner plans</pre>
</div>
<p>
Let's meet at Rama's Roti Shop at 8pm and go to the park
from there.
</p>
</body>
</html>
""")
OUTSIDE = b"From: Alice <alice@example.net>\r\nSubject: [...]\r\n\r\n"


def parsed(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def words(part: EmailMessage) -> str:
    content = part.get_content()
    return (content if isinstance(content, str) else content.decode()).replace("\r\n", "\n")


def shown(payload: bytes, outer: bytes, *, proven: bool = True) -> EmailMessage:
    return parsed(reveal(payload, outer, proven=proven).mail)


# --- the RFC's own examples ------------------------------------------------------------------------------


def test_the_rfcs_baseline_message_is_shown_with_its_inner_header() -> None:
    mail = shown(BASELINE, AROUND_BASELINE)
    assert mail["Subject"] == "smime-signed-enc-hp-baseline"
    assert mail["User-Agent"] == "Sample MUA Version 1.0"
    assert mail["Content-Type"] == 'text/plain; charset="utf-8"'
    assert "HP-Outer" not in mail
    assert len(mail.get_all("From", [])) == 1


def test_we_write_the_rfcs_baseline_message_from_its_mail() -> None:
    raw = reveal(BASELINE, AROUND_BASELINE, proven=True).mail
    payload, outer = protect(raw, "cipher")
    theirs, ours = parsed(BASELINE), parsed(payload)
    assert sorted(ours.get_all("HP-Outer", [])) == sorted(theirs.get_all("HP-Outer", []))
    assert ours.get_content_type() == "text/plain"
    assert ours["Content-Type"].params["hp"] == "cipher"
    assert {name: parsed(outer)[name] for name in parsed(outer)} == {
        name: value for name, value in parsed(AROUND_BASELINE).items() if name not in ("MIME-Version", "Content-Type")
    }


@pytest.mark.parametrize("payload", [SHOWN_IN_TEXT, SHOWN_IN_HTML], ids=["E.1", "E.2"])
def test_the_rfcs_legacy_display_is_taken_away(payload: bytes) -> None:
    mail = shown(payload, OUTSIDE)
    assert mail["Subject"] == "Dinner plans"
    assert "Dinner plans" not in mail.get_content()
    assert "Rama's Roti Shop at 8pm" in mail.get_content()


def test_the_text_of_the_rfcs_example_is_what_it_was_before() -> None:
    assert words(shown(SHOWN_IN_TEXT, OUTSIDE)) == (
        "Let's meet at Rama's Roti Shop at 8pm and go to the park\nfrom there.\n"
    )


# --- what goes around an encrypted mail --------------------------------------------------------------------

LETTER = crlf("""\
From: Alice <alice@northwind.example>
To: Bob <bob@southwind.example>
Bcc: carol@northwind.example
Subject: Harvest numbers
Keywords: secret-word
Comments: another-secret
Date: Sun, 22 Nov 2026 10:00:00 +0000
Content-Type: text/plain; charset=utf-8

The numbers are in.
""")


def test_the_outer_header_says_nothing_of_the_subject_keywords_or_comments() -> None:
    payload, outer = protect(LETTER, "cipher")
    assert parsed(outer)["Subject"] == "[...]"
    assert b"secret" not in outer and b"Harvest" not in outer
    assert b"Keywords: secret-word" in payload and b"Comments: another-secret" in payload


def test_each_outer_field_is_recorded_as_it_was_sent() -> None:
    payload, outer = protect(LETTER, "cipher")
    assert [f"{name}: {value}" for name, value in parsed(outer).items()] == parsed(payload).get_all("HP-Outer")


def test_a_mail_that_is_only_signed_keeps_its_header_outside_and_records_nothing() -> None:
    payload, outer = protect(LETTER, "clear")
    assert parsed(outer)["Subject"] == "Harvest numbers"
    assert b"HP-Outer" not in payload
    assert parsed(payload)["Content-Type"].params["hp"] == "clear"
    assert words(parsed(payload)) == "The numbers are in.\n"


@pytest.mark.parametrize("mode", ["cipher", "clear"])
def test_bcc_is_nowhere(mode: str) -> None:
    assert b"carol" not in b"".join(protect(LETTER, "cipher" if mode == "cipher" else "clear"))


def test_thunderbird_finds_its_own_mark() -> None:
    assert parsed(protect(LETTER, "cipher")[0])["Content-Type"].params["protected-headers"] == "v1"


def test_a_mark_in_the_mail_itself_is_not_taken_for_ours() -> None:
    payload, outer = protect(LETTER.replace(b"charset=utf-8", b'hp="clear"; charset=utf-8'), "cipher")
    assert payload.count(b"hp=") == 1
    assert shown(payload, outer + b"\r\n")["Content-Type"] == 'text/plain; charset="utf-8"'


# --- the Subject shown in the text -------------------------------------------------------------------------


def test_readers_that_know_nothing_of_this_see_the_subject_in_the_text() -> None:
    assert texts_and_files(protect(LETTER, "cipher")[0]) == ["Subject: Harvest numbers\n\nThe numbers are in.\n"]


@pytest.mark.parametrize("encoding", ["7bit", "quoted-printable", "base64", "8bit"])
@pytest.mark.parametrize("subject", ["Harvest numbers", "Grüße & <b>Küsse</b>"])
def test_text_and_html_show_it_in_every_encoding_and_lose_it_again(encoding: str, subject: str) -> None:
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["From"], mail["Subject"] = "alice@northwind.example", subject
    body = "The numbers are in." if encoding == "7bit" else "Grüße: the numbers are in."
    mail.set_content(f"{body}\n", cte=encoding)
    mail.add_alternative(f"<html><body class='x'><p>{body}</p></body></html>\n", subtype="html", cte=encoding)
    mail.add_attachment(b"From the field\n", "text", "plain", filename="notes.txt")
    raw = mail.as_bytes()
    payload, outer = protect(raw, "cipher")
    plain, html, attachment = texts_and_files(payload)
    assert plain == f"Subject: {subject}\n\n{body}\n"
    assert '<div class="header-protection-legacy-display"><pre>Subject: ' in html
    assert "Küsse</b></pre>" not in html
    assert attachment == "From the field\n"
    assert texts_and_files(reveal(payload, outer + b"\r\n", proven=True).mail) == texts_and_files(raw)


def texts_and_files(raw: bytes) -> list[str]:
    return [words(part) for part in parsed(raw).walk() if not part.is_multipart()]


@pytest.mark.parametrize("charset", ["utf-16", "x-unheard-of", "idna", "undefined", "rot13", "unicode_escape\x00"])
def test_a_text_in_an_odd_charset_stays_as_it_is(charset: str) -> None:
    raw = LETTER.replace(b"utf-8", charset.encode()).replace(b"Harvest numbers", "Grüße".encode())
    payload, _ = protect(raw, "cipher")
    assert payload.endswith(b"\r\n\r\nThe numbers are in.\r\n")


def test_a_signed_mail_inside_is_not_touched() -> None:
    """A text in a multipart/signed is under a signature of its own."""
    inner = b"--b\r\nContent-Type: text/plain\r\n\r\nsigned\r\n--b\r\n\r\nsignature\r\n--b--\r\n"
    raw = b"Subject: x\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n" + inner
    assert protect(raw, "cipher")[0].endswith(b"\r\n\r\n" + inner)


# --- From inside and outside --------------------------------------------------------------------------------


def test_another_from_inside_that_nobody_proves_counts_for_nothing() -> None:
    payload, outer = protect(LETTER, "cipher")
    around = outer.replace(b"alice@northwind", b"mallory@elsewhere") + b"\r\n"
    revealed = reveal(payload, around, proven=False)
    assert revealed.forged
    assert parsed(revealed.mail)["From"] == "Alice <mallory@elsewhere.example>"
    assert parsed(revealed.mail)["Subject"] == "Harvest numbers"


def test_another_from_inside_that_a_signature_proves_is_shown() -> None:
    payload, outer = protect(LETTER, "cipher")
    around = outer.replace(b"alice@northwind", b"list@elsewhere") + b"\r\n"
    revealed = reveal(payload, around, proven=True)
    assert not revealed.forged
    assert parsed(revealed.mail)["From"] == "Alice <alice@northwind.example>"


def test_the_same_address_written_otherwise_is_no_other_from() -> None:
    payload, outer = protect(LETTER, "cipher")
    around = outer.replace(b"Alice <alice@northwind.example>", b'"A." <alice@NorthWind.example>') + b"\r\n"
    assert not reveal(payload, around, proven=False).forged


def test_fields_added_on_the_way_are_shown_only_where_they_are_of_the_way() -> None:
    payload, outer = protect(LETTER, "cipher")
    around = b"Received: from mx\r\nCc: mallory@elsewhere.example\r\nReply-To: mallory@elsewhere.example\r\n" + outer
    mail = shown(payload, around + b"\r\n")
    assert mail["Received"] == "from mx"
    assert "Cc" not in mail and "Reply-To" not in mail


def test_a_payload_without_header_fields_gets_those_outside() -> None:
    mail = shown(b"Content-Type: text/plain\r\nSubject: not protected\r\n\r\nHello", OUTSIDE)
    assert mail["Subject"] == "[...]"
    assert mail["From"] == "Alice <alice@example.net>"
    assert mail.get_content() == "Hello"


def test_a_program_before_the_rfc_hides_only_the_subject() -> None:
    """Enigmail's way: the Subject alone is inside, all other fields are outside."""
    payload = b'Content-Type: text/plain; protected-headers="v1"\r\nSubject: Inside\r\n\r\nHello'
    revealed = reveal(payload, OUTSIDE, proven=False)
    mail = parsed(revealed.mail)
    assert (mail.get_all("Subject"), mail["From"]) == (["Inside"], "Alice <alice@example.net>")
    assert not revealed.forged


# --- any bytes ------------------------------------------------------------------------------------------------


@given(st.binary(max_size=300), st.binary(max_size=100), st.sampled_from(["cipher", "clear"]), st.booleans())
def test_any_bytes_are_protected_and_revealed(raw: bytes, outer: bytes, mode: str, proven: bool) -> None:
    payload, around = protect(raw, "cipher" if mode == "cipher" else "clear")
    assert reveal(payload, around + b"\r\n", proven=proven).whole is (entity.read(raw).field(b"from") is not None)
    assert reveal(raw, outer, proven=proven).mail is not None


@given(st.binary(max_size=200))
def test_a_body_comes_back_byte_for_byte(body: bytes) -> None:
    raw = b"From: a@b.example\r\nSubject: x\r\nContent-Type: application/octet-stream\r\n\r\n" + body
    payload, outer = protect(raw, "cipher")
    assert reveal(payload, outer + b"\r\n", proven=False).mail == raw
