"""Sessions: what a token opens, and for how long. The account's keys are sealed under the token itself. Pure."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secumail.contracts.commands import Role
from secumail.contracts.commands.auth import LoggedIn
from secumail.errors import Refused
from secumail.sealing import stream
from secumail.sealing.accounts import AccountKeys
from secumail.sealing.hpke import PrivateKey

TOKEN_BYTES = 32


@dataclass(frozen=True)
class Session:
    """A logged-in person: who it is, and the keys in memory while the request lasts (and a short while after)."""

    id: bytes
    account: UUID
    address: str
    display_name: str
    roles: tuple[Role, ...]
    keys: AccountKeys
    groups: dict[str, tuple[UUID, PrivateKey]] = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:
        return f"Session(account={self.account})"

    @property
    def actor(self) -> tuple[UUID, AccountKeys]:
        """Who signs this person's acts."""
        return self.account, self.keys

    def require(self, *roles: Role) -> None:
        """Refused unless the person has one of the roles. (The service that acts checks for itself too.)"""
        if not set(roles) & set(self.roles):
            raise Refused(
                "role-missing",
                f"This is for a person with the role {' or '.join(roles)}.",
                "Ask an administrator.",
                403,
            )


@dataclass(frozen=True)
class Stored:
    """A session at rest: useless without its token."""

    id: bytes
    account: UUID
    sealed: bytes
    created: datetime
    ends: datetime


def begin(person: LoggedIn, now: datetime, idle: timedelta) -> tuple[str, Stored]:
    """A new session and its token."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    id_ = identify(token)
    inside = {
        "address": person.address,
        "display_name": person.display_name,
        "roles": person.roles,
        "bundle": person.bundle,
    }
    sealed = stream.seal(json.dumps(inside).encode(), _key(token), f"session/{id_.hex()}")
    return token, Stored(id_, person.account, sealed, now, now + idle)


def identify(token: str) -> bytes:
    """What a token is stored under."""
    return hashlib.sha256(token.encode()).digest()


def unseal(stored: Stored, token: str) -> Session:
    """The session a token opens; stream.Tampered where it does not fit."""
    inside = json.loads(stream.open_sealed(stored.sealed, _key(token), f"session/{stored.id.hex()}"))
    return Session(
        stored.id,
        stored.account,
        inside["address"],
        inside["display_name"],
        tuple(inside["roles"]),
        AccountKeys(base64.b64decode(inside["bundle"])),
    )


def _key(token: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"secumail/session").derive(token.encode())
