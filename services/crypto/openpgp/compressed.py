"""Signatures inside compressed messages, as GnuPG writes them: Sequoia's binding opens such a message but does not look
at them. rPGP hands them out, and Sequoia judges them like detached ones, which cover the same bytes. Pure.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from openpgp.composed import DecryptedMessage, Message, SignedSecretKey
from pysequoia.packet import Packet, PacketPile, Tag

from services.crypto.openpgp import keys

SIGNATURE_LIMIT = 16

_SIGNATURE = bytes([0xC0 | 2, 0xFF])
"""A signature packet's header up to its length of four octets (RFC 9580, section 4.2.1)."""


def signatures(message: bytes, secret: bytes | None, passwords: Sequence[str]) -> list[bytes]:
    """The signatures of a message that has been opened with a decryption part, or with one of the passwords; as
    packets, none where they can't be read."""
    opened = _with_key(message, secret, passwords) if secret is not None else _with_password(message, passwords)
    try:
        found = opened.signatures()[:SIGNATURE_LIMIT] if opened is not None else []
    except ValueError:
        return []
    return [_SIGNATURE + len(body).to_bytes(4, "big") + body for body in (s.to_bytes() for s in found)]


def _with_key(message: bytes, secret: bytes, passwords: Sequence[str]) -> DecryptedMessage | None:
    subkey = _from(secret, Tag.SecretSubkey)
    # rPGP reads no key whose primary key is public: the subkey is lent another one.
    lent = _before(_nobodys(), Tag.SecretSubkey)
    key = SignedSecretKey.from_bytes(b"".join(bytes(packet) for packet in (*lent, *subkey)))
    for password in (None, *passwords):
        try:
            return Message.from_bytes(message).decrypt(password, key)
        except ValueError:
            continue
    return None


def _with_password(message: bytes, passwords: Sequence[str]) -> DecryptedMessage | None:
    for password in passwords:
        try:
            return Message.from_bytes(message).decrypt_with_password(password)
        except ValueError:
            continue
    return None


@lru_cache(1)
def _nobodys() -> bytes:
    return keys.generate("nobody@invalid", datetime.now(UTC)).signing


def _from(key: bytes, tag: Tag) -> list[Packet]:
    packets = list(PacketPile.from_bytes(key))
    return packets[next(at for at, packet in enumerate(packets) if packet.tag == tag) :][:2]


def _before(key: bytes, tag: Tag) -> list[Packet]:
    packets = list(PacketPile.from_bytes(key))
    return packets[: next(at for at, packet in enumerate(packets) if packet.tag == tag)]
