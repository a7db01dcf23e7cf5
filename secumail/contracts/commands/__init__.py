"""Commands: a question that waits for its answer, with a deadline. They travel sealed (secumail.sealing.letters).

`PRIVILEGED` commands are acts of a person: their letter carries that person's signature, and the service that
answers checks it against the signed directory. So a gateway can't act for people who are not logged in to it.
"""

from secumail.contracts.commands import auth, certificates, crypto, dlp, keys, openpgp, protection, stego
from secumail.contracts.commands.base import Command, Done, Reply, Role

_SUBJECTS = (auth, dlp, crypto, certificates, protection, openpgp, keys, stego)

COMMANDS: tuple[type[Command], ...] = tuple(c for subject in _SUBJECTS for c in subject.COMMANDS)
PRIVILEGED: frozenset[str] = frozenset(c.name for subject in _SUBJECTS for c in subject.PRIVILEGED)

__all__ = ["COMMANDS", "PRIVILEGED", "Command", "Done", "Reply", "Role"]
