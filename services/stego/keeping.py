"""The organisation's library as its administrators keep it, and what pictures are worth, asked by anybody."""

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
from secumail.spool.record import Stage
from secumail.spool.spool import Spool
from services.stego.carrier import named
from services.stego.handlers import MAX_PICTURES, decoded
from services.stego.library import LibraryCover
from services.stego.ports import Library, Pictures, UsedCovers
from services.stego.refusals import CoverRefused, used
from services.stego.terms import Judged, alike


class KeptCovers:
    """The answers, over the ports."""

    def __init__(
        self,
        pictures: Pictures,
        used: UsedCovers,
        library: Library,
        spool: Spool,
        directory: Directory,
        acts: Acts,
    ) -> None:
        self._pictures = pictures
        self._used = used
        self._library = library
        self._spool = spool
        self._directory = directory
        self._acts = acts

    async def judge(self, command: JudgeCovers, _actor: UUID | None) -> CoversJudged:
        """What each is worth, and all together."""
        files = decoded(command.images)
        judged = [await self._judged(file) for file in files]
        if any(one.room is None for one in judged):
            return CoversJudged(covers=tuple(judged))
        if len(files) == 1:  # carries alone what it carries "together", and is read once
            return CoversJudged(covers=tuple(judged), together=judged[0].room)
        together = await self._pictures.apart(self._pictures.together, files)
        return CoversJudged(covers=tuple(judged), together=Room(**together))

    async def add(self, command: AddCover, actor: UUID | None) -> CoverAdded:
        """Keep one that was never used, and is not there already."""
        actor = await self._administrator(actor)
        (file,) = decoded((command.image,))
        judged = await self._light(file)
        if await self._used.knows(hashlib.sha256(file).digest(), judged.look):
            raise used()
        name = named(command.file_name, judged.kind)
        if any(alike(judged.look, other.judged.look) for other in await self._library.all()):
            raise CoverRefused(
                "twice", "The same picture, or nearly the same, is in the library already.", "Add another one."
            )
        cover = await self._library.add(file, name, judged, actor)
        await self._acts.record(actor, "cover-added", cover.id)
        return CoverAdded(cover=_row(cover))

    async def all(self, _command: ListCovers, actor: UUID | None) -> LibraryReply:
        """The library."""
        await self._administrator(actor)
        return LibraryReply(covers=tuple(_row(cover) for cover in await self._library.all()))

    async def remove(self, command: RemoveCover, actor: UUID | None) -> Done:
        """Remove one."""
        actor = await self._administrator(actor)
        known = {cover.id: cover for cover in await self._library.all()}
        cover = known.get(command.id)
        if cover is None or await self._on_its_way(cover) or not await self._library.remove(cover.id, cover.mail):
            raise Refused(
                "no-such-cover",
                "The library has no such picture, or a mail on its way has taken it.",
                "List it again.",
                404,
            )
        await self._acts.record(actor, "cover-removed", command.id)
        return Done()

    async def _on_its_way(self, cover: LibraryCover) -> bool:
        """Whether a mail has taken it that will go out, as far as anybody knows."""
        record = await self._spool.find(cover.mail) if cover.mail is not None else None
        return record is not None and record.stage is not Stage.DONE and record.stuck is None

    async def _light(self, file: bytes) -> Judged:
        """What it is worth, if it is light enough to be sent. Whether it was used is not for everybody to know: who was
        passed on a picture would learn that it carries something."""
        judged = await self._pictures.apart(self._pictures.judge, file)
        if judged.size > MAX_PICTURES:
            raise CoverRefused(
                "too-heavy",
                f"Written as {judged.kind.upper()} the picture has {judged.size // 2**20} MB; at most "
                f"{MAX_PICTURES // 2**20} go in a mail.",
                "Give a JPEG, or scale the picture down.",
            )
        return judged

    async def _judged(self, file: bytes) -> JudgedCover:
        try:
            judged = await self._light(file)
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
