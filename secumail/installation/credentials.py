"""The passwords of one installation: random, in files, two per identity (broker and database)."""

import json
import secrets
from collections.abc import Iterable

from secumail.installation.home import IDENTITIES, Home, write_private

AMQP = "amqp_password"
MONGODB = "mongodb_password"


def ensure(home: Home, identities: Iterable[str] = IDENTITIES) -> None:
    """Makes the passwords that are missing, and the first administrator's login; what is there stays."""
    for identity in identities:
        for kind in (AMQP, MONGODB):
            file = home.secrets(identity) / kind
            if not file.exists():
                write_private(file, secrets.token_urlsafe(32))
    first_admin = home.secrets("auth") / "first_admin.json"
    # Once people were told their logins, an administrator may delete the file: the account is there already.
    if not first_admin.exists() and not home.logins.exists():
        login = {
            "address": f"admin@{home.domains[0]}",
            "name": "Administrator",
            "password": secrets.token_urlsafe(15),
        }
        write_private(first_admin, json.dumps(login))


def read(home: Home, identity: str, kind: str) -> str:
    """One password; `kind` is AMQP or MONGODB."""
    return (home.secrets(identity) / kind).read_text()


def read_all(home: Home, kind: str, identities: Iterable[str] = IDENTITIES) -> dict[str, str]:
    """The passwords of all identities, by identity."""
    return {identity: read(home, identity, kind) for identity in identities}
