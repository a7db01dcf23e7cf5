"""Passwords: one Argon2id, split in two. The `auth` half proves who you are, the `unlock` half opens your key.

Only a keyed digest of the auth half is stored; the unlock half never is (docs/keys.md). SECUMAIL's SHA-1 is
deliberately not followed: docs/decisions.
"""

import asyncio
import secrets
import unicodedata
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from secumail.errors import Refused

SALT_BYTES = 16
MAX_LENGTH = 1024


@dataclass(frozen=True)
class Cost:
    """Argon2id's parameters: memory in KiB, passes. One lane."""

    memory_kib: int
    passes: int


@dataclass(frozen=True)
class Halves:
    """32 bytes each."""

    auth: bytes
    unlock: bytes

    def __repr__(self) -> str:
        return "Halves(...)"


class Hashing:
    """Argon2id off the event loop, a bounded number at once (each takes `cost.memory_kib`)."""

    def __init__(self, cost: Cost, at_once: int) -> None:
        self.cost = cost
        self._slots = asyncio.Semaphore(at_once)

    async def split(self, password: str, salt: bytes, cost: Cost) -> Halves:
        """The two halves of a password."""
        async with self._slots:
            return await asyncio.to_thread(split, password, salt, cost)


def split(password: str, salt: bytes, cost: Cost) -> Halves:
    """The two halves of a password: Argon2id (64 bytes), then one HKDF-Expand each."""
    raw = Argon2id(salt=salt, length=64, iterations=cost.passes, lanes=1, memory_cost=cost.memory_kib).derive(
        unicodedata.normalize("NFKC", password)[:MAX_LENGTH].encode()
    )

    def half(use: bytes) -> bytes:
        return HKDFExpand(hashes.SHA256(), 32, b"secumail/password/" + use).derive(raw)

    return Halves(half(b"auth"), half(b"unlock"))


def new_salt() -> bytes:
    """16 random bytes."""
    return secrets.token_bytes(SALT_BYTES)


def check_strength(password: str, address: str, minimum: int) -> None:
    """Refused for one that is too short, too long, or made of the address (NIST 800-63B-4: no composition rules)."""
    if len(password) < minimum:
        raise Refused(
            "password-too-short", f"The password has fewer than {minimum} characters.",
            "Take a longer one: a few words that do not belong together are easy to remember.",
        )  # fmt: skip
    if len(password) > MAX_LENGTH:
        raise Refused(
            "password-too-long", f"The password has more than {MAX_LENGTH} characters.", "Take a shorter one."
        )
    local = address.split("@", 1)[0].lower()
    if len(set(password)) < 4 or (len(local) > 3 and local in password.lower()):
        raise Refused(
            "password-too-easy", "The password repeats few characters, or contains the address.",
            "Take one that others can't guess from the address.",
        )  # fmt: skip
