"""`secumail protect` and `secumail open` with the files that other programs give and take."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pysequoia
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from services.crypto.cli_offline import commands
from tests.interop import mails, mime, openpgp
from tests.interop.peers.identity import PASSWORD as FILE_PASSWORD
from tests.interop.world import PASSWORD, TEXT, World


@dataclass(frozen=True)
class Desk:
    """A directory with a mail and keys, and a shell in it."""

    room: Path
    world: World

    def file(self, name: str, content: bytes) -> str:
        """Put a file on the desk."""
        path = self.room / name
        path.write_bytes(content)
        return str(path)

    def protect(self, *options: str, passwords: str) -> bytes:
        """The mail, protected."""
        mail, out = self.file("mail.eml", mails.mail(self.world)), str(self.room / "protected.eml")
        ran = CliRunner().invoke(commands, ["protect", mail, "-o", out, *options, "--password-stdin"], passwords)
        assert ran.exit_code == 0, ran.output
        return Path(out).read_bytes()

    def open(self, mail: bytes, *options: str, passwords: str = FILE_PASSWORD, code: int = 0) -> dict[str, Any]:
        """What `secumail open --json` says."""
        file = self.file("received.eml", mail)
        ran = CliRunner().invoke(commands, ["open", file, *options, "--password-stdin", "--json"], passwords)
        assert ran.exit_code == code, ran.output
        answer: dict[str, Any] = json.loads(ran.stdout)
        return answer


@pytest.fixture
def desk(tmp_path: Path, world: World) -> Desk:
    """An empty one."""
    return Desk(tmp_path, world)


@pytest.mark.parametrize("form", ["auto", "smime-cbc", "smime-gcm"])
def test_openssl_opens_what_secumail_protect_made_of_a_p12_file_and_a_certificate(form: str, desk: Desk) -> None:
    world = desk.world
    protected = desk.protect(
        *("--to", desk.file("bob.pem", world.bob.certificate_pem), "--form", form),
        *("--sign-with", desk.file("ada.p12", world.ada.pkcs12())),
        passwords=FILE_PASSWORD,
    )
    root, _ = world.northwind
    inside, who = world.openssl.verify_mail(world.openssl.decrypt_mail(protected, world.bob), root.certificate)
    assert who == world.ada.address
    mails.shows_all(inside)


def test_gpg_opens_what_secumail_protect_made_of_openpgp_keys(desk: Desk) -> None:
    world = desk.world
    key = world.ada_openpgp
    protected = desk.protect(
        *("--to", desk.file("bob.asc", world.gpg.public(world.bob_gpg))),
        *("--sign-with", desk.file("ada.asc", key.signing)),
        passwords="",
    )
    world.gpg.import_(key.certificate)
    content, who = world.gpg.decrypt(mime.content_of(mime.parts_of(protected)[1]))
    assert who == openpgp.fingerprint(key)
    mails.shows_all(content)


def test_gpg_opens_what_secumail_protect_made_with_a_password(desk: Desk) -> None:
    message = mails.attachment(desk.protect("--form", "password", passwords=PASSWORD))
    mails.shows_all(desk.world.gpg.decrypt_with_password(message, PASSWORD))


@pytest.mark.parametrize("cipher", ["aes-256-cbc", "aes-256-gcm"])
def test_secumail_open_reads_a_mail_of_openssl_and_says_who_signed(cipher: str, desk: Desk) -> None:
    world = desk.world
    root, _ = world.southwind
    signed = world.openssl.signed_mail(mime.entity(TEXT), world.bob, world.ada.address)
    said = desk.open(
        world.openssl.encrypted_mail(signed, world.bob.address, world.ada_rsa, cipher),
        *("--key", desk.file("ada.p12", world.ada_rsa.pkcs12())),
        *("--trust", desk.file("root.pem", root.certificate.public_bytes(Encoding.PEM))),
    )
    assert (said["signature"]["state"], said["signature"]["signer"]) == ("good", world.bob.address)
    assert said["text"].rstrip() == TEXT
    assert said["encrypted"]


def test_secumail_open_reads_a_mail_of_gpg_and_says_who_signed(desk: Desk) -> None:
    world = desk.world
    ada, bob = world.ada_openpgp, world.bob_gpg
    message = world.gpg.encrypt(mime.entity(TEXT), [world.gpg.import_(ada.certificate)], bob)
    said = desk.open(
        mime.header(world.bob.address, world.ada.address) + mime.openpgp_encrypted(message),
        *("--key", desk.file("ada.asc", str(pysequoia.Tsk.from_bytes(ada.decryption)).encode())),
        *("--trust", desk.file("bob.asc", world.gpg.public(bob))),
    )
    assert (said["signature"]["state"], said["signature"]["signer"]) == ("good", world.bob.address)
    assert said["text"].rstrip() == TEXT


def test_secumail_open_says_that_a_mail_of_openssl_was_changed_and_shows_nothing(desk: Desk) -> None:
    world = desk.world
    signed = mime.smime_signed(mime.entity(TEXT), world.openssl.sign(mime.entity(TEXT), world.bob))
    encrypted = world.openssl.encrypt(signed.replace(b"are in.", b"are on."), [world.ada_rsa], "aes-256-gcm")
    said = desk.open(
        mime.header(world.bob.address, world.ada.address) + mime.smime(encrypted, "authEnveloped-data"),
        *("--key", desk.file("ada.p12", world.ada_rsa.pkcs12())),
        code=1,
    )
    assert said["mail"] is None
    assert said["layers"][-1]["state"] == "tampered"
