"""Mail hidden in pictures: what the recipient sees, what others see, and what becomes of pictures that won't do."""

import random
from collections.abc import AsyncIterator, Sequence
from string import ascii_lowercase
from typing import Any
from uuid import uuid4

import psutil

from secumail.installation.supervisor import Stack
from tests.e2e.desk import decide, held, lists, opened, until
from tests.people import Office, Person, mail
from tests.pictures import photograph

SECRET = "We meet at the lighthouse.\r\n"

Picture = tuple[str, bytes]


async def hide(
    sender: Person, to: str, *pictures: Picture, text: str = SECRET, cover_text: str = "Our garden", **fields: str
) -> dict[str, Any]:
    """Send a mail hidden in pictures: the answer."""
    answer = await sender.post(
        "/messages",
        files=[
            ("message", ("mail.eml", mail(sender.address, to, "Lighthouse", text), "message/rfc822")),
            *(("cover", picture) for picture in pictures),
        ],
        data={"cover_text": cover_text, **fields},
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


async def state(sender: Person, answer: dict[str, Any]) -> tuple[str, str | None]:
    """State and reason of a hidden mail's one recipient."""
    assert answer["status"] == 202, answer
    (recipient,) = (await sender.settled(answer["id"]))["recipients"]
    return recipient["state"], recipient["reason"]


def garden(width: int = 400, height: int = 300) -> Picture:
    """A fresh photograph."""
    return "garden.png", photograph(width, height)


async def test_a_mail_hidden_in_two_pictures_arrives_as_an_ordinary_one_and_opens_for_its_recipient(
    office: Office,
) -> None:
    ada, bob, eve = await office.newcomer(), await office.newcomer(), await office.newcomer()
    pictures = [("Hill.JPG", photograph(1600, 1200, "JPEG")), garden(700, 500)]
    assert sum(len(data) for _, data in pictures) > 2**20, "more than other requests may have"
    worth = (await ada.post("/covers/judge", files=[("cover", picture) for picture in pictures])).json()
    assert worth["together"]["normal"] > max(one["room"]["normal"] for one in worth["covers"])
    sent = await hide(ada, bob.address, *pictures)
    assert await state(ada, sent) == ("delivered", None)

    row = await bob.received(sent["id"])
    shown = await opened(bob, sent["id"])
    assert (shown["hidden"], shown["subject"], shown["text"]) == (True, "Our garden", "Our garden\r\n")
    assert [(a["name"], a["type"]) for a in shown["attachments"]] == [
        ("Hill.JPG", "image/jpeg"), ("garden.png", "image/png"),
    ]  # fmt: skip
    carrier = (await bob.get(f"/messages/{row['id']}/raw")).content
    assert b"lighthouse" not in carrier.lower()
    carried = [(await bob.get(f"/messages/{row['id']}/attachments/{number}")).content for number in (1, 2)]
    assert carried[0].startswith(b"\xff\xd8\xff")
    assert carried[1].startswith(b"\x89PNG")
    assert set(carried).isdisjoint(data for _, data in pictures)

    revealed = (await bob.post(f"/messages/{row['id']}/reveal")).json()
    assert (revealed["text"], revealed["hidden"]) == (SECRET, False)
    assert (revealed["signature"]["state"], revealed["signature"]["signer"]) == ("good", ada.address)
    assert revealed["sender"] == ada.address

    stranger = await eve.post(f"/messages/{row['id']}/reveal")
    assert (stranger.status_code, stranger.json()["code"]) == (404, "no-such-mail")
    # The pictures alone are of no use: passed on by their recipient, they hide nothing for the next one.
    passed_on = await bob.sent(
        carrier.replace(b"From: " + ada.address.encode(), b"From: " + bob.address.encode()), [eve.address]
    )
    assert (await opened(eve, passed_on["id"]))["hidden"] is False
    nothing = await eve.post(f"/messages/{(await eve.received(passed_on['id']))['id']}/reveal")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "nothing-hidden")


