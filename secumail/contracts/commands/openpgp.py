"""What crypto answers about OpenPGP keys, and about the keys of outside peers."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from secumail.contracts.commands.base import Command, Reply

PeerId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class PeerRow(BaseModel):
    """One key of somebody outside. `state` in `words`; `other`: the fingerprint that waits for confirmation.

    `everyone`: pinned by an administrator for the whole organisation. `gcm`: the peer reads AuthEnvelopedData.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    address: str
    kind: Literal["smime", "openpgp"]
    fingerprint: str
    state: Literal["pinned", "changed", "not-usable"]
    words: str
    learned_from: Literal["upload", "mail"]
    learned: datetime
    ends: datetime | None = None
    other: str | None = None
    gcm: bool = False
    everyone: bool = False


class PeerList(Reply):
    """Rows in order of their addresses."""

    peers: tuple[PeerRow, ...]


class Peer(Reply):
    """One row."""

    peer: PeerRow


class ListPeers(Command):
    """The outside keys a person's mail is encrypted to: own pins, and those for everyone. That person's act."""

    name: ClassVar[str] = "crypto.list-peers"
    reply: ClassVar[type[Reply]] = PeerList


class AddPeer(Command):
    """Pin the key in `key` (base64 of a certificate or OpenPGP key, in whatever encoding) for an outside address.

    Another key than the pinned one waits for `ConfirmPeer`. `everyone`: for the whole organisation; an administrator's
    act.
    """

    name: ClassVar[str] = "crypto.add-peer"
    reply: ClassVar[type[Reply]] = Peer
    address: str
    key: str
    everyone: bool = False


class ConfirmPeer(Command):
    """Use the key that waits, whose fingerprint a person has compared. Who may add the pin may confirm it."""

    name: ClassVar[str] = "crypto.confirm-peer"
    reply: ClassVar[type[Reply]] = Peer
    id: PeerId
    fingerprint: str


class RemovePeer(Command):
    """Forget a peer's key. Who may add the pin may remove it."""

    name: ClassVar[str] = "crypto.remove-peer"
    id: PeerId


class OpenPGPKey(Reply):
    """An OpenPGP certificate in both its forms; `certificate` is base64 of the binary one."""

    address: str
    fingerprint: str
    ends: datetime | None
    certificate: str
    armored: str


class GetOpenPGPKey(Command):
    """The OpenPGP certificate of one of our people; made where there is none yet. Public."""

    name: ClassVar[str] = "crypto.get-openpgp-key"
    reply: ClassVar[type[Reply]] = OpenPGPKey
    address: str


class FindOpenPGPKey(Command):
    """The same by Web Key Directory: the local part, its hash, and the domain or the host that was asked. Public."""

    name: ClassVar[str] = "crypto.find-openpgp-key"
    reply: ClassVar[type[Reply]] = OpenPGPKey
    hashed: Annotated[str, Field(pattern=r"^[a-z0-9]{32}$")]
    local_part: Annotated[str, Field(min_length=1, max_length=64)]
    domain: str


COMMANDS: tuple[type[Command], ...] = (ListPeers, AddPeer, ConfirmPeer, RemovePeer, GetOpenPGPKey, FindOpenPGPKey)
PRIVILEGED: tuple[type[Command], ...] = (ListPeers, AddPeer, ConfirmPeer, RemovePeer)
