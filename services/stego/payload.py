"""What is hidden: a payload compressed, padded, sealed into bytes that look like noise, and opened again.

    header   SIV-sealed length of the body           20 bytes
    body     SIV-sealed frame                        16 bytes more than the frame
    frame    compressed? | length of the payload | payload, maybe compressed | zeros

Nothing of it is in clear: no magic number, no salt, no version. Both parts are sealed by AES-256-GCM-SIV
(RFC 8452) under a key that belongs to one hidden mail. SIV because hiding must be repeatable: the same mail
hidden again under the same key has to give the same picture (two pictures that differ in a few samples give
the hiding away), and SIV keeps its promise even if one key ever seals two payloads under the same nonce.
"""

import struct
import zlib
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secumail.errors import Refused

KEY_SIZE = 32  # bytes
PAYLOAD_LIMIT = 64 * 2**20  # bytes before compression, so that a small picture can't unfold into all memory
SIZE_FLOOR = 256  # bytes; shorter payloads all look alike

_TAG_SIZE = 16
_LENGTH = struct.Struct(">I")
_FRAME = struct.Struct(">?I")
HEADER_SIZE = _LENGTH.size + _TAG_SIZE
OVERHEAD = HEADER_SIZE + _FRAME.size + _TAG_SIZE
_HEADER_NONCE, _BODY_NONCE = (part.to_bytes(12) for part in (0, 1))


class PayloadTooLarge(Refused):
    """The payload doesn't fit; `over` is how many bytes too many it has."""

    def __init__(self, words: str, over: int) -> None:
        fix = "Choose a picture with more pixels, or leave out attachments."
        super().__init__("payload-too-large", words, fix, status=413)
        self.over = over


class NothingHidden(Refused):
    """Nothing opens: an ordinary picture, a wrong key and a changed picture look alike, on purpose."""

    def __init__(self) -> None:
        super().__init__(
            "nothing-hidden",
            "This picture reveals nothing with this key.",
            "If there should be something, take the sender's original file: a picture that was scaled, "
            "edited or recompressed on its way has lost what it hid.",
        )


@dataclass(frozen=True)
class Subkeys:
    """What one stego key is used for; 32 bytes each."""

    cipher: bytes = field(repr=False)
    walk: bytes = field(repr=False)
    signs: bytes = field(repr=False)


def subkeys(key: bytes) -> Subkeys:
    """Independent keys from one random 32-byte stego key by HKDF-SHA-256 (RFC 5869).

    Raises ValueError on another size.
    """
    if len(key) != KEY_SIZE:
        raise ValueError(f"a stego key has {KEY_SIZE} bytes, not {len(key)}")
    cipher, walk, signs = (
        HKDF(SHA256(), KEY_SIZE, salt=None, info=b"SecuMail stego 1 " + use).derive(key)
        for use in (b"cipher", b"walk", b"signs")
    )
    return Subkeys(cipher, walk, signs)


def seal(payload: bytes, key: bytes, room: int) -> bytes:
    """Header and body, at most `room` bytes, uniform to whoever lacks the cipher key.

    Any payload of `room - OVERHEAD` bytes fits; a longer one if it compresses. Raises PayloadTooLarge.
    """
    if len(payload) > PAYLOAD_LIMIT:
        over = len(payload) - PAYLOAD_LIMIT
        raise PayloadTooLarge(f"The payload is {over:,} bytes over the limit of {PAYLOAD_LIMIT:,}.", over)
    deflated = zlib.compress(payload, 9)
    compressed = len(deflated) < len(payload)
    content = deflated if compressed else payload
    over = len(content) + OVERHEAD - room
    if over > 0:
        after = " after compression" if compressed else ""
        raise PayloadTooLarge(
            f"The payload is {over:,} bytes too long for this picture: it has {len(content):,}{after}, "
            f"and {max(0, room - OVERHEAD):,} fit.",
            over,
        )
    padded = content.ljust(min(_padded_size(len(content)), room - OVERHEAD), b"\0")
    frame = _FRAME.pack(compressed, len(payload)) + padded
    cipher = AESGCMSIV(key)
    body = cipher.encrypt(_BODY_NONCE, frame, None)
    return cipher.encrypt(_HEADER_NONCE, _LENGTH.pack(len(body)), None) + body


def body_size(header: bytes, key: bytes) -> int:
    """Bytes of the body that follows this header. Raises NothingHidden."""
    (size,) = _LENGTH.unpack(_opened(header, key, _HEADER_NONCE))
    return int(size)


def open_body(body: bytes, key: bytes) -> bytes:
    """The payload, exactly as it was sealed. Raises NothingHidden."""
    frame = _opened(body, key, _BODY_NONCE)
    if len(frame) < _FRAME.size:
        raise NothingHidden
    compressed, size = _FRAME.unpack_from(frame)
    content = frame[_FRAME.size :]
    if size > PAYLOAD_LIMIT:
        raise NothingHidden
    if not compressed:
        payload = content[:size]
    else:
        try:
            # One byte more than promised, to see that no more comes; a limit of 0 would be none.
            payload = zlib.decompressobj().decompress(content, size + 1)
        except zlib.error as error:
            raise NothingHidden from error
    if len(payload) != size:
        raise NothingHidden
    return payload


def _opened(sealed: bytes, key: bytes, nonce: bytes) -> bytes:
    try:
        return AESGCMSIV(key).decrypt(nonce, sealed, None)
    except InvalidTag as error:
        raise NothingHidden from error


def _padded_size(size: int) -> int:
    """The next Padmé size (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files", PETS 2019).

    At most 12 % longer; of n possible lengths only about log log n bits show.
    """
    size = max(size, SIZE_FLOOR)
    exponent = size.bit_length() - 1
    zeros = exponent - exponent.bit_length()
    mask = (1 << zeros) - 1
    return (size + mask) & ~mask
