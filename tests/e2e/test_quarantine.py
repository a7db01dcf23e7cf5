"""The quarantine: where a held mail stands, two reviewers for what is dangerous, releases that must be encrypted, and
the sender's say."""

import asyncio
from typing import Any
from uuid import UUID

from secumail.cli.operator import Access
from tests.e2e.desk import decide, held, lists, opened
from tests.people import Office, Person, mail

OUTSIDE = "eve@elsewhere.example"
SCRIPT = (
    "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
    'Content-Disposition: attachment; filename="run.bat"\r\n'
)
STRONG = [{"name": "osprey", "when": {"found": [{"detector": "expression"}]}, "then": "hold", "reviewers": 2}]
OSPREY = [{"name": "osprey", "pattern": "osprey-[0-9]+"}]


def outcome(submission: dict[str, Any]) -> list[tuple[str, str | None]]:
    """State and reason of each recipient."""
    return [(r["state"], r["reason"]) for r in submission["recipients"]]


async def entry(reviewer: Person, id_: str) -> dict[str, Any]:
    """A held mail, opened."""
    shown: dict[str, Any] = (await reviewer.get(f"/quarantine/{id_}")).json()
    return shown


async def subjects(reviewer: Person, sender: Person, state: str) -> list[str]:
    """What of this sender's is shown in this state."""
    page = (await reviewer.get("/quarantine", state=state, sender=sender.address)).json()
    assert {row["state"] for row in page["data"]} <= {state}
    return [row["subject"] for row in page["data"]]


async def release(reviewer: Person, row: dict[str, Any], **how: Any) -> dict[str, Any]:
    """Release one mail: the answer for it."""
    answer = await reviewer.post("/quarantine/release", json={"ids": [row["id"]], **how})
    (decided,) = answer.json()
    return dict(decided)


async def test_every_held_mail_is_found_under_where_it_stands(office: Office) -> None:
    reviewer, ada = await office.administrator(), await office.newcomer()
    async with lists(reviewer, words=[{"term": "gallium"}]):
        for subject in ("waits", "goes", "stays"):
            await ada.sent(mail(ada.address, ada.address, subject, "Gallium.\r\n"))
    assert await decide(reviewer, "release", *await held(reviewer, "goes")) == [(True, None)]
    assert await decide(reviewer, "reject", *await held(reviewer, "stays")) == [(True, None)]
    for state, shown in (("waiting", ["waits"]), ("released", ["goes"]), ("rejected", ["stays"]), ("expired", [])):
        assert await subjects(reviewer, ada, state) == shown
    assert (await reviewer.get("/quarantine", state="lost")).json()["code"] == "malformed-request"
    (row,) = await held(reviewer, "waits")
    assert (row["missing"], row["appealed"]) == (1, False)
    assert await decide(reviewer, "reject", row) == [(True, None)]


async def test_what_is_dangerous_goes_when_two_people_release_it_and_not_before(office: Office) -> None:
    first, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    second = await office.newcomer("reviewer")
    async with lists(first):
        sent = await ada.sent(mail(ada.address, bob.address, "Script", "@echo off\r\nformat c:\r\n", SCRIPT))
    assert outcome(sent) == [("held", "danger")]
    (row,) = await held(first, "Script")
    assert row["missing"] == 2

    voted = await release(first, row, note="Ours: the backup.")
    assert (voted["done"], voted["missing"]) == (True, 1)
    assert (await release(first, row))["missing"] == 1, "the same person twice is one person"
    assert outcome(await ada.settled(sent["id"])) == [("held", "danger")]
    waiting = await entry(second, row["id"])
    assert (waiting["state"], waiting["reviewers"], waiting["decision"]) == ("waiting", 2, None)
    assert [(v["by"], v["act"], v["note"]) for v in waiting["votes"]] == [(first.address, "voted", "Ours: the backup.")]
    assert (await held(second, "Script"))[0]["missing"] == 1

    released = await release(second, row)
    assert (released["done"], released["missing"]) == (True, 0)
    assert outcome(await ada.settled(sent["id"])) == [("delivered", None)]
    assert (await opened(bob, sent["id"]))["signature"]["state"] == "good"
    steps = (await ada.get(f"/submissions/{sent['id']}/trace")).json()["steps"]
    acts = [(s["actor"], s["step"]) for s in steps if s["step"] in ("voted:released", "released")]
    votes = [(person.account, "voted:released") for person in (first, second)]
    assert acts == [*votes, (second.account, "released")]


async def test_one_reviewer_is_enough_to_reject_and_nobody_releases_ones_own_mail(office: Office) -> None:
    first, second = await office.administrator(), await office.newcomer("reviewer")
    async with lists(first, rules=STRONG, expressions=OSPREY, words=[{"term": "polonium"}]):
        sent = await second.sent(mail(second.address, second.address, "Own", "osprey-17\r\n"))
        await second.sent(mail(second.address, second.address, "Own word", "Polonium.\r\n"))
    (row,), (word,) = await held(first, "Own"), await held(first, "Own word")
    assert (await release(second, row))["code"] == "own-mail"
    assert (await release(second, word))["code"] == "own-mail"
    assert (await release(first, word))["done"]
    assert (await release(first, row))["missing"] == 1
    assert await decide(first, "reject", row) == [(True, None)]
    assert outcome(await second.settled(sent["id"])) == [("rejected", "rejected-by-reviewer")]


