"""Mail that was tampered with, that is for somebody else, or whose signer's certificate is over: nobody is fooled."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from services.crypto.forms import Form
from services.crypto.openpgp import messages
from services.crypto.openpgp.keys import read_certificate
from services.crypto.protecting import Recipients, SmimeSigner, protect
from services.crypto.smime.enveloped import Cipher, envelop
from services.crypto.smime.signing import signed_data
from services.crypto.smime.verification import State
from tests.interop import mails, mime, openpgp, smime
from tests.interop.peers import PeerRefused
from tests.interop.peers.identity import Identity
from tests.interop.world import PASSWORD, TEXT, World

CONTENT = mime.entity(TEXT)
CHANGED = CONTENT.replace(b"in.", b"on.")
SMIME = ("openssl", "gpgsm", "NSS")
OPENPGP = ("gpg", "OpenPGP.js")


def with_a_changed_byte(encrypted: bytes, from_the_end: int = 40) -> bytes:
    """The same, but for one byte of what is encrypted."""
    place = len(encrypted) - from_the_end
    return encrypted[:place] + bytes([encrypted[place] ^ 1]) + encrypted[place + 1 :]


def with_a_changed_letter(armored: bytes) -> bytes:
    """The same, but for one letter in the middle; without the checksum of the armor, which would tell too."""
    lines = [line for line in armored.splitlines() if not line.startswith(b"=")]
    middle = len(lines) // 2
    changed = b"A" if lines[middle][20:21] != b"A" else b"B"
    lines[middle] = lines[middle][:20] + changed + lines[middle][21:]
    return b"\n".join(lines) + b"\n"


def from_bob(world: World, entity: bytes) -> bytes:
    """A mail of Bob's to Ada."""
    return mime.header(world.bob.address, world.ada.address) + entity


def verify_with(peer: str, world: World, signer: Identity, content: bytes) -> None:
    """Give a peer `signer`'s signature of CONTENT as the one of `content`."""
    signature = signed_data(CONTENT, signer.key, signer.certificate, signer.chain)
    root, _ = world.northwind
    verify: dict[str, Callable[[], object]] = {
        "openssl": lambda: world.openssl.verify(signature, root.certificate, content),
        "gpgsm": lambda: world.gpgsm.verify(signature, content),
        "NSS": lambda: world.nss.verify(signature, content),
    }
    verify[peer]()


# --- What we wrote, changed on its way or not for the peer ---------------------------------------------------------


@pytest.mark.parametrize("peer", SMIME)
def test_a_peer_sees_that_a_mail_was_changed_after_we_signed_it(peer: str, world: World) -> None:
    with pytest.raises(PeerRefused):
        verify_with(peer, world, world.ada, CHANGED)


@pytest.mark.parametrize("peer", SMIME)
def test_a_peer_sees_that_our_certificate_has_expired(peer: str, world: World) -> None:
    with pytest.raises(PeerRefused):
        verify_with(peer, world, world.ada_expired, CONTENT)


def test_nss_sees_by_our_crl_that_a_certificate_was_revoked(world: World) -> None:
    verify_with("NSS", world, world.ada_revoked, CONTENT)
    world.nss.revoke(world.crl)
    with pytest.raises(PeerRefused):
        verify_with("NSS", world, world.ada_revoked, CONTENT)
    verify_with("NSS", world, world.ada, CONTENT)


def test_openssl_sees_that_a_mail_in_gcm_was_changed(world: World) -> None:
    encrypted = envelop(CONTENT, [world.bob.certificate], Cipher.GCM)
    with pytest.raises(PeerRefused):
        world.openssl.decrypt(with_a_changed_byte(encrypted), world.bob)


@pytest.mark.parametrize("cipher", Cipher)
def test_openssl_opens_nothing_that_is_for_somebody_else(cipher: Cipher, world: World) -> None:
    with pytest.raises(PeerRefused):
        world.openssl.decrypt(envelop(CONTENT, [world.ada_rsa.certificate], cipher), world.bob)


@pytest.mark.parametrize("peer", ["gpgsm", "NSS"])
def test_the_others_open_nothing_that_is_for_somebody_else(peer: str, world: World) -> None:
    encrypted = envelop(CONTENT, [world.ada_rsa.certificate], Cipher.CBC)
    with pytest.raises(PeerRefused):
        smime.DECRYPTS[peer](world, world.bob, encrypted)


@pytest.mark.parametrize("peer", OPENPGP)
def test_a_peer_sees_that_a_mail_was_changed_after_we_signed_it_with_openpgp(peer: str, world: World) -> None:
    bob = openpgp.PEERS[peer, openpgp.SIGNED](world)
    signature = messages.sign_detached(CONTENT, world.ada_openpgp.signing).encode()
    with pytest.raises(PeerRefused):
        bob.verify(CHANGED, signature, world.ada_openpgp)


