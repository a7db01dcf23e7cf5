"""A mail with a picture waits for those who read pictures; what the picture says is a word like any other."""

import io

from PIL import Image, ImageDraw, ImageFont

from tests.e2e.desk import decide, held, lists
from tests.e2e.test_dlp_in_depth import shown, states, with_file
from tests.people import Office, mail
from tests.unit.dlp.hiding import qr, saved


def screenshot(words: str) -> bytes:
    image = Image.new("RGB", (640, 120), "white")
    ImageDraw.Draw(image).text((20, 40), words, fill="black", font=ImageFont.load_default(24))
    whole = io.BytesIO()
    image.save(whole, "PNG")
    return whole.getvalue()


async def test_a_word_in_a_picture_holds_the_mail_after_it_was_set_aside(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    raw = with_file(ada.address, bob.address, "A screenshot", "s.png", screenshot("The ytterbium plan"), "image/png")
    async with lists(reviewer, words=[{"term": "ytterbium"}]):
        told = (await ada.post("/scan", content=raw, headers={"Content-Type": "message/rfc822"})).json()
        assert [(verdict["action"], verdict["code"]) for verdict in told] == [("hold", "black-word")]
        sent = await ada.sent(raw)
        assert states(sent) == [("held", "black-word")]
        (found,) = (await shown(reviewer, "A screenshot"))["findings"]
        assert "s.png" in found["where"] and "words in the picture" in found["where"]
        trace = (await ada.get(f"/submissions/{sent['id']}/trace")).json()
        assert "reading-pictures" in [step["step"] for step in trace["steps"]]
    assert await decide(reviewer, "reject", *await held(reviewer, "A screenshot")) == [(True, None)]


async def test_a_word_in_a_code_holds_the_mail_as_well(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    raw = with_file(ada.address, bob.address, "A code", "c.png", saved(qr("the ytterbium plan")), "image/png")
    async with lists(reviewer, words=[{"term": "ytterbium"}]):
        assert states(await ada.sent(raw)) == [("held", "black-word")]
        (found,) = (await shown(reviewer, "A code"))["findings"]
        assert "c.png" in found["where"] and found["where"].endswith("QR Code")
    assert await decide(reviewer, "reject", *await held(reviewer, "A code")) == [(True, None)]


async def test_a_harmless_picture_is_delivered_and_a_mail_without_one_is_not_set_aside(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    picture = with_file(ada.address, bob.address, "Lunch", "l.png", screenshot("Lunch at noon"), "image/png")
    for raw, aside in ((picture, True), (mail(ada.address, bob.address, "Text", "Lunch at noon.\r\n"), False)):
        sent = await ada.sent(raw)
        assert states(sent) == [("delivered", None)]
        trace = (await ada.get(f"/submissions/{sent['id']}/trace")).json()
        assert ("reading-pictures" in [step["step"] for step in trace["steps"]]) is aside
