"""auth's answers: log in, register, roles, groups."""

import base64
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from secumail.audit import Acts
from secumail.contracts.commands import Done
from secumail.contracts.commands.auth import (
    AccountList,
    AccountRow,
    Grant,
    ListAccounts,
    LoggedIn,
    LogIn,
    Register,
    Registered,
    SetRoles,
    SetStatus,
)
from secumail.contracts.commands.keys import FormerKeysUnused, RenewAccount, RenewGrant, ShredAccount
from secumail.contracts.events import AccountChanged
from secumail.directory import REVIEWERS, Directory, Entry, group_context, lookup
from secumail.errors import Refused, Transient
from secumail.sealing.accounts import AccountKeys
from secumail.sealing.hpke import PrivateKey
from secumail.sealing.kms import Scope
from services.auth import accounts, passwords
from services.auth.accounts import Account, Profile
from services.auth.ports import Accounts, Groups, Listing

log = logging.getLogger(__name__)

Publish = Callable[[AccountChanged], Awaitable[None]]


class Auth:
    """The answers, over the ports."""

    def __init__(
        self,
        store: Accounts,
        groups: Groups,
        listing: Listing,
        directory: Directory,
        address_scope: Scope,
        credentials: Scope,
        profiles: Scope,
        hashing: passwords.Hashing,
        publish: Publish,
        acts: Acts,
        domains: tuple[str, ...],
        min_password: int,
    ) -> None:
        self._store = store
        self._groups = groups
        self._listing = listing
        self._directory = directory
        self._address_scope = address_scope
        self._credentials = credentials
        self._profiles = profiles
        self._hashing = hashing
        self._publish = publish
        self._acts = acts
        self._domains = domains
        self._min_password = min_password

    # --- people -----------------------------------------------------------------------------------------

    async def log_in(self, command: LogIn, _actor: UUID | None) -> LoggedIn:
        """The account's keys for its password. An unknown address costs the same time as a wrong password."""
        account = await self._store.by_lookup(await lookup(self._address_scope, command.address))
        if account is None or account.status == accounts.SHREDDED:
            await self._hashing.split(command.password, passwords.new_salt(), self._hashing.cost)
            raise _wrong()
        credential = account.credential
        halves = await self._hashing.split(command.password, credential.salt, credential.cost)
        if await self._verifier(account.id, halves) != credential.verifier or account.status != "active":
            await self._acts.record(account.id, "log-in-refused", account.id)
            raise _wrong()
        account, keys = await self._keys(account, halves)
        await self._acts.record(account.id, "logged-in", account.id)
        profile = await self._profile(account)
        return LoggedIn(
            account=account.id,
            address=profile.address,
            display_name=profile.display_name,
            roles=account.roles,
            bundle=base64.b64encode(keys.raw).decode(),
            renewed=account.renewed,
        )

    async def renew_account(self, command: RenewAccount, actor: UUID | None) -> Done:
        """A new account key at the next log-in: only then can the former one be opened, to stay beside it a while."""
        if actor != command.account:
            await self._administrator(actor)
        account = await self._existing(command.account)
        if not account.renew:
            await self._store_only(replace(account, revision=account.revision + 1, renew=True))
            await self._acts.record(actor, "key-renewal-asked", account.id)
        return Done()

    async def renew_grant(self, command: RenewGrant, actor: UUID | None) -> Done:
        """A member's own copy of a group's key, sealed anew. It gives nobody what they had not."""
        if actor is None or command.group not in await self._groups.of(actor):
            raise Refused("not-a-member", "You are not a member of this group.", "Ask a member to add you.", 403)
        await self._groups.grant(command.group, actor, base64.b64decode(command.wrap))
        return Done()

    async def former_keys_unused(self, _command: FormerKeysUnused, actor: UUID | None) -> Done:
        """Remember it for the next log-in: here nothing opens the bundle."""
        if actor is None:
            raise _forbidden("member")
        account = await self._existing(actor)
        if account.renewed is not None and not account.former_unused:
            await self._store_only(replace(account, revision=account.revision + 1, former_unused=True))
        return Done()

    # --- administrators ---------------------------------------------------------------------------------

    async def register(self, command: Register, actor: UUID | None) -> Registered:
        """Open an account."""
        await self._administrator(actor)
        account = await self.open(command.address, command.display_name, command.password, command.roles)
        await self._acts.record(actor, "registered", account.id)
        return Registered(account=account.id)

    async def list_accounts(self, _command: ListAccounts, actor: UUID | None) -> AccountList:
        """Everybody, for an administrator."""
        await self._administrator(actor)
        rows = []
        for account in await self._store.everyone():
            profile = await self._profile(account)
            rows.append(
                AccountRow(
                    account=account.id,
                    address=profile.address,
                    display_name=profile.display_name,
                    roles=account.roles,
                    status=account.status,
                )
            )
        return AccountList(accounts=tuple(rows))

    async def set_roles(self, command: SetRoles, actor: UUID | None) -> Done:
        """Give roles."""
        await self._administrator(actor)
        if command.account == actor and "administrator" not in command.roles:
            raise Refused("not-yourself", "An administrator can't give up that role alone.", "Ask another one.")
        await self._change(await self._existing(command.account), "roles", roles=command.roles)
        await self._acts.record(actor, f"roles:{'+'.join(command.roles)}", command.account)
        return Done()

    async def set_status(self, command: SetStatus, actor: UUID | None) -> Done:
        """Suspend or reinstate."""
        await self._administrator(actor)
        if command.account == actor:
            raise Refused("not-yourself", "An administrator can't suspend their own account.", "Ask another one.")
        change = "suspended" if command.status == "suspended" else "reinstated"
        await self._change(await self._existing(command.account), change, status=command.status)
        await self._acts.record(actor, change, command.account)
        return Done()

    async def grant(self, command: Grant, actor: UUID | None) -> Done:
        """Keep a group's key for a new member; sealed in a member's session, unreadable here."""
        entry = await self._administrator(actor)
        if command.group == REVIEWERS and "reviewer" not in entry.roles:
            raise _forbidden("reviewer")
        wrap = base64.b64decode(command.wrap)
        if not await self._groups.grant(command.group, command.account, wrap):
            raise Refused("no-such-group", "There is no such group.", "Check its name.", 404)
        await self._acts.record(actor, f"granted:{command.group}", command.account)
        return Done()

    async def shred_account(self, command: ShredAccount, actor: UUID | None) -> Done:
        """Destroy what opens an account's keys. There is no way back: neither ours nor anybody's."""
        await self._administrator(actor)
        if command.account == actor:
            raise Refused("not-yourself", "An administrator can't shred their own account.", "Ask another one.")
        account = await self._store.by_id(command.account)
        if account is None:
            raise _no_such_account()
        if account.status == accounts.SHREDDED:
            return Done()
        for group, members in (await self._groups.of(account.id)).items():
            if members == 1 or not await self._groups.leave(group, account.id):
                raise Refused(
                    "last-member", f"Nobody else has the key of the group {group}: its mail would be lost too.",
                    "Make somebody else a member first.", 409,
                )  # fmt: skip
        await self._keep(account.shredded(), "suspended")
        await self._acts.record(actor, "shredded", account.id)
        return Done()

    # --- at start ---------------------------------------------------------------------------------------

    async def mend(self) -> None:
        """Finish what a crash left between an account and its directory entry."""
        for account in await self._store.unlisted():
            await self._list(account, "roles")

    async def first_administrator(self, address: str, name: str, password: str) -> None:
        """Open the first account (administrator and reviewer) and the reviewers' group, where they are missing."""
        account = await self._store.by_lookup(await lookup(self._address_scope, address))
        if account is None:
            account = await self.open(address, name, password, ("member", "reviewer", "administrator"))
            log.info("first administrator registered", extra={"account": str(account.id)})
        if await self._directory.group(REVIEWERS) is None:
            pair = PrivateKey.generate()
            wrap = account.entry().key.seal(pair.raw, group_context(REVIEWERS, account.id))
            group = accounts.new_id()
            if await self._groups.create(REVIEWERS, group, account.id, wrap):
                await self._listing.publish(
                    Entry(f"group:{REVIEWERS}".encode(), group, pair.public, b"", 1, 1, (), "active", group=True)
                )
            self._directory.forget()

    async def open(self, address: str, name: str, password: str, roles: tuple[str, ...]) -> Account:
        """A new account, listed in the directory."""
        address = accounts.check_address(address, self._domains)
        passwords.check_strength(password, address, self._min_password)
        id_ = accounts.new_id()
        salt = passwords.new_salt()
        halves = await self._hashing.split(password, salt, self._hashing.cost)
        account, _ = accounts.open_account(
            await lookup(self._address_scope, address),
            await self._profiles.wrap(Profile(address, name.strip() or address).encode(), f"profile/{id_}"),
            roles,
            datetime.now(UTC),
            id_,
            salt,
            self._hashing.cost,
            halves,
            await self._verifier(id_, halves),
            await self._custody(id_),
        )
        if not await self._store.add(account):
            raise Refused("address-taken", "There is an account with this address.", "Take another address.", 409)
        await self._list(account, "registered")
        return account

    # --- inside -----------------------------------------------------------------------------------------

    async def _change(
        self, account: Account, change: str, roles: tuple[str, ...] | None = None, status: str | None = None
    ) -> None:
        await self._keep(account.changed(roles, status), change)

    async def _keep(self, changed: Account, change: str) -> None:
        await self._store_only(changed)
        await self._list(changed, change)

    async def _store_only(self, changed: Account) -> None:
        if not await self._store.replace(changed):
            raise Refused("changed-meanwhile", "Somebody else changed the account.", "Look again, then retry.", 409)

    async def _keys(self, account: Account, halves: passwords.Halves) -> tuple[Account, AccountKeys]:
        """The account and its keys; where that was asked for, of a new epoch, or without former ones."""
        custody = await self._custody(account.id)
        keys = accounts.unlock(account, halves, custody)
        if account.renew:
            step, (changed, new) = "key-renewed", accounts.renew(account, keys, datetime.now(UTC))
        elif account.former_unused:
            step, (changed, new) = "former-keys-destroyed", accounts.forget_former(account, keys)
        else:
            return account, keys
        if not await self._store.replace(changed):
            # Another log-in was faster; the account as it left it opens by the same password.
            account = await self._existing(account.id)
            return account, accounts.unlock(account, halves, custody)
        await self._list(changed, "keys")
        await self._acts.record(account.id, step, account.id)
        return changed, new

    async def _list(self, account: Account, change: str) -> None:
        await self._listing.publish(account.entry())
        await self._store.listed(account)
        self._directory.forget(account.id)
        event = AccountChanged.model_validate({"account": account.id, "change": change, "revision": account.revision})
        try:
            await self._publish(event)
        except Transient as error:
            # Caches look again by themselves within half a minute.
            log.warning("change not announced", extra={"account": str(account.id), "code": error.code})

    async def _existing(self, id_: UUID) -> Account:
        account = await self._store.by_id(id_)
        if account is None:
            raise _no_such_account()
        if account.status == accounts.SHREDDED:
            raise Refused("account-shredded", "The account's keys were destroyed.", "Open a new account.", 409)
        return account

    async def _administrator(self, actor: UUID | None) -> Entry:
        entry = await self._directory.account(actor) if actor is not None else None
        if entry is None or not entry.active or "administrator" not in entry.roles:
            raise _forbidden("administrator")
        return entry

    async def _verifier(self, id_: UUID, halves: passwords.Halves) -> bytes:
        return await self._credentials.hmac(f"verifier/{id_}/".encode() + halves.auth)

    async def _custody(self, id_: UUID) -> bytes:
        return await self._credentials.derive(f"custody/{id_}")

    async def _profile(self, account: Account) -> Profile:
        return Profile.decode(await self._profiles.unwrap(account.profile, f"profile/{account.id}"))


def _wrong() -> Refused:
    # A fresh one each time: one that is raised again and again keeps every frame it was raised in, passwords too.
    return Refused("wrong-credentials", "Address and password do not match an active account.", "Check both.", 401)


def _no_such_account() -> Refused:
    return Refused("no-such-account", "There is no such account.", "Look at the list of accounts.", 404)


def _forbidden(role: str) -> Refused:
    return Refused("role-missing", f"This is for a person with the role {role}.", "Ask an administrator.", 403)
