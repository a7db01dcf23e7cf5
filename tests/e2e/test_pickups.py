"""Mail with a password, for someone outside: a page behind a link, opened by a person and by a program."""

import asyncio
import base64
import json
import re
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from typer.testing import CliRunner, Result

from secumail.cli.main import app
from secumail.installation import database
from secumail.installation.home import DATABASE
from tests.e2e.desk import decide, held, lists, second_gateway, until
from tests.people import PASSWORD as ACCOUNT_PASSWORD
from tests.people import Office, Person, mail
from tests.pictures import photograph

PASSWORD = "green kettle on the hill"
CAROL = "carol@elsewhere.example"


@pytest.fixture
async def browser(office: Office) -> AsyncIterator[httpx.AsyncClient]:
    """Someone outside, with cookies and without an account. Redirects are followed as a browser follows them."""
    home = office.home
    trust = ssl.create_default_context(cafile=str(home.ca))
    base = f"https://localhost:{home.ports.https}"
    async with httpx.AsyncClient(base_url=base, verify=trust, timeout=60, follow_redirects=True) as client:
        yield client


async def submit(sender: Person, raw: bytes, password: str = PASSWORD, key: str = "", **fields: str) -> httpx.Response:
    """POST a mail with a password."""
    return await sender.post(
        "/messages",
        files={"message": ("mail.eml", raw, "message/rfc822")},
        data={"password": password, **fields},
        headers={"Idempotency-Key": key or uuid4().hex},
    )


async def sent(sender: Person, raw: bytes = b"", **fields: str) -> tuple[str, str]:
    """A mail with a password that has arrived: its id, and Carol's link."""
    answer = await submit(sender, raw or mail(sender.address, CAROL, "Plans", "Good morning, Carol.\r\n"), **fields)
    assert answer.status_code == 202, answer.text
    settled = await sender.settled(answer.json()["id"])
    assert {r["state"] for r in settled["recipients"]} == {"delivered"}, settled
    return settled["id"], answer.json()["pickups"][CAROL]


async def opened(door: httpx.AsyncClient, link: str, password: str = PASSWORD) -> httpx.Response:
    """The mail behind a link, for a program."""
    return await door.post(f"/pickups/{link.rpartition('/')[2]}/open", json={"password": password})


async def the_pickup(sender: Person, mail: str) -> dict[str, Any]:
    """The only pickup of a mail, as its sender sees it."""
    (row,) = (await sender.get(f"/submissions/{mail}")).json()["pickups"]
    return dict(row)


