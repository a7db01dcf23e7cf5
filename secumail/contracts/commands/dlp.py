"""What dlp answers: the lists, releasing and rejecting."""

from typing import ClassVar
from uuid import UUID

from secumail.contracts.claims import SealedClaim
from secumail.contracts.commands.base import Command, Reply


class ListsReply(Reply):
    """The lists as JSON (services.dlp.lists) and their version."""

    lists: str


class GetLists(Command):
    """The current word and hash lists. A reviewer's or administrator's act: the lists are secrets."""

    name: ClassVar[str] = "dlp.get-lists"
    reply: ClassVar[type[Reply]] = ListsReply


class PutLists(Command):
    """Replace the lists; refused where `expects` is not the current version (somebody else edited them)."""

    name: ClassVar[str] = "dlp.put-lists"
    reply: ClassVar[type[Reply]] = ListsReply
    lists: str
    expects: int


class Release(Command):
    """Let a held mail go: `claim` is its key bundle, sealed to crypto and signed in the reviewer's session."""

    name: ClassVar[str] = "dlp.release"
    mail: UUID
    generation: int
    claim: SealedClaim


class Reject(Command):
    """Refuse a held mail for good."""

    name: ClassVar[str] = "dlp.reject"
    mail: UUID
    generation: int


COMMANDS: tuple[type[Command], ...] = (GetLists, PutLists, Release, Reject)
PRIVILEGED: tuple[type[Command], ...] = (GetLists, PutLists, Release, Reject)
