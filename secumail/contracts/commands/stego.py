"""What stego answers."""

from typing import ClassVar

from secumail.contracts.commands.base import Command, Reply


class Revealed(Reply):
    """base64 of what was hidden."""

    payload: str


class Reveal(Command):
    """Take the hidden mail out of an image. `image` is base64."""

    name: ClassVar[str] = "stego.reveal"
    reply: ClassVar[type[Reply]] = Revealed
    image: str
    key: str


COMMANDS: tuple[type[Command], ...] = (Reveal,)
PRIVILEGED: tuple[type[Command], ...] = ()
