"""The key port: a service's long-lived secrets, one scope for each purpose, and its default back end, a key file.

A service is given its own scopes only (`SCOPES`); a thief of database and broker has none. The file holds one
32-byte secret per version for wraps, and what does not change with versions: a subkey each to derive, to look up
(hmac) and to sign. The other back end is a PKCS#11 token (kms_pkcs11); `keyring` takes the one that is asked for.
"""

import base64
import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secumail.errors import Refused

SCOPES: Mapping[str, tuple[str, ...]] = {
    "gateway": ("gateway.transport", "address"),
    "auth": ("auth.transport", "auth.credentials", "auth.profiles", "auth.directory", "address"),
    "dlp": ("dlp.transport", "dlp.lists"),
    "crypto": ("crypto.transport", "crypto.signing", "crypto.authority", "address"),
    "stego": ("stego.transport", "stego.covers"),
    "delivery": ("delivery.transport", "delivery.audit"),
}
"""Which service holds which scopes. `address` turns an address into its look-up key."""

NONCE_BYTES = 12
_VERSION = 4
_SECRET = 32


class WrongKey(Exception):
    """Wrapped under another scope, version or context, or tampered with."""


def version_of(wrapped: bytes) -> int:
    """The version a wrap was made under: its first four bytes, the same in every back end."""
    return int.from_bytes(wrapped[:_VERSION], "big")


def pack(version: int, nonce: bytes, sealed: bytes) -> bytes:
    """A wrap: version, nonce, then AES-256-GCM's ciphertext and tag."""
    return version.to_bytes(_VERSION, "big") + nonce + sealed


def unpack(wrapped: bytes) -> tuple[int, bytes, bytes]:
    """What `pack` was given."""
    return version_of(wrapped), wrapped[_VERSION : _VERSION + NONCE_BYTES], wrapped[_VERSION + NONCE_BYTES :]


def bound(scope: str, context: str) -> bytes:
    """The associated data of a wrap."""
    return f"{scope}/{context}".encode()


class Scope(Protocol):
    """One scope of a key management system. Wraps carry the version they were made under."""

    async def wrap(self, secret: bytes, context: str) -> bytes:
        """Encrypt and authenticate `secret` under the current version, bound to `context`."""

    async def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """What `wrap` was given; WrongKey otherwise."""

    async def rewrap(self, wrapped: bytes, context: str) -> bytes:
        """The same secret under the current version."""

    async def derive(self, context: str) -> bytes:
        """A stable 32-byte secret for `context`, whatever the current version."""

    async def hmac(self, data: bytes) -> bytes:
        """32 bytes, stable like `derive`: look-up keys must not change when wraps rotate."""

    async def sign(self, data: bytes) -> bytes:
        """Ed25519 by the scope's signing key (stable like `derive`)."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that check `sign`."""

    async def versions(self) -> Mapping[int, datetime]:
        """The versions there are, each with the moment it began. The highest is the current one."""

    async def rotate(self) -> int:
        """Begin a new version for wraps; old ones still open. Returns its number."""

    async def retire(self) -> tuple[int, ...]:
        """Destroy all versions but the current one: what is still wrapped under them is lost. Returns their numbers."""


@dataclass(frozen=True)
class Stable:
    """The subkeys of a scope that outlast its versions, 32 bytes each."""

    derive: bytes
    hmac: bytes
    sign: bytes

    def __repr__(self) -> str:
        return "Stable(...)"

    @classmethod
    def of(cls, scope: str, secret: bytes) -> "Stable":
        """From the secret of a scope's first version."""
        return cls(*(_hkdf(secret, f"secumail/{scope}/{use}") for use in ("derive", "hmac", "sign")))


@dataclass(frozen=True)
class Content:
    """What a key file says. `began` is when each version was made."""

    scope: str
    versions: Mapping[int, bytes]
    began: Mapping[int, datetime]
    stable: Stable

    def __repr__(self) -> str:
        return f"Content({self.scope})"

    @classmethod
    def new(cls, scope: str) -> "Content":
        """Of a new scope."""
        secret = secrets.token_bytes(_SECRET)
        return cls(scope, {1: secret}, {1: datetime.now(UTC)}, Stable.of(scope, secret))

    @classmethod
    def read(cls, path: Path) -> "Content":
        """From the file. One without `stable` and `began` is of the time when a version was never retired."""
        try:
            return cls._parse(json.loads(path.read_text()), datetime.fromtimestamp(path.stat().st_mtime, UTC))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Refused(
                "key-file-damaged", f"The key file {path.name} is damaged.", "Restore it from a backup of the keys."
            ) from error

    @classmethod
    def _parse(cls, stored: dict[str, Any], made: datetime) -> "Content":
        scope: str = stored["scope"]
        versions = {int(v): base64.b64decode(secret) for v, secret in stored["versions"].items()}
        began = {int(v): datetime.fromisoformat(at) for v, at in stored.get("began", {}).items()}
        stable = (
            Stable(**{use: base64.b64decode(key) for use, key in stored["stable"].items()})
            if "stable" in stored
            else Stable.of(scope, versions[1])
        )
        if not versions or {len(secret) for secret in (*versions.values(), *vars(stable).values())} != {_SECRET}:
            raise ValueError("secrets of another length")
        return cls(scope, versions, {v: began.get(v, made) for v in versions}, stable)

    @property
    def current(self) -> int:
        """The version that wraps."""
        return max(self.versions)

    def wrapping_key(self, version: int) -> bytes:
        """The AES-256 key of a version."""
        return _hkdf(self.versions[version], f"secumail/{self.scope}/wrap")

    def write(self, path: Path) -> None:
        """Into the file: whole or not at all."""
        text = json.dumps(
            {
                "scope": self.scope,
                "current": self.current,
                "versions": {str(v): _text(secret) for v, secret in self.versions.items()},
                "began": {str(v): at.isoformat() for v, at in self.began.items()},
                "stable": {use: _text(key) for use, key in vars(self.stable).items()},
            }
        )
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)
        with fresh.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)


