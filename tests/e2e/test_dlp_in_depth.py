"""What hides in files, what a rule decides, a look before sending, many words, and what nobody reviewed in time."""

import base64
import io
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from secumail.installation.services import environment
from secumail.service import Service
from services.dlp.bootstrap import review_of
from services.dlp.settings import Settings
from tests.e2e.desk import decide, held, lists, logged, until
from tests.people import Office, Person, mail

OUTSIDE = "eve@elsewhere.example"
CARDS = ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117", "4012888888881881"]


def with_file(sender: str, to: str, subject: str, name: str, data: bytes, media_type: str) -> bytes:
    """A mail that is one file."""
    extra = (
        f"MIME-Version: 1.0\r\nContent-Type: {media_type}\r\nContent-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment; filename="{name}"\r\n'
    )
    return mail(sender, to, subject, base64.encodebytes(data).decode().replace("\n", "\r\n"), extra)


def zipped(**files: bytes) -> bytes:
    """A zip file; `a__b` stands for `a.b`."""
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("___", "/").replace("__", "."), data)
    return kept.getvalue()


def docx(body: str, header: str) -> bytes:
    """A document of one paragraph, with a header."""
    word = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    office = "http://schemas.openxmlformats.org"
    types = (
        f'<Types xmlns="{office}/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/>'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
        'wordprocessingml.document.main+xml"/></Types>'
    )
    rels = (
        f'<Relationships xmlns="{office}/package/2006/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>'
    )
    paragraph = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>"
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        archive.writestr("[Content_Types].xml", types)
        archive.writestr("_rels/.rels", rels)
        archive.writestr(
            "word/document.xml", f"<w:document {word}><w:body>{paragraph.format(body)}</w:body></w:document>"
        )
        archive.writestr("word/header1.xml", f"<w:hdr {word}>{paragraph.format(header)}</w:hdr>")
    return kept.getvalue()


def encrypted(archive: bytes) -> bytes:
    """The same zip file with the flag that its first member is encrypted (APPNOTE 4.4.4, bit 0)."""
    data = bytearray(archive)
    data[6] |= 1
    directory = data.index(b"PK\x01\x02")
    data[directory + 8] |= 1
    return bytes(data)


def states(submission: dict[str, Any]) -> list[tuple[str, str | None]]:
    """State and reason of each recipient."""
    return [(r["state"], r["reason"]) for r in submission["recipients"]]


async def shown(reviewer: Person, subject: str) -> dict[str, Any]:
    """A held mail by its subject, opened."""
    (row,) = await held(reviewer, subject)
    document: dict[str, Any] = (await reviewer.get(f"/quarantine/{row['id']}")).json()
    return document


