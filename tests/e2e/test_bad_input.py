"""Everything a client can get wrong: each has a named outcome, an answer that says the fix, or a mail state."""

import asyncio
import base64
import ssl
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.desk import decide, held, opened
from tests.people import Office, Person, mail

LIMIT = 25 * 2**20
JSON = {"Content-Type": "application/json"}


def outcome(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, which must be a whole problem document."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    problem: dict[str, Any] = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "fix", "code", "trace"}
    assert problem["status"] == answer.status_code
    assert problem["type"] == f"/problems/{problem['code']}"
    assert problem["detail"]
    assert problem["fix"]
    assert len(problem["trace"]) == 32
    return answer.status_code, problem["code"]


async def sending(person: Person, raw: bytes, to: list[str] | None = None) -> tuple[int, str]:
    """Send, to be refused."""
    return outcome(await person.send(raw, to=to))


# --- the mail itself ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"\r\n\r\nOnly text", b"no header at all", b"\0" * 100, b"\xff" * 100])
async def test_what_is_no_mail_is_refused(office: Office, raw: bytes) -> None:
    assert await sending(await office.member("ada"), raw) == (422, "not-a-mail")


async def test_a_mail_for_nobody_is_refused(office: Office) -> None:
    ada = await office.member("ada")
    for extra in (b"", b"To:\r\n", b"To: undisclosed-recipients:;\r\n", b"Cc: ,,\r\n", b"Bcc: \r\n"):
        assert await sending(ada, b"Subject: x\r\n" + extra + b"\r\nx") == (422, "no-recipients")


@pytest.mark.parametrize(
    "address", ["bob", "@", "bob@", "@x.example", "a b@x.example", "a@b@x.example", "nul\0@x.example", "(" * 5000]
)
async def test_a_malformed_recipient_is_refused_by_its_place(office: Office, address: str) -> None:
    ada = await office.member("ada")
    assert await sending(ada, mail(ada.address, ""), [ada.address, address]) == (422, "recipient-malformed")
    words = (await ada.send(mail(ada.address, ""), to=[ada.address, address])).json()["detail"]
    assert words == "Recipient 2 of 2 is no mail address."


async def test_a_from_that_is_not_the_senders_own_is_refused(office: Office) -> None:
    ada, eve = await office.member("ada"), await office.newcomer()
    for fields in (
        f"From: {ada.address}\r\n",
        f"From: {eve.address}, {ada.address}\r\n",
        f"From: {eve.address}\r\nFrom: {ada.address}\r\n",
        f"From: {eve.address}\r\nFROM:\r\n {ada.address}\r\n",
        f'From: "{eve.address}" <{ada.address}>\r\n',
        f"From: =?utf-8?q?=22?= <{ada.address}> =?utf-8?q?=22_=3C{eve.address.replace('@', '=40')}=3E?=\r\n",
        "From: undisclosed:;\r\n",
        "From:\r\n",
    ):
        assert await sending(eve, f"{fields}To: {ada.address}\r\n\r\nx".encode()) == (403, "sender-not-yours")


@pytest.mark.parametrize("line", ["from : {0}", "from {0}", ": {0}", "no field"])
async def test_a_header_that_readers_could_end_at_different_lines_is_refused(office: Office, line: str) -> None:
    ada = await office.member("ada")
    raw = f"Subject: x\r\n{line.format('eve@x.example')}\r\nTo: {ada.address}\r\n\r\nx".encode()
    assert await sending(ada, raw, [ada.address]) == (422, "header-malformed")


@pytest.mark.parametrize("size", [f"Content-Length: {LIMIT + 1}", "Transfer-Encoding: chunked"])
async def test_a_mail_over_the_limit_is_refused_before_all_of_it_was_sent(office: Office, size: str) -> None:
    ada, port = await office.member("ada"), office.home.ports.https
    trusted = ssl.create_default_context(cafile=str(office.home.ca))
    reader, writer = await asyncio.open_connection("localhost", port, ssl=trusted)
    head = (
        "POST /api/v1/messages HTTP/1.1", "Host: localhost", f"Authorization: {ada.headers['Authorization']}",
        "Content-Type: message/rfc822", f"Idempotency-Key: {uuid4().hex}", size,
    )  # fmt: skip
    writer.write("\r\n".join((*head, "\r\n")).encode())
    if "chunked" in size:
        for _ in range(LIMIT // 2**20 + 1):
            writer.write(b"100000\r\n" + b"x" * 2**20 + b"\r\n")
            await writer.drain()
    async with asyncio.timeout(20):
        assert (await reader.readline()).split()[1] == b"413"
        answer = await reader.readuntil(b"}")
    assert b'"code":"mail-too-large"' in answer
    assert b"larger than 25 MB" in answer
    writer.close()


async def test_a_mail_of_ten_thousand_header_fields_is_held_as_unreadable(office: Office) -> None:
    reviewer, ada = await office.administrator(), await office.newcomer()
    many = "".join(f"X-{n}: y\r\n" for n in range(10_000))
    sent = await ada.sent(mail(ada.address, ada.address, "Ten thousand", extra=many))
    assert [(r["state"], r["reason"]) for r in sent["recipients"]] == [("held", "unreadable")]
    (row,) = await held(reviewer, "Ten thousand")
    assert "more than 5000 header lines" in (await reviewer.get(f"/quarantine/{row['id']}")).json()["reason"]
    assert await decide(reviewer, "reject", row) == [(True, None)]


@pytest.mark.parametrize("depth", [25, 3000])
async def test_a_mail_nested_too_deep_is_held_and_when_released_shown_as_a_file(office: Office, depth: int) -> None:
    reviewer, ada = await office.administrator(), await office.newcomer()
    nested = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(depth))
    raw = mail(ada.address, ada.address, f"Deep {depth}", "", "MIME-Version: 1.0\r\nDate: now\r\nMessage-ID: <1@x>\r\n")
    sent = await ada.sent(raw.removesuffix(b"\r\n") + nested.encode() + b"\r\nHello\r\n")
    assert [(r["state"], r["reason"]) for r in sent["recipients"]] == [("held", "unreadable")]
    assert await decide(reviewer, "release", *await held(reviewer, f"Deep {depth}")) == [(True, None)]
    await ada.settled(sent["id"])
    shown = await opened(ada, sent["id"])
    assert [(a["name"], a["type"]) for a in shown["attachments"]] == [("mail.eml", "message/rfc822")]
    assert shown["signature"]["state"] == "good"


BROKEN = {
    "cut off in the middle of a part": (
        "Content-Type: multipart/mixed; boundary=b\r\n",
        b"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nR3LDv",
        ("delivered", None),
    ),
    "a multipart without parts": ("Content-Type: multipart/mixed; boundary=b\r\n", b"none\r\n", ("held", "unreadable")),
    "no boundary": ("Content-Type: multipart/mixed\r\n", b"--\r\n\r\nx\r\n", ("held", "unreadable")),
    "bytes that are no UTF-8": ("Content-Type: text/plain; charset=utf-8\r\n", b"\xff\xfe\xc3", ("delivered", None)),
    "two content types": ("Content-Type: text/plain\r\nContent-Type: text/html\r\n", b"x", ("held", "unreadable")),
    "an unknown encoding": ("Content-Transfer-Encoding: rot13\r\n", b"uryyb", ("held", "unreadable")),
    "a field out of proportion": (f"Content-Type: text/plain{'; a=b' * 2000}\r\n", b"x", ("held", "unreadable")),
    "NUL bytes everywhere": ("X: \0\r\nContent-Type: text/\0; charset=\0\r\n", b"\0\0\0", None),
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_damaged_mail_is_delivered_as_it_is_or_held_never_stuck(office: Office, fault: str) -> None:
    reviewer, ada = await office.administrator(), await office.newcomer()
    extra, body, expected = BROKEN[fault]
    sent = await ada.sent(mail(ada.address, ada.address, fault, "", f"MIME-Version: 1.0\r\n{extra}") + body)
    assert sent["stuck"] is None
    (recipient,) = sent["recipients"]
    if expected is not None:
        assert (recipient["state"], recipient["reason"]) == expected
    if recipient["state"] == "held":
        assert await decide(reviewer, "release", *await held(reviewer, fault)) == [(True, None)]
        await ada.settled(sent["id"])
    assert (await opened(ada, sent["id"]))["signature"]["state"] == "good"


SCRAPS = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.sampled_from(
            [b"Subject:", b"To: ", b"Bcc:", b"Content-Type: ", b"multipart/mixed; boundary=", b"message/rfc822",
             b"\r\n", b"\n", b"\r", b"--", b"=?utf-8?b?", b"?=", b"\0", b"\xff", b"charset=", b"utf-7", b"x"]
        ),
        max_size=40,
    ).map(b"".join),
)  # fmt: skip
REFUSED = {
    (422, "not-a-mail"),
    (422, "header-malformed"),
    (422, "no-recipients"),
    (422, "recipient-malformed"),
    (403, "sender-not-yours"),
}


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(SCRAPS)
async def test_rubbish_is_refused_with_its_fault_or_becomes_a_mail_that_settles(office: Office, scraps: bytes) -> None:
    ada = await office.member("ada")
    for raw, to in ((scraps, None), (b"X: y\r\n" + scraps, [ada.address]), (b"X: y\r\n\r\n" + scraps, [ada.address])):
        answer = await ada.send(raw, to=to)
        if answer.status_code != 202:
            assert outcome(answer) in REFUSED
            continue
        settled = await ada.settled(answer.json()["id"])
        assert settled["stuck"] is None
        assert {r["state"] for r in settled["recipients"]} <= {"delivered", "held", "bounced"}
        if settled["recipients"][0]["state"] == "delivered":
            assert (await opened(ada, settled["id"]))["signature"]["state"] == "good"


