"""Sessions: who gets in, and when it ends."""

import asyncio
from uuid import UUID

from pymongo import MongoClient

from secumail.installation import credentials
from secumail.installation.home import DATABASE
from secumail.topology import OPERATOR
from tests.e2e.desk import second_gateway
from tests.people import PASSWORD, Office, Person, mail


async def refusal(person: Person, password: str, address: str | None = None) -> dict[str, str]:
    """What a log-in is refused with, but for the trace."""
    answer = await person.door.post("/sessions", json={"address": address or person.address, "password": password})
    assert answer.status_code == 401, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    return {name: value for name, value in answer.json().items() if name != "trace"}


async def test_a_wrong_password_an_unknown_address_and_a_suspended_account_look_the_same(office: Office) -> None:
    administrator, ada = await office.administrator(), await office.newcomer()
    wrong = await refusal(ada, "another password")
    assert wrong["code"] == "wrong-credentials"
    assert await refusal(ada, PASSWORD, f"nobody@{office.domain}") == wrong
    assert await refusal(ada, PASSWORD, "no address at all\0") == wrong
    assert await refusal(ada, "") == wrong
    await change(administrator, ada, status="suspended")
    assert await refusal(ada, PASSWORD) == wrong
    await change(administrator, ada, status="active")
    assert (await ada.log_in()).account


async def test_the_address_is_known_in_any_case_and_the_session_says_who_it_is(office: Office) -> None:
    ada = await office.newcomer()
    shouted = await Person(f" {ada.address.upper()} ", ada.door).log_in()
    me = (await shouted.get("/sessions/current")).json()
    assert (me["account"], me["address"], me["roles"]) == (ada.account, ada.address, ["member"])


async def test_without_a_session_nothing_is_served(office: Office) -> None:
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
        answer = await office.door.get("/messages", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "not-logged-in")
    for token in ("x", "ü".encode("latin-1").decode("latin-1"), "A" * 5000):
        answer = await office.door.get("/messages", headers={"Authorization": f"Bearer {token}".encode("latin-1")})
        assert (answer.status_code, answer.json()["code"]) == (401, "session-over")


async def test_logging_out_ends_this_session_at_once_and_no_other(office: Office) -> None:
    ada = await office.newcomer()
    elsewhere = await Person(ada.address, ada.door).log_in()
    assert (await ada.get("/folders")).status_code == 200
    assert (await ada.door.delete("/sessions/current", headers=ada.headers)).status_code == 204
    for _ in range(2):
        assert (await ada.get("/folders")).json()["code"] == "session-over"
    assert (await elsewhere.get("/folders")).status_code == 200


async def test_suspending_an_account_ends_its_sessions_and_stops_its_mail(office: Office) -> None:
    administrator, ada, bob = await office.administrator(), await office.newcomer(), await office.newcomer()
    elsewhere = await Person(ada.address, ada.door).log_in()
    await change(administrator, ada, status="suspended")
    for session in (ada, elsewhere):
        assert (await session.get("/folders")).json()["code"] == "session-over"
    sent = await bob.sent(mail(bob.address, ada.address))
    assert [(r["state"], r["reason"]) for r in sent["recipients"]] == [("bounced", "suspended-recipient")]
    await change(administrator, ada, status="active")
    assert (await ada.get("/folders")).json()["code"] == "session-over"


async def test_changed_roles_end_the_session(office: Office) -> None:
    administrator, ada = await office.administrator(), await office.newcomer()
    await change(administrator, ada, roles=["member", "administrator"])
    assert (await ada.get("/folders")).json()["code"] == "session-over"
    await ada.log_in()
    assert (await ada.get("/accounts")).status_code == 200


async def test_an_idle_session_ends_and_a_used_one_does_not(office: Office) -> None:
    ada = await office.newcomer()
    async with second_gateway(office.home, SECUMAIL_SESSION_IDLE="PT2S") as door:
        idle, used = [await Person(ada.address, door).log_in() for _ in range(2)]
        for _ in range(8):
            await asyncio.sleep(0.4)  # time itself is what is tested: more than two seconds in all
            assert (await used.get("/folders")).status_code == 200
        assert (await idle.get("/folders")).json()["code"] == "session-over"


async def test_the_database_holds_neither_token_nor_password_nor_address(office: Office) -> None:
    ada = await office.newcomer()
    await ada.sent(mail(ada.address, ada.address, "Database"))
    token = ada.headers["Authorization"].removeprefix("Bearer ")
    url = office.home.mongodb_url(OPERATOR, credentials.read(office.home, OPERATOR, credentials.MONGODB))

    def stored() -> list[bytes]:
        with MongoClient(url, tlsCAFile=str(office.home.ca)) as client:
            database = client[DATABASE]
            names = [n for n in database.list_collection_names() if not n.startswith("system.")]
            assert {"accounts", "sessions", "directory", "spool", "entries", "acts"} <= set(names)
            return [batch for name in names for batch in database[name].find_raw_batches()]

    everything = b"".join(await asyncio.to_thread(stored))
    assert UUID(ada.account).bytes in everything  # so this is the right place to look
    for secret in (token, PASSWORD, ada.address, ada.address.partition("@")[0]):
        assert secret.encode() not in everything
        assert secret.encode("utf-16-le") not in everything


async def change(administrator: Person, person: Person, **what: object) -> None:
    """Change an account."""
    answer = await administrator.door.patch(f"/accounts/{person.account}", json=what, headers=administrator.headers)
    assert answer.status_code == 204, answer.text
