"""Keys of people outside: read as they are given, pinned when first seen, never replaced without a person. Pure."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secumail.directory import normal
from secumail.errors import Refused
from services.crypto.addresses import mailboxes, same_mailbox
from services.crypto.forms import Kind
from services.crypto.openpgp import keys as openpgp

Source = Literal["upload", "mail"]
State = Literal["pinned", "changed", "not-usable"]

WORDS: dict[State, str] = {
    "pinned": "Mail to this address is encrypted to this key.",
    "changed": "Another key was seen for this address. The former one is used until you have compared and confirmed.",
    "not-usable": "The key has expired or was revoked: nothing can be encrypted to it.",
}


@dataclass(frozen=True)
class PeerKey:
    """One key of somebody outside. `encoded`: an S/MIME certificate (DER) or an OpenPGP certificate (binary).

    `fingerprint` is what people compare; `identity` stays the same when the same key is certified anew. `ends`: None
    for a key that has no end by itself.
    """

    kind: Kind
    encoded: bytes
    fingerprint: str
    identity: str
    ends: datetime | None

    def usable(self, now: datetime) -> bool:
        """Whether mail can be encrypted to it."""
        if self.kind == "openpgp":
            return openpgp.usable(self.encoded, now)
        return self.ends is None or self.ends > now


@dataclass(frozen=True)
class Seen:
    """A key, and where and when it was learned."""

    key: PeerKey
    source: Source
    at: datetime


@dataclass(frozen=True)
class Pin:
    """What is held of a peer's key: the one in use, and another one that nobody has confirmed yet.

    `gcm`: the peer is known to read AuthEnvelopedData.
    """

    address: str
    pinned: Seen
    other: Seen | None = None
    gcm: bool = False

    def state(self, now: datetime) -> State:
        """As a person is told."""
        if self.other is not None:
            return "changed"
        return "pinned" if self.pinned.key.usable(now) else "not-usable"


def learn(pin: Pin | None, address: str, seen: Seen, gcm: bool | None = None) -> Pin:
    """The pin after a key was seen: the first is taken on trust, the same one is brought up to date, another waits."""
    if pin is None:
        return Pin(address, seen, gcm=bool(gcm))
    pin = replace(pin, gcm=pin.gcm if gcm is None else gcm)
    if seen.key.identity != pin.pinned.key.identity:
        return replace(pin, other=seen)
    return replace(pin, pinned=replace(pin.pinned, key=_brought_up_to_date(pin.pinned.key, seen)))


def confirm(pin: Pin, fingerprint: str) -> Pin:
    """The pin with the other key in use; Refused unless `fingerprint` is the other key's (spaces and case are free)."""
    if pin.other is None:
        raise Refused("nothing-to-confirm", "There is no other key for this address.", "Look at the list again.", 409)
    if _hexadecimal(fingerprint) != _hexadecimal(pin.other.key.fingerprint):
        raise Refused(
            "another-fingerprint", "This is not the fingerprint of the key that waits for confirmation.",
            "Compare it with the key's owner, on another way than mail, and give it in full.", 409,
        )  # fmt: skip
    return replace(pin, pinned=pin.other, other=None)


def read(given: bytes, address: str, now: datetime) -> PeerKey:
    """The key in what somebody gave for an address: a certificate (PEM, DER) or an OpenPGP key (armored, binary).

    Refused where it is neither, names another address, or can't be encrypted to.
    """
    key, addresses, same = _smime(given) or _openpgp(given, now)
    if not any(same(address, named) for named in addresses):
        raise Refused(
            "key-names-another", "The key does not name this address.",
            "Give the key of this address, or ask its owner to add the address to the key.",
        )  # fmt: skip
    if not key.usable(now):
        raise Refused("key-not-usable", "The key has expired or was revoked.", "Ask its owner for the current key.")
    return key


_Read = tuple[PeerKey, tuple[str, ...], Callable[[str, str], bool]]


def _smime(given: bytes) -> _Read | None:
    try:
        pem = b"-----BEGIN CERTIFICATE-----" in given
        certificate = x509.load_pem_x509_certificate(given) if pem else x509.load_der_x509_certificate(given)
        key, addresses = smime_key(certificate), mailboxes(certificate)
    except (ValueError, TypeError, x509.UnsupportedGeneralNameType):
        return None
    return key, addresses, same_mailbox


def smime_key(certificate: x509.Certificate) -> PeerKey:
    """A peer's S/MIME certificate; Refused where it is not to encrypt to."""
    public = certificate.public_key()
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        encrypts = (isinstance(public, rsa.RSAPublicKey) and usage.key_encipherment) or (
            isinstance(public, ec.EllipticCurvePublicKey) and usage.key_agreement
        )
    except x509.ExtensionNotFound:
        encrypts = isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    if not encrypts:
        raise Refused(
            "not-to-encrypt", "The certificate is not for encryption.",
            "Ask its owner for the encryption certificate: a signed mail often carries it.",
        )  # fmt: skip
    der = certificate.public_bytes(Encoding.DER)
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PeerKey(
        "smime",
        der,
        hashlib.sha256(der).hexdigest().upper(),
        hashlib.sha256(spki).hexdigest(),
        certificate.not_valid_after_utc,
    )


def _openpgp(given: bytes, now: datetime) -> _Read:
    try:
        key, addresses = openpgp_key(openpgp.read_certificate(given), now)
    except Refused as refused:
        if refused.code != "not-an-openpgp-key":
            raise
        raise Refused(
            "not-a-key", "This is neither an S/MIME certificate nor an OpenPGP key.",
            "Give a certificate (PEM or DER), or a public OpenPGP key (armored or binary).",
        ) from None  # fmt: skip
    return key, addresses, lambda one, other: normal(one) == normal(other)


def openpgp_key(certificate: bytes, now: datetime) -> tuple[PeerKey, tuple[str, ...]]:
    """A peer's OpenPGP certificate, and the addresses it names."""
    facts = openpgp.facts(certificate, now)
    return PeerKey("openpgp", certificate, facts.fingerprint, facts.fingerprint, facts.expires), facts.addresses


def _brought_up_to_date(old: PeerKey, seen: Seen) -> PeerKey:
    """The same key, with all that is said of it. An OpenPGP certificate only grows: a revocation is never unsaid."""
    if old.kind == "openpgp":
        merged, _ = openpgp_key(openpgp.merge(old.encoded, seen.key.encoded), seen.at)
        return merged
    return seen.key if _end(seen.key) >= _end(old) else old


def _end(key: PeerKey) -> float:
    return key.ends.timestamp() if key.ends else 0.0


def _hexadecimal(fingerprint: str) -> str:
    return "".join(fingerprint.split()).replace(":", "").upper()