# --- the request ----------------------------------------------------------------------------------------------


async def test_a_mail_of_another_media_type_is_refused(office: Office) -> None:
    ada = await office.member("ada")
    for kind in ("text/plain", "application/json", "message/rfc822x", "", "multipart/mixed"):
        answer = await ada.post("/messages", content=b"x", headers={"Content-Type": kind, "Idempotency-Key": "k"})
        assert outcome(answer) == (415, "media-type")


async def test_an_unknown_path_or_method_is_refused(office: Office) -> None:
    ada = await office.member("ada")
    for path in ("/nothing", "/messages/", "/../../etc/passwd", "/%00", "/messages/x/y/z"):
        assert outcome(await ada.get(path)) == (404, "http-404")
    for method, path in (("PUT", "/messages"), ("DELETE", "/lists"), ("POST", "/folders"), ("PATCH", "/sessions")):
        answer = await ada.door.request(method, path, headers=ada.headers)
        assert outcome(answer) == (405, "http-405")
        assert answer.headers["Allow"]


async def test_bad_parameters_are_refused_by_their_name(office: Office) -> None:
    ada = await office.administrator()
    for path, params in (
        ("/messages", {"folder": "quarantine"}),
        ("/messages", {"folder": "in\0box"}),
        ("/messages", {"limit": "0"}),
        ("/messages", {"limit": "201"}),
        ("/messages", {"limit": "many"}),
        ("/messages/not-an-id", {}),
        ("/messages/%00", {}),
        (f"/messages/{uuid4()}/attachments/x", {}),
        (f"/submissions/{uuid4()}", {"wait": "nan"}),
        (f"/submissions/{uuid4()}", {"wait": "31"}),
        ("/quarantine", {"limit": "-1"}),
    ):
        answer = await ada.get(path, **params)
        assert outcome(answer) == (422, "malformed-request")
        assert answer.json()["detail"].startswith(("query.", "path."))