class KeyFile:
    """A scope in a file of its own (mode 0600): {"scope", "current", "versions": {"1": base64}, "began", "stable"}.

    The file is looked at before every wrap: who runs for weeks wraps under a new version as soon as it is there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._load()

    def _load(self) -> None:
        self._seen = _stamp(self._path)
        self.content = Content.read(self._path)
        self._signer = Ed25519PrivateKey.from_private_bytes(self.content.stable.sign)
        self._aeads = {v: AESGCM(self.content.wrapping_key(v)) for v in self.content.versions}

    def _look(self) -> None:
        # A file that is gone, or can't be read just now, leaves us with what we know.
        with contextlib.suppress(OSError):
            if _stamp(self._path) != self._seen:
                self._load()

    async def wrap(self, secret: bytes, context: str) -> bytes:
        self._look()
        nonce, current = secrets.token_bytes(NONCE_BYTES), self.content.current
        return pack(current, nonce, self._aeads[current].encrypt(nonce, secret, self._bound(context)))

    async def unwrap(self, wrapped: bytes, context: str) -> bytes:
        version, nonce, sealed = unpack(wrapped)
        if version not in self._aeads:
            self._look()
        if version not in self._aeads:
            raise WrongKey(self.content.scope)
        try:
            return self._aeads[version].decrypt(nonce, sealed, self._bound(context))
        except (InvalidTag, ValueError) as error:
            raise WrongKey(self.content.scope) from error

    async def rewrap(self, wrapped: bytes, context: str) -> bytes:
        return await self.wrap(await self.unwrap(wrapped, context), context)

    async def derive(self, context: str) -> bytes:
        return _hkdf(self.content.stable.derive, context)

    async def hmac(self, data: bytes) -> bytes:
        mac = HMAC(self.content.stable.hmac, hashes.SHA256())
        mac.update(data)
        return mac.finalize()

    async def sign(self, data: bytes) -> bytes:
        return self._signer.sign(data)

    @property
    def public_key(self) -> bytes:
        return self._signer.public_key().public_bytes_raw()

    async def versions(self) -> Mapping[int, datetime]:
        self._look()
        return self.content.began

    async def rotate(self) -> int:
        with _locked(self._path.parent):
            self._load()
            new = self.content.current + 1
            replace(
                self.content,
                versions={**self.content.versions, new: secrets.token_bytes(_SECRET)},
                began={**self.content.began, new: datetime.now(UTC)},
            ).write(self._path)
            self._load()
        return new

    async def retire(self) -> tuple[int, ...]:
        with _locked(self._path.parent):
            self._load()
            content, current = self.content, self.content.current
            replace(
                content, versions={current: content.versions[current]}, began={current: content.began[current]}
            ).write(self._path)
            self._load()
        return tuple(sorted(set(content.versions) - {current}))

    def _bound(self, context: str) -> bytes:
        return bound(self.content.scope, context)


@dataclass(frozen=True)
class Token:
    """Where a PKCS#11 token is: the maker's library, the token's label, and the file with its PIN.

    `{scope}` in label and file name stands for the scope's name, where each scope has a token of its own.
    """

    module: Path
    label: str
    pin: Path

    def of(self, scope: str) -> "Token":
        """The token of one scope."""
        return Token(self.module, self.label.replace("{scope}", scope), Path(str(self.pin).replace("{scope}", scope)))


def create_key_files(directory: Path, scopes: Iterable[str]) -> None:
    """Make the key files that are missing; existing ones stay as they are."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for scope in scopes:
        path = directory / f"{scope}.key"
        if not path.exists():
            Content.new(scope).write(path)


def all_scopes() -> tuple[str, ...]:
    """Every scope of an installation."""
    return tuple(dict.fromkeys(scope for scopes in SCOPES.values() for scope in scopes))


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _stamp(path: Path) -> tuple[int, int]:
    # Every change puts another file in its place.
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Alone with the directory's files, among all processes."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@lru_cache(maxsize=4096)
def _hkdf(secret: bytes, use: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=use.encode()).derive(secret)
