"""Decryption keys of people: the S/MIME and OpenPGP keys that open their mail, sealed to the account key.

crypto makes a key and seals it, so that it can be made while its owner is logged out; a session opens it, and
gives it to crypto in one sealed command for one read.
"""

from uuid import UUID

from secumail.sealing.accounts import AccountKey
from secumail.sealing.hpke import PrivateKey, PublicKey


def seal(secret: bytes, account: UUID, id_: str, owner: PublicKey) -> bytes:
    """`secret` (PKCS #8 DER, or an OpenPGP transferable secret key) for the account, bound to the key's id."""
    return owner.seal(secret, _context(account, id_))


def open_sealed(wrap: bytes, account: UUID, id_: str, owner: PrivateKey) -> bytes:
    """What `seal` was given; hpke.NotForUs where account, id or bytes don't fit."""
    return owner.open(wrap, _context(account, id_))


def renew(wrap: bytes, account: UUID, id_: str, owner: AccountKey) -> bytes | None:
    """The wrap for the owner's current account key; None where it is for that already."""
    return owner.renew(wrap, _context(account, id_))


def _context(account: UUID, id_: str) -> bytes:
    return f"decryption-key/{account}/{id_}".encode()
