"""What the gateway needs from outside."""

from typing import Protocol, TypeVar
from uuid import UUID

from secumail.contracts.commands import Command, Reply
from secumail.sealing.accounts import AccountKeys

R = TypeVar("R", bound=Reply)


class Ask(Protocol):
    """Commands to the other services."""

    async def __call__(self, command: Command, reply: type[R], actor: tuple[UUID, AccountKeys] | None = None) -> R:
        """The answer; raises the Refused it was refused with."""