@pytest.mark.parametrize("peer", OPENPGP)
def test_a_peer_sees_that_a_mail_was_changed_after_we_encrypted_it_with_openpgp(peer: str, world: World) -> None:
    bob = openpgp.PEERS[peer, openpgp.ENCRYPTED](world)
    message = messages.encrypt(CONTENT, [read_certificate(bob.public)], world.ada_openpgp.signing).encode()
    with pytest.raises(PeerRefused):
        bob.decrypt(with_a_changed_letter(message), world.ada_openpgp)


@pytest.mark.parametrize("peer", OPENPGP)
def test_a_peer_opens_no_openpgp_mail_of_somebody_else(peer: str, world: World) -> None:
    bob = openpgp.PEERS[peer, openpgp.ENCRYPTED](world)
    message = messages.encrypt(CONTENT, [world.ada_openpgp.certificate], world.ada_openpgp.signing).encode()
    with pytest.raises(PeerRefused):
        bob.decrypt(message, world.ada_openpgp)


def test_7_zip_opens_nothing_without_the_password(world: World) -> None:
    archive = mails.attachment(mails.made(world, Form.ZIP))
    with pytest.raises(PeerRefused, match="Wrong password"):
        world.sevenzip.read(archive, "another password")


# --- What the peers wrote, changed on its way or not for us -------------------------------------------------------

SIGN: dict[str, Callable[[World], bytes]] = {
    "openssl": lambda w: mime.smime_signed(CONTENT, w.openssl.sign(CONTENT, w.bob)),
    "gpgsm": lambda w: mime.smime_signed(CONTENT, w.gpgsm.sign(CONTENT, w.bob)),
    "NSS": lambda w: mime.smime_signed(CONTENT, w.nss.sign(CONTENT, w.bob)),
    "gpg": lambda w: mime.openpgp_signed(CONTENT, w.gpg.sign(CONTENT, w.bob_gpg)),
    "OpenPGP.js": lambda w: mime.openpgp_signed(CONTENT, w.openpgpjs.sign(CONTENT, w.bob_js.secret)),
}


def known(world: World, peer: str) -> list[bytes]:
    """Bob's OpenPGP key, where the peer has one."""
    return [openpgp.PEERS[peer, openpgp.SIGNED](world).public] if peer in OPENPGP else []


@pytest.mark.parametrize("peer", SIGN)
def test_we_see_that_a_mail_was_changed_after_a_peer_signed_it(peer: str, world: World) -> None:
    changed = SIGN[peer](world).replace(CONTENT, CHANGED)
    opened = world.open(from_bob(world, changed), known(world, peer))
    assert opened.signature.state is State.TAMPERED


@pytest.mark.parametrize("peer", SIGN)
def test_we_see_that_another_signed_than_the_mail_names(peer: str, world: World) -> None:
    mail = mime.header(world.eve.address, world.ada.address) + SIGN[peer](world)
    assert world.open(mail, known(world, peer)).signature.state is State.NOT_THE_SENDER


def test_we_see_that_nobody_trusted_vouches_for_a_signer(world: World) -> None:
    stranger = world.stranger
    signed = mime.smime_signed(CONTENT, world.openssl.sign(CONTENT, stranger))
    opened = world.open(mime.header(stranger.address, world.ada.address) + signed)
    assert opened.signature.state is State.UNTRUSTED


def test_we_see_that_a_signer_s_certificate_has_expired(world: World) -> None:
    signed = mime.smime_signed(CONTENT, world.openssl.sign(CONTENT, world.bob_expired))
    assert world.open(from_bob(world, signed)).signature.state is State.EXPIRED


def test_we_see_that_a_signer_s_openpgp_key_has_expired(world: World) -> None:
    then = world.now - timedelta(days=30)
    key = world.gpg.generate(world.bob.address, expires="1d", at=then)
    signed = mime.openpgp_signed(CONTENT, world.gpg.sign(CONTENT, key, at=then + timedelta(hours=1)))
    opened = world.open(from_bob(world, signed), [world.gpg.public(key)])
    assert opened.signature.state is State.EXPIRED


ENCRYPT: dict[str, Callable[[World, bytes], bytes]] = {
    "openssl, AES-CBC": lambda w, c: w.openssl.encrypt(c, [w.ada_rsa], "aes-256-cbc"),
    "openssl, AES-GCM": lambda w, c: w.openssl.encrypt(c, [w.ada_rsa], "aes-256-gcm"),
    "gpgsm": lambda w, c: w.gpgsm.encrypt(c, w.ada_rsa),
    "NSS": lambda w, c: w.nss.encrypt(c, w.ada_rsa),
}


