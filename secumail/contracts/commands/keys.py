"""What the services answer about an account's keys: their destruction."""

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


COMMANDS: tuple[type[Command], ...] = (ShredAccount, ShredKeys)
PRIVILEGED: tuple[type[Command], ...] = (ShredAccount, ShredKeys)