async def test_a_cursor_that_is_not_ours_is_refused(office: Office) -> None:
    reviewer = await office.administrator()
    far = base64.urlsafe_b64encode(f"0001-01-01T00:00:00+23:59/{uuid4()}".encode()).decode()
    for cursor in ("x", "!!!!", "\0", "ü", "A" * 5000, base64.urlsafe_b64encode(b"\xff/\xff").decode(), far):
        for path in ("/messages", "/quarantine", "/sent-log"):
            assert outcome(await reviewer.get(path, cursor=cursor)) == (422, "cursor-malformed")


async def test_what_is_no_json_or_of_another_shape_is_refused(office: Office) -> None:
    reviewer = await office.administrator()
    for body in (b"", b"{", b"[]", b"null", b'"\x00"', b"{}", b"1e999999", b"[" * 100_000):
        for path in ("/sessions", "/accounts", "/quarantine/release"):
            answer = await reviewer.post(path, content=body, headers=JSON)
            assert outcome(answer) in {(422, "malformed-request"), (400, "http-400")}
    not_utf8 = await reviewer.post("/sessions", content=b'{"address": "\xff"}', headers=JSON)
    assert outcome(not_utf8) == (400, "http-400")
    half = await reviewer.post("/sessions", content=b'{"address": "\\ud800", "password": "x"}', headers=JSON)
    assert outcome(half) == (422, "malformed-request")
    for ids in ([], ["x"], [str(uuid4())] * 201, "all"):
        answer = await reviewer.post("/quarantine/release", json={"ids": ids})
        assert outcome(answer) == (422, "malformed-request")