@pytest.mark.parametrize("peer", ENCRYPT)
def test_nothing_is_shown_of_a_signed_mail_whose_text_was_changed_under_the_encryption(peer: str, world: World) -> None:
    signed = mime.smime_signed(CONTENT, world.openssl.sign(CONTENT, world.bob))
    encrypted = ENCRYPT[peer](world, signed)
    # What is encrypted comes last. In AES-CBC the change garbles one block of the text, and flips a bit in the next.
    place = signed.index(TEXT.encode()) + len(TEXT) // 2
    changed = with_a_changed_byte(encrypted, len(signed) - place)
    opened = world.open(from_bob(world, mime.smime(changed, "enveloped-data")))
    assert opened.mail is None
    assert opened.layers[-1].state in {"tampered", "damaged"}


@pytest.mark.parametrize("peer", ENCRYPT)
def test_whatever_byte_of_a_mail_is_changed_nobody_takes_it_for_the_one_that_was_signed(
    peer: str, world: World
) -> None:
    encrypted = ENCRYPT[peer](world, mime.smime_signed(CONTENT, world.openssl.sign(CONTENT, world.bob)))
    for place in range(20, len(encrypted), len(encrypted) // 150):
        changed = with_a_changed_byte(encrypted, place)
        opened = world.open(from_bob(world, mime.smime(changed, "enveloped-data")))
        if opened.signature.state is State.GOOD:
            # What was changed lies outside of what was signed: the boundary's preamble, say.
            assert opened.mail is not None
            assert mime.text_of(opened.mail) == TEXT
        else:
            # A change of what says that it is signed leaves a mail that looks unsigned, which CBC can't tell.
            looks_unsigned = opened.signature.state is State.UNSIGNED and "AES-CBC" in opened.layers[0].words
            assert opened.mail is None or looks_unsigned
            assert not opened.remote_content


@pytest.mark.parametrize("peer", OPENPGP)
def test_nothing_is_shown_of_an_openpgp_mail_that_was_changed(peer: str, world: World) -> None:
    bob = openpgp.PEERS[peer, openpgp.ENCRYPTED](world)
    message = with_a_changed_letter(bob.encrypt(CONTENT, world.ada_openpgp))
    opened = world.open(from_bob(world, mime.openpgp_encrypted(message)), [bob.public])
    assert opened.mail is None
    assert opened.layers[-1].state == "damaged"


@pytest.mark.parametrize("peer", ["openssl", "gpgsm", "NSS"])
def test_a_mail_a_peer_encrypted_for_somebody_else_is_not_for_our_keys(peer: str, world: World) -> None:
    encrypt: dict[str, Callable[[], bytes]] = {
        "openssl": lambda: world.openssl.encrypt(CONTENT, [world.bob], "aes-256-gcm"),
        "gpgsm": lambda: world.gpgsm.encrypt(CONTENT, world.bob),
        "NSS": lambda: world.nss.encrypt(CONTENT, world.bob),
    }
    opened = world.open(from_bob(world, mime.smime(encrypt[peer](), "enveloped-data")))
    assert opened.mail is None
    assert [layer.state for layer in opened.layers] == ["not-for-keys"]


@pytest.mark.parametrize("peer", OPENPGP)
def test_an_openpgp_mail_a_peer_encrypted_for_somebody_else_is_not_for_our_keys(peer: str, world: World) -> None:
    bob = openpgp.PEERS[peer, openpgp.ENCRYPTED](world)
    if peer == "gpg":
        message = world.gpg.encrypt(CONTENT, [world.bob_gpg])
    else:
        message = world.openpgpjs.encrypt(CONTENT, [bob.public.decode()])
    opened = world.open(from_bob(world, mime.openpgp_encrypted(message)))
    assert opened.mail is None
    assert [layer.state for layer in opened.layers] == ["not-for-keys"]


def test_a_mail_under_another_password_stays_closed(world: World) -> None:
    message = world.gpg.encrypt_for_password(CONTENT, PASSWORD)
    opened = world.open(from_bob(world, mime.openpgp_encrypted(message)), password="another password")
    assert opened.mail is None
    assert opened.layers[-1].state in {"not-for-keys", "damaged"}


# --- What we refuse to write --------------------------------------------------------------------------------------


def test_nothing_is_encrypted_to_a_peer_s_expired_certificate(world: World) -> None:
    signer = SmimeSigner(world.ada.key, world.ada.certificate, world.ada.chain)
    with pytest.raises(Exception, match="expired"):
        protect(mails.mail(world), Form.SMIME_CBC, Recipients((world.bob_expired.certificate,)), signer, world.now)


def test_nothing_is_encrypted_to_an_expired_key_of_gpg(world: World) -> None:
    key = world.gpg.generate(world.bob.address, expires="1d", at=world.now - timedelta(days=30))
    recipients = Recipients(openpgp=(read_certificate(world.gpg.public(key)),))
    with pytest.raises(Exception, match="expired"):
        protect(mails.mail(world), Form.OPENPGP, recipients, mails.openpgp_signer(world), world.now)
