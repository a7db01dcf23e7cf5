"""Mails as real mailers write them, with all their faults: protected here, read by others."""

import pytest

from services.crypto.forms import Form
from services.crypto.openpgp.keys import read_certificate
from services.crypto.protecting import Recipients, protect
from tests.corpus import files, readdressed
from tests.interop import mails, mime, openpgp
from tests.interop.world import World

EVERY = 400


@pytest.fixture(scope="module")
def real(world: World) -> list[bytes]:
    """A sample of the corpus, from Ada to Bob."""
    return [readdressed(file.read_bytes(), world.ada.address, world.bob.address) for file in files()[::EVERY]]


def test_openssl_verifies_every_real_mail_that_we_sign(real: list[bytes], world: World) -> None:
    root, _ = world.northwind
    for raw in real:
        signed = protect(raw, Form.SIGNED, Recipients(), mails.signer(world), world.now)
        assert world.openssl.verify_mail(signed, root.certificate)[1] == world.ada.address


def test_openssl_opens_and_verifies_every_real_mail_that_we_sign_and_encrypt(real: list[bytes], world: World) -> None:
    root, _ = world.northwind
    for raw in real:
        encrypted = protect(raw, Form.SMIME_CBC, Recipients((world.bob.certificate,)), mails.signer(world), world.now)
        inside = world.openssl.decrypt_mail(encrypted, world.bob)
        assert world.openssl.verify_mail(inside, root.certificate)[1] == world.ada.address


def test_gpg_verifies_every_real_mail_that_we_sign(real: list[bytes], world: World) -> None:
    world.gpg.import_(world.ada_openpgp.certificate)
    for raw in real:
        signed = protect(raw, Form.SIGNED, Recipients(), mails.openpgp_signer(world), world.now)
        content, signature = mime.parts_of(signed)
        assert world.gpg.verify(content, mime.content_of(signature)) == openpgp.fingerprint(world.ada_openpgp)


def test_gpg_opens_and_verifies_every_real_mail_that_we_sign_and_encrypt(real: list[bytes], world: World) -> None:
    world.gpg.import_(world.ada_openpgp.certificate)
    recipients = Recipients(openpgp=(read_certificate(world.gpg.public(world.bob_gpg)),))
    for raw in real:
        encrypted = protect(raw, Form.OPENPGP, recipients, mails.openpgp_signer(world), world.now)
        _, message = mime.parts_of(encrypted)
        assert world.gpg.decrypt(mime.content_of(message))[1] == openpgp.fingerprint(world.ada_openpgp)
