"""What rules do besides holding and blocking: ask for a reason, force encryption, take attachments out."""

from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from secumail.mailbox.taken_out import NOTE
from tests.e2e.desk import decide, held, lists, logged, opened, until
from tests.people import Office, Person, mail

OUTSIDE = "eve@elsewhere.example"
KIWI = [{"name": "kiwi", "pattern": "kiwi-[0-9]+"}]


def rule(then: str, **when: Any) -> list[dict[str, Any]]:
    """One rule on the expression."""
    return [{"name": "kiwis", "when": {"found": [{"detector": "expression"}], **when}, "then": then}]


def outcome(submission: dict[str, Any]) -> list[tuple[str, str | None]]:
    """State and reason of each recipient."""
    return [(r["state"], r["reason"]) for r in submission["recipients"]]


async def sent_because(person: Person, raw: bytes, why: str) -> Any:
    """Send a mail with a reason."""
    headers = {"Idempotency-Key": f"because-{person.account}-{len(why)}"}
    return await person.post("/messages", headers=headers, files={"message": raw}, data={"reason": why})


async def steps(person: Person, id_: str) -> set[str]:
    """The steps of a mail and its parts."""
    return {s["step"] for s in (await person.get(f"/submissions/{id_}/trace")).json()["steps"]}


async def test_a_mail_comes_back_for_a_reason_and_passes_with_one_that_only_reviewers_read(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    raw = mail(ada.address, bob.address, "Kiwis", "kiwi-17 is ripe.\r\n")
    why = "Bob grows them; he has to know."
    async with lists(reviewer, rules=rule("ask"), expressions=KIWI):
        told = (await ada.post("/scan", content=raw, headers={"Content-Type": "message/rfc822"})).json()
        assert [(v["action"], v["code"]) for v in told] == [("ask", "reason-needed")]
        back = await ada.sent(raw)
        assert outcome(back) == [("rejected", "reason-needed")]
        words = back["recipients"][0]["words"]
        assert "Send it again" in words and "with a reason" in words
        assert "kiwi" not in words.lower()

        assert (await sent_because(ada, raw, "w" * 501)).json()["code"] == "malformed-request"
        accepted = await sent_because(ada, raw, why)
        assert outcome(await ada.settled(accepted.json()["id"])) == [("delivered", None)]

    assert [row["subject"] for row in await bob.mails()] == ["Kiwis"]
    assert why.encode() not in (await bob.get(f"/messages/{(await bob.mails())[0]['id']}/raw")).content
    trace = await steps(ada, accepted.json()["id"])
    assert "passed:justified" in trace
    assert not any("grows" in step for step in trace)

    async def in_the_sent_log() -> list[dict[str, Any]]:
        return await logged(reviewer, "Kiwis")

    (line,) = await until(in_the_sent_log)
    assert (line["code"], line["rule"], line["why"], line["recipients"]) == ("justified", "kiwis", why, [bob.address])
    shown = (await reviewer.get(f"/quarantine/{line['id']}")).json()
    assert (shown["code"], shown["why"]) == ("justified", why)


async def test_a_rule_that_forces_encryption_lets_nothing_out_to_whom_has_no_key(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    async with lists(reviewer, rules=rule("encrypt"), expressions=KIWI):
        sent = await ada.sent(mail(ada.address, f"{bob.address}, {OUTSIDE}", "Sealed", "kiwi-17\r\n"), form="signed")
    assert outcome(sent) == [("delivered", None), ("bounced", "encryption-required")]
    assert all("encrypted only" in r["words"] for r in sent["recipients"])
    assert {"passed:encrypted-only", "sealed"} <= await steps(ada, sent["id"])
    assert (await opened(bob, sent["id"]))["text"] == "kiwi-17\r\n"


def with_files(sender: str, to: str, subject: str, body: str = "See the files.\r\n") -> bytes:
    """A mail with a file that a rule is about, and one that none is about."""
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = sender, to, subject
    made.set_content(body)
    made.add_attachment("kiwi-17\r\n", filename="orchard.txt")
    made.add_attachment("Soup, salad.\r\n", filename="menu.txt")
    return made.as_bytes()


async def test_a_rule_takes_out_the_attachment_it_is_about_and_the_mail_says_so_under_its_signature(
    office: Office,
) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    async with lists(reviewer, rules=rule("strip"), expressions=KIWI):
        sent = await ada.sent(with_files(ada.address, bob.address, "Files"))
        assert outcome(sent) == [("delivered", None)]
        assert "without one or more of its attachments" in sent["recipients"][0]["words"]
        # In its own words there is nothing to take out: that is for a reviewer.
        whole = await ada.sent(with_files(ada.address, bob.address, "Words", "kiwi-17\r\n"))
        assert outcome(whole) == [("held", "expression")]

    arrived = await opened(bob, sent["id"])
    assert arrived["signature"]["state"] == "good"
    assert [a["name"] for a in arrived["attachments"]] == ["menu.txt"]
    raw = (await bob.get(f"/messages/{arrived['id']}/original")).content
    assert NOTE.encode() in raw
    assert b"orchard" not in raw and b"kiwi" not in raw
    (own,) = [row for row in await ada.mails("sent") if row["mail"] == sent["id"]]
    assert b"kiwi-17" in (await ada.get(f"/messages/{own['id']}/raw")).content
    assert "passed:stripped" in await steps(ada, sent["id"])
    assert await decide(reviewer, "reject", *await held(reviewer, "Words")) == [(True, None)]


async def test_the_sent_log_is_counted_by_how_mail_passed_from_where_to_where_and_when(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()

    async def summary(**asked: str) -> dict[str, Any]:
        answer = await reviewer.get("/sent-log/summary", **asked)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    before = await summary()
    async with lists(reviewer, rules=rule("tag"), expressions=KIWI, words=[{"term": "quincebush"}]):
        tagged = await ada.sent(mail(ada.address, bob.address, "One", "kiwi-17\r\n"))
        assert outcome(tagged) == [("delivered", None)]
        assert "passed:clean" in await steps(ada, tagged["id"]), "its sender learns nothing of the tag"
        assert "passed:tagged" in await steps(reviewer, tagged["id"])
        await ada.sent(mail(ada.address, bob.address, "Two", "Quincebush.\r\n"))
    assert await decide(reviewer, "release", *await held(reviewer, "Two")) == [(True, None)]

    async def counted() -> bool:
        return bool((await summary())["mails"] == before["mails"] + 2)

    assert await until(counted)
    after = await summary()
    for name, key in (("codes", "tagged"), ("codes", "released"), ("rules", "kiwis")):
        assert after[name][key] == before[name].get(key, 0) + 1, name
    for name in ("senders", "recipients"):
        assert after[name][office.domain] == before[name].get(office.domain, 0) + 2
    assert sum(after["days"].values()) == after["mails"]
    assert after["next_cursor"] is None
    assert (await summary(since="2999-01-01"))["mails"] == 0
    assert (await ada.get("/sent-log/summary")).json()["code"] == "role-missing"
