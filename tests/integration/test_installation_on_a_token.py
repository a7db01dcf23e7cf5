"""A whole installation whose keys are in a PKCS#11 token: mail flows, keys rotate, and no key lies in a file."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from secumail.cli.main import app
from secumail.installation.home import Home, Ports
from secumail.installation.supervisor import Stack
from secumail.sealing.wraps import rotated_scopes
from tests import softhsm
from tests.people import Office, mail

pytestmark = pytest.mark.broker


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    """The organisation on such an installation."""
    token = softhsm.token()
    monkeypatch.setenv("SECUMAIL_KMS", "pkcs11")
    monkeypatch.setenv("SECUMAIL_PKCS11_MODULE", str(token.module))
    monkeypatch.setenv("SECUMAIL_PKCS11_TOKEN", token.label)
    monkeypatch.setenv("SECUMAIL_PKCS11_PIN", str(token.pin))
    async with Stack(Home(tmp_path, Ports.free())) as running:
        opened = Office(running.home)
        yield opened
        await opened.close()


async def test_mail_flows_and_keys_rotate_with_all_keys_in_the_token(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    before = await ada.sent(mail(ada.address, bob.address, "Before"))

    async def keys(*arguments: str) -> dict[str, object]:
        home = {"SECUMAIL_HOME": str(office.home.path)}
        result = await asyncio.to_thread(CliRunner().invoke, app, ["keys", *arguments, "--json"], None, home)
        assert result.exit_code == 0, result.output
        answer: dict[str, object] = json.loads(result.stdout)
        return answer

    rotated = await keys("rotate", "--all")
    assert rotated == {"versions": dict.fromkeys(rotated_scopes(), 2), "left": 0}
    await keys("rotate", "transport")
    after = await ada.sent(mail(ada.address, bob.address, "After"))
    await bob.log_in()
    for id_ in (before["id"], after["id"]):
        row = await bob.received(id_)
        assert (await bob.get(f"/messages/{row['id']}")).json()["signature"]["state"] == "good"
    assert (await keys("ls"))["kept"] == "pkcs11"
    assert list(office.home.keys.iterdir()) == []
