"""Who is who: the public keys of all services, pinned at installation in a file every service is given.

A writer to the database can't put a key of his own in anybody's place, because what counts is this file.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from secumail.sealing.keyring import KeyRing
from secumail.sealing.kms import SCOPES

DIRECTORY = "auth.directory"
AUDIT = "delivery.audit"


class Forged(Exception):
    """A signature does not check: not from whom it says, or changed on the way."""


class Identities:
    """Public keys by name: `<service>` for its transport identity, `auth.directory`, `delivery.audit`."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = {name: Ed25519PublicKey.from_public_bytes(raw) for name, raw in keys.items()}

    @classmethod
    def read(cls, path: Path) -> "Identities":
        """From the JSON file {name: base64}."""
        return cls({name: base64.b64decode(key) for name, key in json.loads(path.read_text()).items()})

    def check(self, name: str, signature: bytes, data: bytes) -> None:
        """Forged unless `name` signed `data`."""
        key = self._keys.get(name)
        if key is None:
            raise Forged(name)
        verify(key, signature, data)


def verify(key: Ed25519PublicKey, signature: bytes, data: bytes) -> None:
    """Forged unless `key` signed `data`."""
    try:
        key.verify(signature, data)
    except InvalidSignature as error:
        raise Forged from error


def write(path: Path, keys: KeyRing) -> None:
    """The identities of an installation, from all its scopes."""
    names = {service: f"{service}.transport" for service in SCOPES} | {DIRECTORY: DIRECTORY, AUDIT: AUDIT}
    public = {name: keys[scope].public_key for name, scope in names.items()}
    path.write_text(json.dumps({name: base64.b64encode(key).decode() for name, key in public.items()}, indent=1))
