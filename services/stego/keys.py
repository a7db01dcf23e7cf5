"""One stego key, and what is derived from it: where the bits of a picture lie, and what they are sealed with."""

import unicodedata
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_SIZE = 32  # bytes
PASSPHRASE_MINIMUM = 12  # characters

_FORMAT = b"SecuMail stego 2 "
# RFC 9106, section 4, the second recommended option: three passes over 64 MiB in four lanes.
_PASSES, _LANES, _MEMORY_KIB = 3, 4, 64 * 2**10


@dataclass(frozen=True)
class Subkeys:
    """Where one picture's bits lie; 32 bytes each.

    header: the order in which the header's elements are taken, before anything of the picture is known;
    order: the order of all the others; columns: of the code. The last two are another pair for each picture.
    """

    header: bytes = field(repr=False)
    order: bytes = field(repr=False)
    columns: bytes = field(repr=False)


def subkeys(key: bytes, message: bytes, part: int) -> Subkeys:
    """The places of part `part` of the hidden message numbered `message` (both stand in the header).

    Only `header` is the same for every picture under one key: who can set many pictures under one passphrase
    against each other would otherwise learn where the bits lie (Ker, "Locating Steganographic Payload via WS
    Residuals", 2008).
    """
    return Subkeys(
        derived(key, b"header order"),
        derived(key, b"order", message, part),
        derived(key, b"columns", message, part),
    )


def derived(key: bytes, use: bytes, message: bytes = b"", part: int = 0) -> bytes:
    """An independent key for one use by HKDF-SHA-256 (RFC 5869). Raises ValueError for a key of another size."""
    if len(key) != KEY_SIZE:
        raise ValueError(f"a stego key has {KEY_SIZE} bytes, not {len(key)}")
    info = _FORMAT + use + b"\0" + message + part.to_bytes(2)
    return HKDF(SHA256(), KEY_SIZE, salt=None, info=info).derive(key)


def from_passphrase(passphrase: str) -> bytes:
    """The stego key of a passphrase, however its accents are typed (NFKC), by Argon2id (RFC 9106).

    A guess costs some 0.2 s and 64 MiB. The salt is the format's own: a random one would have to stand in the picture
    in clear, where nothing may. So a list of keys can be made beforehand for all pictures: a passphrase has to be long
    (PASSPHRASE_MINIMUM).
    """
    return Argon2id(salt=_FORMAT, length=KEY_SIZE, iterations=_PASSES, lanes=_LANES, memory_cost=_MEMORY_KIB).derive(
        unicodedata.normalize("NFKC", passphrase).encode()
    )
