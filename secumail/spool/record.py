"""What the spool knows of a mail. Addresses exist only inside the sealed envelope; recipients go by index."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from secumail.contracts.events import Event, decode
from secumail.errors import Permanent
from secumail.sealing import stream
from secumail.store.blobs import BlobRef


class Stage(StrEnum):
    """Where a mail stands: named by the step it has behind it."""

    SUBMITTED = "submitted"
    READING = "reading"
    SPLIT = "split"
    HELD = "held"
    FILTERED = "filtered"
    ENCRYPTED = "encrypted"
    CONCEALED = "concealed"
    DONE = "done"


class State(StrEnum):
    """Where a recipient stands: the only vocabulary, for people and programs alike."""

    ACCEPTED = "accepted"
    READING = "reading-pictures"
    HELD = "held"
    QUEUED = "queued"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


TERMINAL = frozenset({State.DELIVERED, State.BOUNCED, State.REJECTED, State.CANCELLED, State.EXPIRED})

Origin = str  # submission, reply (a guest's, to the sender), inbound, bounce, notice, vacation, forward, release


@dataclass(frozen=True)
class Recipient:
    """One recipient: its place in the envelope, its state, why, and (from crypto on) whose mailbox it is.

    `wrap` is the mail's key sealed to `account`; `reason` a stable code; `form` what the mail is made for it.
    """

    index: int
    state: State = State.ACCEPTED
    reason: str | None = None
    attempt: int = 0
    account: UUID | None = None
    wrap: bytes | None = None
    form: str | None = None

    def to(self, state: State, reason: str | None = None) -> "Recipient":
        """The same recipient in another state; a terminal one needs its wrap no longer."""
        wrap = None if state in TERMINAL else self.wrap
        return replace(self, state=state, reason=reason, wrap=wrap)

    def document(self) -> dict[str, Any]:
        """As stored: absent where empty."""
        stored: dict[str, Any] = {"i": self.index, "state": self.state.value}
        for key, value in (
            ("reason", self.reason),
            ("account", self.account),
            ("wrap", self.wrap),
            ("form", self.form),
        ):
            if value is not None:
                stored[key] = value
        if self.attempt:
            stored["attempt"] = self.attempt
        return stored

    @classmethod
    def read(cls, d: Mapping[str, Any]) -> "Recipient":
        """From a record's array."""
        return cls(
            d["i"],
            State(d["state"]),
            d.get("reason"),
            d.get("attempt", 0),
            d.get("account"),
            d.get("wrap"),
            d.get("form"),
        )


@dataclass(frozen=True)
class Guest:
    """A recipient outside who is given a mailbox of one mail, a pickup: its id, its public key, and its end."""

    id: UUID
    key: bytes
    expires: datetime

    def document(self) -> dict[str, str]:
        """For JSON."""
        return {"id": str(self.id), "key": base64.b64encode(self.key).decode(), "expires": self.expires.isoformat()}

    @classmethod
    def read(cls, d: Mapping[str, str]) -> "Guest":
        """From `document`."""
        return cls(UUID(d["id"]), base64.b64decode(d["key"]), datetime.fromisoformat(d["expires"]))


@dataclass(frozen=True)
class Envelope:
    """Who a mail is from and to, and what the sender wished. Sealed at rest under the transit envelope key.

    `sender` is empty for a mail that must never bounce (RFC 5321 4.5.5). `summary`: the mail's list view
    (secumail.mailbox.entry.Meta), made once where the mail is taken in. `conceal`: hide it in pictures, at `rate`
    (services/stego); `covers`: name and bytes of each of the sender's own, which lie behind each other in the record's
    cover, none where the organisation's are to be taken.
    `form`: the protection the sender wishes; auto leaves it to policy and to what each recipient can read.
    `why`: the sender's reason, where a rule asked for one; only reviewers read it.
    `guests`: the recipients, by index, for whom the sender set a password. No database writer can put another key
    here, since the sealed envelope is under the door's signature (`authorship`).
    """

    sender: str
    recipients: tuple[str, ...]
    summary: dict[str, Any] = field(default_factory=dict)
    conceal: bool = False
    covers: tuple[tuple[str, int], ...] = ()
    cover_text: str = ""
    rate: str = "normal"
    form: str = "auto"
    why: str = ""
    guests: Mapping[int, Guest] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Envelope(recipients={len(self.recipients)})"

    def pictures(self, cover: bytes) -> list[tuple[str, bytes]]:
        """(name, file) of each of the sender's own, out of the record's cover."""
        pictures, at = [], 0
        for name, size in self.covers:
            pictures.append((name, cover[at : at + size]))
            at += size
        return pictures

    def encode(self) -> bytes:
        """JSON."""
        return json.dumps(
            {
                "sender": self.sender,
                "recipients": self.recipients,
                "summary": self.summary,
                "conceal": self.conceal,
                "covers": self.covers,
                "cover_text": self.cover_text,
                "rate": self.rate,
                "form": self.form,
                "why": self.why,
                "guests": {index: guest.document() for index, guest in self.guests.items()},
            }
        ).encode()

    @classmethod
    def decode(cls, raw: bytes) -> "Envelope":
        """From `encode`."""
        d = json.loads(raw)
        guests = {int(index): Guest.read(guest) for index, guest in d.get("guests", {}).items()}
        covers = tuple((name, size) for name, size in d.get("covers", ()))
        return cls(**{**d, "recipients": tuple(d["recipients"]), "covers": covers, "guests": guests})


