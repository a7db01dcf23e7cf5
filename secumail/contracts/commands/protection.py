"""What crypto answers about the form of a mail: which one each recipient will get, and what a received one says."""

from secumail.contracts.commands.base import Command

COMMANDS: tuple[type[Command], ...] = ()
PRIVILEGED: tuple[type[Command], ...] = ()
