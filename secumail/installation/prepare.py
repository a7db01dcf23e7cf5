"""`python -m secumail.installation.prepare DIRECTORY`: all files of an installation whose processes run elsewhere.

Compose and Kubernetes mount them (deploy/). SECUMAIL_DOMAINS names the mail domains. What is there already stays.
"""

import asyncio
import os
import sys
from pathlib import Path

from secumail import topology
from secumail.installation import broker, certificates, credentials, database
from secumail.installation.home import DEMO_DOMAIN, Home, write_private
from secumail.installation.keys import prepare_keys


async def prepare(home: Home) -> None:
    """Certificates, passwords, keys, the broker's definitions, the replica set's key."""
    home.save()
    certificates.ensure(home)
    credentials.ensure(home)
    await prepare_keys(home)
    broker.write_definitions(home, topology.definitions(credentials.read_all(home, credentials.AMQP)))
    mongodb = home.secrets("mongodb")
    database.ensure_key_file(mongodb / "keyfile")
    write_private(mongodb / "admin_password", credentials.read(home, topology.OPERATOR, credentials.MONGODB))


def main() -> None:
    """The command."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m secumail.installation.prepare DIRECTORY")
    domains = os.environ.get("SECUMAIL_DOMAINS", DEMO_DOMAIN).split(",")
    asyncio.run(prepare(Home(Path(sys.argv[1]), domains=tuple(name.strip() for name in domains))))


if __name__ == "__main__":
    main()