def text(page: httpx.Response) -> str:
    """What a page says."""
    body = re.sub(r"<style>.*?</style>", "", page.text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


async def test_someone_outside_opens_the_mail_with_link_and_password(
    office: Office, browser: httpx.AsyncClient
) -> None:
    ada = await office.newcomer()
    id_, link = await sent(ada, hint="where we first met")
    assert link.startswith(f"https://localhost:{office.home.ports.https}/pickup/")

    asked = await browser.get(link)
    assert asked.status_code == 200
    assert "A mail is waiting for you" in text(asked)
    assert f"Protected mail from {office.domain}" in text(asked)
    assert "Hint: where we first met" in text(asked)
    assert "Plans" not in asked.text and "morning" not in asked.text and ada.address not in asked.text
    assert (await the_pickup(ada, id_))["state"] == "waiting"

    page = await browser.post(link, data={"password": PASSWORD})
    assert page.status_code == 200
    assert "Good morning, Carol." in text(page)
    assert "<h1>Plans</h1>" in page.text and ada.address in page.text
    assert "Good morning" in text(await browser.get(link)), "for ten minutes the password is not asked again"

    row = await the_pickup(ada, id_)
    assert (row["state"], row["recipient"], row["link"]) == ("opened", CAROL, link)
    assert (len(row["opened"]), row["attempts_left"]) == (1, 10)

    assert "The mail is closed" in text(await browser.post(f"{link}/leave"))
    assert "waiting for you" in text(await browser.get(link))


async def test_a_page_is_kept_nowhere_and_its_cookie_is_for_this_site_alone(
    office: Office, browser: httpx.AsyncClient
) -> None:
    _, link = await sent(await office.member("ada"))
    browser.follow_redirects = False
    posted = await browser.post(link, data={"password": PASSWORD})
    assert (posted.status_code, posted.headers["Location"]) == (303, link[link.index("/pickup/") :])
    cookie = posted.headers["Set-Cookie"]
    assert cookie.startswith("__Host-pickup-")
    assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/", "Max-Age=600"} <= set(cookie.split("; "))
    assert PASSWORD not in cookie
    for answer in (posted, await browser.get(link), await browser.get(link[:-1])):
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none';")
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "noindex" in answer.headers["X-Robots-Tag"]
    value = cookie.partition("=")[2].partition(";")[0]
    bearer = await office.door.get("/messages", headers={"Authorization": f"Bearer {value}"})
    assert (bearer.status_code, bearer.json()["code"]) == (401, "session-over"), "a visit is no session"


async def test_a_program_opens_the_mail_with_link_and_password(office: Office) -> None:
    ada = await office.member("ada")
    raw = mail(ada.address, CAROL, "Plans", "Good morning, Carol.\r\n", "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n")
    _, link = await sent(ada, raw)
    answer = await opened(office.door, link)
    assert answer.status_code == 200, answer.text
    given = answer.json()
    assert (given["subject"], given["sender"], given["to"]) == ("Plans", ada.address, [CAROL])
    assert given["text"] == "Good morning, Carol.\r\n"
    assert (given["signature"]["state"], given["signature"]["signer"]) == ("good", ada.address)
    assert raw in base64.b64decode(given["raw"])


async def test_attachments_are_downloads_for_who_is_in(office: Office, browser: httpx.AsyncClient) -> None:
    ada = await office.member("ada")
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = ada.address, CAROL, "Figures"
    message.set_content("<p>See <b>the table</b>.</p><script>alert(1)</script>", subtype="html")
    message.add_attachment(b"a;b\n1;2\n", maintype="text", subtype="csv", filename='tab<le>".csv')
    message.add_attachment(b"<script>1</script>", maintype="text", subtype="html", filename="x.html")
    _, link = await sent(ada, message.as_bytes())
    before = await browser.get(f"{link}/attachments/1")
    assert "waiting for you" in text(before), "without the password there is only the question for it"
    page = await browser.post(link, data={"password": PASSWORD})
    assert "See the table." in text(page)
    assert "<script" not in page.text
    assert f'{link[link.index("/pickup/") :]}/attachments/1">tab&lt;le&gt;_.csv</a>' in page.text
    first, second = [await browser.get(f"{link}/attachments/{n}") for n in (1, 2)]
    assert first.content == b"a;b\n1;2\n"
    assert second.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in second.headers["Content-Security-Policy"]
    assert second.headers["Cache-Control"] == "no-store"
    assert (await browser.get(f"{link}/attachments/3")).status_code == 404
    whole = await browser.get(f"{link}/mail.eml")
    assert whole.headers["Content-Disposition"] == 'attachment; filename="mail.eml"'
    assert b"application/pkcs7-signature" in whole.content


async def test_ten_wrong_passwords_lock_the_mail_also_where_they_race(
    office: Office, browser: httpx.AsyncClient
) -> None:
    ada = await office.newcomer()
    id_, link = await sent(ada)
    wrong = await browser.post(link, data={"password": "not this one"})
    assert wrong.status_code == 403
    assert "This is not the password; 9 attempts are left." in text(wrong)
    assert (await opened(office.door, link)).status_code == 200
    assert (await the_pickup(ada, id_))["attempts_left"] == 9, "a right password costs no attempt and forgives none"

    racing = await asyncio.gather(*(opened(office.door, link, f"guess {n}") for n in range(14)))
    codes = [answer.json()["code"] for answer in racing]
    assert codes.count("pickup-password-wrong") == 8
    assert codes.count("pickup-locked") == 6
    assert (await opened(office.door, link)).json()["code"] == "pickup-locked", "now the right one is too late"
    told = await browser.post(link, data={"password": PASSWORD})
    assert (told.status_code, "This mail is locked" in text(told)) == (403, True)
    row = await the_pickup(ada, id_)
    assert (row["state"], row["attempts_left"]) == ("locked", 0)


async def test_a_sender_takes_a_mail_back(office: Office, browser: httpx.AsyncClient) -> None:
    ada, eve = await office.newcomer(), await office.member("eve")
    id_, link = await sent(ada)
    assert "Good morning" in text(await browser.post(link, data={"password": PASSWORD}))
    row = await the_pickup(ada, id_)
    path = f"/pickups/{row['id']}"
    assert (await eve.door.delete(path, headers=eve.headers)).status_code == 404
    assert (await ada.door.delete(path, headers=ada.headers)).status_code == 204
    assert (await ada.door.delete(path, headers=ada.headers)).status_code == 404
    told = await browser.get(link)
    assert (told.status_code, "The sender has taken this mail back" in text(told)) == (410, True)
    assert (await browser.get(f"{link}/mail.eml")).status_code == 410, "who was in is out"
    assert (await opened(office.door, link)).json()["code"] == "pickup-revoked"
    assert (await the_pickup(ada, id_))["state"] == "revoked"
    found = await stored(office, row["id"])
    assert "sealed" not in found["pickups"][0]
    assert [entry.keys() & {"key", "meta", "body"} for entry in found["entries"]] == [set()]


async def test_an_expired_mail_is_gone_and_so_is_its_key(office: Office, browser: httpx.AsyncClient) -> None:
    ada = await office.newcomer()
    id_, link = await sent(ada, expires_days="3")
    row = await the_pickup(ada, id_)
    lasts = datetime.fromisoformat(row["expires"]) - datetime.fromisoformat(row["created"])
    assert lasts == timedelta(days=3)
    assert "Good morning" in text(await browser.post(link, data={"password": PASSWORD}))
    client = database.member(office.home).connect()
    past = datetime.now(UTC) - timedelta(minutes=1)
    await client[DATABASE]["pickups"].update_one({"_id": UUID(row["id"])}, {"$set": {"ends": past, "due": past}})
    client.close()
    told = await browser.get(link)
    assert (told.status_code, "This mail has expired" in text(told)) == (410, True)
    assert (await opened(office.door, link)).json()["code"] == "pickup-expired"
    assert (await the_pickup(ada, id_))["state"] == "expired"
    async with second_gateway(office.home):  # each gateway sweeps when it starts, and every minute

        async def swept() -> bool:
            return "sealed" not in (await stored(office, row["id"]))["pickups"][0]

        await until(swept)
    (entry,) = (await stored(office, row["id"]))["entries"]
    assert not entry.keys() & {"key", "meta", "body"}


async def test_a_link_that_leads_nowhere_says_so(office: Office, browser: httpx.AsyncClient) -> None:
    _, link = await sent(await office.member("ada"))
    for wrong in (link[:-1], f"{link}x", f"{link.rpartition('/')[0]}/%00%ff"):
        answer = await browser.get(wrong)
        assert (answer.status_code, "leads to no mail" in text(answer)) == (404, True)
        assert (await opened(office.door, wrong)).status_code == 404
    assert (await browser.post(link, json={"password": PASSWORD})).status_code == 415
    assert (await browser.post(link, files={"password": PASSWORD.encode()})).status_code == 415
    assert (await browser.post(link, data={"x": ""})).status_code == 403
    assert (await office.door.post("/pickups/x/open", json={"password": "x" * 1025})).status_code == 422


async def test_a_held_mail_is_not_there_yet_and_a_rejected_one_will_not_come(
    office: Office, browser: httpx.AsyncClient
) -> None:
    reviewer, ada = await office.administrator(), await office.newcomer()
    async with lists(reviewer, words=[{"term": "kittiwake"}]):
        for verdict, subject in (("release", "Held one"), ("reject", "Held two")):
            answer = await submit(ada, mail(ada.address, CAROL, subject, "About the kittiwake.\r\n"))
            id_, link = answer.json()["id"], answer.json()["pickups"][CAROL]
            assert (await ada.settled(id_))["recipients"][0]["state"] == "held"
            waits = await browser.post(link, data={"password": PASSWORD})
            assert (waits.status_code, "The mail is not there yet" in text(waits)) == (409, True)
            assert (await the_pickup(ada, id_))["state"] == "waiting"
            assert await decide(reviewer, verdict, *await held(reviewer, subject)) == [(True, None)]
            if verdict == "release":
                assert (await ada.settled(id_))["recipients"][0]["state"] == "delivered"
                assert "About the kittiwake." in text(await browser.post(link, data={"password": PASSWORD}))
            else:
                gone = await browser.post(link, data={"password": PASSWORD})
                assert (gone.status_code, "will not" in text(gone)) == (410, True)


async def test_each_recipient_outside_has_a_link_and_those_inside_a_mailbox(office: Office) -> None:
    ada, bob, dave = await office.newcomer(), await office.newcomer(), "dave@elsewhere.example"
    raw, key = mail(ada.address, f"{CAROL}, {bob.address}", extra=f"Bcc: {dave}\r\n"), uuid4().hex
    first = await submit(ada, raw, key=key)
    assert first.json()["pickups"].keys() == {CAROL, dave}
    again = await submit(ada, raw, key=key)
    assert again.json()["pickups"] == first.json()["pickups"], "a request that is repeated invites nobody twice"
    settled = await ada.settled(first.json()["id"])
    assert [r["state"] for r in settled["recipients"]] == ["delivered"] * 3
    assert len(await bob.mails()) == 1
    for link in first.json()["pickups"].values():
        assert dave not in (await opened(office.door, link)).text, "nobody is told of a blind copy"
    rows = (await ada.get("/pickups")).json()
    assert {row["recipient"]: row["link"] for row in rows} == first.json()["pickups"]
    assert (await bob.get("/pickups")).json() == []


async def test_without_a_password_there_is_no_relay_to_the_outside(office: Office) -> None:
    ada = await office.member("ada")
    submission = await ada.sent(mail(ada.address, CAROL))
    assert [(r["state"], r["reason"]) for r in submission["recipients"]] == [("bounced", "no-relay")]
    assert submission["pickups"] == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"password": "short"}, "pickup-password-too-short"),
        ({"hint": f"It is {PASSWORD}"}, "pickup-hint-tells"),
        ({"expires_days": "91"}, "pickup-days"),
        ({"password": ""}, "pickup-password-too-short"),
    ],
)
async def test_a_password_that_cannot_be_meant_is_refused(office: Office, fields: dict[str, str], code: str) -> None:
    ada = await office.member("ada")
    answer = await submit(ada, mail(ada.address, CAROL), **fields)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert PASSWORD not in answer.text


