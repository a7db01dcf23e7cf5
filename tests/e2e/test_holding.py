"""Held mail: what reviewers see and do, and what the sender sees of it (the paper's block list and its release)."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from secumail.installation import credentials
from secumail.installation.home import DATABASE, Home
from secumail.sealing.identities import Identities
from secumail.sealing.keyring import KeyRing
from secumail.sealing.kms import SCOPES
from secumail.sealing.transport import Transport
from secumail.store.client import connect
from secumail.store.transport import StoredTransportKeys
from secumail.topology import SERVICES
from tests.e2e.desk import decide, held, lists, logged, opened, second_gateway, until
from tests.people import PASSWORD, Office, Person, mail


def with_file(sender: str, to: str, subject: str, data: bytes) -> bytes:
    """A mail that is one file."""
    extra = (
        "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        'Content-Disposition: attachment; filename="plan.bin"\r\n'
    )
    return mail(sender, to, subject, base64.encodebytes(data).decode().replace("\n", "\r\n"), extra)


def states(submission: dict[str, Any]) -> list[tuple[str, str | None]]:
    """State and reason of each recipient."""
    return [(r["state"], r["reason"]) for r in submission["recipients"]]


async def test_a_black_word_holds_a_mail_from_its_threshold_on_and_a_reviewer_lets_it_go(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    async with lists(reviewer, words=[{"term": "zirconium", "threshold": 2}]):
        once = await ada.sent(mail(ada.address, bob.address, "One", "We have zirconium.\r\n"))
        assert states(once) == [("delivered", None)]
        raw = mail(ada.address, bob.address, "Two", "Zirconium! We have ZIRCONIUM.\r\n")
        twice = await ada.sent(raw)

    assert states(twice) == [("held", "black-word")]
    notice = twice["recipients"][0]["words"]
    assert "waits for a reviewer" in notice
    assert "zirconium" not in notice.lower()
    assert [row["subject"] for row in await bob.mails()] == ["One"]

    (row,) = await held(reviewer, "Two")
    shown = (await reviewer.get(f"/quarantine/{row['id']}")).json()
    assert shown["reason"] == "The word “zirconium” occurs 2 times in the body; from 2 on the mail is held."
    assert (shown["code"], shown["sender"], shown["recipients"]) == ("black-word", ada.address, [bob.address])
    assert [(f["rule"], f["where"], f["total"], f["threshold"]) for f in shown["findings"]] == [
        ("zirconium", "body", 2, 2)
    ]
    assert shown["message"]["text"] == "Zirconium! We have ZIRCONIUM.\r\n"
    assert (await reviewer.get(f"/quarantine/{row['id']}/raw")).content.endswith(raw)

    for refused in (
        await ada.get("/quarantine"),
        await ada.get(f"/quarantine/{row['id']}"),
        await ada.get(f"/quarantine/{row['id']}/raw"),
        await ada.get("/sent-log"),
        await ada.get("/lists"),
        await ada.post("/quarantine/release", json={"ids": [row["id"]]}),
        await ada.post("/quarantine/reject", json={"ids": [row["id"]]}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "role-missing")
    assert (await ada.get(f"/messages/{row['id']}")).status_code == 404

    assert await decide(reviewer, "release", row) == [(True, None)]
    assert await held(reviewer, "Two") == []
    assert states(await ada.settled(twice["id"])) == [("delivered", None)]
    assert await decide(reviewer, "release", row) == [(False, "decided-already")]
    assert await decide(reviewer, "reject", row) == [(False, "decided-already")]

    assert [r["subject"] for r in await bob.mails()] == ["Two", "One"]
    arrived = await opened(bob, twice["id"])
    assert (arrived["signature"]["state"], arrived["signature"]["signer"]) == ("good", ada.address)

    async def in_the_sent_log() -> bool:
        return bool(await logged(reviewer, "One") and await logged(reviewer, "Two"))

    assert await until(in_the_sent_log)
    steps = [s["step"] for s in (await ada.get(f"/submissions/{twice['id']}/trace")).json()["steps"]]
    assert steps == ["accepted", "held:black-word", "released", "sealed", "delivered"]


async def test_several_are_rejected_and_released_at_once_each_with_its_own_answer(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    async with lists(reviewer, words=[{"term": "beryllium"}]):
        sent = [await ada.sent(mail(ada.address, bob.address, f"Beryl {n}", "Beryllium.\r\n")) for n in range(4)]
    rows = [(await held(reviewer, f"Beryl {n}"))[0] for n in range(4)]
    unknown = {"id": "3f2b8a52-5f0e-4a52-9d2c-1c8f4a0d7e11"}

    assert await decide(reviewer, "reject", *rows[:2], unknown) == [(True, None), (True, None), (False, "no-such-mail")]
    assert await decide(reviewer, "release", *rows) == [
        (False, "decided-already"), (False, "decided-already"), (True, None), (True, None),
    ]  # fmt: skip
    assert await decide(reviewer, "reject", rows[0], rows[2]) == [(False, "decided-already")] * 2

    outcomes = [states(await ada.settled(s["id"])) for s in sent]
    assert outcomes == [[("rejected", "rejected-by-reviewer")]] * 2 + [[("delivered", None)]] * 2
    refused = (await ada.settled(sent[0]["id"]))["recipients"][0]
    assert refused["words"] == "A reviewer decided that this mail may not go out."
    assert sorted(row["subject"] for row in await bob.mails()) == ["Beryl 2", "Beryl 3"]
    assert await logged(reviewer, "Beryl 0") == []


async def test_files_on_the_black_list_are_held_and_a_strict_white_list_lets_only_its_files_leave(
    office: Office,
) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    secret, known = b"the secret plan", b"the canteen's menu"
    black = [hashlib.sha256(secret).hexdigest(), hashlib.sha1(known, usedforsecurity=False).hexdigest()]
    async with lists(reviewer, black_hashes=black):
        assert states(await ada.sent(with_file(ada.address, bob.address, "Plan", secret))) == [
            ("held", "attachment-black-listed")
        ]
        assert states(await ada.sent(with_file(ada.address, bob.address, "By SHA-1", known))) == [
            ("held", "attachment-black-listed")
        ]
        assert states(await ada.sent(with_file(ada.address, bob.address, "Other", b"other"))) == [("delivered", None)]
    async with lists(reviewer, white_mode="strict", white_hashes=[hashlib.sha256(known).hexdigest()]):
        assert states(await ada.sent(with_file(ada.address, bob.address, "Menu", known))) == [("delivered", None)]
        assert states(await ada.sent(with_file(ada.address, bob.address, "New", b"new"))) == [
            ("held", "attachment-not-listed")
        ]
        assert states(await ada.sent(mail(ada.address, bob.address, "Nothing attached"))) == [("delivered", None)]

    reason = (await reviewer.get(f"/quarantine/{(await held(reviewer, 'New'))[0]['id']}")).json()["reason"]
    assert reason == "Attachment 1 (plan.bin) is not on the white list of files that may leave."
    rows = [(await held(reviewer, subject))[0] for subject in ("Plan", "By SHA-1", "New")]
    assert await decide(reviewer, "reject", *rows) == [(True, None)] * 3


async def test_an_exempt_sender_is_not_filtered(office: Office) -> None:
    reviewer, chief, ada = await office.administrator(), await office.newcomer(), await office.newcomer()
    async with lists(reviewer, words=[{"term": "hafnium"}], exempt_senders=[chief.address.upper()]):
        assert states(await chief.sent(mail(chief.address, ada.address, "Exempt", "Hafnium\r\n"))) == [
            ("delivered", None)
        ]
        assert states(await ada.sent(mail(ada.address, chief.address, "Not exempt", "Hafnium\r\n"))) == [
            ("held", "black-word")
        ]
    assert await decide(reviewer, "reject", *await held(reviewer, "Not exempt")) == [(True, None)]


async def test_a_word_that_counts_outside_holds_the_mail_for_those_outside_only(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    # So large that its parts lie in blobs: the part that goes first must not take them from the other.
    text = "Niobium prices.\r\n" + "Line after line after line.\r\n" * 12_000
    async with lists(reviewer, words=[{"term": "niobium", "scope": "outside"}]):
        split = await ada.sent(mail(ada.address, f"eve@elsewhere.example, {bob.address}", "Prices", text))

    assert states(split) == [("held", "black-word"), ("delivered", None)]
    assert [r["address"] for r in split["recipients"]] == ["eve@elsewhere.example", bob.address]
    assert (await opened(bob, split["id"]))["text"] == text
    (row,) = await held(reviewer, "Prices")
    shown = (await reviewer.get(f"/quarantine/{row['id']}")).json()
    assert shown["recipients"] == ["eve@elsewhere.example"]
    assert "to recipients outside is held" in shown["reason"]

    async def in_the_sent_log() -> list[dict[str, Any]]:
        return await logged(reviewer, "Prices")

    assert len(await until(in_the_sent_log)) == 1
    assert await decide(reviewer, "release", row) == [(True, None)]
    # Nothing here sends mail outside, and the sender is told so; nobody inside gets the mail again.
    assert states(await ada.settled(split["id"])) == [("bounced", "no-relay"), ("delivered", None)]
    assert len(await bob.mails()) == 1
    for person in (ada, reviewer):
        trace = (await person.get(f"/submissions/{split['id']}/trace")).json()
        steps = {s["step"] for s in trace["steps"]}
        assert {"accepted", "split", "held:black-word", "passed:clean", "delivered", "released", "bounced"} <= steps
        assert len({s["mail"] for s in trace["steps"]}) == 3
    assert (await bob.get(f"/submissions/{split['id']}/trace")).status_code == 404


async def test_a_second_reviewer_sees_the_same_quarantine_until_suspended(office: Office) -> None:
    first, ada = await office.administrator(), await office.newcomer()
    second = await office.newcomer()
    promoted = await first.door.patch(
        f"/accounts/{second.account}", json={"roles": ["member", "reviewer"]}, headers=first.headers
    )
    assert promoted.status_code == 204
    # Other roles are another session.
    assert (await second.get("/quarantine")).json()["code"] == "session-over"
    await second.log_in()
    from_the_start = await office.newcomer("reviewer")
    async with lists(second, words=[{"term": "yttrium"}]):
        await ada.sent(mail(ada.address, ada.address, "For second", "Yttrium\r\n"))
        await ada.sent(mail(ada.address, ada.address, "For third", "Yttrium\r\n"))
        await ada.sent(mail(ada.address, ada.address, "For nobody", "Yttrium\r\n"))
    assert await held(second, "For second") == await held(first, "For second") != []
    assert await decide(second, "release", *await held(second, "For second")) == [(True, None)]
    assert await decide(from_the_start, "release", *await held(from_the_start, "For third")) == [(True, None)]
    assert await decide(first, "release", *await held(first, "For nobody")) == [(True, None)]

    (row,) = await held_again(first, ada)
    suspended = await first.door.patch(
        f"/accounts/{second.account}", json={"status": "suspended"}, headers=first.headers
    )
    assert suspended.status_code == 204
    refused = await second.post("/quarantine/release", json={"ids": [row["id"]]})
    assert (refused.status_code, refused.json()["code"]) == (401, "session-over")
    again = await second.door.post("/sessions", json={"address": second.address, "password": PASSWORD})
    assert (again.status_code, again.json()["code"]) == (401, "wrong-credentials")
    assert await decide(first, "reject", row) == [(True, None)]


async def held_again(reviewer: Person, sender: Person) -> list[dict[str, Any]]:
    """One more held mail."""
    async with lists(reviewer, words=[{"term": "terbium"}]):
        await sender.sent(mail(sender.address, sender.address, "Terbium"))
    return await held(reviewer, "Terbium")


async def test_a_mail_released_after_the_transport_keys_were_rotated_arrives(office: Office) -> None:
    """Three days in one moment: every service gets a newer pair, and a gateway that knows no older one releases."""
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    async with lists(reviewer, words=[{"term": "osmium"}]):
        waiting = await ada.sent(mail(ada.address, bob.address, "Osmium"))
    for service in SERVICES:
        await rotate(office.home, service, datetime.now(UTC) + timedelta(days=3))

    async with second_gateway(office.home) as door:
        later = await Person(reviewer.address, door).log_in(administrator_password(office.home))
        assert await decide(later, "release", *await held(later, "Osmium")) == [(True, None)]
        assert states(await ada.settled(waiting["id"])) == [("delivered", None)]
    assert (await opened(bob, waiting["id"]))["signature"]["state"] == "good"


async def test_lists_are_changed_by_those_who_know_the_newest_version_and_say_what_is_wrong(office: Office) -> None:
    reviewer = await office.administrator()
    etag = (await reviewer.get("/lists")).headers["ETag"]

    async def put(given: object, if_match: str | None = etag) -> tuple[int, str]:
        given_match = {} if if_match is None else {"If-Match": if_match.encode("latin-1")}
        headers = {name: value.encode() for name, value in reviewer.headers.items()} | given_match
        answer = await reviewer.door.put("/lists", json=given, headers=headers)
        return answer.status_code, answer.json().get("code", "")

    assert await put({}, None) == (428, "if-match-missing")
    for odd in ("²", '"²"', "*", 'W/"1"', '"' + "9" * 4000 + '"', ""):
        assert await put({}, odd) == (428, "if-match-missing")
    assert await put({}, '"999999"') == (409, "changed-meanwhile")
    assert await put({"words": [{"term": "x", "threshold": 0}]}) == (422, "lists-malformed")
    assert await put({"words": [{"term": "…"}]}) == (422, "lists-malformed")
    assert await put({"black_hashes": ["abc"]}) == (422, "lists-malformed")
    assert await put({"white_hashes": ["a" * 40]}) == (422, "lists-malformed")
    assert await put({"surprise": 1}) == (422, "lists-malformed")
    assert await put([]) == (422, "malformed-request")
    assert (await reviewer.get("/lists")).headers["ETag"] == etag


async def rotate(home: Home, service: str, now: datetime) -> None:
    """What the service itself does once a day."""
    url = home.mongodb_url(service, credentials.read(home, service, credentials.MONGODB))
    pairs = StoredTransportKeys(connect(url, str(home.ca), "tests")[DATABASE]["transport_keys"])
    scope = KeyRing(home.keys, SCOPES[service])[f"{service}.transport"]
    before = await pairs.newest(service)
    await Transport(service, scope, Identities.read(home.identities), pairs).rotate_if_due(now)
    assert await pairs.newest(service) != before


def administrator_password(home: Home) -> str:
    """What the installation gave the first administrator."""
    given: dict[str, str] = json.loads((home.secrets("auth") / "first_admin.json").read_text())
    return given["password"]


async def test_a_reviewers_note_is_kept_for_the_other_reviewers_with_who_and_when(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    async with lists(reviewer, words=[{"term": "notewisteria"}]):
        await ada.sent(mail(ada.address, bob.address, text="notewisteria\r\n"))
        held = (await reviewer.get("/quarantine")).json()["data"][0]
        assert (await reviewer.get(f"/quarantine/{held['id']}")).json()["decision"] is None
        decided = await reviewer.post("/quarantine/reject", json={"ids": [held["id"]], "note": "Ask the owner first."})
        assert decided.json()[0]["done"], decided.text
    decision = (await reviewer.get(f"/quarantine/{held['id']}")).json()["decision"]
    assert (decision["by"], decision["act"], decision["note"]) == (reviewer.address, "rejected", "Ask the owner first.")
