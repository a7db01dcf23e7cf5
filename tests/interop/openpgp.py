"""OpenPGP with gpg and OpenPGP.js."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pysequoia

from services.crypto import key_files
from services.crypto.openpgp import keys, messages
from services.crypto.openpgp.keys import Key
from tests.interop import mime
from tests.interop.cases import Case, Way
from tests.interop.world import PASSWORD, TEXT, World

CONTENT = mime.entity(TEXT)

SIGNED = "Signed (PGP/MIME), Ed25519"
SIGNED_RSA = "Signed (PGP/MIME), RSA-3072"
SIGNED_V6 = "Signed (PGP/MIME), version 6"
ENCRYPTED = "Encrypted and signed (PGP/MIME), Curve25519"
ENCRYPTED_RSA = "Encrypted and signed (PGP/MIME), RSA-3072"
ENCRYPTED_V6 = "Encrypted and signed (PGP/MIME), version 6"
SECRET_KEY = "A user's secret key, as the program makes it"
SYMMETRIC = "Encrypted with a password (OpenPGP)"


@dataclass(frozen=True)
class Peer:
    """What a peer does for Bob with one of his keys: `public` is armored, `fingerprint` says which it is."""

    public: bytes
    fingerprint: str
    sign: Callable[[bytes], bytes]
    verify: Callable[[bytes, bytes, Key], str]
    encrypt: Callable[[bytes, Key], bytes]
    decrypt: Callable[[bytes, Key], tuple[bytes, str | None]]


def _gpg(key: Callable[[World], str], world: World) -> Peer:
    gpg, own = world.gpg, key(world)

    def verify(content: bytes, signature: bytes, signer: Key) -> str:
        gpg.import_(signer.certificate)
        return gpg.verify(content, signature)

    def decrypt(message: bytes, signer: Key) -> tuple[bytes, str | None]:
        gpg.import_(signer.certificate)
        return gpg.decrypt(message)

    return Peer(
        public=gpg.public(own),
        fingerprint=own,
        sign=lambda content: gpg.sign(content, own),
        verify=verify,
        encrypt=lambda content, to: gpg.encrypt(content, [gpg.import_(to.certificate)], own),
        decrypt=decrypt,
    )


def _js(version: int, world: World) -> Peer:
    js, own = world.openpgpjs, world.bob_js6 if version == 6 else world.bob_js
    return Peer(
        public=own.public.encode(),
        fingerprint=own.fingerprint,
        sign=lambda content: js.sign(content, own.secret),
        verify=lambda content, signature, signer: js.verify(content, signature, [armored(signer)]),
        encrypt=lambda content, to: js.encrypt(content, [armored(to)], own.secret),
        decrypt=lambda message, signer: js.decrypt(message, own.secret, [armored(signer)]),
    )


_GPG = partial(_gpg, lambda world: world.bob_gpg)
PEERS: dict[tuple[str, str], Callable[[World], Peer]] = {
    ("gpg", SIGNED): _GPG,
    ("gpg", SIGNED_RSA): partial(_gpg, lambda world: world.bob_gpg_rsa),
    ("gpg", SIGNED_V6): _GPG,
    ("gpg", ENCRYPTED): _GPG,
    ("gpg", ENCRYPTED_RSA): partial(_gpg, lambda world: world.bob_gpg_rsa),
    ("gpg", ENCRYPTED_V6): _GPG,
    ("OpenPGP.js", SIGNED): partial(_js, 4),
    ("OpenPGP.js", SIGNED_V6): partial(_js, 6),
    ("OpenPGP.js", ENCRYPTED): partial(_js, 4),
    ("OpenPGP.js", ENCRYPTED_V6): partial(_js, 6),
}
# Nobody has an RSA key here: such keys are only others'.
_ONLY_THEIRS = (SIGNED_RSA,)
_V6 = (SIGNED_V6, ENCRYPTED_V6)
_NO_V6 = "Invalid packet"


def cases() -> Iterator[Case]:
    """Every form with every peer, where the peer has it."""
    for peer, form in PEERS:
        refusal = _NO_V6 if peer == "gpg" and form in _V6 else ""
        encrypted = form.startswith("Encrypted")
        if form not in _ONLY_THEIRS:
            check = partial(_they_decrypt if encrypted else _they_verify, peer, form)
            yield Case(form, peer, Way.THEY_READ, check, refusal)
        # gpg makes no keys of version 6, so what is left to try is writing to one.
        if not (refusal and not encrypted):
            check = partial(_we_decrypt if encrypted else _we_verify, peer, form)
            yield Case(form, peer, Way.WE_READ, check, refusal)
    yield Case(SECRET_KEY, "gpg", Way.WE_READ, _we_take_gpg_s_key)
    yield Case(SECRET_KEY, "OpenPGP.js", Way.WE_READ, _we_take_js_s_key)
    yield Case(SYMMETRIC, "gpg", Way.THEY_READ, _gpg_opens_with_password)
    yield Case(SYMMETRIC, "gpg", Way.WE_READ, _we_open_with_password_from_gpg)
    yield Case(SYMMETRIC, "OpenPGP.js", Way.THEY_READ, _js_opens_with_password)
    yield Case(SYMMETRIC, "OpenPGP.js", Way.WE_READ, _we_open_with_password_from_js)


def armored(key: Key) -> str:
    """The public key in ASCII armor, as it is published."""
    return str(pysequoia.Cert.from_bytes(key.certificate))


def ours(world: World, form: str) -> Key:
    """Ada's key for a form."""
    return world.ada_openpgp6 if form in _V6 else world.ada_openpgp


