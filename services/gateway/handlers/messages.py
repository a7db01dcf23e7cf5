"""Reading one's mail: /messages, /folders."""

import base64
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response, status
from pydantic import BaseModel, ConfigDict, Field

from secumail.apart import apart
from secumail.contracts.commands.crypto import AuthorityReply, GetAuthority
from secumail.contracts.commands.stego import Revealed, RevealPictures
from secumail.errors import Refused
from secumail.mailbox.entry import FLAGS, Entry, Folder, Meta, Role
from secumail.sealing.hpke import PrivateKey
from services.gateway.handlers.door import Asking, Behind, Door
from services.gateway.handlers.showing import Mail, attachment, content, shown
from services.gateway.reading import view
from services.gateway.sessions import Session

router = APIRouter()

_OWN_FOLDERS = "^(inbox|sent|archive|trash)$"


class Row(BaseModel):
    """One mail in a list."""

    id: UUID
    mail: UUID
    role: Role
    folder: Folder
    flags: list[str]
    at: datetime
    size: int
    subject: str
    sender: str
    to: list[str]
    preview: str
    attachments: int


class Page(BaseModel):
    """A page of a list, newest first; `next_cursor` is null on the last one."""

    data: list[Row]
    next_cursor: str | None


class Change(BaseModel):
    """Flags to set and clear, a folder to move to."""

    model_config = ConfigDict(extra="forbid")

    set: list[str] = Field(default=[], description=f"Of: {', '.join(FLAGS)}")
    clear: list[str] = []
    folder: str | None = Field(default=None, pattern=_OWN_FOLDERS)


class FolderRow(BaseModel):
    """A folder's counts."""

    folder: str
    mails: int
    unseen: int


@router.get("/folders", operation_id="listFolders")
async def list_folders(door: Behind, session: Asking) -> list[FolderRow]:
    """How many mails lie where."""
    counts = await door.mailboxes.counts(session.account)
    return [
        FolderRow(folder=name, mails=counts.get(name, (0, 0))[0], unseen=counts.get(name, (0, 0))[1])
        for name in ("inbox", "sent", "archive", "trash")
    ]


@router.get("/messages", operation_id="listMails")
async def list_mails(
    door: Behind,
    session: Asking,
    folder: Annotated[str, Query(pattern=_OWN_FOLDERS)] = "inbox",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: str | None = None,
) -> Page:
    """A folder, newest first."""
    return await page(door, session.account, session.keys.private, folder, limit, cursor)


@router.get("/messages/{id}", operation_id="readMail")
async def read_mail(door: Behind, session: Asking, id: UUID) -> Mail:
    """One mail, decrypted, with its signature's verdict. Reading marks it as seen."""
    entry, meta, raw = await opened(door, session, id)
    mail = await shown(door, session, entry, meta, raw)
    if "seen" not in entry.flags:
        await door.mailboxes.change(session.account, [id], add=["seen"])
        mail.flags.append("seen")
    return mail


@router.get("/messages/{id}/raw", operation_id="rawMail", response_class=Response)
async def raw_mail(door: Behind, session: Asking, id: UUID) -> Response:
    """The mail as it was filed: for a received one with its signature (multipart/signed)."""
    _, _, raw = await opened(door, session, id)
    return Response(raw, media_type="message/rfc822")


@router.get("/messages/{id}/original", operation_id="originalMail", response_class=Response)
async def original_mail(door: Behind, session: Asking, id: UUID) -> Response:
    """The mail as it was sent, byte for byte: what the signature signs."""
    _, _, raw = await opened(door, session, id)
    return Response((await content(door, session, raw)).raw, media_type="message/rfc822")


@router.get("/messages/{id}/attachments/{number}", operation_id="getAttachment", response_class=Response)
async def get_attachment(door: Behind, session: Asking, id: UUID, number: int) -> Response:
    """One attachment."""
    _, _, raw = await opened(door, session, id)
    inside = await content(door, session, raw)
    return attachment(await apart(len(inside.raw), view, inside.raw), number)


