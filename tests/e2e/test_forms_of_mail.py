"""The form of a mail: told before it is sent, and what really happens; read again by its reader alone."""

import base64
from typing import Any

import pytest
from asn1crypto import cms

from secumail.mailbox import mime
from tests.e2e.desk import lists
from tests.people import Office, Person, mail

CASES = [("smime", "smime-gcm"), ("openpgp", "openpgp")]


async def _locks(person: Person, *to: str, **wish: Any) -> list[tuple[str | None, str | None]]:
    answer = await person.post("/forms", json={"to": list(to), **wish})
    assert answer.status_code == 200, answer.text
    return [(lock["form"], lock["reason"]) for lock in answer.json()]


async def _raw(person: Person, entry: str) -> bytes:
    return (await person.get(f"/messages/{entry}/raw")).content


async def test_what_each_recipient_will_get_is_told_before_sending(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    outside = "carol@elsewhere.example"
    asked = (bob.address, outside, f"nobody-{bob.address}", "no address")
    nobody = [(None, "no-relay"), (None, "unknown-recipient"), (None, "malformed-recipient")]
    assert await _locks(ada, *asked) == [("signed", None), *nobody]
    assert await _locks(ada, *asked, form="smime") == [("smime-gcm", None), *nobody]
    assert await _locks(ada, *asked, form="openpgp") == [("openpgp", None), *nobody]
    assert await _locks(ada, bob.address, outside, password=True) == [("signed", None), ("pickup", None)]
    refused = await ada.post("/forms", json={"to": [bob.address], "form": "rot13"})
    assert refused.status_code == 422


@pytest.mark.parametrize(("wish", "form"), CASES)
async def test_an_encrypted_mail_is_read_by_its_reader_and_says_so(office: Office, wish: str, form: str) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    assert await _locks(ada, bob.address, form=wish) == [(form, None)]
    submission = await ada.sent(mail(ada.address, bob.address, "The marmalade plan", "Quinces, mostly."), form=wish)
    assert [(r["state"], r["form"]) for r in submission["recipients"]] == [("delivered", form)]

    row = await bob.received(submission["id"])
    raw = await _raw(bob, row["id"])
    assert b"Quinces" not in raw
    assert b"marmalade" not in raw, "the subject is inside"
    shown = (await bob.get(f"/messages/{row['id']}")).json()
    assert "Quinces, mostly." in shown["text"]
    assert shown["subject"] == "The marmalade plan"
    assert shown["signature"]["state"] == "good", shown["signature"]
    assert shown["layers"][0]["state"] == "opened", shown["layers"]
    original = (await bob.get(f"/messages/{row['id']}/original")).content
    assert b"Quinces, mostly." in original


async def test_a_bcc_recipient_has_a_mail_of_its_own_and_is_not_among_the_others_keys(office: Office) -> None:
    ada, bob, carol = await office.newcomer(), await office.newcomer(), await office.newcomer()
    raw = b"Bcc: " + carol.address.encode() + b"\r\n" + mail(ada.address, bob.address, "For two")
    submission = await ada.sent(raw, form="smime")
    assert {r["address"]: (r["state"], r["form"]) for r in submission["recipients"]} == {
        bob.address: ("delivered", "smime-gcm"),
        carol.address: ("delivered", "smime-gcm"),
    }
    mails = [await _raw(person, (await person.received(submission["id"]))["id"]) for person in (bob, carol)]
    assert all(carol.address.encode() not in filed for filed in mails)
    # The sender can read both; of the readers each only the one that is theirs.
    keys = [_recipients(filed) for filed in mails]
    assert [len(named) for named in keys] == [2, 2]
    assert len(keys[0] & keys[1]) == 1
    for person in (bob, carol):
        entry = await person.received(submission["id"])
        assert (await person.get(f"/messages/{entry['id']}")).json()["layers"][0]["state"] == "opened"


async def test_a_mail_in_several_forms_is_one_submission(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    outside = "carol@elsewhere.example"
    submission = await ada.sent(mail(ada.address, f"{bob.address}, {outside}", "Both"), form="openpgp")
    states = {r["address"]: (r["state"], r["form"], r["reason"]) for r in submission["recipients"]}
    assert states == {bob.address: ("delivered", "openpgp", None), outside: ("bounced", None, "no-relay")}


async def test_an_attachment_of_an_encrypted_mail_comes_out_byte_for_byte(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    data = bytes(range(256)) * 40
    raw = (
        (
            f"From: {ada.address}\r\nTo: {bob.address}\r\nSubject: File\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
            "--b\r\nContent-Type: text/plain\r\n\r\nSee the file.\r\n"
            '--b\r\nContent-Type: application/octet-stream; name="all.bin"\r\nContent-Transfer-Encoding: base64\r\n'
            'Content-Disposition: attachment; filename="all.bin"\r\n\r\n'
        ).encode()
        + base64.encodebytes(data).replace(b"\n", b"\r\n")
        + b"--b--\r\n"
    )
    async with lists(await office.administrator(), rules=[]):  # a file of no known kind would be held
        submission = await ada.sent(raw, form="smime")
    entry = await bob.received(submission["id"])
    shown = (await bob.get(f"/messages/{entry['id']}")).json()
    assert [a["name"] for a in shown["attachments"]] == ["all.bin"]
    assert (await bob.get(f"/messages/{entry['id']}/attachments/1")).content == data


def _recipients(raw: bytes) -> set[tuple[str, int]]:
    """Whom the CMS names: issuer and serial number of each certificate."""
    message = mime.parse(raw)
    assert message is not None
    info = cms.ContentInfo.load(mime.data(message))
    named = [r.chosen["rid"].chosen for r in info["content"]["recipient_infos"]]
    return {(rid["issuer"].human_friendly, rid["serial_number"].native) for rid in named}
