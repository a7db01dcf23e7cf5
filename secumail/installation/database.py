"""The private MongoDB: a replica set of one, loopback and TLS only.

`python -m secumail.installation.database` sets up a mongod that somebody else started (compose, Kubernetes):
MONGODB_URL names the administrator, SECUMAIL_REPLICA_SET_MEMBER the member, SECUMAIL_TLS_CA whom to trust, and
SECUMAIL_SECRETS the directory with mongodb_password and each <service>/mongodb_password.
"""

import asyncio
import base64
import os
import secrets
import time
from pathlib import Path
from urllib.parse import urlsplit

from secumail.errors import Refused
from secumail.installation import certificates, credentials, toolchain
from secumail.installation.home import HOST, REPLICA_SET, Home, private_directory, write_private
from secumail.installation.probes import listens
from secumail.installation.program import Program
from secumail.installation.replica import Member, Rights, SetUp
from secumail.store.rights import RIGHTS
from secumail.topology import OPERATOR, SERVICES

_PATIENCE = 120.0


def prepare(home: Home) -> None:
    """Makes the data directory and the key by which members of the replica set know each other."""
    private_directory(home.mongodb / "data")
    ensure_key_file(_key_file(home))


def ensure_key_file(path: Path) -> None:
    """Makes the replica set's key, unless it is there."""
    if not path.exists():
        write_private(path, base64.b64encode(secrets.token_bytes(512)))


def program(home: Home, rights: Rights) -> Program:
    """mongod. Ready means: with replica set, collections, indexes, roles and users."""
    argv = [
        str(toolchain.mongod()), "--dbpath", str(home.mongodb / "data"), "--bind_ip", HOST,
        "--port", str(home.ports.mongodb), "--nounixsocket",
        "--replSet", REPLICA_SET, "--oplogSize", "512",
        "--tlsMode", "requireTLS", "--tlsCAFile", str(home.ca),
        "--tlsCertificateKeyFile", str(certificates.certificate(home, "mongodb")),
        # A service proves itself by its own user and password.
        "--tlsAllowConnectionsWithoutCertificates", "--auth", "--keyFile", str(_key_file(home)),
        "--wiredTigerCacheSizeGB", "0.5", "--quiet",
        "--setParameter", "diagnosticDataCollectionEnabled=false",
    ]  # fmt: skip
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home.mongodb), "LC_ALL": "C"}
    set_up = SetUp(member(home), credentials.read_all(home, credentials.MONGODB, SERVICES), rights)

    async def ready() -> bool:
        return await listens(home.ports.mongodb) and await set_up()

    return Program("database", argv, environment, ready)


def member(home: Home) -> Member:
    """The private mongod, as its operator reaches it."""
    password = credentials.read(home, OPERATOR, credentials.MONGODB)
    return Member(f"{HOST}:{home.ports.mongodb}", OPERATOR, password, home.ca)


def _key_file(home: Home) -> Path:
    return home.mongodb / "keyfile"


async def _set_up_given() -> None:
    given = os.environ
    directory = Path(given["SECUMAIL_SECRETS"])
    kept = {name: (directory / name / credentials.MONGODB).read_text().strip() for name in SERVICES}
    user = urlsplit(given["MONGODB_URL"]).username or OPERATOR
    password = (directory / credentials.MONGODB).read_text().strip()
    address = given["SECUMAIL_REPLICA_SET_MEMBER"]
    set_up = SetUp(Member(address, user, password, Path(given["SECUMAIL_TLS_CA"])), kept, RIGHTS)
    deadline = time.monotonic() + _PATIENCE
    while not await set_up():
        if time.monotonic() > deadline:
            raise Refused("no-database", f"{address} is not ready after {_PATIENCE:.0f} s.", "See its log.")
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(_set_up_given())
