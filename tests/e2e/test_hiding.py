"""Mail hidden in a picture: what the recipient sees, what others see, and what becomes of a picture that won't do."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from tests.e2e.desk import decide, held, lists, opened, picture, until
from tests.people import Office, Person, mail

SECRET = "We meet at the lighthouse.\r\n"


async def hide(
    sender: Person, to: str, cover: bytes, text: str = SECRET, name: str = "garden.png", cover_text: str = "Our garden"
) -> dict[str, Any]:
    """Send a mail hidden in a picture: the answer."""
    answer = await sender.post(
        "/messages",
        files={
            "message": ("mail.eml", mail(sender.address, to, "Lighthouse", text), "message/rfc822"),
            "cover": (name, cover, "image/png"),
        },
        data={"cover_text": cover_text},
        headers={"Idempotency-Key": uuid4().hex},
    )
    return {"status": answer.status_code, **answer.json()}


async def bounced(sender: Person, to: Person, answer: dict[str, Any]) -> tuple[str, str, str]:
    """Reason and words of a hidden mail that came back, and the bounce's text. Nothing of it arrived."""
    assert answer["status"] == 202, answer
    (recipient,) = (await sender.settled(answer["id"]))["recipients"]
    assert recipient["state"] == "bounced"
    rows = await until(sender.mails)
    assert await to.mails() == []
    text: str = (await sender.get(f"/messages/{rows[0]['id']}")).json()["text"]
    return recipient["reason"], recipient["words"], text


async def test_a_hidden_mail_arrives_as_an_ordinary_one_with_a_picture_and_opens_for_its_recipient(
    office: Office,
) -> None:
    ada, bob, eve = await office.newcomer(), await office.newcomer(), await office.newcomer()
    cover = picture()
    sent = await hide(ada, bob.address, cover)
    assert (await ada.settled(sent["id"]))["recipients"][0]["state"] == "delivered"

    row = await bob.received(sent["id"])
    shown = await opened(bob, sent["id"])
    assert (shown["hidden"], shown["subject"], shown["text"]) == (True, "Our garden", "Our garden\r\n")
    assert [(a["name"], a["type"]) for a in shown["attachments"]] == [("garden.png", "image/png")]
    carrier = (await bob.get(f"/messages/{row['id']}/raw")).content
    assert b"lighthouse" not in carrier.lower()
    carried = (await bob.get(f"/messages/{row['id']}/attachments/1")).content
    assert carried.startswith(b"\x89PNG")
    assert carried != cover

    revealed = (await bob.post(f"/messages/{row['id']}/reveal")).json()
    assert (revealed["text"], revealed["hidden"]) == (SECRET, False)
    assert (revealed["signature"]["state"], revealed["signature"]["signer"]) == ("good", ada.address)
    assert revealed["sender"] == ada.address

    stranger = await eve.post(f"/messages/{row['id']}/reveal")
    assert (stranger.status_code, stranger.json()["code"]) == (404, "no-such-mail")
    # The picture alone is of no use: passed on by its recipient, it hides nothing for the next one.
    passed_on = await bob.sent(
        carrier.replace(b"From: " + ada.address.encode(), b"From: " + bob.address.encode()), [eve.address]
    )
    nothing = await eve.post(f"/messages/{(await eve.received(passed_on['id']))['id']}/reveal")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "nothing-hidden")


async def test_an_ordinary_mail_hides_nothing(office: Office) -> None:
    ada = await office.newcomer()
    sent = await ada.sent(mail(ada.address, ada.address))
    shown = await opened(ada, sent["id"])
    assert shown["hidden"] is False
    refused = await ada.post(f"/messages/{shown['id']}/reveal")
    assert (refused.status_code, refused.json()["code"]) == (404, "nothing-hidden")


async def test_a_hidden_mail_is_filtered_like_any_other_and_stays_hidden_when_released(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    async with lists(reviewer, words=[{"term": "rhodium"}]):
        sent = await hide(ada, bob.address, picture(), "Rhodium.\r\n")
        assert (await ada.settled(sent["id"]))["recipients"][0]["state"] == "held"
    assert await decide(reviewer, "release", *await held(reviewer, "Lighthouse")) == [(True, None)]
    assert (await ada.settled(sent["id"]))["recipients"][0]["state"] == "delivered"
    row = await bob.received(sent["id"])
    assert row["subject"] == "Our garden"
    assert (await bob.post(f"/messages/{row['id']}/reveal")).json()["text"] == "Rhodium.\r\n"


async def test_a_picture_that_is_too_small_comes_back_with_the_reason(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    reason, words, text = await bounced(ada, bob, await hide(ada, bob.address, picture(100, 100)))
    assert (reason, words) == (
        "cover-too-small", "The picture is too small to hide a mail. Choose a larger photograph.",
    )  # fmt: skip
    assert f"{bob.address}: {words}" in text


async def test_a_mail_too_long_for_its_picture_comes_back_with_the_reason(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    long = "\r\n".join(uuid4().hex * 2 for _ in range(200))
    reason, words, text = await bounced(ada, bob, await hide(ada, bob.address, picture(128, 128), long))
    assert reason == "payload-too-large"
    assert words.startswith("The mail is too long for its picture.")
    assert words in text


async def test_a_damaged_png_comes_back_with_the_reason(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    reason, words, text = await bounced(ada, bob, await hide(ada, bob.address, picture()[:5000]))
    assert reason == "cover-damaged"
    assert "cut off or damaged" in words
    assert words in text


async def test_a_picture_with_an_impossible_name_comes_back_with_the_reason(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    reason, words, text = await bounced(ada, bob, await hide(ada, bob.address, picture(), name="garden.exe"))
    assert (reason, words in text) == ("carrier-name", True)


async def test_what_is_no_png_at_all_is_refused_at_the_door(office: Office) -> None:
    ada = await office.newcomer()
    for cover in (picture(kind="JPEG"), b"", b"\0" * 1000, b"\x89PNG"):
        answer = await hide(ada, ada.address, cover)
        assert (answer["status"], answer["code"]) == (422, "cover-not-png")
        assert "saved as an 8-bit PNG" in answer["detail"]


async def test_a_form_without_mail_or_length_is_refused(office: Office) -> None:
    ada = await office.newcomer()
    key = {"Idempotency-Key": uuid4().hex}
    one = await ada.post("/messages", files={"cover": ("p.png", b"x", "image/png")}, headers=key)
    assert (one.status_code, one.json()["code"]) == (400, "malformed-request")
    text = await ada.post("/messages", data={"message": "x", "cover": "y"}, files={"z": b""}, headers=key)
    assert (text.status_code, text.json()["code"]) == (400, "malformed-request")
    broken = await ada.post(
        "/messages", content=b"--no boundary", headers={**key, "Content-Type": "multipart/form-data"}
    )
    assert (broken.status_code, broken.json()["code"]) == (400, "malformed-request")

    async def endless() -> AsyncIterator[bytes]:
        yield b"--b\r\n"

    chunked = await ada.post(
        "/messages", content=endless(), headers={**key, "Content-Type": "multipart/form-data; boundary=b"}
    )
    assert (chunked.status_code, chunked.json()["code"]) == (411, "length-required")
