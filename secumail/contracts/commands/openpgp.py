"""What crypto answers about OpenPGP keys, and about the keys of outside peers."""

from secumail.contracts.commands.base import Command

COMMANDS: tuple[type[Command], ...] = ()
PRIVILEGED: tuple[type[Command], ...] = ()
