"""Keys of people outside: /peers. One's own OpenPGP key: /openpgp/key. And, outside the API, where the world finds the
keys of our people: the Web Key Directory (draft-koch-openpgp-webkey-service), /.well-known/openpgpkey."""

import asyncio
import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response, status
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from secumail.contracts.commands import Done
from secumail.contracts.commands.openpgp import (
    AddPeer,
    ConfirmPeer,
    FindOpenPGPKey,
    GetOpenPGPKey,
    ListPeers,
    OpenPGPKey,
    Peer,
    PeerId,
    PeerList,
    PeerRow,
    RemovePeer,
)
from secumail.errors import Refused
from services.gateway.handlers.door import Asking, Behind, Door

PLACE = "/.well-known/openpgpkey"
AT_ONCE = 16
"""Questions of the public in hand: more are put off, so that they leave room for people's mail."""
_CACHED = {"Cache-Control": "public, max-age=600", "Access-Control-Allow-Origin": "*"}

router = APIRouter()
directory = APIRouter(prefix=PLACE)

_in_hand = asyncio.Semaphore(AT_ONCE)

Hashed = Annotated[str, Path(pattern="^[a-z0-9]{32}$", description="z-base-32 of the SHA-1 of the local part.")]
LocalPart = Annotated[str, Query(alias="l", min_length=1, max_length=64, description="The local part.")]


class NewPeer(BaseModel):
    """A key to pin: `key` is a certificate (PEM) or an OpenPGP key (armored) as text, or the base64 of either."""

    model_config = ConfigDict(extra="forbid")

    address: str = Field(max_length=320)
    key: str = Field(max_length=400_000)
    everyone: bool = False


class Confirmation(BaseModel):
    """The fingerprint of the key that waits, as its owner says it."""

    model_config = ConfigDict(extra="forbid")

    fingerprint: str = Field(max_length=200)


@router.get("/peers", operation_id="listPeers")
async def list_peers(door: Behind, session: Asking) -> list[PeerRow]:
    """The outside keys that your mail is encrypted to: yours, and the organisation's."""
    return list((await door.ask(ListPeers(), PeerList, session.actor)).peers)


@router.post("/peers", status_code=status.HTTP_201_CREATED, operation_id="addPeer")
async def add_peer(door: Behind, session: Asking, given: NewPeer) -> PeerRow:
    """Pin a key for an outside address. Another key than the pinned one waits until you confirm it."""
    if given.everyone:
        session.require("administrator")
    command = AddPeer(address=given.address, key=_base64(given.key), everyone=given.everyone)
    return (await door.ask(command, Peer, session.actor)).peer


@router.post("/peers/{id}/confirm", operation_id="confirmPeer")
async def confirm_peer(door: Behind, session: Asking, id: PeerId, given: Confirmation) -> PeerRow:
    """Use the key that waits, after you have compared its fingerprint with the key's owner."""
    return (await door.ask(ConfirmPeer(id=id, fingerprint=given.fingerprint), Peer, session.actor)).peer


@router.delete("/peers/{id}", status_code=status.HTTP_204_NO_CONTENT, operation_id="removePeer")
async def remove_peer(door: Behind, session: Asking, id: PeerId) -> None:
    """Forget a key."""
    await door.ask(RemovePeer(id=id), Done, session.actor)


@router.get("/openpgp/key", operation_id="getOpenPGPKey", response_class=Response)
async def own_key(door: Behind, session: Asking) -> Response:
    """Your public OpenPGP key, in ASCII armor; made if you have none yet."""
    key = await door.ask(GetOpenPGPKey(address=session.address), OpenPGPKey)
    return Response(key.armored, media_type="application/pgp-keys")


@directory.get("/policy", operation_id="webKeyPolicy", response_class=Response)
async def policy() -> Response:
    """The directory's policy: it is here, and has no rules. Public."""
    return Response(b"", media_type="text/plain", headers=_CACHED)


@directory.get("/{domain}/policy", operation_id="webKeyPolicyOfDomain", response_class=Response)
async def policy_of(domain: str) -> Response:
    """The same by the advanced method, whatever the domain. Public."""
    return await policy()


@directory.get("/hu/{hashed}", operation_id="webKey", response_class=Response)
async def direct(door: Behind, request: Request, hashed: Hashed, local_part: LocalPart) -> Response:
    """Somebody's public OpenPGP key (binary), by the direct method. Public."""
    return await _found(door, hashed, local_part, request.url.hostname or "")


@directory.get("/{domain}/hu/{hashed}", operation_id="webKeyOfDomain", response_class=Response)
async def advanced(door: Behind, domain: str, hashed: Hashed, local_part: LocalPart) -> Response:
    """Somebody's public OpenPGP key (binary), by the advanced method. Public."""
    if domain.lower() not in door.settings.domains:
        raise Refused("no-such-person", "Nobody here has this address.", "Look at the address.", 404)
    return await _found(door, hashed, local_part, domain)


async def _found(door: Door, hashed: str, local_part: str, domain: str) -> Response:
    if _in_hand.locked():
        raise HTTPException(503, "Too many ask at once.")
    async with _in_hand:
        command = FindOpenPGPKey(hashed=hashed, local_part=local_part, domain=domain.lower())
        key = await door.ask(command, OpenPGPKey)
    return Response(base64.b64decode(key.certificate), media_type="application/octet-stream", headers=_CACHED)


def _base64(key: str) -> str:
    if "-----BEGIN" in key:
        return base64.b64encode(key.encode()).decode()
    try:
        return base64.b64encode(base64.b64decode("".join(key.split()), validate=True)).decode()
    except (binascii.Error, ValueError):
        raise Refused(
            "not-a-key", "This is neither an S/MIME certificate nor an OpenPGP key.",
            "Give the text of a PEM or armored file, or the base64 of a binary one.",
        ) from None  # fmt: skip
