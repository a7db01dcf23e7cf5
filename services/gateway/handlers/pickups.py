"""Pickups: inviting guests, letting them in; for senders /pickups, for a guest's program /pickups/{token}/open."""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, status
from pydantic import BaseModel, ConfigDict, Field

from secumail.apart import apart
from secumail.contracts.commands.crypto import SignatureVerdict
from secumail.directory import domain_of
from secumail.errors import Refused
from secumail.mailbox.entry import Meta, entry_id
from secumail.multipart_signed import split
from secumail.sealing.hpke import PrivateKey
from secumail.sealing.stream import Tampered
from secumail.spool.record import TERMINAL
from services.gateway import pickup
from services.gateway.handlers.door import Asking, Behind, Door
from services.gateway.handlers.showing import AttachmentRow, verdict
from services.gateway.pickup import MAX_PASSWORD, REPLIES, Inside, Pickup, State, Wish
from services.gateway.reading import View, view
from services.gateway.sessions import Session

router = APIRouter()


class PickupRow(BaseModel):
    """One pickup, for its sender. `link` leads the recipient to it (with the password, which you tell another way)."""

    id: UUID
    mail: UUID
    recipient: str
    link: str
    state: State
    created: datetime
    expires: datetime
    opened: list[datetime]
    attempts_left: int
    replies: int


class Password(BaseModel):
    """What a guest opens a mail with, besides the link."""

    model_config = ConfigDict(extra="forbid")

    password: str = Field(max_length=MAX_PASSWORD)


class PickedUp(BaseModel):
    """A mail, picked up. `raw`: all of it as it was filed, with its signature, in base64 (message/rfc822)."""

    subject: str
    sender: str
    to: list[str]
    cc: list[str]
    date: str
    text: str
    attachments: list[AttachmentRow]
    signature: SignatureVerdict
    raw: str
    expires: datetime