@dataclass(frozen=True)
class Verdict:
    """dlp's last word: `code` is stable, `notice` the sentence the sender may read (it teaches, names no term).

    `reviewers`: how many people have to release it, where it is held; `encrypted`: on condition that it leaves so.
    """

    code: str
    notice: str = ""
    reviewers: int = 1
    encrypted: bool = False

    def document(self) -> dict[str, Any]:
        """As stored."""
        several = {"reviewers": self.reviewers} if self.reviewers > 1 else {}
        only = {"encrypted": True} if self.encrypted else {}
        return {"code": self.code, "notice": self.notice, **several, **only}

    @classmethod
    def read(cls, d: Mapping[str, Any]) -> "Verdict":
        """From its document."""
        return cls(d["code"], d["notice"], d.get("reviewers", 1), d.get("encrypted", False))


@dataclass(frozen=True)
class Vote:
    """One reviewer's word for a held mail that needs two. `says` as in the claim of a release."""

    account: UUID
    says: str

    def document(self) -> dict[str, Any]:
        """As stored."""
        return {"account": self.account, "says": self.says}


@dataclass(frozen=True)
class Record:
    """A mail in the spool, as read."""

    id: UUID
    root: UUID
    origin: Origin
    account: UUID | None
    stage: Stage
    generation: int
    size: int
    recipients: tuple[Recipient, ...]
    envelope: BlobRef | None
    mime: BlobRef | None
    cover: BlobRef | None
    body: BlobRef | None
    meta: bytes | None
    authorship: tuple[str, bytes]
    published: Sequence[Mapping[str, Any]]
    trace: str
    accepted: datetime
    moved: datetime
    parent: UUID | None = None
    children: tuple[UUID, ...] = ()
    verdict: Verdict | None = None
    stuck: str | None = None
    votes: tuple[Vote, ...] = ()
    steps: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    @classmethod
    def read(cls, d: Mapping[str, Any]) -> "Record":
        """From its document."""
        by, signature = d.get("authorship", ("", b""))
        verdict = d.get("verdict")
        return cls(
            id=d["_id"],
            root=d["root"],
            origin=d["origin"],
            account=d.get("account"),
            stage=Stage(d["stage"]),
            generation=d["generation"],
            size=d["size"],
            recipients=tuple(Recipient.read(r) for r in d["recipients"]),
            envelope=_ref(d, "envelope"),
            mime=_ref(d, "mime"),
            cover=_ref(d, "cover"),
            body=_ref(d, "body"),
            meta=d.get("meta"),
            authorship=(by, signature),
            published=d.get("out", ()),
            trace=d.get("trace", ""),
            accepted=d["accepted"],
            moved=d["moved"],
            parent=d.get("parent"),
            children=tuple(d.get("children", ())),
            verdict=Verdict.read(verdict) if verdict else None,
            stuck=d.get("stuck"),
            votes=tuple(Vote(vote["account"], vote["says"]) for vote in d.get("votes", ())),
            steps=tuple(d.get("steps", ())),
        )

    @property
    def out(self) -> tuple[Event, ...]:
        """The last step's events: read only where they are published again."""
        return events(self.published)

    def context(self, part: str) -> str:
        """What a sealed part is bound to. The root's id: a split mail's children share its ciphertext."""
        return f"{part}/{self.root}"

    def unseal(self, part: str, sealed: bytes, key: bytes) -> bytes:
        """One sealed part opened; Permanent where it was tampered with."""
        try:
            return stream.open_sealed(sealed, key, self.context(part))
        except stream.Tampered as error:
            raise Permanent(f"{part}-tampered") from error


def events(stored: Sequence[Mapping[str, Any]]) -> tuple[Event, ...]:
    """The `out` field's events, exactly as they were published."""
    return tuple(decode(e["type"], e["body"]) for e in stored)


def stored_events(out: Sequence[Event]) -> list[dict[str, Any]]:
    """Events as the `out` field."""
    return [{"type": e.type, "key": e.routing_key, "body": e.encode()} for e in out]


def authorship(root: UUID, origin: Origin, account: UUID | None, envelope: bytes, mime: bytes) -> bytes:
    """What the service that took a mail in signs: nobody downstream can put words into another's mouth.

    `envelope` and `mime` are SHA-256 digests of the sealed parts.
    """
    who = "" if account is None else str(account)
    return b"/".join(
        (f"authorship/1/{root}/{origin}/{who}".encode(), base64.b64encode(envelope), base64.b64encode(mime))
    )


def _ref(d: Mapping[str, Any], name: str) -> BlobRef | None:
    stored = d.get(name)
    return BlobRef.read(stored) if stored is not None else None
