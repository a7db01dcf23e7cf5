"""Sending: who gets the mail, sending twice, and what the sender is told."""

import asyncio
from uuid import uuid4

from tests.e2e.desk import opened, until
from tests.people import Office, mail


async def test_the_same_key_with_the_same_mail_is_one_mail(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    # Without Date and Message-ID: what is put in for them must not make it another mail.
    raw, key = mail(ada.address, bob.address, "Once"), uuid4().hex
    first, *rest = await asyncio.gather(*(ada.send(raw, key) for _ in range(5)))
    settled = await ada.settled(first.json()["id"])
    later = await ada.send(raw, key)
    answers = [first, *rest, later]
    assert [a.status_code for a in answers] == [202] * 6
    assert {a.json()["id"] for a in answers} == {settled["id"]}
    assert [a.headers.get("Idempotency-Replayed") for a in answers].count("true") == 5
    assert later.headers["Location"] == f"/api/v1/submissions/{settled['id']}"
    assert len(await bob.mails()) == len(await ada.mails("sent")) == 1


async def test_a_mail_sent_again_a_second_later_is_still_the_same(office: Office) -> None:
    ada = await office.newcomer()
    raw, key = mail(ada.address, ada.address, "Later"), uuid4().hex
    first = (await ada.send(raw, key)).json()
    await ada.settled(first["id"])
    date = (await opened(ada, first["id"]))["date"]

    async def another_second() -> bool:
        probe = await ada.sent(mail(ada.address, ada.address, "Clock"))
        return (await opened(ada, probe["id"]))["date"] != date

    assert await until(another_second)
    again = await ada.send(raw, key)
    assert (again.status_code, again.headers.get("Idempotency-Replayed")) == (202, "true")
    assert [row["subject"] for row in await ada.mails()].count("Later") == 1


async def test_the_same_key_with_another_mail_is_refused(office: Office) -> None:
    ada, eve, key = await office.newcomer(), await office.newcomer(), uuid4().hex
    assert (await ada.send(mail(ada.address, ada.address, "One"), key)).status_code == 202
    for raw, to in (
        (mail(ada.address, ada.address, "Two"), None),
        (mail(ada.address, ada.address, "One"), [eve.address]),
    ):
        answer = await ada.send(raw, key, to)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    # Keys are each person's own.
    assert (await eve.send(mail(eve.address, eve.address, "Two"), key)).status_code == 202


async def test_a_missing_or_ill_key_is_refused(office: Office) -> None:
    ada = await office.member("ada")
    raw, kind = mail(ada.address, ada.address), {"Content-Type": "message/rfc822"}
    missing = await ada.post("/messages", content=raw, headers=kind)
    assert (missing.status_code, missing.json()["code"]) == (400, "idempotency-key-missing")
    for key in (b"", b"two words", b"x" * 256, "schlüssel".encode(), b"tab\there"):
        headers = {
            **{n: v.encode() for n, v in ada.headers.items()},
            "Content-Type": b"message/rfc822",
            "Idempotency-Key": key,
        }
        answer = await ada.door.post("/messages", content=raw, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-missing")


async def test_a_recipient_named_several_times_gets_the_mail_once(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    extra = f"Cc: Bob <{bob.address.upper()}>\r\nBcc: {bob.address}\r\n"
    sent = await ada.sent(mail(ada.address, f'"Bob, the one" <{bob.address}>', extra=extra))
    assert len(sent["recipients"]) == 1
    assert len(await bob.mails()) == 1


async def test_envelope_recipients_go_before_those_in_the_mail(office: Office) -> None:
    ada, bob, eve = await office.newcomer(), await office.newcomer(), await office.newcomer()
    sent = await ada.sent(mail(ada.address, bob.address), [eve.address])
    assert [r["address"] for r in sent["recipients"]] == [eve.address]
    assert (len(await bob.mails()), len(await eve.mails())) == (0, 1)


async def test_a_mail_to_a_thousand_arrives_where_it_can_and_one_bounce_names_the_rest(office: Office) -> None:
    ada, bob, eve = await office.newcomer(), await office.newcomer(), await office.newcomer()
    unknown = [f"nobody-{n}@{office.domain}" for n in range(997)]
    assert len({bob.address, eve.address, *unknown}) == 999
    everyone = ",\r\n ".join([bob.address, *unknown[:500], "out@elsewhere.example", *unknown[500:], eve.address])
    sent = await ada.sent(mail(ada.address, everyone, "To all"))
    states = [(r["state"], r["reason"]) for r in sent["recipients"]]
    assert len(states) == 1000
    assert states[0] == states[-1] == ("delivered", None)
    assert states[501] == ("bounced", "no-relay")
    assert states.count(("bounced", "unknown-recipient")) == 997
    assert len(await bob.mails()) == len(await eve.mails()) == 1

    (bounce,) = await until(ada.mails)
    told = (await ada.get(f"/messages/{bounce['id']}")).json()
    assert told["signature"]["state"] == "good"
    assert all(f"{address}: There is no such address" in told["text"] for address in unknown)
    assert "out@elsewhere.example: This installation does not send mail outside" in told["text"]
    report = (await ada.get(f"/messages/{bounce['id']}/attachments/1")).content
    assert report.count(b"Status: 5.1.1") == 997
    assert report.count(b"Action: failed") == 998


async def test_too_many_recipients_are_refused(office: Office) -> None:
    ada = await office.member("ada")
    for many in (1001, 10_000):
        to = ",\r\n ".join(f"p{n}@{office.domain}" for n in range(many))
        answer = await ada.send(mail(ada.address, to))
        assert (answer.status_code, answer.json()["code"]) == (422, "too-many-recipients")
        assert f"{many} recipients; the limit is 1000" in answer.json()["detail"]


async def test_a_bounce_says_each_reason_in_words(office: Office) -> None:
    administrator, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    suspended = await administrator.door.patch(
        f"/accounts/{bob.account}", json={"status": "suspended"}, headers=administrator.headers
    )
    assert suspended.status_code == 204
    sent = await ada.sent(mail(ada.address, f"{bob.address}, nobody@{office.domain}, x@elsewhere.example"))
    assert [(r["reason"], r["words"]) for r in sent["recipients"]] == [
        ("suspended-recipient", "The mailbox is not in use at present."),
        ("unknown-recipient", "There is no such address in this organisation."),
        ("no-relay", "This installation does not send mail outside the organisation."),
    ]
    (bounce,) = await until(ada.mails)
    assert bounce["subject"] == "Your mail could not be delivered"
    assert bounce["sender"] == f"Mail delivery <postmaster@{office.domain}>"
