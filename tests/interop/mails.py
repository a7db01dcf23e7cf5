"""Whole mails: as `secumail protect` makes them, opened by the peers step by step, and as peers make them."""

from collections.abc import Iterator
from email import message_from_bytes, policy
from functools import partial

from services.crypto.forms import Form
from services.crypto.openpgp.keys import read_certificate
from services.crypto.protecting import OpenPGPSigner, Recipients, SmimeSigner, protect
from tests.interop import mime, openpgp, smime
from tests.interop.cases import Case, Way
from tests.interop.world import PASSWORD, TEXT, World

SIGNED = "Mail `signed` (S/MIME)"
SIGNED_OPENPGP = "Mail `signed` (OpenPGP)"
CBC = "Mail `smime-cbc`"
GCM = "Mail `smime-gcm`"
OPENPGP = "Mail `openpgp`"
SYMMETRIC = "Mail `password`"
ZIP = "Mail `zip`"

SUBJECT = "Quarterly numbers"


def cases() -> Iterator[Case]:
    """Every form of mail with every peer that has it."""
    for peer in ("openssl", "gpgsm", "NSS"):
        yield Case(SIGNED, peer, Way.THEY_READ, partial(_signed, peer))
        yield Case(CBC, peer, Way.THEY_READ, partial(_encrypted, peer, Form.SMIME_CBC))
        refusal = smime.REFUSALS.get((peer, smime.GCM_RSA), "")
        yield Case(GCM, peer, Way.THEY_READ, partial(_encrypted, peer, Form.SMIME_GCM), refusal)
    for peer in ("gpg", "OpenPGP.js"):
        yield Case(SIGNED_OPENPGP, peer, Way.THEY_READ, partial(_signed_openpgp, peer))
        yield Case(OPENPGP, peer, Way.THEY_READ, partial(_openpgp, peer))
        yield Case(SYMMETRIC, peer, Way.THEY_READ, partial(_symmetric, peer))
    yield Case(ZIP, "7-Zip", Way.THEY_READ, _zip)
    yield Case(SIGNED, "openssl", Way.WE_READ, _signed_by_openssl)
    yield Case(CBC, "openssl", Way.WE_READ, partial(_encrypted_by_openssl, "aes-256-cbc"))
    yield Case(GCM, "openssl", Way.WE_READ, partial(_encrypted_by_openssl, "aes-256-gcm"))
    yield Case(ZIP, "7-Zip", Way.WE_READ, _zipped_by_7zip)


def mail(world: World) -> bytes:
    """What Ada writes."""
    return mime.header(world.ada.address, world.bob.address, subject=SUBJECT) + mime.entity(TEXT)


def signer(world: World) -> SmimeSigner:
    """Ada, with S/MIME."""
    return SmimeSigner(world.ada.key, world.ada.certificate, world.ada.chain, world.ada_rsa.certificate)


def openpgp_signer(world: World) -> OpenPGPSigner:
    """Ada, with OpenPGP."""
    return OpenPGPSigner(world.ada_openpgp.signing, world.ada_openpgp.certificate)


def made(world: World, form: Form) -> bytes:
    """The protected mail; no field outside tells the subject where it is encrypted."""
    recipients = Recipients(certificates=(world.bob.certificate,), passwords=(PASSWORD,))
    protected = protect(mail(world), form, recipients, signer(world), world.now)
    assert (SUBJECT.encode() in protected) == (form is Form.SIGNED)
    return protected


def shows_all(inside: bytes) -> None:
    """What a peer has opened is the mail: its text, and its true subject."""
    assert message_from_bytes(inside, policy=policy.default)["Subject"] == SUBJECT
    assert TEXT in mime.text_of(inside)


def _verifies(peer: str, world: World, signed: bytes) -> None:
    """The peer checks a multipart/signed that it was given or has decrypted."""
    if peer == "openssl":
        root, _ = world.northwind
        content, who = world.openssl.verify_mail(signed, root.certificate)
        assert who == world.ada.address
    else:
        content, signature = mime.parts_of(signed)
        smime.VERIFIES[peer](world, world.ada, mime.content_of(signature), content)
    shows_all(content)


def _signed(peer: str, world: World) -> None:
    _verifies(peer, world, made(world, Form.SIGNED))


def _encrypted(peer: str, form: Form, world: World) -> None:
    protected = made(world, form)
    if peer == "openssl":
        inside = world.openssl.decrypt_mail(protected, world.bob)
    else:
        inside = smime.DECRYPTS[peer](world, world.bob, mime.content_of(protected))
    _verifies(peer, world, inside)


def _signed_openpgp(peer: str, world: World) -> None:
    protected = protect(mail(world), Form.SIGNED, Recipients(), openpgp_signer(world), world.now)
    content, signature = mime.parts_of(protected)
    bob = openpgp.PEERS[peer, openpgp.SIGNED](world)
    armored = mime.content_of(signature)
    assert bob.verify(content, armored, world.ada_openpgp) == openpgp.fingerprint(world.ada_openpgp)
    shows_all(content)


def _openpgp(peer: str, world: World) -> None:
    bob = openpgp.PEERS[peer, openpgp.ENCRYPTED](world)
    recipients = Recipients(openpgp=(read_certificate(bob.public),))
    protected = protect(mail(world), Form.OPENPGP, recipients, openpgp_signer(world), world.now)
    assert SUBJECT.encode() not in protected
    _, message = mime.parts_of(protected)
    content, who = bob.decrypt(mime.content_of(message), world.ada_openpgp)
    assert who == openpgp.fingerprint(world.ada_openpgp)
    shows_all(content)


def _symmetric(peer: str, world: World) -> None:
    message = attachment(made(world, Form.SYMMETRIC))
    if peer == "gpg":
        inside = world.gpg.decrypt_with_password(message, PASSWORD)
    else:
        inside, _ = world.openpgpjs.decrypt(message, password=PASSWORD)
    _verifies("openssl", world, inside)


def _zip(world: World) -> None:
    (inside,) = world.sevenzip.read(attachment(made(world, Form.ZIP)), PASSWORD).values()
    _verifies("openssl", world, inside)


def _signed_by_openssl(world: World) -> None:
    world.reads(world.openssl.signed_mail(mime.entity(TEXT), world.bob, world.ada.address), world.bob.address)


def _encrypted_by_openssl(cipher: str, world: World) -> None:
    signed = world.openssl.signed_mail(mime.entity(TEXT), world.bob, world.ada.address)
    made = world.openssl.encrypted_mail(signed, world.bob.address, world.ada_rsa, cipher)
    world.reads(made, world.bob.address)


def _zipped_by_7zip(world: World) -> None:
    whole = mime.header(world.bob.address, world.ada.address) + mime.entity(TEXT)
    archive = world.sevenzip.write("message.eml", whole, PASSWORD)
    world.reads(mime.header(world.bob.address, world.ada.address) + mime.attached(archive), None, password=PASSWORD)


def attachment(protected: bytes) -> bytes:
    """The one file attached to a mail."""
    (attached,) = message_from_bytes(protected, policy=policy.default).iter_attachments()
    content = attached.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content