@router.post("/messages/{id}/reveal", operation_id="revealMail")
async def reveal_mail(door: Behind, session: Asking, id: UUID) -> Mail:
    """The mail that pictures of this one hide for you."""
    entry, meta, raw = await opened(door, session, id)
    key = meta.extra.get("stego")
    if key is None:
        raise Refused("nothing-hidden", "No picture of this mail hides anything for you.", "Nothing to do.", 404)
    seen = await apart(len(raw), view, raw)
    pictures = [a.data for a in seen.attachments if a.media_type in ("image/png", "image/jpeg")]
    images = tuple(base64.b64encode(picture).decode() for picture in pictures)
    revealed = await door.ask(RevealPictures(images=images, key=key), Revealed)
    return await shown(door, session, entry, meta, base64.b64decode(revealed.payload), hidden=False)


@router.patch("/messages/{id}", status_code=status.HTTP_204_NO_CONTENT, operation_id="changeMail")
async def change_mail(door: Behind, session: Asking, id: UUID, change: Change) -> None:
    """Set and clear flags, move to another folder."""
    if unknown := {*change.set, *change.clear} - set(FLAGS):
        raise Refused("unknown-flag", f"{len(unknown)} of the flags are unknown.", f"Flags are {', '.join(FLAGS)}.")
    folder: Any = change.folder
    if await door.mailboxes.change(session.account, [id], change.set, change.clear, folder) == 0:
        raise _no_such_mail()


@router.delete("/messages/{id}", status_code=status.HTTP_204_NO_CONTENT, operation_id="deleteMail")
async def delete_mail(door: Behind, session: Asking, id: UUID) -> None:
    """Delete for good. (To keep it a while, move it to the trash.)"""
    if not await door.mailboxes.delete(session.account, id):
        raise _no_such_mail()


@router.get("/authority.pem", operation_id="getAuthority", response_class=Response)
async def get_authority(door: Behind) -> Response:
    """The certificates to check this organisation's signatures with. Public."""
    reply = await door.ask(GetAuthority(), AuthorityReply)
    return Response(reply.pem, media_type="application/x-pem-file")


# --- shared with the reviewers' paths ----------------------------------------------------------------------


async def page(door: Door, account: UUID, key: PrivateKey, folder: str, limit: int, cursor: str | None) -> Page:
    """A page of any mailbox, opened with its owner's key."""
    where: Any = folder
    entries = await door.mailboxes.page(account, where, limit + 1, position(cursor))
    rows = [row(entry, entry.open_meta(entry.open_key(key))) for entry in entries[:limit]]
    more = len(entries) > limit
    return Page(data=rows, next_cursor=cursor_at(entries[limit - 1]) if more else None)


async def opened(door: Door, session: Session, id_: UUID) -> tuple[Entry, Meta, bytes]:
    """One's own mail, decrypted; Refused where there is none."""
    return await opened_with(door, session.account, session.keys.private, id_)


async def opened_with(door: Door, account: UUID, owner: PrivateKey, id_: UUID) -> tuple[Entry, Meta, bytes]:
    """A mail of any mailbox, decrypted with its owner's key."""
    entry = await door.mailboxes.find(account, id_)
    if entry is None:
        raise _no_such_mail()
    key = entry.open_key(owner)
    body = await door.mailboxes.body(entry)
    return entry, entry.open_meta(key), entry.open_body(key, body) if body else b""


def row(entry: Entry, meta: Meta) -> Row:
    """An entry's line in a list."""
    return Row(
        id=entry.id,
        mail=entry.mail,
        role=entry.role,
        folder=entry.folder,
        flags=list(entry.flags),
        at=entry.at,
        size=entry.size,
        subject=meta.subject,
        sender=meta.sender,
        to=list(meta.to),
        preview=meta.preview,
        attachments=len(meta.attachments),
    )


def cursor_at(entry: Entry) -> str:
    """Where a list goes on after this entry."""
    return base64.urlsafe_b64encode(f"{entry.at.isoformat()}/{entry.id}".encode()).decode()


def position(cursor: str | None) -> tuple[datetime, UUID] | None:
    """What a cursor names; Refused where it is none of ours."""
    if cursor is None:
        return None
    try:
        at, id_ = base64.urlsafe_b64decode(cursor).decode().rsplit("/", 1)
        return datetime.fromisoformat(at).astimezone(UTC), UUID(id_)
    except (ValueError, OverflowError) as error:
        raise Refused("cursor-malformed", "The cursor is not one of ours.", "Begin again without a cursor.") from error


def _no_such_mail() -> Refused:
    return Refused("no-such-mail", "You have no such mail.", "Look at your folders.", 404)
