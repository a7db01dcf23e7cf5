"""What crypto answers about certificates: whose there are, their issue, revocation and export."""

from secumail.contracts.commands.base import Command

COMMANDS: tuple[type[Command], ...] = ()
PRIVILEGED: tuple[type[Command], ...] = ()
