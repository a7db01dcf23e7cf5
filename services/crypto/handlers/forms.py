"""Which form each recipient gets: asked before sending, and acted on in sending, by the same answer."""

from collections.abc import Collection
from uuid import UUID

from secumail.contracts.commands.protection import ChooseForms, FormRow, Forms
from secumail.directory import Directory, domain_of
from secumail.errors import Refused
from secumail.reasons import reason
from services.crypto.forms import WORDS, Choice, Policy, Reader, Wish, choose, wished
from services.crypto.ports import Peers


class Chooser:
    """What is known of recipients, and the policy over it."""

    def __init__(self, directory: Directory, domains: Collection[str], peers: Peers, policy: Policy) -> None:
        self._directory = directory
        self._domains = domains
        self._peers = peers
        self._policy = policy

    async def choose(self, account: UUID, address: str, wish: Wish, guest: bool, *, encrypted: bool = False) -> Choice:
        """The form of `account`'s mail to one address; `encrypted`: dlp or a reviewer lets it leave so only."""
        return choose(wish, self._policy, await self._reader(account, address, guest), encrypted=encrypted)

    async def answer(self, command: ChooseForms, _actor: UUID | None) -> Forms:
        """The same for everybody a mail is to go to, before it is sent."""
        wish = wished(command.form)
        if wish is None:
            raise Refused("unknown-form", "There is no such form.", "Ask for auto, signed, smime or openpgp.")
        return Forms(rows=tuple([await self._row(command, address, wish) for address in command.recipients]))

    async def _row(self, command: ChooseForms, address: str, wish: Wish) -> FormRow:
        refused = await self._refused(address, command.guests)
        choice = await self.choose(command.account, address, wish, command.guests)
        code = refused or choice.reason
        if code is not None or choice.form is None:
            return FormRow(because=choice.because, reason=code, words=reason(code).words)
        return FormRow(form=choice.form, because=choice.because, words=WORDS[choice.form])

    async def _refused(self, address: str, guests: bool) -> str | None:
        """Why nothing reaches the address, whatever the form."""
        if domain_of(address) not in self._domains:
            return None if guests else "no-relay" if domain_of(address) else "malformed-recipient"
        entry = await self._directory.address(address)
        if entry is None or entry.group:
            return "unknown-recipient"
        return None if entry.active else "suspended-recipient"

    async def _reader(self, account: UUID, address: str, guest: bool) -> Reader:
        if domain_of(address) in self._domains:
            return Reader(inside=True)
        kinds, gcm = await self._peers.reads(account, address)
        return Reader(inside=False, guest=guest, keys=kinds, gcm=gcm)
