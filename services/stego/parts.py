"""What is hidden: a payload compressed, padded, cut into a part for each picture, sealed into bytes like noise.

    frame    how it is compressed | length of the payload | payload, maybe compressed | zeros
    part     a piece of the frame, SIV-sealed                      16 bytes more than the piece
    header   SIV-sealed: which message, which part of how many, the part's length, the code's split

Nothing of it is in clear: no magic number, no salt, no version. All is sealed by AES-256-GCM-SIV (RFC 8452) under
keys that belong to one stego key. SIV because hiding must be repeatable: the same payload hidden again in the same
picture under the same key has to give the same picture (two that differ in a few samples give the hiding away),
and SIV keeps its promise even where a passphrase seals several payloads under one nonce.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from secumail.errors import Refused
from services.stego.keys import derived
from services.stego.terms import PARTS_LIMIT

PAYLOAD_LIMIT = 64 * 2**20  # bytes before compression, so that a small picture can't unfold into all memory
SIZE_FLOOR = 256  # bytes; shorter payloads all look alike
TAG_SIZE = 16

_FRAME = struct.Struct(">?I")
_HEADER = struct.Struct(">8sHBBI")
_NONCE = bytes(12)

FRAME_OVERHEAD = _FRAME.size
"""Bytes of a frame besides its content."""


class PayloadTooLarge(Refused):
    """The payload doesn't fit; `over` is how many bytes too many it has."""

    def __init__(self, words: str, over: int) -> None:
        fix = "Give more pictures or larger ones, choose another rate, or leave out attachments."
        super().__init__("payload-too-large", words, fix, status=413)
        self.over = over


class NothingHidden(Refused):
    """Nothing opens: an ordinary picture, a wrong key and a changed picture look alike, on purpose."""

    def __init__(self) -> None:
        super().__init__(
            "nothing-hidden",
            "Nothing is revealed with this key.",
            "If there should be something, take the sender's original files: a picture that was scaled, "
            "edited or recompressed on its way has lost what it hid.",
        )


class PartsMissing(Refused):
    """Some pictures of the message are not there, or have lost what they hid; `missing` are their numbers from 1."""

    def __init__(self, missing: Sequence[int], parts: int) -> None:
        which = ", ".join(map(str, missing))
        super().__init__(
            "parts-missing",
            f"It lies in {parts} pictures, of which number {which} is not among these or was changed.",
            "Give all of its pictures at once, in any order, as the sender made them.",
        )
        self.missing = tuple(missing)


class PartsMixed(Refused):
    """Pictures of several messages under one key."""

    def __init__(self) -> None:
        super().__init__(
            "parts-mixed", "These pictures belong to different hidden messages.", "Give those of one message at a time."
        )


@dataclass(frozen=True)
class Header:
    """What stands first in a picture. `message`: 8 bytes; `part` counts from 1; `size`: bytes of the sealed part."""

    message: bytes
    split: int
    part: int
    parts: int
    size: int


def frame(payload: bytes, room: int) -> bytes:
    """The payload, compressed if that helps, padded: at most `room` bytes. Raises PayloadTooLarge."""
    if len(payload) > PAYLOAD_LIMIT:
        over = len(payload) - PAYLOAD_LIMIT
        raise PayloadTooLarge(f"It is {over:,} bytes over the limit of {PAYLOAD_LIMIT:,}.", over)
    deflated = zlib.compress(payload, 9)
    compressed = len(deflated) < len(payload)
    content = deflated if compressed else payload
    room -= FRAME_OVERHEAD
    over = len(content) - room
    if over > 0:
        raise PayloadTooLarge(
            f"It is {over:,} bytes too long: it has {len(content):,}{' compressed' if compressed else ''}, "
            f"and {max(0, room):,} fit.",
            over,
        )
    return _FRAME.pack(compressed, len(payload)) + content.ljust(min(_padded_size(len(content)), room), b"\0")


def unframed(framed: bytes) -> bytes:
    """The payload, exactly as it was framed. Raises NothingHidden."""
    if len(framed) < _FRAME.size:
        raise NothingHidden
    compressed, size = _FRAME.unpack_from(framed)
    content = framed[_FRAME.size :]
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


def message_number(key: bytes, payload: bytes, covers: Iterable[bytes]) -> bytes:
    """Eight bytes that tell this hiding from every other one under the key, and are the same when it is repeated."""
    digest = hashlib.sha256(derived(key, b"message"))
    for data in (payload, *covers):
        digest.update(hashlib.sha256(data).digest())
    return digest.digest()[:8]


def seal_header(key: bytes, header: Header) -> bytes:
    """32 bytes (services.stego.coding.HEADER_SIZE)."""
    packed = _HEADER.pack(header.message, header.split, header.part, header.parts, header.size)
    return AESGCMSIV(derived(key, b"header")).encrypt(_NONCE, packed, None)


def open_header(key: bytes, sealed: bytes) -> Header:
    """Raises NothingHidden."""
    header = Header(*_HEADER.unpack(_opened(derived(key, b"header"), sealed)))
    if not 1 <= header.part <= header.parts <= PARTS_LIMIT or header.size < TAG_SIZE:
        raise NothingHidden
    return header


def seal_piece(key: bytes, message: bytes, part: int, parts: int, piece: bytes) -> bytes:
    """A picture's part; opens only as this part of this message."""
    return AESGCMSIV(derived(key, b"part", message, part)).encrypt(_NONCE, piece, bytes((part, parts)))


def open_piece(key: bytes, header: Header, sealed: bytes) -> bytes:
    """Raises NothingHidden."""
    about = bytes((header.part, header.parts))
    return _opened(derived(key, b"part", header.message, header.part), sealed, about)


def _opened(key: bytes, sealed: bytes, about: bytes | None = None) -> bytes:
    try:
        return AESGCMSIV(key).decrypt(_NONCE, sealed, about)
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
