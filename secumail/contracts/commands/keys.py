"""What the services answer about their keys: versions, rotation, shredding."""

from secumail.contracts.commands.base import Command

COMMANDS: tuple[type[Command], ...] = ()
PRIVILEGED: tuple[type[Command], ...] = ()
