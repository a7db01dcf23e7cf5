"""S/MIME with openssl, gpgsm and NSS."""

from collections.abc import Callable, Iterator
from functools import partial

from services.crypto import key_files
from services.crypto.pkcs12 import Format
from services.crypto.smime.enveloped import Cipher, envelop
from services.crypto.smime.opening import open_enveloped
from services.crypto.smime.signing import signed_data
from tests.interop import mime
from tests.interop.cases import Case, Way
from tests.interop.peers.identity import PASSWORD, Identity
from tests.interop.world import TEXT, World

CONTENT = mime.entity(TEXT)

BESIDE_EC = "Signed beside the content, EC P-256"
BESIDE_RSA = "Signed beside the content, RSA-3072"
BESIDE_PSS = "Signed beside the content, RSA-PSS"
AROUND_EC = "Signed around the content, EC P-256"
CBC_RSA = "Encrypted AES-256-CBC, RSA-3072"
CBC_KEY_ID = "Encrypted AES-256-CBC, RSA-3072 by key identifier"
CBC_OAEP = "Encrypted AES-256-CBC, RSA-OAEP"
CBC_EC = "Encrypted AES-256-CBC, EC P-256"
CBC_BOTH = "Encrypted AES-256-CBC, RSA and EC together"
GCM_RSA = "Encrypted AES-256-GCM, RSA-3072"
GCM_OAEP = "Encrypted AES-256-GCM, RSA-OAEP"
GCM_EC = "Encrypted AES-256-GCM, EC P-256"
AROUND_BER = "Signed around the content, EC P-256, BER in pieces, key identifier"
CBC_BER = "Encrypted AES-256-CBC, RSA-3072, BER in pieces"
P12 = "A user's .p12 file, as the program makes it"
P12_MODERN = "A user's .p12 file, modern"
P12_LEGACY = "A user's .p12 file, legacy"
P12_LEGACY_EC = "A user's .p12 file, legacy, EC P-256"

Signed = Callable[[World], tuple[Identity, bytes, bytes | None]]
"""The signer, the SignedData, and the content if it is beside it."""


def _signed(world: World, who: str, *, around: bool = False, pss: bool = False) -> tuple[Identity, bytes, bytes | None]:
    signer: Identity = getattr(world, who)
    signature = signed_data(
        CONTENT, signer.key, signer.certificate, signer.chain, around=around, pss=pss, now=world.now
    )
    return signer, signature, None if around else CONTENT


