"""crypto's part of shredding an account: its signing and decryption keys go, its certificates are revoked."""

from uuid import UUID

from secumail.audit import Acts
from secumail.contracts.commands import Done
from secumail.contracts.commands.keys import ShredKeys
from secumail.directory import Directory
from secumail.errors import Refused
from secumail.store.client import Database
from services.crypto.adapters.certificates import Register


class Shredding:
    """The answer, over everything crypto keeps for an account."""

    def __init__(self, database: Database, register: Register, directory: Directory, acts: Acts) -> None:
        self._database = database
        self._register = register
        self._directory = directory
        self._acts = acts

    async def shred_keys(self, command: ShredKeys, actor: UUID | None) -> Done:
        """Destroy an account's keys; done twice, it is done once."""
        entry = await self._directory.account(actor) if actor is not None else None
        if entry is None or not entry.active or "administrator" not in entry.roles:
            raise Refused("role-missing", "This is for a person with the role administrator.", "Ask one.", 403)
        account = command.account
        self._directory.forget(account)
        gone = await self._directory.account(account)
        # Else its next mail would make new ones, under a key that opens its mail still.
        if gone is None or gone.status != "shredded":
            raise Refused("not-shredded", "The account's own keys are still there.", "Shred the account first.", 409)
        for registered in await self._register.of(account):
            await self._register.revoke(registered.serial, "cessationOfOperation", actor)
        # "0" follows "/": all ids that begin with the account's.
        await self._database["signing_keys"].delete_many({"_id": {"$gt": f"{account}/", "$lt": f"{account}0"}})
        for collection in ("decryption_keys", "openpgp_keys"):
            await self._database[collection].delete_many({"account": account})
        await self._database["peers"].delete_many({"owner": str(account)})
        await self._acts.record(actor, "keys-shredded", account)
        return Done()
