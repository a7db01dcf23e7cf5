"""The key port: a service's long-lived secrets, one scope for each purpose, and its default back end, a key file.

A service is given its own scopes only (`SCOPES`); a thief of database and broker has none. The file holds one
32-byte secret per version; every use (wrap, derive, hmac, sign) has its own HKDF subkey of it.
"""

import base64
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SCOPES: Mapping[str, tuple[str, ...]] = {
    "gateway": ("gateway.transport", "address"),
    "auth": ("auth.transport", "auth.credentials", "auth.profiles", "auth.directory", "address"),
    "dlp": ("dlp.transport", "dlp.lists"),
    "crypto": ("crypto.transport", "crypto.signing", "crypto.authority", "address"),
    "stego": ("stego.transport",),
    "delivery": ("delivery.transport", "delivery.audit"),
}
"""Which service holds which scopes. `address` turns an address into its look-up key."""

_NONCE = 12
_VERSION = 4


class WrongKey(Exception):
    """Wrapped under another scope, version or context, or tampered with."""


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

    async def public(self) -> bytes:
        """The 32 bytes that check `sign`."""

    async def rotate(self) -> int:
        """Begin a new version for wraps; old ones still open. Returns its number."""


class KeyFile:
    """A scope in a file of its own (mode 0600): {"scope", "current", "versions": {"1": base64}}."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._load()

    def _load(self) -> None:
        stored = json.loads(self._path.read_text())
        self._scope: str = stored["scope"]
        self._current: int = stored["current"]
        self._versions = {int(v): base64.b64decode(secret) for v, secret in stored["versions"].items()}
        self._signer = Ed25519PrivateKey.from_private_bytes(self._subkey(1, "sign"))
        self._aeads = {v: AESGCM(self._subkey(v, "wrap")) for v in self._versions}

    def _subkey(self, version: int, use: str) -> bytes:
        return _hkdf(self._versions[version], f"secumail/{self._scope}/{use}")

    async def wrap(self, secret: bytes, context: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._aeads[self._current].encrypt(nonce, secret, self._aad(context))
        return self._current.to_bytes(_VERSION, "big") + nonce + sealed

    async def unwrap(self, wrapped: bytes, context: str) -> bytes:
        version = int.from_bytes(wrapped[:_VERSION], "big")
        nonce, sealed = wrapped[_VERSION : _VERSION + _NONCE], wrapped[_VERSION + _NONCE :]
        if version > self._current:
            self._load()  # another replica has rotated since
        if version not in self._aeads:
            raise WrongKey(self._scope)
        try:
            return self._aeads[version].decrypt(nonce, sealed, self._aad(context))
        except (InvalidTag, ValueError) as error:
            raise WrongKey(self._scope) from error

    async def rewrap(self, wrapped: bytes, context: str) -> bytes:
        return await self.wrap(await self.unwrap(wrapped, context), context)

    async def derive(self, context: str) -> bytes:
        return _hkdf(self._subkey(1, "derive"), context)

    async def hmac(self, data: bytes) -> bytes:
        mac = HMAC(self._subkey(1, "hmac"), hashes.SHA256())
        mac.update(data)
        return mac.finalize()

    async def sign(self, data: bytes) -> bytes:
        return self._signer.sign(data)

    async def public(self) -> bytes:
        return self.public_key

    @property
    def public_key(self) -> bytes:
        """The same without waiting: a file is there."""
        return self._signer.public_key().public_bytes_raw()

    async def rotate(self) -> int:
        self._current += 1
        self._versions[self._current] = secrets.token_bytes(32)
        _write(self._path, self._scope, self._versions)
        self._load()
        return self._current

    def _aad(self, context: str) -> bytes:
        return f"{self._scope}/{context}".encode()


class KeyRing:
    """The scopes of one service, opened from a directory of key files."""

    def __init__(self, directory: Path, scopes: Iterable[str]) -> None:
        self._scopes = {name: KeyFile(directory / f"{name}.key") for name in scopes}

    def __getitem__(self, scope: str) -> Scope:
        return self._scopes[scope]


def create_key_files(directory: Path, scopes: Iterable[str]) -> None:
    """Make the key files that are missing; existing ones stay as they are."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for scope in scopes:
        path = directory / f"{scope}.key"
        if not path.exists():
            _write(path, scope, {1: secrets.token_bytes(32)})


def all_scopes() -> tuple[str, ...]:
    """Every scope of an installation."""
    return tuple(dict.fromkeys(scope for scopes in SCOPES.values() for scope in scopes))


def _write(path: Path, scope: str, versions: Mapping[int, bytes]) -> None:
    text = json.dumps(
        {
            "scope": scope,
            "current": max(versions),
            "versions": {str(v): base64.b64encode(secret).decode() for v, secret in versions.items()},
        }
    )
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    with fresh.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


@lru_cache(maxsize=4096)
def _hkdf(secret: bytes, use: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=use.encode()).derive(secret)