@router.get("/pickups", operation_id="listPickups")
async def list_pickups(
    door: Behind, session: Asking, request: Request, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> list[PickupRow]:
    """Your pickups, newest first: who has opened which, and how to get there."""
    return rows(door, session, request, await door.pickups.newest(session.account, limit))


@router.delete("/pickups/{id}", status_code=status.HTTP_204_NO_CONTENT, operation_id="revokePickup")
async def revoke_pickup(door: Behind, session: Asking, id: UUID) -> None:
    """End a pickup: its key is gone at once, and nobody opens it any more."""
    if not await door.pickups.revoke(session.account, id, datetime.now(UTC)):
        raise Refused("no-such-pickup", "You have no such pickup, or it has ended already.", "Look at your list.", 404)


@router.post("/pickups/{token}/open", operation_id="openPickup")
async def open_pickup(door: Behind, token: str, given: Password) -> PickedUp:
    """The mail behind a link, for programs. Public: the token and the password open it."""
    admitted = await admit(door, token, given.password)
    seen, signature = await look(door, admitted.raw)
    meta = admitted.meta
    return PickedUp(
        subject=meta.subject,
        sender=meta.sender,
        to=list(meta.to),
        cc=list(meta.cc),
        date=meta.date,
        text=seen.text,
        attachments=[
            AttachmentRow(number=a.number, name=a.name, type=a.media_type, size=len(a.data)) for a in seen.attachments
        ],
        signature=signature,
        raw=base64.b64encode(admitted.raw).decode(),
        expires=admitted.pickup.ends,
    )


# --- for the sender ------------------------------------------------------------------------------------------


async def invite(
    door: Door, session: Session, mail: UUID, recipients: Sequence[str], wish: Wish | None, now: datetime
) -> dict[int, Pickup]:
    """A guest for each recipient outside, by its place; nobody where the sender set no password.

    Where the submission is a repeated one, the guests are those of the first.
    """
    if wish is None:
        return {}
    outside = {i: a for i, a in enumerate(recipients) if domain_of(a) not in door.settings.domains}
    if not outside:
        raise Refused(
            "pickup-for-nobody", "All recipients have a mailbox in this organisation, and need no password.",
            "Leave the password out.",
        )  # fmt: skip
    salt = pickup.new_salt()
    async with door.pickups.stretching.room():
        stretched = await asyncio.to_thread(pickup.stretch, wish.password, salt)
    made = [
        pickup.invite(
            mail,
            index,
            Inside(PrivateKey.generate(), address, session.address),
            (session.account, session.keys.private.public),
            wish.hint,
            (salt, stretched),
            (now, now + timedelta(days=wish.days)),
        )
        for index, address in outside.items()
    ]
    return {kept.index: kept for kept in await door.pickups.add(made)}


def rows(door: Door, session: Session, request: Request, kept: Sequence[Pickup]) -> list[PickupRow]:
    """Pickups as their sender is shown them; those whose link the account's key no longer opens are left out."""
    if not kept:
        return []
    base = door.settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")
    now = datetime.now(UTC)
    links = ((one, one.shown(session.keys.private)) for one in kept)
    return [
        PickupRow(
            id=one.id,
            mail=one.mail,
            recipient=link.address,
            link=f"{base}/pickup/{link.token}",
            state=one.state(now),
            created=one.created,
            expires=one.ends,
            opened=list(one.opened),
            attempts_left=one.attempts,
            replies=len(one.replies),
        )
        for one, link in links
        if link is not None
    ]


# --- for the guest -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Admitted:
    """A guest who is in, and the guest's mail."""

    pickup: Pickup
    inside: Inside
    meta: Meta
    raw: bytes

    def __repr__(self) -> str:
        return f"Admitted({self.pickup.id})"

    @property
    def replies_left(self) -> int:
        """How often the guest may still reply."""
        return REPLIES - len(self.pickup.replies)


async def known(door: Door, token: str) -> Pickup:
    """The pickup of a link that can still be opened; otherwise Refused, with nothing said of the mail."""
    found = await door.pickups.find(token)
    if found is None:
        raise Refused(
            "no-such-pickup", "This link leads to no mail.",
            "Look whether you have copied all of it, or ask the sender for another one.", 404,
        )  # fmt: skip
    match found.state(datetime.now(UTC)):
        case "expired":
            raise Refused("pickup-expired", "This mail has expired.", "Ask the sender to send it again.", 410)
        case "revoked":
            raise Refused("pickup-revoked", "The sender has taken this mail back.", "Ask the sender.", 410)
        case "locked":
            raise _locked()
        case _:
            return found


async def admit(door: Door, token: str, password: str) -> Admitted:
    """Let a guest in by the password; Refused where it is wrong, or the mail is not there."""
    found = await known(door, token)
    async with door.pickups.stretching.room():
        one = await door.pickups.attempt(found.id, datetime.now(UTC))
        if one is None:
            raise _locked()
        stretched = await asyncio.to_thread(pickup.stretch, password, one.salt)
    try:
        inside = one.unlock(token, stretched)
    except Tampered as error:
        await door.pickups.failed(one)
        if one.attempts <= 0:
            raise _locked() from error
        left = "1 attempt is left" if one.attempts == 1 else f"{one.attempts} attempts are left"
        raise Refused(
            "pickup-password-wrong", f"This is not the password; {left}.", "Ask the sender, if you are not sure.", 403
        ) from error
    await door.pickups.give_back(one)
    admitted = await carried(door, one, inside)
    await door.pickups.opened(one, datetime.now(UTC))
    return admitted


async def carried(door: Door, one: Pickup, inside: Inside) -> Admitted:
    """The mail of a guest who is in; Refused where it has not arrived."""
    entry = await door.mailboxes.find(one.id, entry_id(one.id, one.mail, "received"))
    if entry is None:
        raise await _absent(door, one)
    key = entry.open_key(inside.key)
    return Admitted(one, inside, entry.open_meta(key), entry.open_body(key, await door.mailboxes.body(entry)))


async def look(door: Door, raw: bytes) -> tuple[View, SignatureVerdict]:
    """What a filed mail says, and what its signature is worth."""
    payload, signature = split(raw)
    seen = await apart(len(payload), view, payload)
    return seen, await verdict(door, payload, signature)


async def _absent(door: Door, one: Pickup) -> Refused:
    """Why there is no mail. (A record that is gone was settled long ago.)"""
    records = await door.spool.status(one.mail)
    states = [r.state for record in records for r in record.recipients if r.index == one.index]
    if states and states[0] not in TERMINAL:
        return Refused(
            "pickup-not-there-yet", "The mail is not there yet.", "Try again later: link and password stay good.", 409
        )
    return Refused("pickup-withheld", "The mail did not come, and will not.", "Ask the sender.", 410)


def _locked() -> Refused:
    return Refused(
        "pickup-locked", "This mail is locked: a wrong password was given too often.",
        "Ask the sender to send it again.", 403,
    )  # fmt: skip