OUR_SIGNED: dict[str, Signed] = {
    BESIDE_EC: partial(_signed, who="ada"),
    BESIDE_RSA: partial(_signed, who="ada_signing_rsa"),
    BESIDE_PSS: partial(_signed, who="ada_signing_rsa", pss=True),
    AROUND_EC: partial(_signed, who="ada", around=True),
}
OUR_ENCRYPTED: dict[str, Callable[[World], tuple[tuple[Identity, ...], bytes]]] = {
    CBC_RSA: lambda w: ((w.bob,), envelop(CONTENT, [w.bob.certificate], Cipher.CBC)),
    CBC_KEY_ID: lambda w: ((w.bob,), envelop(CONTENT, [w.bob.certificate], Cipher.CBC, by_key_identifier=True)),
    CBC_OAEP: lambda w: ((w.bob,), envelop(CONTENT, [w.bob.certificate], Cipher.CBC, oaep=True)),
    CBC_EC: lambda w: ((w.eve,), envelop(CONTENT, [w.eve.certificate], Cipher.CBC)),
    CBC_BOTH: lambda w: ((w.bob, w.eve), envelop(CONTENT, [w.bob.certificate, w.eve.certificate], Cipher.CBC)),
    GCM_RSA: lambda w: ((w.bob,), envelop(CONTENT, [w.bob.certificate], Cipher.GCM)),
    GCM_OAEP: lambda w: ((w.bob,), envelop(CONTENT, [w.bob.certificate], Cipher.GCM, oaep=True)),
    GCM_EC: lambda w: ((w.eve,), envelop(CONTENT, [w.eve.certificate], Cipher.GCM)),
}
THEIR_SIGNED: dict[tuple[str, str], Callable[[World], tuple[Identity, bytes]]] = {
    ("openssl", BESIDE_EC): lambda w: (w.eve, w.openssl.sign(CONTENT, w.eve)),
    ("openssl", BESIDE_RSA): lambda w: (w.bob, w.openssl.sign(CONTENT, w.bob)),
    ("openssl", BESIDE_PSS): lambda w: (w.bob, w.openssl.sign(CONTENT, w.bob, pss=True)),
    ("openssl", AROUND_EC): lambda w: (w.eve, w.openssl.sign(CONTENT, w.eve, opaque=True)),
    ("openssl", AROUND_BER): lambda w: (w.eve, w.openssl.sign(CONTENT, w.eve, opaque=True, streamed=True)),
    ("gpgsm", BESIDE_RSA): lambda w: (w.bob, w.gpgsm.sign(CONTENT, w.bob)),
    ("NSS", BESIDE_EC): lambda w: (w.eve, w.nss.sign(CONTENT, w.eve)),
    ("NSS", BESIDE_RSA): lambda w: (w.bob, w.nss.sign(CONTENT, w.bob)),
    ("NSS", AROUND_EC): lambda w: (w.eve, w.nss.sign(CONTENT, w.eve, opaque=True)),
}
THEIR_ENCRYPTED: dict[tuple[str, str], Callable[[World, bytes], bytes]] = {
    ("openssl", CBC_RSA): lambda w, c: w.openssl.encrypt(c, [w.ada_rsa], "aes-256-cbc"),
    ("openssl", CBC_KEY_ID): lambda w, c: w.openssl.encrypt(c, [w.ada_rsa], "aes-256-cbc", by_key_identifier=True),
    ("openssl", CBC_OAEP): lambda w, c: w.openssl.encrypt(c, [w.ada_rsa], "aes-256-cbc", oaep=True),
    ("openssl", CBC_EC): lambda w, c: w.openssl.encrypt(c, [w.ada_ec], "aes-256-cbc"),
    ("openssl", CBC_BOTH): lambda w, c: w.openssl.encrypt(c, [w.eve, w.ada_rsa], "aes-256-cbc"),
    ("openssl", CBC_BER): lambda w, c: w.openssl.encrypt(c, [w.ada_rsa], "aes-256-cbc", streamed=True),
    ("openssl", GCM_RSA): lambda w, c: w.openssl.encrypt(c, [w.ada_rsa], "aes-256-gcm"),
    ("openssl", GCM_OAEP): lambda w, c: w.openssl.encrypt(c, [w.ada_rsa], "aes-256-gcm", oaep=True),
    ("openssl", GCM_EC): lambda w, c: w.openssl.encrypt(c, [w.ada_ec], "aes-256-gcm"),
    ("gpgsm", CBC_RSA): lambda w, c: w.gpgsm.encrypt(c, w.ada_rsa),
    ("gpgsm", CBC_EC): lambda w, c: w.gpgsm.encrypt(c, w.ada_ec),
    ("NSS", CBC_RSA): lambda w, c: w.nss.encrypt(c, w.ada_rsa),
}


def _openssl_verifies(world: World, signer: Identity, signature: bytes, content: bytes | None) -> None:
    root, _ = world.northwind
    read, who = world.openssl.verify(signature, root.certificate, content)
    assert (read, who) == (content or CONTENT, signer.address)


def _gpgsm_verifies(world: World, signer: Identity, signature: bytes, content: bytes | None) -> None:
    assert world.gpgsm.verify(signature, content) == signer.fingerprint


def _nss_verifies(world: World, signer: Identity, signature: bytes, content: bytes | None) -> None:
    assert world.nss.verify(signature, content) == (content or CONTENT, signer.address)


VERIFIES = {"openssl": _openssl_verifies, "gpgsm": _gpgsm_verifies, "NSS": _nss_verifies}
DECRYPTS: dict[str, Callable[[World, Identity, bytes], bytes]] = {
    "openssl": lambda w, who, enveloped: w.openssl.decrypt(enveloped, who),
    "gpgsm": lambda w, _, enveloped: w.gpgsm.decrypt(enveloped),
    "NSS": lambda w, _, enveloped: w.nss.decrypt(enveloped),
}
IMPORTS: dict[str, Callable[[World, Callable[[], bytes]], object]] = {
    "openssl": lambda w, make: w.openssl.import_(make()),
    "gpgsm": lambda w, make: w.gpgsm.import_(make),
    "NSS": lambda w, make: w.nss.import_(make()),
}
EXPORTS: dict[str, Callable[[World], bytes]] = {
    "openssl": lambda w: w.openssl.export(w.bob),
    "gpgsm": lambda w: w.gpgsm.export(w.bob),
    "NSS": lambda w: w.nss.export(w.bob),
}
OUR_P12: dict[str, Callable[[World], bytes]] = {
    P12_MODERN: lambda w: w.bob.pkcs12(Format.MODERN),
    P12_LEGACY: lambda w: w.bob.pkcs12(Format.LEGACY),
    P12_LEGACY_EC: lambda w: w.eve.pkcs12(Format.LEGACY),
}

