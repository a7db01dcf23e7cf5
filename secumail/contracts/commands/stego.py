"""What stego answers: what pictures hide, what they could, and the organisation's own."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from secumail.contracts.commands.base import Command, Reply


class Revealed(Reply):
    """base64 of what was hidden."""

    payload: str


class RevealPictures(Command):
    """Take the hidden mail out of pictures (base64), given in any order, perhaps among others."""

    name: ClassVar[str] = "stego.reveal-pictures"
    reply: ClassVar[type[Reply]] = Revealed
    images: tuple[str, ...]
    key: str


class Room(BaseModel):
    """Bytes of any payload that fit at each rate."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    careful: int
    normal: int
    maximum: int


class JudgedCover(BaseModel):
    """A picture's worth as a cover. One that won't do has a `code`, `words` and `fix` instead of `room`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str | None = None
    width: int = 0
    height: int = 0
    room: Room | None = None
    notes: tuple[str, ...] = ()
    code: str | None = None
    words: str = ""
    fix: str = ""


class CoversJudged(Reply):
    """Each picture's worth, in their order, and what all carry together; None where one of them won't do."""

    covers: tuple[JudgedCover, ...]
    together: Room | None = None


class JudgeCovers(Command):
    """Would these pictures (base64) carry a mail, and how long a one? Nothing is kept of them."""

    name: ClassVar[str] = "stego.judge-covers"
    reply: ClassVar[type[Reply]] = CoversJudged
    images: tuple[str, ...]


class LibraryRow(BaseModel):
    """A picture of the organisation's library. `taken`: for a mail that is on its way."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    name: str
    kind: str
    width: int
    height: int
    size: int
    room: Room
    roughness: float
    at: datetime
    actor: UUID | None = None
    taken: bool = False


class LibraryReply(Reply):
    """The library, oldest first."""

    covers: tuple[LibraryRow, ...]


class CoverAdded(Reply):
    """The picture as it is kept."""

    cover: LibraryRow


class AddCover(Command):
    """Keep a picture (base64) for mails whose senders give none. An administrator's act."""

    name: ClassVar[str] = "stego.add-cover"
    reply: ClassVar[type[Reply]] = CoverAdded
    file_name: str
    image: str


class ListCovers(Command):
    """The library. An administrator's act."""

    name: ClassVar[str] = "stego.list-covers"
    reply: ClassVar[type[Reply]] = LibraryReply


class RemoveCover(Command):
    """Remove a picture from the library. An administrator's act."""

    name: ClassVar[str] = "stego.remove-cover"
    id: UUID


COMMANDS: tuple[type[Command], ...] = (RevealPictures, JudgeCovers, AddCover, ListCovers, RemoveCover)
PRIVILEGED: tuple[type[Command], ...] = (AddCover, ListCovers, RemoveCover)