async def test_a_password_for_nobody_or_with_a_picture_is_refused(office: Office) -> None:
    ada = await office.member("ada")
    inside = await submit(ada, mail(ada.address, ada.address))
    assert (inside.status_code, inside.json()["code"]) == (422, "pickup-for-nobody")
    files = {"message": ("mail.eml", mail(ada.address, CAROL)), "cover": ("garden.png", photograph(), "image/png")}
    key = {"Idempotency-Key": uuid4().hex}
    both = await ada.post("/messages", files=files, data={"password": PASSWORD}, headers=key)
    assert (both.status_code, both.json()["code"]) == (422, "pickup-with-cover")


async def test_a_guest_replies_five_times_and_the_sender_gets_mail_that_nobody_signed(
    office: Office, browser: httpx.AsyncClient
) -> None:
    ada = await office.newcomer()
    id_, link = await sent(ada)
    page = await browser.post(link, data={"password": PASSWORD})
    for n in range(5):
        page = await browser.post(f"{link}/reply", data={"form": found_form(page), "text": f"Thank you, Ada. {n}"})
        assert "Your reply has been sent." in text(page)
    assert "You have used all replies to this mail." in text(page)
    more = await browser.post(f"{link}/reply", data={"form": "0" * 32, "text": "One more"})
    assert (more.status_code, "used all replies" in text(more)) == (409, True)
    assert (await the_pickup(ada, id_))["replies"] == 5

    async def arrived() -> list[dict[str, Any]]:
        rows = await ada.mails()
        return rows if len(rows) == 5 else []

    rows = await until(arrived)
    assert {row["subject"] for row in rows} == {"Re: Plans"}
    shown = [(await ada.get(f"/messages/{row['id']}")).json() for row in rows]
    assert {mail["text"].strip() for mail in shown} == {f"Thank you, Ada. {n}" for n in range(5)}
    assert {(mail["sender"], mail["signature"]["state"]) for mail in shown} == {(CAROL, "unsigned")}