async def test_two_who_release_in_the_same_moment_release_it(office: Office) -> None:
    first, second, ada = await office.administrator(), await office.newcomer("reviewer"), await office.newcomer()
    async with lists(first, rules=STRONG, expressions=OSPREY):
        sent = await ada.sent(mail(ada.address, ada.address, "Both", "osprey-17\r\n"))
    (row,) = await held(first, "Both")
    both = await asyncio.gather(release(first, row), release(second, row))
    # One of them may be told that the other has just decided it; the mail is on its way in any case.
    assert sum(one["done"] and not one["missing"] for one in both) >= 1, both
    assert outcome(await ada.settled(sent["id"])) == [("delivered", None)]


async def test_what_is_released_encrypted_reaches_nobody_outside_without_a_key(office: Office) -> None:
    first, second, ada = await office.administrator(), await office.newcomer("reviewer"), await office.newcomer()
    async with lists(first, words=[{"term": "gadolinium"}]):
        sent = await ada.sent(mail(ada.address, f"{ada.address}, {OUTSIDE}", "Sealed", "Gadolinium.\r\n"))
    (row,) = await held(first, "Sealed")
    assert (await release(first, row, encrypted=True))["done"]
    settled = await ada.settled(sent["id"])
    assert outcome(settled) == [("delivered", None), ("bounced", "encryption-required")]
    assert "no key of the recipient" in settled["recipients"][1]["words"]
    assert (await entry(first, row["id"]))["decision"]["act"] == "released-encrypted"

    async with lists(first, rules=STRONG, expressions=OSPREY):
        await ada.sent(mail(ada.address, ada.address, "On condition", "osprey-17\r\n"))
    (row,) = await held(first, "On condition")
    assert (await release(first, row, encrypted=True))["missing"] == 1
    assert (await release(second, row))["code"] == "vote-encrypted"
    assert (await release(second, row, encrypted=True))["done"]


async def test_a_sender_says_one_thing_to_the_reviewers_who_read_it_with_the_mail(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    async with lists(reviewer, words=[{"term": "caesium", "scope": "outside"}]):
        sent = await ada.sent(mail(ada.address, f"{bob.address}, {OUTSIDE}", "Clock", "Caesium.\r\n"))
        passed = await ada.sent(mail(ada.address, bob.address, "Passed", "Caesium.\r\n"))

    async def appeal(person: Person, id_: str, text: str) -> tuple[int, str | None]:
        answer = await person.post(f"/submissions/{id_}/appeal", json={"text": text})
        return answer.status_code, answer.json()["code"] if answer.content else None

    words = "It is the atomic clock's brochure, public since May."
    assert await appeal(bob, sent["id"], words) == (404, "no-such-mail")
    assert await appeal(ada, sent["id"], "  ") == (422, "malformed-request")
    assert await appeal(ada, sent["id"], words) == (204, None)
    assert await appeal(ada, sent["id"], "And again.") == (409, "appealed-already")
    assert await appeal(ada, passed["id"], words) == (409, "not-held")
    (row,) = await held(reviewer, "Clock")
    assert row["appealed"]
    assert (await entry(reviewer, row["id"]))["appeal"]["text"] == words
    steps = (await ada.get(f"/submissions/{sent['id']}/trace")).json()["steps"]
    assert [s["actor"] for s in steps if s["step"] == "appealed"] == [ada.account]
    assert words not in str(steps)
    assert await decide(reviewer, "reject", row) == [(True, None)]
    assert await appeal(ada, sent["id"], words) == (409, "not-held")


async def test_a_decision_that_a_gateway_did_not_write_down_is_read_from_the_mails_steps(office: Office) -> None:
    reviewer, ada = await office.administrator(), await office.newcomer()
    async with lists(reviewer, words=[{"term": "rubidium"}]):
        await ada.sent(mail(ada.address, ada.address, "Lost", "Rubidium.\r\n"))
    (row,) = await held(reviewer, "Lost")
    assert await decide(reviewer, "release", row) == [(True, None)]
    # As if it had been killed between dlp's answer and the quarantine.
    back = {"$set": {"folder": "quarantine"}, "$unset": {"decision": ""}}
    await Access.open(office.home.path).database()["entries"].update_one({"_id": UUID(row["id"])}, back)

    assert await subjects(reviewer, ada, "waiting") == []
    assert await subjects(reviewer, ada, "released") == ["Lost"]
    decision = (await entry(reviewer, row["id"]))["decision"]
    assert (decision["by"], decision["act"]) == (reviewer.account, "released")
