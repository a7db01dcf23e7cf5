"""An installation whose broker and database others run: its files, and the set-up of a given mongod."""

import asyncio
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import OperationFailure

from secumail.installation import credentials, database
from secumail.installation.home import ROOT, Home, Ports
from secumail.installation.probes import listens
from secumail.installation.process import Child
from secumail.installation.program import Program
from secumail.store.rights import RIGHTS

pytestmark = pytest.mark.broker


async def python(module: str, *arguments: str, **environment: str) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, env={**os.environ, **environment}, cwd=ROOT
    )
    return await process.wait()


@pytest.fixture
async def home(tmp_path: Path) -> Home:
    assert await python("secumail.installation.prepare", str(tmp_path / "home")) == 0
    return replace(Home.open(tmp_path / "home"), ports=Ports.free())


async def test_preparing_makes_every_file_that_compose_mounts_and_keeps_it_the_second_time(home: Home) -> None:
    mounted = re.findall(r"\$\{SECUMAIL_HOME:-[^}]*\}/([^\"]+)\"", (ROOT / "docker-compose.yml").read_text())
    assert len(mounted) > 30
    assert [name for name in mounted if not (home.path / name).is_file()] == []

    keys = [name for name in mounted if name.startswith(("keys/", "secrets/", "tls/"))]
    before = {name: (home.path / name).read_bytes() for name in keys}
    assert await python("secumail.installation.prepare", str(home.path)) == 0
    assert {name: (home.path / name).read_bytes() for name in keys} == before


async def test_a_given_mongod_with_an_administrator_becomes_a_replica_set_with_least_rights(home: Home) -> None:
    database.prepare(home)
    ours = database.program(home, RIGHTS)

    async def ready() -> bool:
        return await listens(home.ports.mongodb)

    # The official image makes its administrator before the server is a member of a replica set.
    at = ours.argv.index("--replSet")
    alone = Child(Program("alone", [*ours.argv[:at], *ours.argv[at + 4 :]], ours.environment, ready), home)
    member = Child(Program("member", ours.argv, ours.environment, ready), home)
    password = (home.secrets("mongodb") / "admin_password").read_text()
    try:
        alone.start()
        await alone.ready()
        stranger = database.member(home).connect_as_stranger()
        await stranger.admin.command("createUser", "admin", pwd=password, roles=["root"])
        await alone.stop()
        member.start()
        await member.ready()

        given = {
            "MONGODB_URL": f"mongodb://admin@127.0.0.1:{home.ports.mongodb}/?directConnection=true&tls=true",
            "SECUMAIL_REPLICA_SET_MEMBER": f"127.0.0.1:{home.ports.mongodb}",
            "SECUMAIL_TLS_CA": str(home.ca),
            "SECUMAIL_SECRETS": str(home.path / "secrets"),
        }
        (home.path / "secrets" / "mongodb_password").write_text(password)
        assert await python("secumail.installation.database", **given) == 0
        assert await python("secumail.installation.database", **given) == 0

        url = home.mongodb_url("auth", credentials.read(home, "auth", credentials.MONGODB))
        auth = AsyncIOMotorClient(url, tlsCAFile=str(home.ca))["secumail"]
        await auth["accounts"].insert_one({"_id": "account", "lookup": b"1"})
        with pytest.raises(OperationFailure, match="not authorized"):
            await auth["spool"].find_one({})
    finally:
        await alone.stop()
        await member.stop()