async def test_the_subject_is_the_first_line_with_words(office: Office) -> None:
    ada = await office.newcomer()
    for given, subject in (
        ("Hi\tthere,  Bob\nmore", "Hi there, Bob"),
        ("\n \u2028\nLater", "Later"),
        ("", "A picture"),
    ):
        sent = await hide(ada, ada.address, garden(), cover_text=given)
        assert await state(ada, sent) == ("delivered", None)
        assert (await ada.received(sent["id"]))["subject"] == subject


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
        sent = await hide(ada, bob.address, garden(), text="Rhodium.\r\n")
        assert (await ada.settled(sent["id"]))["recipients"][0]["state"] == "held"
    assert await decide(reviewer, "release", *await held(reviewer, "Lighthouse")) == [(True, None)]
    assert (await ada.settled(sent["id"]))["recipients"][0]["state"] == "delivered"
    row = await bob.received(sent["id"])
    assert row["subject"] == "Our garden"
    assert (await bob.post(f"/messages/{row['id']}/reveal")).json()["text"] == "Rhodium.\r\n"


async def test_what_everybody_sees_of_a_hidden_mail_is_filtered_too(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    async with lists(reviewer, words=[{"term": "rhodium"}]):
        sent = await hide(ada, bob.address, garden(), cover_text="Rhodium roses")
        assert await state(ada, sent) == ("held", "black-word")
    assert await decide(reviewer, "reject", *await held(reviewer, "Lighthouse")) == [(True, None)]
    damaged = await hide(ada, bob.address, ("garden.png", photograph()[:5000]))
    assert await state(ada, damaged) == ("held", "unscannable")
    assert await decide(reviewer, "reject", *await held(reviewer, "Lighthouse")) == [(True, None)]


async def test_a_picture_carries_one_mail_and_never_another(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    name, data = garden(640, 480)
    assert await state(ada, await hide(ada, bob.address, (name, data))) == ("delivered", None)
    again = await hide(ada, bob.address, (name, data))
    assert await state(ada, again) == ("bounced", "cover-used")
    # Who only looks at a picture that was passed on is not told.
    worth = (await bob.post("/covers/judge", files=[("cover", ("passed-on.png", data))])).json()
    assert (worth["covers"][0]["code"], worth["together"]["normal"] > 0) == (None, True)


async def test_without_a_picture_the_organisations_library_gives_one_and_it_is_used_up(office: Office) -> None:
    keeper, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    data = photograph(900, 700)

    async def add(picture: bytes, name: str = "IMG_2031.png") -> tuple[int, dict[str, Any]]:
        answer = await keeper.door.post("/covers", params={"name": name}, content=picture, headers=keeper.headers)
        return answer.status_code, answer.json()

    assert await state(ada, await hide(ada, bob.address, conceal="true")) == ("bounced", "cover-library-empty")
    status, added = await add(data)
    assert (status, added["name"], added["taken"]) == (201, "IMG_2031.png", False)
    assert added["room"]["careful"] < added["room"]["normal"] < added["room"]["maximum"]
    assert (await add(data))[1]["code"] == "cover-twice"
    assert (await add(b"GIF89a"))[1]["code"] == "cover-format"
    assert [row["id"] for row in (await keeper.get("/covers")).json()] == [added["id"]]
    assert (await ada.get("/covers")).status_code == 403

    sent = await hide(ada, bob.address, conceal="true")
    assert await state(ada, sent) == ("delivered", None)
    shown = await opened(bob, sent["id"])
    assert [a["name"] for a in shown["attachments"]] == ["IMG_2031.png"]
    assert (await bob.post(f"/messages/{shown['id']}/reveal")).json()["text"] == SECRET

    async def gone() -> bool:
        return (await keeper.get("/covers")).json() == []

    await until(gone)
    assert (await add(data))[1]["code"] == "cover-used"
    # A picture that somebody uses as his own is not given to anybody else.
    shared = photograph(500, 400)
    _, both = await add(shared, "IMG_2032")
    assert both["name"] == "IMG_2032.png"
    assert await state(ada, await hide(ada, bob.address, ("mine.png", shared))) == ("delivered", None)
    assert await state(ada, await hide(ada, bob.address, conceal="true")) == ("bounced", "cover-library-empty")
    assert (await add(photograph(), "bad.exe"))[1]["code"] == "carrier-name"

    _, other = await add(photograph(300, 300))
    assert (await keeper.door.delete(f"/covers/{other['id']}", headers=keeper.headers)).status_code == 204
    assert (await keeper.door.delete(f"/covers/{other['id']}", headers=keeper.headers)).status_code == 404


async def test_a_mail_arrives_though_the_process_that_hides_it_is_killed(office: Office, stack: Stack) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    service = psutil.Process(stack.child("stego").pid)

    def at_work() -> list[psutil.Process]:
        return [child for child in service.children() if "services.stego.worker" in " ".join(child.cmdline())]

    before = {child.pid: child.cpu_times().user for child in at_work()}
    sent = await hide(ada, bob.address, garden(1000, 800))

    async def busy() -> psutil.Process | None:
        # In hiding, not just begun: it has spent some time on this mail.
        return next((c for c in at_work() if c.cpu_times().user > before.get(c.pid, 0.0) + 0.4), None)

    (await until(busy)).kill()
    assert await state(ada, sent) == ("delivered", None)
    row = await bob.received(sent["id"])
    assert (await bob.post(f"/messages/{row['id']}/reveal")).json()["text"] == SECRET
    assert len(await bob.mails()) == 1


async def test_pictures_that_wont_do_come_back_with_the_reason(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    reason, words, text = await bounced(ada, bob, await hide(ada, bob.address, garden(100, 100)))
    assert (reason, words) == (
        "cover-too-small", "A picture is too small to hide a mail. Choose a larger photograph.",
    )  # fmt: skip
    assert f"{bob.address}: {words}" in text
    draw = random.Random(4)
    long = "\r\n".join(" ".join("".join(draw.choices(ascii_lowercase, k=6)) for _ in range(9)) for _ in range(200))
    data = photograph()
    cases: Sequence[tuple[str, Sequence[Picture], str]] = (
        ("payload-too-large", [garden(128, 128)], long),
        ("cover-twice", [("one.png", data), ("two.png", data)], SECRET),
    )
    for reason, pictures, said in cases:
        assert await state(ada, await hide(ada, bob.address, *pictures, text=said)) == ("bounced", reason)
    assert await bob.mails() == []


async def test_what_is_no_picture_at_all_is_refused_at_the_door(office: Office) -> None:
    ada = await office.newcomer()
    for data in (b"", b"\0" * 1000, b"\x89PNG", b"GIF89a"):
        answer = await hide(ada, ada.address, ("garden.png", data))
        assert (answer["status"], answer["code"]) == (422, "cover-format")
    many = await hide(ada, ada.address, *[("garden.png", b"BM")] * 17)
    assert (many["status"], many["code"]) == (400, "malformed-request")
    unknown = await hide(ada, ada.address, garden(), rate="reckless")
    assert (unknown["status"], unknown["code"]) == (422, "unknown-rate")


async def test_a_wish_to_hide_that_is_not_understood_is_never_a_mail_in_clear(office: Office) -> None:
    ada = await office.newcomer()
    unclear = await hide(ada, ada.address, conceal="please")
    assert (unclear["status"], unclear["code"]) == (422, "malformed-request")
    for fields in ({"conceal": "off"}, {"rate": "careful", "cover_text": ""}):
        nothing = await hide(ada, ada.address, **fields)
        assert (nothing["status"], nothing["code"]) == (422, "not-hidden")
    checked = await hide(ada, ada.address, garden(), conceal="on", rate="maximum")
    assert await state(ada, checked) == ("delivered", None)
    assert "trained detector" in " ".join(checked["warnings"])


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
