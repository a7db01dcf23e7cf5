"""What a fresh installation is given before its first user comes: a small organisation to try things with.

Through the public door, as its administrator would: nothing here has a way in of its own.
"""

import json
import secrets
import ssl

import httpx

from secumail.errors import Refused
from secumail.installation.home import HOST, Home, write_private

PEOPLE = (
    ("reviewer", "rita", "Rita Reviewer", ("member", "reviewer")),
    ("member", "ada", "Ada Northwind", ("member",)),
    ("member", "bob", "Bob Northwind", ("member",)),
)
"""Who they are, their address's local part, name and roles."""


async def run(home: Home) -> None:
    """Register the people, and leave the logins that `up` shows. Idempotent: who is there already stays."""
    if home.logins.exists():
        return
    admin = json.loads((home.secrets("auth") / "first_admin.json").read_text())
    logins = [{"who": "administrator", "address": admin["address"], "password": admin["password"]}]
    context = ssl.create_default_context(cafile=str(home.ca))
    base = f"https://{HOST}:{home.ports.https}/api/v1"
    async with httpx.AsyncClient(base_url=base, verify=context, timeout=30) as door:
        begun = await door.post("/sessions", json={"address": admin["address"], "password": admin["password"]})
        if begun.status_code == httpx.codes.UNAUTHORIZED:
            return  # the administrator has taken over: this is no longer a fresh installation
        begun.raise_for_status()
        bearer = {"Authorization": f"Bearer {begun.json()['token']}"}
        for who, local, name, roles in PEOPLE:
            address, password = f"{local}@{home.domains[0]}", secrets.token_urlsafe(15)
            person = {"address": address, "display_name": name, "password": password, "roles": roles}
            answer = await door.post("/accounts", json=person, headers=bearer)
            if answer.status_code == httpx.codes.CONFLICT:
                continue
            if answer.is_error:
                raise Refused("not-seeded", "The first people could not be registered.", "See the gateway's log.")
            logins.append({"who": who, "address": address, "password": password})
        await door.delete("/sessions/current", headers=bearer)
    write_private(home.logins, json.dumps(logins, indent=1))
