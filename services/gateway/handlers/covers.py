"""Pictures to hide mails in: what they are worth, asked before sending, and the organisation's library of them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, cast, get_args
from uuid import UUID

from fastapi import APIRouter, Query, Request, status
from pydantic import BaseModel
from starlette.datastructures import FormData, UploadFile

from secumail.contracts.commands.base import Done
from secumail.contracts.commands.stego import (
    AddCover,
    CoverAdded,
    CoversJudged,
    JudgeCovers,
    LibraryReply,
    LibraryRow,
    ListCovers,
    RemoveCover,
)
from secumail.errors import Refused
from secumail.reasons import reason
from services.gateway.handlers.door import Asking, Behind
from services.gateway.handlers.form_data import parsed, text
from services.gateway.reading import plain_name

router = APIRouter()

Rate = Literal["careful", "normal", "maximum"]

MOST = 16
"""Pictures of one mail."""
MOST_BYTES = 48 * 2**20
"""Bytes of them. What is made of them must not have more than 24 MB (services/stego), which BMPs may well become."""
JUDGED_BYTES = 25 * 2**20
"""Bytes of a form of pictures to be judged: stego looks at 24 MB at once."""
_FILE_BYTES = 32 * 2**20
_KINDS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"RIFF")


_YES, _NO = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


@dataclass(frozen=True)
class Pictures:
    """What a sender wishes to be hidden in; no `files`: the organisation's pictures."""

    files: tuple[tuple[str, bytes], ...]
    text: str
    rate: Rate

    def __repr__(self) -> str:
        return f"Pictures({len(self.files)})"


class Room(BaseModel):
    """Bytes that fit at each rate, however little they compress."""

    careful: int
    normal: int
    maximum: int


class Worth(BaseModel):
    """What a picture is worth. One that won't do has a `code`, `words` and `fix`, and no `room`."""

    name: str
    kind: str | None
    width: int
    height: int
    room: Room | None
    notes: list[str]
    code: str | None
    words: str
    fix: str


class Worths(BaseModel):
    """What each picture is worth, and all together; `together` is null where one of them won't do."""

    covers: list[Worth]
    together: Room | None


class LibraryCover(BaseModel):
    """A picture of the organisation's library. `taken`: for a mail on its way. `roughness`: the more, the better it
    hides. `actor`: the account that added it."""

    id: UUID
    name: str
    kind: str
    width: int
    height: int
    size: int
    room: Room
    roughness: float
    at: str
    actor: UUID | None
    taken: bool


@router.post(
    "/covers/judge",
    operation_id="judgeCovers",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["cover"],
                        "properties": {"cover": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                    }
                }
            },
        }
    },
)
async def judge_covers(door: Behind, session: Asking, request: Request) -> Worths:
    """How much pictures would carry, each and together, or why they won't do. Nothing is kept of them."""
    form = await parsed(request, JUDGED_BYTES, MOST)
    files = await _files(form)
    images = tuple(base64.b64encode(data).decode() for _, data in files)
    judged = await door.ask(JudgeCovers(images=images), CoversJudged, session.actor)
    covers = [
        Worth(name=name, **one.model_dump(mode="json")) for (name, _), one in zip(files, judged.covers, strict=True)
    ]
    return Worths(covers=covers, together=Room(**judged.together.model_dump()) if judged.together else None)


@router.get("/covers", operation_id="listCovers")
async def list_covers(door: Behind, session: Asking) -> list[LibraryCover]:
    """The organisation's pictures that are still to be used, oldest first. For administrators."""
    session.require("administrator")
    reply = await door.ask(ListCovers(), LibraryReply, session.actor)
    return [_row(cover) for cover in reply.covers]


@router.post(
    "/covers",
    status_code=status.HTTP_201_CREATED,
    operation_id="addCover",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def add_cover(
    door: Behind,
    session: Asking,
    request: Request,
    name: Annotated[str, Query(max_length=200, description="The file name it will have in the mail it carries.")],
) -> LibraryCover:
    """Add a picture for mails whose senders give none; it is used once. For administrators."""
    session.require("administrator")
    picture = await request.body()
    _check([picture])
    command = AddCover(file_name=plain_name(name), image=base64.b64encode(picture).decode())
    return _row((await door.ask(command, CoverAdded, session.actor)).cover)


@router.delete("/covers/{id}", status_code=status.HTTP_204_NO_CONTENT, operation_id="removeCover")
async def remove_cover(door: Behind, session: Asking, id: UUID) -> None:
    """Remove a picture from the library. For administrators."""
    session.require("administrator")
    await door.ask(RemoveCover(id=id), Done, session.actor)


async def wished(form: FormData) -> Pictures | None:
    """The pictures of a form with a mail in it; None where it is not to be hidden. Raises Refused."""
    wish = text(form, "conceal").lower() or "false"
    if wish not in _YES | _NO:
        raise Refused("malformed-request", "conceal is neither true nor false.", "Say one of them.", 422)
    if "cover" not in form and wish in _NO:
        if text(form, "cover_text") or text(form, "rate"):
            raise Refused(
                "not-hidden", "There is a cover text or a rate, but nothing to hide the mail in.",
                "Send covers, or conceal=true for the organisation's pictures.",
            )  # fmt: skip
        return None
    rate = text(form, "rate") or "normal"
    if rate not in get_args(Rate):
        raise Refused("unknown-rate", "There is no such rate.", f"Rates are {', '.join(get_args(Rate))}.")
    return Pictures(tuple(await _files(form)), text(form, "cover_text"), cast(Rate, rate))


async def _files(form: FormData) -> list[tuple[str, bytes]]:
    given = form.getlist("cover")
    uploads = [one for one in given if isinstance(one, UploadFile)]
    if len(uploads) != len(given):
        raise Refused("malformed-request", "A cover is no file.", "Send each as a file of the form.", 400)
    files = [(one.filename or f"picture-{number}.png", await one.read()) for number, one in enumerate(uploads, 1)]
    _check([data for _, data in files])
    return files


def _check(files: Sequence[bytes]) -> None:
    """What stego refuses later costs the sender a bounce; the commonest mistakes are told at once."""
    code = None
    if len(files) > MOST:
        code = "covers-number"
    elif any(len(file) > _FILE_BYTES for file in files):
        code = "cover-file-too-large"
    elif not all(file.startswith(_KINDS) for file in files):
        code = "cover-format"
    if code is not None:
        raise Refused(code, reason(code).words, "Send other pictures.", 422)


def _row(cover: LibraryRow) -> LibraryCover:
    return LibraryCover(**cover.model_dump(mode="json"))
