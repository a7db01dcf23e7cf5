"""Keys of people outside through the API, and our people's keys as the world finds them."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from services.crypto.openpgp import keys, messages
from services.crypto.openpgp.discovery import hashed_local_part
from tests.e2e.test_cli import Terminal
from tests.people import Office

NOW = datetime.now(UTC)


def outsider() -> str:
    return f"bob-{uuid4().hex[:8]}@elsewhere.example"


async def test_a_key_is_pinned_and_another_one_waits_until_its_owner_was_asked(office: Office) -> None:
    alice, bob = await office.newcomer(), outsider()
    first, second = keys.generate(bob, NOW).certificate, keys.generate(bob, NOW).certificate

    added = await alice.post("/peers", json={"address": bob, "key": keys.armored(first)})
    assert added.status_code == 201, added.text
    assert added.json()["state"] == "pinned"

    again = (await alice.post("/peers", json={"address": bob, "key": base64.b64encode(second).decode()})).json()
    assert again["state"] == "changed"
    assert "compared and confirmed" in again["words"]
    assert again["fingerprint"] == added.json()["fingerprint"]

    place = f"/peers/{again['id']}/confirm"
    refused = await alice.post(place, json={"fingerprint": again["fingerprint"]})
    assert refused.json()["code"] == "another-fingerprint"
    confirmed = await alice.post(place, json={"fingerprint": again["other"]})
    assert confirmed.json()["state"] == "pinned"
    assert confirmed.json()["fingerprint"] == again["other"]

    assert [row["address"] for row in (await alice.get("/peers")).json()] == [bob]
    removed = await alice.door.delete(f"/peers/{again['id']}", headers=alice.headers)
    assert removed.status_code == 204
    assert (await alice.get("/peers")).json() == []


async def test_nobody_can_give_a_colleague_a_key(office: Office) -> None:
    alice, mallory, bob = await office.newcomer(), await office.newcomer(), outsider()
    key = keys.armored(keys.generate(bob, NOW).certificate)
    pinned = (await mallory.post("/peers", json={"address": bob, "key": key})).json()
    assert (await alice.get("/peers")).json() == []
    refused = await alice.door.delete(f"/peers/{pinned['id']}", headers=alice.headers)
    assert refused.json()["code"] == "no-such-peer"
    for_all = await mallory.post("/peers", json={"address": bob, "key": key, "everyone": True})
    assert for_all.status_code == 403


async def test_an_administrators_key_is_everybodys(office: Office) -> None:
    administrator, alice, bob = await office.administrator(), await office.newcomer(), outsider()
    key = keys.armored(keys.generate(bob, NOW).certificate)
    pinned = await administrator.post("/peers", json={"address": bob, "key": key, "everyone": True})
    assert pinned.status_code == 201, pinned.text
    assert bob in [row["address"] for row in (await alice.get("/peers")).json() if row["everyone"]]
    await administrator.door.delete(f"/peers/{pinned.json()['id']}", headers=administrator.headers)


async def test_bad_keys_are_refused_in_words(office: Office) -> None:
    alice, bob = await office.newcomer(), outsider()
    eve = keys.armored(keys.generate("eve@elsewhere.example", NOW).certificate)
    colleague = f"someone@{office.domain}"
    for address, key, code in (
        (bob, "no key", "not-a-key"),
        (bob, eve, "key-names-another"),
        (colleague, eve, "not-outside"),
        ("nowhere", eve, "malformed-address"),
    ):
        answer = await alice.post("/peers", json={"address": address, "key": key})
        assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_the_world_finds_our_peoples_keys(office: Office) -> None:
    alice = await office.newcomer()
    local_part = alice.address.partition("@")[0]
    root = str(office.door.base_url).removesuffix("/api/v1/")
    place = f"{root}/.well-known/openpgpkey"
    name = f"hu/{hashed_local_part(local_part)}"

    direct = await office.door.get(f"{place}/{name}", params={"l": local_part})
    assert direct.status_code == 200, direct.text
    assert direct.headers["content-type"] == "application/octet-stream"
    advanced = await office.door.get(f"{place}/{office.domain}/{name}", params={"l": local_part})
    assert advanced.content == direct.content
    assert keys.facts(direct.content, NOW).addresses == (alice.address,)
    assert messages.encrypt(b"Hello", [direct.content])
    assert (await office.door.get(f"{place}/policy")).status_code == 200

    own = await alice.get("/openpgp/key")
    assert own.headers["content-type"].startswith("application/pgp-keys")
    assert keys.read_certificate(own.content) == direct.content

    for hashed, asked in ((hashed_local_part("nobody"), "nobody"), (hashed_local_part("nobody"), local_part)):
        missing = await office.door.get(f"{place}/hu/{hashed}", params={"l": asked})
        assert missing.status_code == 404


async def test_the_commands_say_what_the_api_says(office: Office, tmp_path: Path) -> None:
    alice, bob = await office.newcomer(), outsider()
    terminal = await Terminal(office, tmp_path).log_in(alice)
    first, second = (keys.generate(bob, NOW).certificate for _ in range(2))
    armored, binary = tmp_path / "bob.asc", tmp_path / "bob.pgp"
    armored.write_text(keys.armored(first))
    binary.write_bytes(second)

    pinned = await terminal("peers", "add", bob, str(armored))
    assert "Mail to this address is encrypted to this key." in pinned.stdout
    waiting = await terminal("peers", "add", bob, str(binary))
    assert "Another key was seen for this address." in waiting.stdout
    (row,) = await terminal.json("peers", "ls")
    assert (row["state"], row["other"]) == ("changed", keys.facts(second, NOW).fingerprint)
    spoken = " ".join(row["other"][at : at + 4] for at in range(0, 40, 4))
    confirmed = await terminal("peers", "confirm", row["id"][:8], spoken)
    assert "Mail to this address is encrypted to this key." in confirmed.stdout
    assert bob in (await terminal("peers", "ls")).stdout
    assert (await terminal("peers", "rm", row["id"][:8])).exit_code == 0
    assert await terminal.json("peers", "ls") == []

    missing = await terminal("peers", "add", bob, str(tmp_path / "nothing.asc"))
    assert missing.exit_code != 0

    own = tmp_path / "own.asc"
    assert (await terminal("openpgp", "export", "-o", str(own))).exit_code == 0
    assert keys.facts(keys.read_certificate(own.read_bytes()), NOW).addresses == (alice.address,)
