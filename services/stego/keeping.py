"""The organisation's library as its administrators keep it, and what pictures are worth, asked by anybody."""

import asyncio
import hashlib
from uuid import UUID

from secumail.audit import Acts
from secumail.contracts.commands.base import Done
from secumail.contracts.commands.stego import (
    AddCover,
    CoverAdded,
    CoversJudged,
    JudgeCovers,
    JudgedCover,
    LibraryReply,
    LibraryRow,
    ListCovers,
    RemoveCover,
    Room,
)
from secumail.directory import Directory
from secumail.errors import Refused
from services.stego.handlers import decoded
from services.stego.library import LibraryCover
from services.stego.ports import Library, Pictures, UsedCovers
from services.stego.refusals import CoverRefused
from services.stego.terms import alike


class KeptCovers:
    """The answers, over the ports."""

    def __init__(
        self, pictures: Pictures, used: UsedCovers, library: Library, directory: Directory, acts: Acts
    ) -> None:
        self._pictures = pictures
        self._used = used
        self._library = library
        self._directory = directory
        self._acts = acts

    async def judge(self, command: JudgeCovers, _actor: UUID | None) -> CoversJudged:
        """What each is worth, and all together."""
        files = decoded(command.images)
        judged = [await self._judged(file) for file in files]
        if any(one.room is None for one in judged):
            return CoversJudged(covers=tuple(judged))
        together = await asyncio.to_thread(self._pictures.together, files)
        return CoversJudged(covers=tuple(judged), together=Room(**together))

    async def add(self, command: AddCover, actor: UUID | None) -> CoverAdded:
        """Keep one that was never used, and is not there already."""
        actor = await self._administrator(actor)
        (file,) = decoded((command.image,))
        judged = await asyncio.to_thread(self._pictures.judge, file)
        await self._used.check(hashlib.sha256(file).digest(), judged.look)
        if any(alike(judged.look, other.judged.look) for other in await self._library.all()):
            raise CoverRefused(
                "twice", "The same picture, or nearly the same, is in the library already.", "Add another one."
            )
        cover = await self._library.add(file, command.file_name, judged, actor)
        await self._acts.record(actor, "cover-added", cover.id)
        return CoverAdded(cover=_row(cover))

    async def all(self, _command: ListCovers, actor: UUID | None) -> LibraryReply:
        """The library."""
        await self._administrator(actor)
        return LibraryReply(covers=tuple(_row(cover) for cover in await self._library.all()))

    async def remove(self, command: RemoveCover, actor: UUID | None) -> Done:
        """Remove one."""
        actor = await self._administrator(actor)
        if not await self._library.remove(command.id):
            raise Refused(
                "no-such-cover", "The library has no such picture, or a mail has just taken it.", "List it again.", 404
            )
        await self._acts.record(actor, "cover-removed", command.id)
        return Done()

    async def _judged(self, file: bytes) -> JudgedCover:
        try:
            judged = await asyncio.to_thread(self._pictures.judge, file)
            await self._used.check(hashlib.sha256(file).digest(), judged.look)
        except Refused as refused:
            return JudgedCover(code=refused.code, words=refused.words, fix=refused.fix)
        return JudgedCover(
            kind=judged.kind,
            width=judged.width,
            height=judged.height,
            room=Room(**judged.room),
            notes=judged.notes,
        )

    async def _administrator(self, actor: UUID | None) -> UUID:
        entry = await self._directory.account(actor) if actor is not None else None
        if entry is None or not entry.active or "administrator" not in entry.roles:
            raise Refused("role-missing", "The library is kept by administrators.", "Ask an administrator.", 403)
        return entry.account


def _row(cover: LibraryCover) -> LibraryRow:
    return LibraryRow(
        id=cover.id,
        name=cover.name,
        kind=cover.judged.kind,
        width=cover.judged.width,
        height=cover.judged.height,
        size=cover.size,
        room=Room(**cover.judged.room),
        roughness=cover.judged.roughness,
        at=cover.at,
        actor=cover.actor,
        taken=cover.mail is not None,
    )
