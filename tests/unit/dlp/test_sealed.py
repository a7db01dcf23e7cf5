"""What somebody encrypted and wrote into a text is held: it could be anything."""

import base64

import pytest

from services.dlp import reading
from services.dlp.extraction.walk import extract
from services.dlp.sealed import is_sealed

NOISE = bytes((n * n * 7919 >> 7) % 256 for n in range(200))


def cms(kind: int) -> bytes:
    return b"\x30\x82\x01\x00\x06\x09" + bytes.fromhex("2a864886f70d0107") + bytes([kind]) + NOISE


def armoured(label: str, data: bytes) -> str:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(data).decode()}-----END {label}-----\n"


SEALED = {
    "OpenPGP": armoured("PGP MESSAGE", b"\x85\x01" + NOISE),
    "age": armoured("AGE ENCRYPTED FILE", b"age-encryption.org/v1\n-> scrypt" + NOISE),
    "CMS": armoured("CMS", cms(3)),
    "S/MIME": armoured("PKCS7", cms(3)),
    "openssl, base64": base64.encodebytes(b"Salted__" + NOISE).decode(),
    "openssl, hex": (b"Salted__" + NOISE).hex(),
    "ansible": "$ANSIBLE_VAULT;1.1;AES256\n" + NOISE.hex(),
    "saltpack": "BEGIN KEYBASE SALTPACK ENCRYPTED MESSAGE. kcJn5brvybfNjz6 END KEYBASE SALTPACK ENCRYPTED MESSAGE.",
}


@pytest.mark.parametrize(
    "text",
    [
        "=ybegin line=128 size=3 name=x\n\x8b\x8c\n=yend size=3\n",
        '(This file must be converted with BinHex 4.0)\n\n:#hGPBR9dD@acAh"X!$mr2cmr2cmr!!!\n',
        "GIT binary patch\nliteral 3\nKcmZQzWMT#Y01f~L\n",
    ],
)
@pytest.mark.parametrize("header", ["", "Content-Disposition: attachment; filename=notes.txt\n"])
def test_a_file_written_out_in_an_encoding_of_the_past_is_held(text: str, header: str) -> None:
    raw = f"Subject: x\nContent-Type: text/plain\n{header}\nSee you!\n\n{text}".encode()
    assert ("packed-text", 1.0) in {(hit.rule, hit.score) for hit in reading.read(raw, extract).troubles}


@pytest.mark.parametrize("kind", SEALED)
@pytest.mark.parametrize("header", ["", "Content-Disposition: attachment; filename=notes.txt\n"])
def test_it_is_held_in_the_body_and_in_a_file(kind: str, header: str) -> None:
    raw = f"Subject: x\nContent-Type: text/plain\n{header}\nSee you!\n\n{SEALED[kind]}".encode()
    assert ("encrypted", 1.0) in {(hit.rule, hit.score) for hit in reading.read(raw, extract).troubles}


def test_signatures_keys_and_talk_are_let_be() -> None:
    for text in (
        armoured("PGP SIGNATURE", NOISE),
        armoured("PGP PUBLIC KEY BLOCK", NOISE),
        armoured("CERTIFICATE", NOISE),
        armoured("PKCS7", cms(2)),
        "We use age and ansible-vault; openssl writes Salted__ first.",
    ):
        assert not is_sealed(text)
