"""Accounts: who may open them, and which are refused with what words."""

from uuid import uuid4

import pytest

from tests.people import PASSWORD, Office, Person


async def opening(person: Person, address: str, password: str = PASSWORD, **more: object) -> tuple[int, str]:
    """Open an account: status and code."""
    answer = await person.post("/accounts", json={"address": address, "password": password, **more})
    assert answer.status_code == 201 or answer.json()["fix"]
    return answer.status_code, answer.json().get("code", "")


async def test_only_administrators_open_change_and_list_accounts(office: Office) -> None:
    ada, rita = await office.newcomer(), await office.newcomer("reviewer")
    for person in (ada, rita):
        assert await opening(person, f"x@{office.domain}") == (403, "role-missing")
        assert (await person.get("/accounts")).json()["code"] == "role-missing"
        answer = await person.door.patch(
            f"/accounts/{person.account}", json={"roles": ["administrator"]}, headers=person.headers
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "role-missing")


@pytest.mark.parametrize(
    "address",
    ["", "x", "@northwind.example", "a..b@northwind.example", ".a@northwind.example",
     "a b@northwind.example", "a@b@northwind.example", "nul\0@northwind.example",
     "line\nbreak@northwind.example", "right\u202eleft@northwind.example", "zero\u200bwidth@northwind.example",
     "a,b@northwind.example", '"quoted"@northwind.example', f"{'x' * 65}@northwind.example"],
)  # fmt: skip
async def test_what_is_no_address_is_refused(office: Office, address: str) -> None:
    assert await opening(await office.administrator(), address) == (422, "address-malformed")


@pytest.mark.parametrize("domain", ["elsewhere.example", "sub.northwind.example", "northwind.example.evil.example"])
async def test_an_address_of_another_domain_is_refused(office: Office, domain: str) -> None:
    assert await opening(await office.administrator(), f"ada@{domain}") == (422, "address-foreign")


async def test_an_address_is_given_once_whatever_its_case(office: Office) -> None:
    ada = await office.newcomer()
    administrator = await office.administrator()
    assert await opening(administrator, ada.address) == (409, "address-taken")
    assert await opening(administrator, f" {ada.address.upper()}") == (409, "address-taken")


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "password-too-short"),
        ("elevenchars", "password-too-short"),
        ("aaaaaaaaaaaaaaaaaaaa", "password-too-easy"),
        ("my name is magdalena", "password-too-easy"),
        ("x" * 1025, "malformed-request"),
    ],
)
async def test_a_weak_password_is_refused(office: Office, password: str, code: str) -> None:
    assert await opening(await office.administrator(), f"magdalena@{office.domain}", password) == (422, code)


async def test_other_faults_of_a_new_account(office: Office) -> None:
    administrator, address = await office.administrator(), f"person-{uuid4().hex[:8]}@{office.domain}"
    assert await opening(administrator, address, roles=["king"]) == (422, "malformed-request")
    assert await opening(administrator, address, display_name="x" * 101) == (422, "malformed-request")
    assert await opening(administrator, address, surprise=1) == (422, "malformed-request")
    unknown = await administrator.door.patch(
        f"/accounts/{uuid4()}", json={"status": "suspended"}, headers=administrator.headers
    )
    assert (unknown.status_code, unknown.json()["code"]) == (404, "no-such-account")


async def test_administrators_cannot_lock_themselves_out(office: Office) -> None:
    administrator = await office.administrator()
    for what in ({"status": "suspended"}, {"roles": ["member", "reviewer"]}):
        answer = await administrator.door.patch(
            f"/accounts/{administrator.account}", json=what, headers=administrator.headers
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "not-yourself")
    assert (await administrator.get("/accounts")).status_code == 200


async def test_the_list_of_accounts_shows_roles_and_status(office: Office) -> None:
    administrator = await office.administrator()
    rita = await office.newcomer("reviewer")
    rows = {row["address"]: row for row in (await administrator.get("/accounts")).json()}
    assert rows[rita.address] == {
        "account": rita.account,
        "address": rita.address,
        "display_name": rita.address.partition("@")[0].title(),
        "roles": ["member", "reviewer"],
        "status": "active",
    }