async def test_a_body_that_goes_on_for_too_long_is_not_read_to_its_end(office: Office) -> None:
    for path, size in (("/sessions", 2**20), ("/accounts", 2**20), ("/quarantine/release", 2**20)):
        too_long = await office.door.post(path, content=b'"' + b"x" * size + b'"', headers=JSON)
        assert outcome(too_long) == (413, "http-413")
    reviewer = await office.administrator()
    long = await reviewer.door.put("/lists", content=b"[" + b" " * 2**21 + b"]", headers={**reviewer.headers, **JSON})
    assert outcome(long) == (422, "malformed-request")
    too_long = await reviewer.door.put("/lists", content=b" " * 2**25, headers={**reviewer.headers, **JSON})
    assert outcome(too_long) == (413, "http-413")


async def test_nul_bytes_in_every_text_are_refused_or_kept_never_a_fault(office: Office) -> None:
    administrator = await office.administrator()
    login = await administrator.post("/sessions", json={"address": "\0", "password": "\0"})
    assert outcome(login) == (401, "wrong-credentials")
    address = f"person-{uuid4().hex[:8]}@{office.domain}"
    named = {"address": address, "display_name": "A\0da", "password": "twelve\0 or more"}
    assert (await administrator.post("/accounts", json=named)).status_code == 201
    await Person(address, administrator.door).log_in(named["password"])
    note = await administrator.post("/quarantine/reject", json={"ids": [str(uuid4())], "note": "\0"})
    assert [d["code"] for d in note.json()] == ["no-such-mail"]
    ada = await office.newcomer()
    # A text with a NUL in it is a file of no known kind, which is not read, so not let pass without a reviewer.
    kept = await ada.sent(mail(ada.address, ada.address, "N\0UL", "\0\r\n"))
    assert [r["reason"] for r in kept["recipients"]] == ["unscannable"]
    row = next(row for row in (await administrator.get("/quarantine")).json()["data"] if row["sender"] == ada.address)
    released = await administrator.post("/quarantine/release", json={"ids": [row["id"]], "note": "\0"})
    assert released.json()[0]["done"]
    await ada.settled(kept["id"])
    assert (await opened(ada, kept["id"]))["text"] == "\0\r\n"


async def test_a_connection_that_idled_longer_than_clients_keep_theirs_still_answers(office: Office) -> None:
    """A server that closes as early as its clients do cuts off a request now and then: they wait 5 s (httpx)."""
    trust = ssl.create_default_context(cafile=str(office.home.ca))
    reader, writer = await asyncio.open_connection("localhost", office.home.ports.https, ssl=trust)

    async def ask() -> bytes:
        writer.write(b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
        return head.split(b"\r\n")[0]

    try:
        assert await ask() == b"http/1.1 200 ok"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 5.5)
        assert await ask() == b"http/1.1 200 ok"
    finally:
        writer.close()
