"""What the services answer about an account's keys: their renewal, their destruction."""

from typing import ClassVar
from uuid import UUID

from secumail.contracts.commands.base import Command


class ShredAccount(Command):
    """Destroy what opens an account's keys: its mail stays sealed for ever. An administrator's act."""

    name: ClassVar[str] = "auth.shred-account"
    account: UUID


class ShredKeys(Command):
    """Destroy the signing and decryption keys of a shredded account. An administrator's act."""

    name: ClassVar[str] = "crypto.shred-keys"
    account: UUID


class RenewAccount(Command):
    """Give an account a new key at its next log-in. One's own act, or an administrator's."""

    name: ClassVar[str] = "auth.renew-account"
    account: UUID


class RenewGrant(Command):
    """One's own copy of a group's key, sealed to one's new account key in one's session."""

    name: ClassVar[str] = "auth.renew-grant"
    group: str
    wrap: str


class FormerKeysUnused(Command):
    """Nothing is sealed to the former keys of one's account any more: the next log-in destroys them."""

    name: ClassVar[str] = "auth.former-keys-unused"


COMMANDS: tuple[type[Command], ...] = (ShredAccount, ShredKeys, RenewAccount, RenewGrant, FormerKeysUnused)
PRIVILEGED: tuple[type[Command], ...] = COMMANDS
