"""Pickups: what a guest's link and password open together. Pure. (docs/decisions/0040)

A pickup is a guest: a key pair made for one mail and one recipient outside. The private half is sealed under the
password (Argon2id) and the link's token; without either it opens nothing.
"""

import asyncio
import base64
import hashlib
import json
import secrets
import unicodedata
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid5

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secumail.contracts.events import NAMESPACE
from secumail.errors import Refused
from secumail.sealing import stream
from secumail.sealing.hpke import NotForUs, PrivateKey, PublicKey
from secumail.spool.record import Guest

ATTEMPTS = 10
"""Wrong passwords in all; after that a pickup is locked for good."""
REPLIES = 5
MIN_PASSWORD = 8
MAX_PASSWORD = 1024
MAX_HINT = 200
VISIT = timedelta(minutes=10)
"""How long a guest is let in without the password."""
REMEMBERED = timedelta(days=7)
"""How long an expired pickup's record, by then without keys, still says that it has expired."""

_TOKEN_BYTES = 32
_SALT_BYTES = 16
_MEMORY_KIB, _PASSES = 19 * 1024, 2
_WAITING = 20

State = Literal["waiting", "opened", "locked", "revoked", "expired"]


@dataclass(frozen=True)
class Wish:
    """What a sender asks of the pickups of one mail."""

    password: str
    hint: str
    days: int

    def __repr__(self) -> str:
        return f"Wish(days={self.days})"


def wish(password: str | None, hint: str, days: str, usual: int, most: int) -> Wish | None:
    """From the fields of a form; None where there is no password. Refused: one that can't be meant (an empty one)."""
    if password is None:
        if hint or days:
            raise Refused(
                "pickup-password-missing", "There is a hint or a number of days, but no password.",
                "Give a password, or leave the others out.",
            )  # fmt: skip
        return None
    _check_password(password)
    if len(hint) > MAX_HINT:
        raise Refused("pickup-hint-too-long", f"The hint has more than {MAX_HINT} characters.", "Write a shorter one.")
    if _normal(password).lower() in _normal(hint).lower():
        raise Refused(
            "pickup-hint-tells", "The hint contains the password.",
            "Write what only the recipient can make the password of, such as where you last met.",
        )  # fmt: skip
    if days and not (days.isascii() and days.isdigit() and 1 <= int(days[:6]) <= most):
        raise Refused("pickup-days", f"expires_days is not a number from 1 to {most}.", "Give one, or leave it out.")
    return Wish(password, hint, int(days) if days else usual)


@dataclass(frozen=True)
class Inside:
    """What link and password open: the guest's key, the guest's address as the sender wrote it, and the sender's."""

    key: PrivateKey
    address: str
    sender: str

    def __repr__(self) -> str:
        return "Inside(...)"

    def encode(self) -> bytes:
        """JSON."""
        key = base64.b64encode(self.key.raw).decode()
        return json.dumps({"key": key, "address": self.address, "sender": self.sender}).encode()

    @classmethod
    def decode(cls, raw: bytes) -> "Inside":
        """From `encode`."""
        d = json.loads(raw)
        return cls(PrivateKey(base64.b64decode(d["key"])), d["address"], d["sender"])


@dataclass(frozen=True)
class Link:
    """What the sender is shown of a pickup: its token, and whom it is for."""

    token: str
    address: str

    def __repr__(self) -> str:
        return "Link(...)"


@dataclass(frozen=True)
class Pickup:
    """A pickup at rest. Nothing of it can be read: `sealed` needs link and password, `hint` the link, `link` the
    sender's account key. `index`: the recipient's place in the envelope. A pickup that has ended has no `sealed`."""

    id: UUID
    token: bytes
    account: UUID
    mail: UUID
    index: int
    public: bytes
    sealed: bytes | None
    salt: bytes
    hint: bytes
    link: bytes
    created: datetime
    ends: datetime
    attempts: int = ATTEMPTS
    opened: tuple[datetime, ...] = ()
    replies: tuple[str, ...] = ()
    revoked: datetime | None = None

    def __repr__(self) -> str:
        return f"Pickup({self.id})"

    @classmethod
    def read(cls, d: Mapping[str, Any]) -> "Pickup":
        """From its document."""
        return cls(
            d["_id"],
            d["token"],
            d["account"],
            d["mail"],
            d["index"],
            d["public"],
            d.get("sealed"),
            d["salt"],
            d["hint"],
            d["link"],
            d["created"],
            d["ends"],
            d["attempts"],
            tuple(d["opened"]),
            tuple(d["replies"]),
            d.get("revoked"),
        )

    def document(self) -> dict[str, Any]:
        """As stored. `due`: when its keys are to go; `expires`: when the database forgets the rest."""
        stored = {name: value for name, value in self.__dict__.items() if name != "id" and value is not None}
        lists = {"opened": list(self.opened), "replies": list(self.replies)}
        return {"_id": self.id, **stored, **lists, "due": self.ends, "expires": self.ends + REMEMBERED}

    def state(self, now: datetime) -> State:
        """Where it stands."""
        if self.revoked is not None:
            return "revoked"
        if self.ends <= now or self.sealed is None:
            return "expired"
        if self.attempts <= 0:
            return "locked"
        return "opened" if self.opened else "waiting"

    def signed(self) -> bytes:
        """What the gateway's signature covers: whose key it is, and for which mail."""
        return f"pickup/1/{self.id}/{self.account}/{self.mail}/{self.index}/".encode() + self.public

    def guest(self) -> Guest:
        """As the sealed envelope names it."""
        return Guest(self.id, self.public, self.ends)

    def hinted(self, token: str) -> str:
        """The hint, for who has the link."""
        return stream.open_sealed(self.hint, _hint_key(self.id, token), f"pickup/hint/{self.id}").decode()

    def unlock(self, token: str, stretched: bytes) -> Inside:
        """What link and password open; stream.Tampered where either is another."""
        if self.sealed is None:
            raise stream.Tampered("pickup")
        key = _key(self.id, token, stretched)
        return Inside.decode(stream.open_sealed(self.sealed, key, f"pickup/inside/{self.id}"))

    def shown(self, owner: PrivateKey) -> Link | None:
        """The link, for the sender; None where the account's key is another by now."""
        try:
            d = json.loads(owner.open(self.link, _link(self.id)))
        except NotForUs:
            return None
        return Link(d["token"], d["address"])


