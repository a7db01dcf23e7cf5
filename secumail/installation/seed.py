"""What a fresh installation is given before its first user comes."""

import json

from secumail.installation.home import Home, write_private


async def run(home: Home) -> None:
    """Leaves the logins that `up` shows. Idempotent."""
    admin = json.loads((home.secrets("auth") / "first_admin.json").read_text())
    logins = [{"who": "administrator", "address": admin["address"], "password": admin["password"]}]
    write_private(home.logins, json.dumps(logins, indent=1))