# What a peer can't, in its own words.
REFUSALS = {
    ("gpgsm", CBC_KEY_ID): "error getting info",
    ("gpgsm", CBC_OAEP): "error getting encrypted session key",
    ("gpgsm", CBC_EC): "No secret key",
    ("gpgsm", GCM_RSA): "error getting IV",
    ("gpgsm", GCM_OAEP): "error getting IV",
    ("gpgsm", GCM_EC): "error getting IV",
    ("gpgsm", P12_MODERN): "no secret key imported",
    ("gpgsm", P12_LEGACY_EC): "no secret key imported",
    ("NSS", CBC_OAEP): "SEC_ERROR_UNSUPPORTED_KEYALG",
    ("NSS", CBC_EC): "SEC_ERROR_BAD_DER",
    # One EC recipient, and NSS opens the mail for nobody.
    ("NSS", CBC_BOTH): "SEC_ERROR_BAD_DER",
    ("NSS", GCM_RSA): "SEC_ERROR_UNRECOGNIZED_OID",
    ("NSS", GCM_OAEP): "SEC_ERROR_UNRECOGNIZED_OID",
    ("NSS", GCM_EC): "SEC_ERROR_UNRECOGNIZED_OID",
}
REFUSALS_TO_WRITE = {("gpgsm", CBC_EC): "Wrong key usage"}


def cases() -> Iterator[Case]:
    """Every form with every peer, where the peer has it."""
    for peer in ("openssl", "gpgsm", "NSS"):
        for form in OUR_SIGNED:
            yield Case(form, peer, Way.THEY_READ, partial(_they_verify, peer, form), REFUSALS.get((peer, form), ""))
        for form in OUR_ENCRYPTED:
            yield Case(form, peer, Way.THEY_READ, partial(_they_decrypt, peer, form), REFUSALS.get((peer, form), ""))
        for form in OUR_P12:
            yield Case(form, peer, Way.THEY_READ, partial(_they_import, peer, form), REFUSALS.get((peer, form), ""))
    for peer, form in THEIR_SIGNED:
        yield Case(form, peer, Way.WE_READ, partial(_we_verify, peer, form))
    for peer, form in THEIR_ENCRYPTED:
        refusal = REFUSALS_TO_WRITE.get((peer, form), "")
        yield Case(form, peer, Way.WE_READ, partial(_we_decrypt, peer, form), refusal)

    for peer in EXPORTS:
        yield Case(P12, peer, Way.WE_READ, partial(_we_import, peer))


def _they_verify(peer: str, form: str, world: World) -> None:
    VERIFIES[peer](world, *OUR_SIGNED[form](world))


def _they_decrypt(peer: str, form: str, world: World) -> None:
    recipients, enveloped = OUR_ENCRYPTED[form](world)
    for recipient in recipients:
        assert DECRYPTS[peer](world, recipient, enveloped) == CONTENT


def _they_import(peer: str, form: str, world: World) -> None:
    IMPORTS[peer](world, partial(OUR_P12[form], world))


def _we_import(peer: str, world: World) -> None:
    keys = key_files.read([EXPORTS[peer](world)], (PASSWORD,))
    enveloped = envelop(CONTENT, [world.bob.certificate], Cipher.CBC)
    assert open_enveloped(enveloped, keys.pairs()) == CONTENT


def _we_verify(peer: str, form: str, world: World) -> None:
    signer, signature = THEIR_SIGNED[peer, form](world)
    around = form in (AROUND_EC, AROUND_BER)
    signed = mime.smime(signature, "signed-data") if around else mime.smime_signed(CONTENT, signature)
    world.reads(mime.header(signer.address, world.ada.address) + signed, signer.address)


def _we_decrypt(peer: str, form: str, world: World) -> None:
    # Signed inside, as mail should be: AES-CBC alone proves nothing.
    signed = mime.smime_signed(CONTENT, world.openssl.sign(CONTENT, world.bob))
    enveloped = THEIR_ENCRYPTED[peer, form](world, signed)
    kind = "authEnveloped-data" if form in (GCM_RSA, GCM_OAEP, GCM_EC) else "enveloped-data"
    world.reads(mime.header(world.bob.address, world.ada.address) + mime.smime(enveloped, kind), world.bob.address)