async def test_a_reply_that_is_sent_twice_is_one_mail(office: Office, browser: httpx.AsyncClient) -> None:
    ada = await office.newcomer()
    id_, link = await sent(ada)
    form = found_form(await browser.post(link, data={"password": PASSWORD}))
    for _ in range(2):
        again = await browser.post(f"{link}/reply", data={"form": form, "text": "Thank you"})
        assert "Your reply has been sent." in text(again)
    assert "up to 4 replies" in text(again)
    other = await browser.post(f"{link}/reply", data={"form": form, "text": "Something else"})
    assert other.status_code == 409
    assert (await the_pickup(ada, id_))["replies"] == 1


async def test_a_reply_that_took_too_long_to_type_is_not_lost(office: Office, browser: httpx.AsyncClient) -> None:
    _, link = await sent(await office.member("ada"))
    form = found_form(await browser.post(link, data={"password": PASSWORD}))
    await browser.post(f"{link}/leave")
    asked = await browser.post(f"{link}/reply", data={"form": form, "text": 'A <long> "answer"'})
    assert "Your reply is kept meanwhile." in text(asked)
    assert 'name="draft" value="A &lt;long&gt; &quot;answer&quot;"' in asked.text
    page = await browser.post(link, data={"password": PASSWORD, "draft": 'A <long> "answer"'})
    assert "A &lt;long&gt; &quot;answer&quot;</textarea>" in page.text