async def test_a_word_in_the_header_of_a_document_in_an_archive_is_found_and_its_place_named(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    archive = zipped(plan__docx=docx("Lunch at noon.", "Ytterbium plan"))
    async with lists(reviewer, words=[{"term": "ytterbium"}]):
        sent = await ada.sent(with_file(ada.address, bob.address, "In a zip", "a.zip", archive, "application/zip"))
        assert states(sent) == [("held", "black-word")]
    opened = await shown(reviewer, "In a zip")
    places = [found["where"] for found in opened["findings"]]
    assert any("a.zip" in place and "plan.docx" in place and "header" in place for place in places), places
    assert await decide(reviewer, "reject", *await held(reviewer, "In a zip")) == [(True, None)]


async def test_what_cannot_be_opened_and_what_can_do_harm_waits_for_a_reviewer(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    locked = encrypted(zipped(plan__txt=b"nothing to see"))
    program = b"MZ" + bytes(58) + (128).to_bytes(4, "little") + bytes(64) + b"PE\0\0" + bytes(400)
    async with lists(reviewer):
        for subject, name, data, kind, code in (
            ("Locked", "a.zip", locked, "application/zip", "unscannable"),
            ("Program", "invoice.pdf", program, "application/pdf", "danger"),
        ):
            sent = await ada.sent(with_file(ada.address, bob.address, subject, name, data, kind))
            assert states(sent) == [("held", code)]
            assert name not in sent["recipients"][0]["words"]
            opened = await shown(reviewer, subject)
            assert opened["findings"][0]["decided_by"] == code
            assert name in opened["findings"][0]["where"]
        harmless = zipped(lunch__txt=b"Lunch at noon.")
        passed = await ada.sent(with_file(ada.address, bob.address, "Harmless", "l.zip", harmless, "application/zip"))
        assert states(passed) == [("delivered", None)]
    rows = [*await held(reviewer, "Locked"), *await held(reviewer, "Program")]
    assert await decide(reviewer, "reject", *rows) == [(True, None)] * 2


def card_list() -> str:
    """Twenty and more card numbers that pass their checksum."""

    def checked(number: str) -> str:
        digits = [int(d) for d in reversed(f"{number}0")]
        total = sum(d if place % 2 == 0 else sum(divmod(2 * d, 10)) for place, d in enumerate(digits))
        return f"{number}{-total % 10}"

    return "".join(f"{checked(f'41111111111{n:04d}')}\r\n" for n in range(1111, 1141))


async def test_a_list_of_cards_is_held_on_its_way_out_and_noted_inside(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    async with lists(reviewer):
        to = f"{OUTSIDE}, {bob.address}"
        sent = await ada.sent(mail(ada.address, to, "Cards", card_list()))
        assert states(sent) == [("held", "personal-data"), ("delivered", None)]
        one = await ada.sent(mail(ada.address, bob.address, "One card", f"{CARDS[0]}\r\n"))
        assert states(one) == [("delivered", None)]
    (found,) = [f for f in (await shown(reviewer, "Cards"))["findings"] if f.get("decided_by")]
    assert (found["rule"], found["decided_by"], found["count"]) == ("card-bulk", "card-bulk-outside", 30)
    assert len(found["sample"].replace("…", "")) <= 4

    async def noted() -> list[dict[str, Any]]:
        return await logged(reviewer, "One card")

    (line,) = await until(noted)
    audited = (await reviewer.get(f"/quarantine/{line['id']}")).json()
    assert (audited["code"], [f["rule"] for f in audited["findings"]]) == ("audited", ["card"])
    assert await decide(reviewer, "reject", *await held(reviewer, "Cards")) == [(True, None)]


async def test_an_administrators_rules_decide_in_their_order(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    part = {"found": [{"detector": "expression", "rule": "part-number"}]}
    rules = [
        {"name": "desk", "when": {**part, "senders": [bob.address]}, "then": "allow"},
        {"name": "over", "when": part, "then": "block", "until": "2020-01-01"},
        {"name": "partners", "when": {**part, "recipients": ["partner"]}, "then": "warn"},
        {"name": "parts", "when": part, "then": "block"},
    ]
    own = [{"name": "part-number", "pattern": "NW-[0-9]{6}"}]
    text = "It is NW-123456.\r\n"
    async with lists(reviewer, rules=rules, expressions=own, partner_domains=["fabrikam.example"]):
        blocked = await ada.sent(mail(ada.address, f"{bob.address}, pat@fabrikam.example", "Part", text))
        assert states(blocked) == [("rejected", "expression"), ("bounced", "no-relay")]
        assert "NW-" not in blocked["recipients"][0]["words"]
        assert states(await bob.sent(mail(bob.address, ada.address, "Part", text))) == [("delivered", None)]
    assert await held(reviewer, "Part") == []
    trace = (await ada.get(f"/submissions/{blocked['id']}/trace")).json()
    steps = {step["step"] for step in trace["steps"]}
    assert {"split", "refused:expression", "passed:warned"} <= steps
    assert await bob.mails() == []


async def test_a_look_before_sending_tells_the_writer_what_would_become_of_it_and_nothing_more(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    headers = {"Content-Type": "message/rfc822"}
    async with lists(reviewer, words=[{"term": "ruthenium", "scope": "outside"}]):
        raw = mail(ada.address, f"{OUTSIDE}, {bob.address}", "Look", "Ruthenium.\r\n")
        told = (await ada.post("/scan", content=raw, headers=headers)).json()
        assert [(v["recipients"], v["action"], v["code"]) for v in told] == [
            ([bob.address], "pass", "clean"), ([OUTSIDE], "hold", "black-word"),
        ]  # fmt: skip
        assert all(set(v) == {"recipients", "action", "code", "notice"} for v in told)
        assert "ruthenium" not in str(told).lower()
        noted = await ada.post(
            "/scan", content=mail(ada.address, bob.address, "Look", f"{CARDS[0]}\r\n"), headers=headers
        )
        assert [v["code"] for v in noted.json()] == ["clean"]
    assert await held(reviewer, "Look") == []
    assert await ada.mails("sent") == []
    refused = await ada.post("/scan", content=b"no mail", headers=headers)
    assert refused.json()["code"] == "not-a-mail"
    assert (await office.door.post("/scan", content=raw, headers=headers)).status_code == 401


async def test_held_mail_is_searched_by_sender_recipient_and_reason(office: Office) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    async with lists(reviewer, words=[{"term": "indium"}]):
        await ada.sent(mail(ada.address, bob.address, "Indium"))
        await bob.sent(mail(bob.address, ada.address, "Indium"))
    for asked, senders in (
        ({"sender": ada.address.upper()}, [ada.address]),
        ({"recipient": ada.address}, [bob.address]),
        ({"reason": "black-word", "sender": bob.address}, [bob.address]),
        ({"reason": "danger", "sender": bob.address}, []),
        ({"reason": "indium"}, [bob.address, ada.address]),
    ):
        page = (await reviewer.get("/quarantine", **asked)).json()
        assert [row["sender"] for row in page["data"]] == senders
    first = (await reviewer.get("/quarantine", reason="indium", limit=1)).json()
    rest = (await reviewer.get("/quarantine", reason="indium", limit=1, cursor=first["next_cursor"])).json()
    assert [first["data"][0]["recipients"], rest["data"][0]["recipients"]] == [[ada.address], [bob.address]]
    assert await decide(reviewer, "reject", *await held(reviewer, "Indium")) == [(True, None)] * 2


async def counting(reviewer: Person, version: int) -> bool:
    """Whether mail is filtered by this version of the lists."""
    history = (await reviewer.get("/lists/history")).json()
    return [row["version"] for row in history if row["counts"]] == [version]


async def test_many_words_come_as_a_file_and_every_version_stays(office: Office) -> None:
    reviewer, ada = await office.administrator(), await office.newcomer()
    csv = "term,threshold,scope\n" + "".join(f"bulkword{n:06d},1,all\n" for n in range(60_000)) + "thulium,1,all\n"
    async with lists(reviewer, exempt_senders=["chief@elsewhere.example"]):
        before = await reviewer.get("/lists", words=False)
        version, etag = before.json()["version"], before.headers["ETag"]
        assert "words" not in before.json()

        async def put(body: bytes, if_match: str | None = etag) -> Any:
            match = {"If-Match": if_match} if if_match else {}
            headers = {**reviewer.headers, "Content-Type": "text/csv", **match}
            return await reviewer.door.put("/lists/words", content=body, headers=headers)

        assert (await put(csv.encode(), None)).json()["code"] == "if-match-missing"
        wrong = (await put(b"term\nfalcon,0\n")).json()
        assert (wrong["code"], "line 2" in wrong["detail"]) == ("list-malformed", True)
        kept = await put(csv.encode())
        assert (kept.status_code, kept.json()) == (202, {"version": version + 1, "counts": False})
        assert await until(lambda: counting(reviewer, version + 1))
        assert (await put(csv.encode())).json()["code"] == "changed-meanwhile"

        sent = await ada.sent(mail(ada.address, ada.address, "Thulium"))
        assert states(sent) == [("held", "black-word")]
        assert (await reviewer.get("/lists/words")).text == csv
        assert (await reviewer.get("/lists/words", form="text")).text.endswith("bulkword059999\nthulium\n")
        assert (await reviewer.get("/lists", words=False)).json()["exempt_senders"] == ["chief@elsewhere.example"]
        older = (await reviewer.get("/lists", version=version)).json()
        assert (older["version"], older["words"]) == (version, [])
        history = (await reviewer.get("/lists/history")).json()
        assert [row["version"] for row in history[:2]] == [version + 1, version]
        assert history[0]["actor"] == reviewer.account

        changed = await reviewer.door.patch(
            "/lists", json={"white_mode": "advisory"}, headers={**reviewer.headers, "If-Match": f'"{version + 1}"'}
        )
        assert (changed.status_code, changed.json()) == (200, {"version": version + 2, "counts": True})
        more = await reviewer.door.patch(
            "/lists/words", params={"act": "add"}, content=b"bulkword000000\nlutetium",
            headers={**reviewer.headers, "Content-Type": "text/plain", "If-Match": f'"{version + 2}"'},
        )  # fmt: skip
        assert (more.status_code, more.json()["version"]) == (202, version + 3)
        assert await until(lambda: counting(reviewer, version + 3))
        now = (await reviewer.get("/lists")).json()
        assert (now["white_mode"], len(now["words"])) == ("advisory", 60_002)
    for path in ("/lists", "/lists/words", "/lists/history"):
        assert (await ada.get(path)).json()["code"] == "role-missing"
    rows = await held(reviewer, "Thulium")
    assert await decide(reviewer, "reject", *rows) == [(True, None)] * len(rows)


async def test_what_no_reviewer_decides_in_time_is_refused_and_its_sender_told(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewer, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    async with lists(reviewer, words=[{"term": "holmium"}]):
        waiting = await ada.sent(mail(ada.address, bob.address, "Holmium"))
    for name, value in environment(office.home, "dlp").items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    service = Service("dlp", settings)
    await service.outgoing.start()
    try:
        review = review_of(service, settings)
        await review.expire_until(datetime.now(UTC) + timedelta(days=29))
        assert states(await ada.settled(waiting["id"])) == [("held", "black-word")]
        record = await service.spool.find(UUID(waiting["id"]))
        assert record is not None
        await review.expire_until(record.moved + timedelta(days=30, seconds=1))
    finally:
        await service.outgoing.stop()
    over = await ada.settled(waiting["id"])
    assert states(over) == [("rejected", "review-expired")]
    assert over["recipients"][0]["words"].startswith("No reviewer let this mail go in time.")
    assert await held(reviewer, "Holmium") == [], "it waits no longer"
    (row,) = (await reviewer.get("/quarantine", state="expired", sender=ada.address)).json()["data"]
    assert (row["subject"], row["state"]) == ("Holmium", "expired")
    assert (await reviewer.get(f"/quarantine/{row['id']}")).json()["message"]["subject"] == "Holmium"
    for verdict in ("release", "reject"):
        assert await decide(reviewer, verdict, row) == [(False, "decided-already")]


async def test_lists_are_tried_on_held_and_sent_mail_before_they_count(office: Office) -> None:
    reviewer, ada = await office.administrator(), await office.newcomer()
    words = [{"term": "Promethium", "threshold": 3}, {"term": "samarium"}]
    async with lists(reviewer, words=words):
        await ada.sent(mail(ada.address, ada.address, "Promethium", "promethium twice\r\n"))
        assert states(await ada.sent(mail(ada.address, ada.address, "Samarium"))) == [("held", "black-word")]
        before = (await reviewer.get("/lists", words=False)).json()

        async def tried(**trial: Any) -> Any:
            return (await reviewer.door.post("/lists/dry-run", json=trial, headers=reviewer.headers)).json()

        found = await tried(words="promethium,2\n", act="replace", sent=20)
        (mine,) = [row for row in found["held"] if row["subject"] == "Samarium"]
        assert (mine["sender"], mine["now"], mine["then"]) == (ada.address, ["hold black-word"], ["pass clean"])
        assert (found["sent_held"], found["words"]) == (1, [{"term": "promethium", "mails": 1}])
        fields = await tried(lists={"exempt_senders": [ada.address]}, sent=0)
        (mine,) = [row for row in fields["held"] if row["subject"] == "Samarium"]
        assert (mine["then"], fields["sent"], fields["sent_held"]) == (["pass exempt-sender"], 0, 0)
        assert (await tried(words="promethium,none\n"))["code"] == "list-malformed"
        assert (await reviewer.get("/lists", words=False)).json() == before
    refused = await ada.door.post("/lists/dry-run", json={}, headers=ada.headers)
    assert refused.json()["code"] == "role-missing"
    rows = await held(reviewer, "Samarium")
    assert await decide(reviewer, "reject", *rows) == [(True, None)] * len(rows)
