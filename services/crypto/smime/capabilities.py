"""Learns from a mail whose signature is good how to answer its sender in private (RFC 8551 sections 2.5.2 and 2.5.3).

The capabilities are among the signed attributes, so nobody else can talk a sender into a weaker cipher.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from services.crypto.addresses import mailboxes, same_mailbox
from services.crypto.smime import algorithms
from services.crypto.smime.chains import RSA_BITS, is_for_mail, paths
from services.crypto.smime.crls import Known
from services.crypto.smime.enveloped import Cipher
from services.crypto.smime.names import normal
from services.crypto.smime.parsing import extension
from services.crypto.smime.signed import Signed, Signer, read
from services.crypto.smime.verification import State, Trust, Verdict, at_hand

_CIPHERS = {
    "aes256_gcm": (Cipher.GCM, 256),
    "aes128_gcm": (Cipher.GCM, 128),
    "aes256_cbc": (Cipher.CBC, 256),
    "aes128_cbc": (Cipher.CBC, 128),
}


@dataclass(frozen=True)
class Peer:
    """What a correspondent reads.

    `certificate` is the one to encrypt to (None: none was sent that could be), `ciphers` what he says he reads,
    the ones he prefers first, each with the bits of its key; of those that `enveloped` writes. Who says
    nothing has none: every program reads AES-128-CBC.
    """

    address: str
    certificate: x509.Certificate | None
    ciphers: tuple[tuple[Cipher, int], ...]

    @property
    def reads_gcm(self) -> bool:
        """Whether AuthEnvelopedData with AES-256 can be sent."""
        return (Cipher.GCM, 256) in self.ciphers


def learn(signature_der: bytes, verdict: Verdict, trust: Trust, now: datetime, *, opaque: bool = False) -> Peer | None:
    """What a signature says of its signer, if the verdict on it is good.

    `verdict` is what `verify` (or, with `opaque`, `verify_opaque`) said of these bytes, with the same trust
    and `now`. The certificate is the one the signer prefers (SMIMEEncryptionKeyPreference); without a
    preference the signing one or another sent along under the same name, if it is for encryption. It must have a
    path to a root, name the sender's address and not be revoked.
    """
    if verdict.state is not State.GOOD or verdict.signer is None:
        return None
    try:
        return _learned(read(signature_der, opaque=opaque), verdict.signer, verdict.serial, trust, now)
    except Exception:
        # Signed by whom it should be, and still a stranger's bytes: what the parser raises on malformed
        # attributes or certificates is an open set. Who can't be understood says nothing.
        return None


def _learned(signed: Signed, address: str, serial: str | None, trust: Trust, now: datetime) -> Peer | None:
    signer = next((each for each in signed.signers if f"{each.certificate.serial_number:X}" == serial), None)
    if signer is None:
        return None
    usable = (each for each in _candidates(signer, signed) if _is_usable(each, address, signed, trust, now))
    return Peer(address, next(usable, None), tuple(_ciphers(signer)))


def _ciphers(signer: Signer) -> Iterator[tuple[Cipher, int]]:
    for capabilities in signer.attributes.get("smime_capabilities", ()):
        for capability in capabilities:
            cipher = _CIPHERS.get(capability["capability_id"].native)
            if cipher:
                yield cipher


def _candidates(signer: Signer, signed: Signed) -> Iterator[x509.Certificate]:
    preferences = list(signer.attributes.get("encrypt_key_pref", ()))
    for certificate in (signer.certificate, *signed.certificates):
        if preferences:
            if any(_is_preferred(certificate, preference) for preference in preferences):
                yield certificate
        elif normal(certificate.subject) == normal(signer.certificate.subject):
            yield certificate


def _is_preferred(certificate: x509.Certificate, preference: core.Choice) -> bool:
    if preference.name == "subjectAltKeyIdentifier":
        # asn1crypto takes it for a public key; it is a key identifier.
        return bool(preference.chosen.contents == algorithms.named(certificate).key_identifier)
    return algorithms.is_named(certificate, preference)


def _is_usable(certificate: x509.Certificate, address: str, signed: Signed, trust: Trust, now: datetime) -> bool:
    usage = extension(certificate, x509.KeyUsage)
    match certificate.public_key():
        case rsa.RSAPublicKey() as key:
            is_for_encryption = key.key_size >= RSA_BITS and (usage is None or usage.key_encipherment)
        case ec.EllipticCurvePublicKey():
            is_for_encryption = usage is None or usage.key_agreement
        case _:
            is_for_encryption = False
    if not (
        is_for_encryption
        and is_for_mail(certificate)
        and any(same_mailbox(each, address) for each in mailboxes(certificate))
    ):
        return False
    revocations = at_hand(signed, trust, now)
    return any(
        revocations.of(path)[0] is not Known.REVOKED
        for path in paths(certificate, revocations.others, trust.roots, now)
    )
