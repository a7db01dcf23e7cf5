"""How others find our OpenPGP keys: Web Key Directory (draft-koch-openpgp-webkey-service) and Autocrypt 1.1. Pure."""

import base64
import hashlib
from dataclasses import dataclass
from urllib.parse import quote

from secumail.directory import normal
from secumail.errors import Refused
from services.crypto.openpgp.keys import read_certificate

_ALPHABET = "ybndrfg8ejkmcpqxot1uwisza345h769"
_BITS = 5
_FOLDED = 76
_ATTRIBUTES = {"addr", "prefer-encrypt", "keydata"}

HEADER_LIMIT = 10 * 1024
"""Bytes of an Autocrypt header that are read; the specification advises 10 KiB."""


def hashed_local_part(local_part: str) -> str:
    """The local part as the directory names it: z-base-32 of the SHA-1 of its lower case (32 characters).

    SHA-1 only finds a name's place here; nothing rests on it.
    """
    lowered = "".join(c.lower() if c.isascii() else c for c in local_part)
    return z_base_32(hashlib.sha1(lowered.encode(), usedforsecurity=False).digest())


def z_base_32(data: bytes) -> str:
    """RFC 6189, section 5.1.6."""
    bits = "".join(f"{byte:08b}" for byte in data)
    groups = (bits[at : at + _BITS].ljust(_BITS, "0") for at in range(0, len(bits), _BITS))
    return "".join(_ALPHABET[int(group, 2)] for group in groups)


def advanced_url(address: str) -> str:
    """Where a key is looked for first."""
    local_part, domain = _parts(address)
    return f"https://openpgpkey.{domain}/.well-known/openpgpkey/{domain}/{_place(local_part)}"


def direct_url(address: str) -> str:
    """Where a key is looked for, if there is no host openpgpkey."""
    local_part, domain = _parts(address)
    return f"https://{domain}/.well-known/openpgpkey/{_place(local_part)}"


def _place(local_part: str) -> str:
    return f"hu/{hashed_local_part(local_part)}?l={quote(local_part, safe='')}"


def _parts(address: str) -> tuple[str, str]:
    local_part, _, domain = address.rpartition("@")
    return local_part, domain.lower()


@dataclass(frozen=True)
class Autocrypt:
    """What an Autocrypt header says: whose key, which, and whether its owner wishes for encrypted mail."""

    address: str
    certificate: bytes
    mutual: bool


def autocrypt(address: str, certificate: bytes, *, mutual: bool = False) -> bytes:
    """The Autocrypt header of a mail from `address`: one field, folded, with its line end (CRLF)."""
    preference = " prefer-encrypt=mutual;" if mutual else ""
    keydata = base64.b64encode(certificate).decode("ascii")
    lines = [keydata[at : at + _FOLDED] for at in range(0, len(keydata), _FOLDED)]
    return ("\r\n ".join((f"Autocrypt: addr={address};{preference} keydata=", *lines)) + "\r\n").encode()


def read_autocrypt(value: str, sender: str) -> Autocrypt | None:
    """What a header's value says of the mail's sender; None for one that is not to be used.

    That is one too large or malformed, one for another address than the sender's, one with an attribute that is
    not known and not marked as harmless by an underscore, and one whose key is none.
    """
    if len(value) > HEADER_LIMIT:
        return None
    attributes: dict[str, str] = {}
    for attribute in value.split(";"):
        name, equals, given = attribute.partition("=")
        if equals and not name.strip().startswith("_"):
            attributes[name.strip()] = given.strip()
        elif attribute.strip() and not equals:
            return None
    if attributes.keys() - _ATTRIBUTES or not attributes.keys() >= {"addr", "keydata"}:
        return None
    if normal(attributes["addr"]) != normal(sender):
        return None
    try:
        keydata = base64.b64decode("".join(attributes["keydata"].split()), validate=True)
        certificate = read_certificate(keydata)
    except (ValueError, Refused):
        return None
    return Autocrypt(attributes["addr"], certificate, attributes.get("prefer-encrypt") == "mutual")
