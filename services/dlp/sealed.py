"""Tells a text in which something is encrypted: nobody but whom it is for can say what."""

from __future__ import annotations

import binascii

_MARKS = (
    "-----BEGIN PGP MESSAGE-----",
    "-----BEGIN AGE ENCRYPTED FILE-----",
    "SALTPACK ENCRYPTED MESSAGE.",
    "$ANSIBLE_VAULT;",
    # What openssl writes before what it encrypts, "Salted__", in base64 and in hexadecimal.
    "U2FsdGVkX1",
    "53616c7465645f5f",
)
_CMS = ("-----BEGIN CMS-----", "-----BEGIN PKCS7-----")
_SIGNED = bytes.fromhex("2a864886f70d010702")
_BEGINNING = 64


def is_sealed(text: str) -> bool:
    """Whether a message of OpenPGP, age, saltpack, ansible, openssl or CMS stands in it; of CMS not what is only
    signed."""
    return any(mark in text for mark in _MARKS) or any(_is_sealed_cms(text, mark) for mark in _CMS)


def _is_sealed_cms(text: str, mark: str) -> bool:
    return any(_SIGNED not in _beginning(after) for after in text.split(mark)[1:])


def _beginning(armour: str) -> bytes:
    letters = "".join(armour[: 2 * _BEGINNING].split())[:_BEGINNING]
    try:
        return binascii.a2b_base64(letters.encode("ascii", "replace"))
    except binascii.Error:
        return b""