def fingerprint(key: Key) -> str:
    """Which key it is."""
    return pysequoia.Cert.from_bytes(key.certificate).fingerprint.upper()


def _they_verify(peer: str, form: str, world: World) -> None:
    ada, bob = ours(world, form), PEERS[peer, form](world)
    assert bob.verify(CONTENT, messages.sign_detached(CONTENT, ada.signing).encode(), ada) == fingerprint(ada)


def _they_decrypt(peer: str, form: str, world: World) -> None:
    ada, bob = ours(world, form), PEERS[peer, form](world)
    message = messages.encrypt(CONTENT, [keys.read_certificate(bob.public)], ada.signing).encode()
    assert bob.decrypt(message, ada) == (CONTENT, fingerprint(ada))


def _we_verify(peer: str, form: str, world: World) -> None:
    bob = PEERS[peer, form](world)
    signed = mime.openpgp_signed(CONTENT, bob.sign(CONTENT))
    world.reads(mime.header(world.bob.address, world.ada.address) + signed, bob.fingerprint, known=[bob.public])


def _we_decrypt(peer: str, form: str, world: World) -> None:
    bob = PEERS[peer, form](world)
    encrypted = mime.openpgp_encrypted(bob.encrypt(CONTENT, ours(world, form)))
    world.reads(mime.header(world.bob.address, world.ada.address) + encrypted, bob.fingerprint, known=[bob.public])


def _we_take_gpg_s_key(world: World) -> None:
    _opens_with(world.gpg.secret(world.bob_gpg), world.gpg.encrypt(CONTENT, [world.bob_gpg]))


def _we_take_js_s_key(world: World) -> None:
    bob = world.bob_js
    _opens_with(bob.secret.encode(), world.openpgpjs.encrypt(CONTENT, [bob.public]))


def _opens_with(secret: bytes, message: bytes) -> None:
    assert messages.decrypt(message, key_files.read([secret]).secrets).content == CONTENT


def _symmetric() -> bytes:
    return messages.encrypt(CONTENT, [], None, [PASSWORD]).encode()


def _gpg_opens_with_password(world: World) -> None:
    assert world.gpg.decrypt_with_password(_symmetric(), PASSWORD) == CONTENT


def _js_opens_with_password(world: World) -> None:
    assert world.openpgpjs.decrypt(_symmetric(), password=PASSWORD) == (CONTENT, None)


def _we_open_with_password_from_gpg(world: World) -> None:
    _we_open_with_password(world, world.gpg.encrypt_for_password(CONTENT, PASSWORD))


def _we_open_with_password_from_js(world: World) -> None:
    _we_open_with_password(world, world.openpgpjs.encrypt(CONTENT, password=PASSWORD))


def _we_open_with_password(world: World, message: bytes) -> None:
    mail = mime.header(world.bob.address, world.ada.address) + mime.openpgp_encrypted(message)
    world.reads(mail, None, password=PASSWORD)