def invite(
    mail: UUID,
    index: int,
    inside: Inside,
    owner: tuple[UUID, PublicKey],
    hint: str,
    secret: tuple[bytes, bytes],
    span: tuple[datetime, datetime],
) -> Pickup:
    """A new guest. Its link's token is only in `link`, for the sender.

    `owner`: the sender's account and public key. `secret`: the salt, and the password stretched with it. `span`:
    from when, until when. The id follows from mail and recipient: a submission that is repeated invites nobody twice.
    """
    id_ = uuid5(NAMESPACE, f"{mail}/guest/{index}")
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    salt, stretched = secret
    link = json.dumps({"token": token, "address": inside.address}).encode()
    return Pickup(
        id_,
        digest(token),
        owner[0],
        mail,
        index,
        inside.key.public.raw,
        stream.seal(inside.encode(), _key(id_, token, stretched), f"pickup/inside/{id_}"),
        salt,
        stream.seal(hint.encode(), _hint_key(id_, token), f"pickup/hint/{id_}"),
        owner[1].seal(link, _link(id_)),
        *span,
    )


def digest(token: str) -> bytes:
    """What a link's token is stored under."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def new_salt() -> bytes:
    """16 random bytes: one salt for all pickups of a mail, since they share its password."""
    return secrets.token_bytes(_SALT_BYTES)


def stretch(password: str, salt: bytes) -> bytes:
    """32 bytes: Argon2id (19 MiB, 2 passes, 1 lane: OWASP's choice)."""
    cost = Argon2id(salt=salt, length=32, iterations=_PASSES, lanes=1, memory_cost=_MEMORY_KIB)
    return cost.derive(_normal(password)[:MAX_PASSWORD].encode("utf-8", "surrogatepass"))


class Stretching:
    """Argon2id off the event loop, so many at once, and no more than a few waiting: it is a lever for floods."""

    def __init__(self, at_once: int) -> None:
        self._room = asyncio.Semaphore(at_once)
        self._waiting = 0

    @asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """Room for one; Refused where too many wait already. Take the attempt inside, so that none is lost to it."""
        if self._waiting >= _WAITING:
            raise Refused("pickups-busy", "Too many pickups are being opened just now.", "Try again in a minute.", 429)
        self._waiting += 1
        try:
            await self._room.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._room.release()


# --- a visit: a guest who is let in for a while ----------------------------------------------------------------


@dataclass(frozen=True)
class Visit:
    """A visit at rest: useless without its cookie."""

    id: bytes
    guest: UUID
    sealed: bytes
    created: datetime
    ends: datetime


def begin(guest: UUID, inside: Inside, now: datetime, pickup_ends: datetime) -> tuple[str, Visit]:
    """A visit, and its cookie's value."""
    cookie = secrets.token_urlsafe(_TOKEN_BYTES)
    id_ = digest(cookie)
    sealed = stream.seal(inside.encode(), _visit_key(cookie), f"pickup/visit/{guest}")
    return cookie, Visit(id_, guest, sealed, now, min(now + VISIT, pickup_ends))


def resume(visit: Visit, cookie: str) -> Inside:
    """What the cookie opens; stream.Tampered where it does not fit."""
    return Inside.decode(stream.open_sealed(visit.sealed, _visit_key(cookie), f"pickup/visit/{visit.guest}"))


def _check_password(password: str) -> None:
    if len(password) < MIN_PASSWORD:
        raise Refused(
            "pickup-password-too-short", f"The password has fewer than {MIN_PASSWORD} characters.",
            "Take a longer one: a few words that do not belong together.",
        )  # fmt: skip
    if len(password) > MAX_PASSWORD:
        raise Refused(
            "pickup-password-too-long", f"The password has more than {MAX_PASSWORD} characters.", "Take a shorter one."
        )


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _key(id_: UUID, token: str, stretched: bytes) -> bytes:
    return _derive(stretched + token.encode("utf-8", "surrogatepass"), f"secumail/pickup/{id_}")


def _hint_key(id_: UUID, token: str) -> bytes:
    return _derive(token.encode("utf-8", "surrogatepass"), f"secumail/pickup-hint/{id_}")


def _visit_key(cookie: str) -> bytes:
    return _derive(cookie.encode("utf-8", "surrogatepass"), "secumail/pickup-visit")


def _derive(secret: bytes, info: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=info.encode()).derive(secret)


def _link(id_: UUID) -> bytes:
    return f"pickup/link/{id_}".encode()
