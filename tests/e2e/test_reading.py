"""One's own mail: folders, pages, flags, deleting, attachments, and mails of every odd build."""

import asyncio
from datetime import datetime
from uuid import uuid4

import pytest

from tests.e2e.desk import lists, opened
from tests.people import Office, mail


async def test_no_mail_is_lost_or_doubled_while_paging_although_new_mail_arrives(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    for start in range(0, 210, 30):
        answers = await asyncio.gather(
            *(ada.send(mail(ada.address, bob.address, f"Nr. {n}")) for n in range(start, start + 30))
        )
        await asyncio.gather(*(ada.settled(answer.json()["id"]) for answer in answers))

    seen: list[str] = []
    cursor = None
    while True:
        page = (await bob.get("/messages", limit=70, **({"cursor": cursor} if cursor else {}))).json()
        seen += [row["subject"] for row in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await ada.sent(mail(ada.address, bob.address, "Late"))
    assert sorted(seen) == sorted(f"Nr. {n}" for n in range(210))
    assert len(await bob.mails()) == 212
    first = (await bob.get("/messages", limit=200)).json()
    assert (len(first["data"]), first["next_cursor"] is None) == (200, False)
    times = [datetime.fromisoformat(row["at"]) for row in first["data"]]
    assert times == sorted(times, reverse=True)


async def test_folders_flags_and_moving(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    sent = await ada.sent(mail(ada.address, bob.address, "Move me"))
    row = await bob.received(sent["id"])
    path = f"/messages/{row['id']}"
    assert row["flags"] == []

    async def counts() -> dict[str, tuple[int, int]]:
        return {f["folder"]: (f["mails"], f["unseen"]) for f in (await bob.get("/folders")).json()}

    async def change(**what: object) -> int:
        return (await bob.door.patch(path, json=what, headers=bob.headers)).status_code

    assert await counts() == {"inbox": (1, 1), "sent": (0, 0), "archive": (0, 0), "trash": (0, 0)}
    assert (await bob.get(path)).json()["flags"] == ["seen"]
    assert await counts() == {"inbox": (1, 0), "sent": (0, 0), "archive": (0, 0), "trash": (0, 0)}
    assert await change(set=["flagged", "answered"], clear=["seen"], folder="archive") == 204
    (moved,) = await bob.mails("archive")
    assert sorted(moved["flags"]) == ["answered", "flagged"]
    assert await bob.mails() == []
    assert await counts() == {"inbox": (0, 0), "sent": (0, 0), "archive": (1, 1), "trash": (0, 0)}
    assert await change(set=["shiny"]) == 422
    assert await change(folder="quarantine") == 422
    assert await change(subject="forged") == 422
    assert await change(folder="trash") == 204
    assert [row["subject"] for row in await bob.mails("trash")] == ["Move me"]
    assert [row["flags"] for row in await ada.mails("sent")] == [["seen"]]


async def test_a_deleted_mail_is_gone_for_good_also_when_its_sending_is_repeated(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    raw, key = mail(ada.address, bob.address, "Gone"), uuid4().hex
    first = await ada.send(raw, key)
    await ada.settled(first.json()["id"])
    received, own = (await bob.received(first.json()["id"]))["id"], (await ada.mails("sent"))[0]["id"]
    for person, id_ in ((bob, received), (ada, own)):
        deleted = await person.door.delete(f"/messages/{id_}", headers=person.headers)
        assert deleted.status_code == 204
        for answer in (
            await person.get(f"/messages/{id_}"),
            await person.get(f"/messages/{id_}/raw"),
            await person.get(f"/messages/{id_}/attachments/1"),
            await person.door.patch(f"/messages/{id_}", json={"folder": "inbox"}, headers=person.headers),
            await person.door.delete(f"/messages/{id_}", headers=person.headers),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "no-such-mail")

    again = await ada.send(raw, key)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await bob.mails() == []
    assert await ada.mails("sent") == []
    # What became of it can still be asked; the addresses were in the deleted copy.
    assert (await ada.settled(first.json()["id"]))["recipients"][0]["address"] == "recipient 1"


async def test_another_persons_mail_does_not_exist(office: Office) -> None:
    ada, bob, eve = await office.newcomer(), await office.newcomer(), await office.newcomer()
    sent = await ada.sent(mail(ada.address, bob.address))
    for person in (ada, eve):
        for id_ in ((await bob.received(sent["id"]))["id"], uuid4()):
            for answer in (
                await person.get(f"/messages/{id_}"),
                await person.get(f"/messages/{id_}/raw"),
                await person.get(f"/messages/{id_}/original"),
                await person.get(f"/messages/{id_}/attachments/1"),
                await person.post(f"/messages/{id_}/reveal"),
                await person.door.patch(f"/messages/{id_}", json={"set": ["seen"]}, headers=person.headers),
                await person.door.delete(f"/messages/{id_}", headers=person.headers),
            ):
                assert (answer.status_code, answer.json()["code"]) == (404, "no-such-mail")
    assert (await eve.get(f"/submissions/{sent['id']}")).json()["code"] == "no-such-mail"
    assert len(await bob.mails()) == 1


async def test_only_the_senders_copy_has_bcc_and_everyone_named_gets_the_mail(office: Office) -> None:
    ada, bob, eve = await office.newcomer(), await office.newcomer(), await office.newcomer()
    raw = mail(ada.address, bob.address, "Quietly", extra=f"BCC: Eve\r\n\t<{eve.address}>\r\nX-Last: 1\r\n")
    sent = await ada.sent(raw)
    assert [r["address"] for r in sent["recipients"]] == [bob.address, eve.address]
    for person in (bob, eve):
        copy = (await person.get(f"/messages/{(await person.received(sent['id']))['id']}/raw")).content
        assert eve.address.encode() not in copy
        assert b"bcc:" not in copy.lower()  # base64 and names may well have the letters
        assert b"X-Last: 1" in copy
    own = (await ada.get(f"/messages/{(await ada.mails('sent'))[0]['id']}/original")).content
    assert raw in own


HTML = "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n"
FILE = "MIME-Version: 1.0\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; "


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ('filename="../../etc/passwd"', "_.._etc_passwd"),
        ('filename="C:\\\\Windows\\\\win.ini"', "C__Windows_win.ini"),
        ("filename*=utf-8''invoice%E2%80%AEfdp.exe", "invoice_fdp.exe"),
        ("filename*=utf-8''a%00b%0D%0Ac.txt", "a_b c.txt"),
        (f'filename="{"n" * 300}.pdf"', "n" * 196 + ".pdf"),
        ("filename*0*=utf-8''gr%C3; filename*1*=%BCn.txt", "grün.txt"),
        ('filename="=?utf-8?b?R3LDvMOfZS5wZGY=?="', "Grüße.pdf"),
        ("filename*0*=a; filename*=b; filename=c", "attachment-1"),
        ('filename=".."', "attachment-1"),
        ("size=12", "attachment-1"),
    ],
)
async def test_an_attachment_is_downloaded_under_a_plain_name(office: Office, given: str, shown: str) -> None:
    ada = await office.member("ada")
    async with lists(await office.administrator(), rules=[]):  # such names, and so little of a PDF, would be held
        sent = await ada.sent(mail(ada.address, ada.address, "File", "%PDF-\r\n", f"{FILE}{given}\r\n"))
    seen = await opened(ada, sent["id"])
    assert [(a["number"], a["name"], a["type"]) for a in seen["attachments"]] == [(1, shown, "application/pdf")]
    file = await ada.get(f"/messages/{seen['id']}/attachments/1")
    assert file.content == b"%PDF-\r\n"
    assert file.headers["Content-Type"] == "application/pdf"
    assert file.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''")
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    for number in ("0", "2", "-1", "999999999999999999999"):
        missing = await ada.get(f"/messages/{seen['id']}/attachments/{number}")
        assert (missing.status_code, missing.json()["code"]) == (404, "no-such-attachment")


async def test_an_attached_mail_stays_whole_and_apart_from_the_text(office: Office) -> None:
    ada = await office.newcomer()
    inner = "From: old@friend.example\r\nSubject:  Inner  \r\nX-Long: a\r\n\tb\r\n\r\nFrom the inside.\r\n"
    body = (
        "--b\r\nContent-Type: text/plain\r\n\r\nOutside.\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--b--\r\n"
    )
    extra = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    sent = await ada.sent(mail(ada.address, ada.address, "Outer", body, extra))
    assert (await ada.received(sent["id"]))["attachments"] == 1
    seen = await opened(ada, sent["id"])
    assert seen["text"] == "Outside."
    assert [a["type"] for a in seen["attachments"]] == ["message/rfc822"]
    file = (await ada.get(f"/messages/{seen['id']}/attachments/1")).content
    assert file == inner.replace("Subject:  Inner  ", "Subject: Inner  ").encode()


@pytest.mark.parametrize(
    ("charset", "data", "text"),
    [
        ("utf-8", "Grüße".encode(), "Grüße"),
        ("iso-8859-1", "Grüße".encode("latin-1"), "Grüße"),
        ("us-ascii", "Grüße".encode(), "Grüße"),
        ("us-ascii", "Grüße".encode("latin-1"), "Grüße"),
        ("utf-8", "Grüße".encode("latin-1"), "Gr\ufffd\ufffde"),
        ("shift_jis", "こんにちは".encode("shift_jis"), "こんにちは"),
        ("no-such-charset", "Grüße".encode(), "Grüße"),
        ("idna", "Grüße".encode(), "Grüße"),
        ("", b"\xff\xfe\x00", "ÿþ\x00"),
    ],
)
async def test_text_in_any_charset_right_or_wrong_is_shown_as_well_as_can_be(
    office: Office, charset: str, data: bytes, text: str
) -> None:
    ada = await office.member("ada")
    kind = f"Content-Type: text/plain; charset={charset}\r\n" if charset else ""
    extra = f"MIME-Version: 1.0\r\n{kind}Content-Transfer-Encoding: 8bit\r\n"
    sent = await ada.sent(mail(ada.address, ada.address, "Charset", "", extra) + data)
    seen = await opened(ada, sent["id"])
    assert (seen["text"], seen["signature"]["state"]) == (text, "good")


async def test_an_empty_mail_and_one_of_html_alone(office: Office) -> None:
    ada = await office.newcomer()
    empty = await ada.sent(f"To: {ada.address}\r\n".encode())
    seen = await opened(ada, empty["id"])
    assert (seen["subject"], seen["text"], seen["html"], seen["attachments"]) == ("", "", "", [])
    assert (seen["sender"], seen["signature"]["state"]) == (ada.address, "good")

    html = await ada.sent(mail(ada.address, ada.address, "HTML", "<p>Hi<script>1</script>", HTML))
    seen = await opened(ada, html["id"])
    assert (seen["text"], seen["html"], seen["attachments"]) == ("", "<p>Hi<script>1</script>", [])


async def test_header_fields_are_shown_decoded_whether_in_encoded_words_or_in_utf_8(office: Office) -> None:
    ada = await office.newcomer()
    words = await ada.sent(mail(ada.address, ada.address, "=?utf-8?q?Gr=C3=BC?=\r\n =?utf-8?q?=C3=9Fe?= an alle"))
    assert (await ada.received(words["id"]))["subject"] == "Grüße an alle"
    plain = await ada.sent(mail(ada.address, ada.address, "Grüße an alle"))
    assert (await ada.received(plain["id"]))["subject"] == "Grüße an alle"
    broken = await ada.sent(mail(ada.address, ada.address, "=?utf-8?b?!?= =?nonsense?q?=FF?="))
    assert (await ada.received(broken["id"]))["subject"]