async def test_at_the_command_line_a_mail_is_sent_watched_opened_and_taken_back(office: Office, tmp_path: Path) -> None:
    ada = await office.newcomer()
    there = {"SECUMAIL_HOME": str(office.home.path), "SECUMAIL_SESSION": str(tmp_path / "session.json")}

    async def run(*arguments: str, given: str = "") -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, arguments, given, there)

    await run("login", ada.address, "--password-stdin", given=f"{ACCOUNT_PASSWORD}\n")
    message = EmailMessage()
    message["To"], message["Subject"] = CAROL, "Figures"
    message.set_content("See the table.")
    for content in (b"1", b"2"):
        message.add_attachment(content, maintype="text", subtype="csv", filename="table.csv")
    file = tmp_path / "mail.eml"
    file.write_bytes(message.as_bytes())
    sending = ("send", str(file), "--password-stdin", "--hint", "where we met", "--expires-days", "7", "--wait")
    done = await run(*sending, given=f"{PASSWORD}\n")
    assert done.exit_code == 0, done.output
    link = re.search(rf"{CAROL}: (https://\S+)", done.output)
    assert link is not None, done.output
    assert "Hand over each link yourself" in done.output
    assert "not opened yet" in (await run("pickups", "ls")).output

    wrong = await run("pickup", link[1], "--password-stdin", "--ca", str(office.home.ca), given="not this one\n")
    assert (wrong.exit_code, "9 attempts are left" in wrong.output) == (1, True)
    picking = ("pickup", link[1], "--password-stdin", "--ca", str(office.home.ca), "--save", str(tmp_path / "saved"))
    got = await run(*picking, given=f"{PASSWORD}\n")
    assert got.exit_code == 0, got.output
    assert "See the table." in got.output and ada.address in got.output
    saved = {path.name: path.read_bytes() for path in (tmp_path / "saved").iterdir()}
    assert saved.keys() == {"mail.eml", "table.csv", "2-table.csv"}
    assert (saved["table.csv"], saved["2-table.csv"]) == (b"1", b"2")
    again = await run(*picking, given=f"{PASSWORD}\n")
    assert (again.exit_code, "is there already" in again.output) == (1, True)

    (row,) = json.loads((await run("pickups", "ls", "--json")).stdout)
    assert (row["state"], row["link"]) == ("opened", link[1])
    assert (await run("pickups", "revoke", row["id"][:8])).exit_code == 0
    assert "taken back" in (await run("sent", row["mail"])).output
    over = await run("pickup", link[1], "--password-stdin", "--ca", str(office.home.ca), given=f"{PASSWORD}\n")
    assert (over.exit_code, "taken this mail back" in over.output) == (1, True)


def found_form(page: httpx.Response) -> str:
    """The id of the page's reply form."""
    found = re.search(r'name="form" value="([0-9a-f]{32})"', page.text)
    assert found is not None, text(page)
    return found[1]


async def stored(office: Office, guest: str) -> dict[str, list[dict[str, Any]]]:
    """What the database has of a guest."""
    client = database.member(office.home).connect()
    try:
        found = client[DATABASE]
        return {
            "pickups": await found["pickups"].find({"_id": UUID(guest)}).to_list(None),
            "entries": await found["entries"].find({"account": UUID(guest)}).to_list(None),
        }
    finally:
        client.close()
