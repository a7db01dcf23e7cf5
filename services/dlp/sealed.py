"""Tells a text in which something stands that nobody here can read: encrypted, or a file in an encoding not undone."""

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
_WRITTEN_OUT = ("=ybegin line=", "with BinHex 4.0)", "GIT binary patch\n", "GIT binary patch\r\n")
_SIGNED = bytes.fromhex("2a864886f70d010702")
_BEGINNING = 64


def is_sealed(text: str) -> bool:
    """Whether a message of OpenPGP, age, saltpack, ansible, openssl or CMS stands in it; of CMS not what is only
    signed."""
    return any(mark in text for mark in _MARKS) or any(_is_sealed_cms(text, mark) for mark in _CMS)


def is_written_out(text: str) -> bool:
    """Whether a file stands in it as yEnc, BinHex or a patch of git's has it."""
    return any(mark in text for mark in _WRITTEN_OUT)


def _is_sealed_cms(text: str, mark: str) -> bool:
    return any(_SIGNED not in _beginning(after) for after in text.split(mark)[1:])


def _beginning(armour: str) -> bytes:
    letters = "".join(armour[: 2 * _BEGINNING].split())[:_BEGINNING]
    try:
        return binascii.a2b_base64(letters.encode("ascii", "replace"))
    except binascii.Error:
        return b""
