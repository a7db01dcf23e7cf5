"""One mail in one mailbox. Whoever files can't read: the key is sealed to the owner's account key."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid5

from secumail.contracts.events import NAMESPACE
from secumail.errors import Refused
from secumail.sealing import stream
from secumail.sealing.accounts import AccountKey
from secumail.sealing.hpke import NotForUs, PrivateKey, PublicKey
from secumail.store.blobs import BlobRef

Role = Literal["received", "sent", "held", "log"]
Folder = Literal["inbox", "sent", "archive", "trash", "quarantine", "sent-log"]

FOLDERS: tuple[Folder, ...] = ("inbox", "sent", "archive", "trash", "quarantine", "sent-log")
FLAGS = ("seen", "flagged", "answered")


@dataclass(frozen=True)
class Meta:
    """What a list of mails shows. Sealed at rest; `extra` holds what a role needs (a reason, transit keys)."""

    subject: str = ""
    sender: str = ""
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    date: str = ""
    message_id: str = ""
    preview: str = ""
    attachments: tuple[dict[str, Any], ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return "Meta(...)"

    def encode(self) -> bytes:
        """JSON."""
        return json.dumps(self.__dict__, ensure_ascii=False).encode("utf-8", "surrogatepass")

    @classmethod
    def decode(cls, raw: bytes) -> "Meta":
        """From `encode`."""
        d = json.loads(raw.decode("utf-8", "surrogatepass"))
        return cls(**{**d, **{k: tuple(d[k]) for k in ("to", "cc", "attachments")}})


@dataclass(frozen=True)
class Sealed:
    """A mail ready to be filed: body and metadata under one fresh key."""

    key: bytes
    body: bytes
    meta: bytes

    def __repr__(self) -> str:
        return "Sealed(...)"

    def wrap(self, mail: UUID, account: UUID, owner: PublicKey) -> bytes:
        """The key for one owner."""
        return owner.seal(self.key, _owner(account, mail))


def seal(mail: UUID, raw: bytes, meta: Meta) -> Sealed:
    """Seal a mail under a fresh key; `mail` is its root id. `wrap` the result for each owner."""
    key = stream.new_key()
    return Sealed(
        key,
        stream.seal(raw, key, f"mailbox/body/{mail}"),
        stream.seal(meta.encode(), key, f"mailbox/meta/{mail}"),
    )


@dataclass(frozen=True)
class Entry:
    """An entry as stored."""

    id: UUID
    account: UUID
    mail: UUID
    role: Role
    folder: Folder
    flags: tuple[str, ...]
    at: datetime
    size: int
    key: bytes
    meta: bytes
    body: BlobRef | None
    decision: bytes | None = None
    votes: tuple[bytes, ...] = ()
    appeal: bytes | None = None

    @classmethod
    def new(
        cls,
        account: UUID,
        mail: UUID,
        role: Role,
        folder: Folder,
        at: datetime,
        size: int,
        key: bytes,
        meta: bytes,
        body: BlobRef | None,
        flags: tuple[str, ...] = (),
    ) -> "Entry":
        """An entry to file. Its id follows from account, mail and role: filing twice is filing once."""
        return cls(entry_id(account, mail, role), account, mail, role, folder, flags, at, size, key, meta, body)

    @classmethod
    def read(cls, d: Mapping[str, Any]) -> "Entry":
        """From its document."""
        body = d.get("body")
        return cls(
            d["_id"],
            d["account"],
            d["mail"],
            d["role"],
            d["folder"],
            tuple(d["flags"]),
            d["at"],
            d["size"],
            d["key"],
            d["meta"],
            BlobRef.read(body) if body else None,
            d.get("decision"),
            tuple(d.get("votes", ())),
            d.get("appeal"),
        )

    def document(self) -> dict[str, Any]:
        """As stored."""
        stored: dict[str, Any] = {
            "_id": self.id,
            "account": self.account,
            "mail": self.mail,
            "role": self.role,
            "folder": self.folder,
            "flags": list(self.flags),
            "at": self.at,
            "size": self.size,
            "key": self.key,
            "meta": self.meta,
        }
        if self.body is not None:
            stored["body"] = self.body.document()
        return stored

    def open_key(self, owner: PrivateKey) -> bytes:
        """The mail's key; Refused where the entry is not the owner's or was tampered with."""
        try:
            return owner.open(self.key, _owner(self.account, self.mail))
        except NotForUs as error:
            raise _damaged() from error

    def renewed_key(self, owner: AccountKey) -> bytes | None:
        """The mail's key sealed to the owner's current account key; None where it is already. Refused like above."""
        try:
            return owner.renew(self.key, _owner(self.account, self.mail))
        except NotForUs as error:
            raise _damaged() from error

    def open_meta(self, key: bytes) -> Meta:
        """The metadata; Refused where it was tampered with."""
        try:
            return Meta.decode(stream.open_sealed(self.meta, key, f"mailbox/meta/{self.mail}"))
        except stream.Tampered as error:
            raise _damaged() from error

    def open_body(self, key: bytes, sealed: bytes) -> bytes:
        """The mail itself, all of it or (Refused) nothing."""
        try:
            return stream.open_sealed(sealed, key, f"mailbox/body/{self.mail}")
        except stream.Tampered as error:
            raise _damaged() from error


Act = Literal["released", "released-encrypted", "voted", "voted-encrypted", "rejected"]


@dataclass(frozen=True)
class Decision:
    """What a reviewer decided on a held mail, and why. `by` is an address: sealed to the group like the mail.

    voted: the first of two releases, where two reviewers are needed. encrypted: on condition that it leaves so only.
    """

    by: str
    at: datetime
    act: Act
    note: str

    def __repr__(self) -> str:
        return f"Decision({self.act})"

    def seal(self, entry: "Entry", owner: PublicKey) -> bytes:
        """For the group that holds the mail."""
        inside = {"by": self.by, "at": self.at.isoformat(), "act": self.act, "note": self.note}
        return owner.seal(json.dumps(inside).encode(), _about(entry, "decision"))

    @classmethod
    def open(cls, entry: "Entry", owner: PrivateKey) -> "Decision | None":
        """What was decided, None for a mail that still waits; Refused where it was tampered with."""
        return None if entry.decision is None else cls._read(entry, entry.decision, owner)

    @classmethod
    def votes(cls, entry: "Entry", owner: PrivateKey) -> "tuple[Decision, ...]":
        """The votes before the decision; Refused as above."""
        return tuple(cls._read(entry, sealed, owner) for sealed in entry.votes)

    @classmethod
    def _read(cls, entry: "Entry", sealed: bytes, owner: PrivateKey) -> "Decision":
        inside = _opened(entry, "decision", sealed, owner)
        return cls(**{**inside, "at": datetime.fromisoformat(inside["at"])})


@dataclass(frozen=True)
class Appeal:
    """What the sender of a held mail has to say to the reviewers. Sealed to them like the mail."""

    at: datetime
    text: str

    def __repr__(self) -> str:
        return "Appeal(...)"

    def seal(self, entry: "Entry", owner: PublicKey) -> bytes:
        """For the group that holds the mail."""
        inside = {"at": self.at.isoformat(), "text": self.text}
        return owner.seal(json.dumps(inside).encode(), _about(entry, "appeal"))

    @classmethod
    def open(cls, entry: "Entry", owner: PrivateKey) -> "Appeal | None":
        """What the sender said, if anything; Refused where it was tampered with."""
        if entry.appeal is None:
            return None
        inside = _opened(entry, "appeal", entry.appeal, owner)
        return cls(datetime.fromisoformat(inside["at"]), inside["text"])


def entry_id(account: UUID, mail: UUID, role: Role) -> UUID:
    """One entry for each account, mail and role, for ever."""
    return uuid5(NAMESPACE, f"{account}/{mail}/{role}")


def _owner(account: UUID, mail: UUID) -> bytes:
    return f"mailbox/key/{account}/{mail}".encode()


def _about(entry: Entry, what: str) -> bytes:
    return f"mailbox/{what}/{entry.account}/{entry.id}".encode()


def _opened(entry: Entry, what: str, sealed: bytes, owner: PrivateKey) -> dict[str, Any]:
    try:
        inside: dict[str, Any] = json.loads(owner.open(sealed, _about(entry, what)))
    except NotForUs as error:
        raise _damaged() from error
    return inside


def _damaged() -> Refused:
    return Refused(
        "mail-damaged",
        "The stored mail does not match its key: it was changed at rest, or belongs to another account.",
        "Nothing of it is shown. Ask your administrator to check the audit trail and to restore it from a backup.",
        409,
    )
