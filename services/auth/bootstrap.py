"""auth, wired."""

import json

from secumail.audit import Acts
from secumail.contracts.commands.auth import Grant, ListAccounts, LogIn, Register, SetRoles, SetStatus
from secumail.contracts.commands.keys import FormerKeysUnused, RenewAccount, RenewGrant, ShredAccount
from secumail.service import Service
from services.auth.adapters.mongodb import SignedDirectory, StoredAccounts, StoredGroups
from services.auth.handlers import Auth
from services.auth.passwords import Cost, Hashing
from services.auth.settings import Settings


def wire(settings: Settings) -> Service:
    """The service, ready to run."""
    service = Service("auth", settings)
    auth = Auth(
        StoredAccounts(service.database["accounts"]),
        StoredGroups(service.database["groups"]),
        SignedDirectory(service.database["directory"], service.keys["auth.directory"]),
        service.directory,
        service.keys["address"],
        service.keys["auth.credentials"],
        service.keys["auth.profiles"],
        Hashing(Cost(settings.argon2_memory_kib, settings.argon2_passes), settings.argon2_at_once),
        service.outgoing.event,
        Acts(service.database["acts"]),
        settings.domains,
        settings.min_password,
    )
    answer = service.answering.on
    answer(LogIn, auth.log_in)
    answer(Register, auth.register)
    answer(ListAccounts, auth.list_accounts)
    answer(SetRoles, auth.set_roles)
    answer(SetStatus, auth.set_status)
    answer(Grant, auth.grant)
    answer(ShredAccount, auth.shred_account)
    answer(RenewAccount, auth.renew_account)
    answer(RenewGrant, auth.renew_grant)
    answer(FormerKeysUnused, auth.former_keys_unused)

    async def prepare() -> None:
        first = settings.secrets / "first_admin.json"
        if first.exists():
            given = json.loads(first.read_text())
            await auth.first_administrator(given["address"], given["name"], given["password"])
        await auth.mend()

    service.before_work(prepare)
    return service
