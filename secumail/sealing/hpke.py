"""Hybrid public-key sealing (RFC 9180) with X25519 and ML-KEM-768: short secrets to one reader.

A stored wrap must outlast quantum computers; so every key pair is hybrid. A wrap of 32 bytes has 1,168.
"""

from dataclasses import dataclass
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_MLKEM_SEED = 64
_MLKEM_PUBLIC = 1184
PRIVATE_BYTES = _MLKEM_SEED + 32
PUBLIC_BYTES = _MLKEM_PUBLIC + 32


class NotForUs(Exception):
    """The wrap was made for another key or another context, or was tampered with."""


@dataclass(frozen=True)
class PublicKey:
    """1,216 bytes: the ML-KEM-768 encapsulation key, then the X25519 key."""

    raw: bytes

    @cached_property
    def _key(self) -> MLKEM768X25519PublicKey:
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(self.raw[:_MLKEM_PUBLIC]),
            X25519PublicKey.from_public_bytes(self.raw[_MLKEM_PUBLIC:]),
        )

    def seal(self, secret: bytes, context: bytes) -> bytes:
        """`secret` for the holder of the private half, bound to `context` (HPKE's info)."""
        return _SUITE.encrypt(secret, self._key, context)


@dataclass(frozen=True)
class PrivateKey:
    """96 bytes: the ML-KEM-768 seed, then the X25519 key (HPKE's hybrid key has no serialiser of its own)."""

    raw: bytes

    def __repr__(self) -> str:
        return "PrivateKey(...)"

    @classmethod
    def generate(cls) -> "PrivateKey":
        """A new key pair."""
        return cls(MLKEM768PrivateKey.generate().private_bytes_raw() + X25519PrivateKey.generate().private_bytes_raw())

    @cached_property
    def _parts(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        return (
            MLKEM768PrivateKey.from_seed_bytes(self.raw[:_MLKEM_SEED]),
            X25519PrivateKey.from_private_bytes(self.raw[_MLKEM_SEED:]),
        )

    @cached_property
    def _key(self) -> MLKEM768X25519PrivateKey:
        return MLKEM768X25519PrivateKey(*self._parts)

    @cached_property
    def public(self) -> PublicKey:
        """The public half."""
        mlkem, x25519 = self._parts
        return PublicKey(mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw())

    def open(self, wrap: bytes, context: bytes) -> bytes:
        """The secret in `wrap`; NotForUs where key, context or bytes don't fit."""
        try:
            return _SUITE.decrypt(wrap, self._key, context)
        except (InvalidTag, ValueError) as error:
            raise NotForUs from error
