"""OpenPGP keys (RFC 9580): made for an address, divided between custody and owner, renewed, described. Pure.

rPGP makes them, since it alone can leave out the feature (SEIPDv2) whose mails gpg 2.2 and Thunderbird can't read;
Sequoia does all the rest. Keys are taken apart by whole packets, as the library parsed them.
"""

import calendar
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

import pysequoia
from openpgp.composed import EncryptionCaps, KeyType, SecretKeyParamsBuilder, SubkeyParams, SubkeyParamsBuilder
from pysequoia.packet import Packet, PacketPile, SignatureType, Tag

from secumail.errors import Refused

LIFE = timedelta(days=730)
KEY_BYTES = 256 * 1024
"""The largest key read; a certificate with all its history has some kilobytes."""

_MINUTE = 60
_NO_END = timedelta(0)
_PUBLIC = (Tag.PublicKey, Tag.PublicSubkey)
_SECRET = (Tag.SecretKey, Tag.SecretSubkey)
FAULTS = (RuntimeError, ValueError, OSError)
"""What the libraries raise; their texts hold stack traces, and go nowhere."""


@dataclass(frozen=True)
class Key:
    """A new key in three parts.

    `certificate` is public and ends after two years; `signing` holds the secrets of the primary key and of the signing
    subkey, `decryption` only that of the encryption subkey. The secret parts don't expire: mail of former years is
    opened with them, and the certificate is renewed with them.
    """

    certificate: bytes
    signing: bytes
    decryption: bytes

    def __repr__(self) -> str:
        return "Key(...)"


@dataclass(frozen=True)
class Facts:
    """What a certificate says of itself. `addresses`: those its owner signed. `encrypts`: mail can be encrypted to it
    now; `fingerprint` is
    in upper-case hexadecimal."""

    fingerprint: str
    addresses: tuple[str, ...]
    created: datetime
    expires: datetime | None
    revoked: bool
    encrypts: bool

    def expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= now


@dataclass(frozen=True)
class DecryptionPart:
    """One encryption subkey: the names (fingerprint and key id) that messages call it by, and its secret."""

    names: frozenset[str]
    secret: bytes

    def decryptor(self, passwords: Sequence[str]) -> pysequoia.PyDecryptor | None:
        """What opens messages to it; None where it is locked with none of the passwords."""
        for password in (None, *passwords):
            try:
                return pysequoia.Tsk.from_bytes(self.secret).decryptor(password)
            except FAULTS:
                continue
        return None

    def __repr__(self) -> str:
        return "DecryptionPart(...)"


def generate(address: str, now: datetime, version: Literal[4, 6] = 4) -> Key:
    """A key for one address: Ed25519 to certify, a subkey to sign, a Curve25519 subkey to encrypt to.

    Version 4 can be read by everybody, version 6 by RFC 9580's programs alone.
    """
    ed25519, x25519 = (
        (KeyType.ed25519_legacy(), KeyType.ecdh("curve25519"))
        if version == 4
        else (KeyType.ed25519(), KeyType.x25519())
    )
    created = calendar.timegm(now.utctimetuple())

    def subkey(kind: KeyType, encrypts: EncryptionCaps) -> SubkeyParams:
        builder = SubkeyParamsBuilder().version(version).created_at(created).key_type(kind)
        return builder.can_sign(kind.can_sign()).can_encrypt(encrypts).build()

    secret = (
        SecretKeyParamsBuilder()
        .version(version)
        .created_at(created)
        .key_type(ed25519)
        .can_certify(True)
        .can_sign(False)
        .can_encrypt(EncryptionCaps.none())
        .feature_seipd_v1(True)
        .feature_seipd_v2(version == 6)
        .preferred_symmetric_algorithms(["aes256", "aes128"])
        .preferred_hash_algorithms(["sha512", "sha256"])
        # Compressed mail tells by its size what it says, and a bomb has to be bounded when it is opened.
        .preferred_compression_algorithms(["uncompressed"])
        .primary_user_id(address)
        .subkey(subkey(ed25519, EncryptionCaps.none()))
        .subkey(subkey(x25519, EncryptionCaps.all()))
        .generate()
    )
    whole = pysequoia.Tsk.from_bytes(secret.to_bytes())
    certificate = whole.extract_certificate()
    signing, decryption = _divide(whole, certificate)
    return Key(renew(bytes(certificate), signing, now), signing, decryption)


def renew(certificate: bytes, signing: bytes, now: datetime) -> bytes:
    """The same certificate, two years from now: whoever has pinned the key need not notice."""
    certifier = pysequoia.Tsk.from_bytes(signing).certifier()
    return _unambiguous(bytes(pysequoia.Cert.from_bytes(certificate).set_expiration(now + LIFE, certifier)))


def merge(old: bytes, new: bytes) -> bytes:
    """All that two certificates of one key say."""
    return bytes(pysequoia.Cert.from_bytes(old).merge(pysequoia.Cert.from_bytes(new)))


def armored(certificate: bytes) -> str:
    """A certificate in ASCII armor."""
    return str(parse(certificate))


def facts(certificate: bytes, now: datetime) -> Facts:
    """What a certificate (as `read_certificate` gives it) says of itself; Refused where its owner has not signed it."""
    try:
        parsed = parse(certificate)
        primary, *others = PacketPile.from_bytes(certificate)
        bound = {str(user) for user in parsed.user_ids}
        named = [p.user_id_email for p in others if p.tag == Tag.UserID and p.user_id in bound]
        return Facts(
            fingerprint=parsed.fingerprint.upper(),
            addresses=tuple(dict.fromkeys(address for address in named if address)),
            created=primary.key_created or now,
            expires=parsed.expiration,
            revoked=parsed.is_revoked,
            encrypts=usable(certificate, now),
        )
    except FAULTS:
        raise _no_certificate() from None


def usable(certificate: bytes, now: datetime) -> bool:
    """Whether mail can be encrypted to a certificate."""
    return _recipient_within(certificate, int(now.timestamp()) // _MINUTE) is not None


def read_certificate(given: bytes) -> bytes:
    """The binary form of one certificate given in binary or in ASCII armor; Refused for anything else."""
    _check_size(given)
    if b"PRIVATE KEY BLOCK" in given:
        raise Refused(
            "private-key-given", "This is a private key.",
            "Keep it to yourself; give the public key (gpg --armor --export ADDRESS).",
        )  # fmt: skip
    try:
        certificate = bytes(pysequoia.Cert.from_bytes(given))
    except FAULTS:
        raise _no_certificate() from None
    facts(certificate, datetime.now(UTC))  # which refuses what nobody has signed
    return certificate


def read_secret(given: bytes, passwords: Sequence[str] = ()) -> bytes:
    """The binary form of one secret key that can open mail now, with one of the passwords if it is locked."""
    _check_size(given)
    try:
        secret = pysequoia.Tsk.from_bytes(given)
        expires = secret.extract_certificate().expiration
        if not any(p.tag in _SECRET for p in PacketPile.from_bytes(bytes(secret))):
            raise ValueError("a public key")
    except FAULTS:
        raise Refused(
            "not-an-openpgp-key", "This is not one OpenPGP secret key.",
            "Give one key, binary or in ASCII armor (gpg --armor --export-secret-keys ADDRESS).",
        ) from None  # fmt: skip
    if expires is not None and expires <= datetime.now(expires.tzinfo):
        raise Refused(
            "key-expired", "The OpenPGP key has expired.",
            "Extend it in the program that made it (gpg --quick-set-expire FINGERPRINT 1y), and export it again.",
        )  # fmt: skip
    if not any(part.decryptor(passwords) for part in decryption_parts(bytes(secret))):
        raise Refused(
            "key-locked", "The OpenPGP key is locked with another password, or can't decrypt.",
            "Give its password, or a key with a secret encryption subkey.",
        )  # fmt: skip
    return bytes(secret)


def recipient(certificate: bytes, now: datetime) -> pysequoia.Cert:
    """A certificate to encrypt to, with those encryption subkeys only that are in force; Refused where none is.

    Sequoia's binding would encrypt to expired and revoked keys as well.
    """
    found = _recipient_within(certificate, int(now.timestamp()) // _MINUTE)
    if found is None:
        raise Refused(
            "key-not-usable", "The recipient's OpenPGP key is expired or revoked, or is not for encryption.",
            "Ask the recipient for the current key, and add it.",
        )  # fmt: skip
    return found


def decryption_parts(secret: bytes) -> list[DecryptionPart]:
    """Each encryption subkey's secret apart: Sequoia's binding opens mail with the first one only."""
    whole = pysequoia.Tsk.from_bytes(secret)
    public, components = _components(bytes(whole.extract_certificate())), _components(bytes(whole))
    return [
        DecryptionPart(
            frozenset({(c[0].fingerprint or "").upper(), (c[0].key_id or "").upper()}),
            _replaced(public, components, {c[0].fingerprint}),
        )
        for c in components
        if c[0].tag in _SECRET and _for_encryption(c)
    ]


def key_names(certificate: bytes) -> frozenset[str]:
    """Fingerprints and key ids of the primary key and its subkeys, in upper-case hexadecimal."""
    packets = [p for p in PacketPile.from_bytes(certificate) if p.tag in _PUBLIC]
    return frozenset((name or "").upper() for p in packets for name in (p.fingerprint, p.key_id))


@lru_cache(1024)
def unlocked(signing: bytes, password: str | None = None) -> pysequoia.PySigner:
    """What signs with a key's signing part; Refused where it is locked with another password."""
    try:
        return pysequoia.Tsk.from_bytes(signing).signer(password)
    except FAULTS:
        raise Refused(
            "key-locked", "The OpenPGP key is locked with another password, or can't sign.",
            "Give its password, or a key with a secret signing subkey.",
        ) from None  # fmt: skip


@lru_cache(1024)
def parse(certificate: bytes) -> pysequoia.Cert:
    """The library's own object of a certificate."""
    return pysequoia.Cert.from_bytes(certificate)


def _no_certificate() -> Refused:
    return Refused(
        "not-an-openpgp-key", "This is not one OpenPGP public key.",
        "Give one key, binary or in ASCII armor (gpg --armor --export ADDRESS).",
    )  # fmt: skip


def _check_size(given: bytes) -> None:
    if len(given) > KEY_BYTES:
        raise Refused(
            "key-too-large", f"The key has more than {KEY_BYTES // 1024} KiB.",
            "Give it without other people's signatures (gpg --export-options export-minimal).",
        )  # fmt: skip


def _components(key: bytes) -> list[list[Packet]]:
    """The primary key with all that belongs to it, then each subkey with its signatures."""
    components: list[list[Packet]] = []
    for packet in PacketPile.from_bytes(key):
        if packet.tag in (*_PUBLIC, *_SECRET):
            components.append([])
        components[-1].append(packet)
    return components


def _divide(whole: pysequoia.Tsk, certificate: pysequoia.Cert) -> tuple[bytes, bytes]:
    public, secret = _components(bytes(certificate)), _components(bytes(whole))
    opens = {c[0].fingerprint for c in secret if _for_encryption(c)}
    signs = {c[0].fingerprint for c in secret} - opens
    return _replaced(public, secret, signs), _replaced(public, secret, opens)


def _replaced(public: Sequence[list[Packet]], secret: Sequence[list[Packet]], keep: set[str | None]) -> bytes:
    """The public key with the secret packets of the components in `keep`."""
    keys = {c[0].fingerprint: c[0] for c in secret if c[0].fingerprint in keep}
    packets = [keys.get(c[0].fingerprint, c[0]) if p is c[0] else p for c in public for p in c]
    return bytes(pysequoia.Tsk.from_packets(packets))


def _unambiguous(certificate: bytes) -> bytes:
    """Signatures of one second that say different ends: without those that say an earlier one, or none."""
    primary, *subkeys = _components(certificate)
    signatures = [p for p in primary if p.tag == Tag.Signature]

    def superseded(packet: Packet) -> bool:
        return packet.tag == Tag.Signature and any(
            p.signature_type == packet.signature_type
            and p.signature_created == packet.signature_created
            and (p.key_validity_period or _NO_END) > (packet.key_validity_period or _NO_END)
            for p in signatures
        )

    kept = [p for p in primary if not superseded(p)]
    return bytes(pysequoia.Cert.from_packets([p for c in (kept, *subkeys) for p in c]))


@lru_cache(1024)
def _recipient_within(certificate: bytes, minute: int) -> pysequoia.Cert | None:
    """The same for all mails of a minute: looking through the certificate costs more than the encryption."""
    return _recipient(certificate, datetime.fromtimestamp(minute * _MINUTE, UTC))


def _recipient(certificate: bytes, now: datetime) -> pysequoia.Cert | None:
    try:
        parsed = parse(certificate)
        if parsed.is_revoked or (parsed.expiration is not None and parsed.expiration <= now):
            return None
        primary, *subkeys = _components(certificate)
        in_force = [c for c in subkeys if _for_encryption(c) and _in_force(c, now)]
        if not in_force and not _for_encryption(primary):
            return None
        others = [c for c in subkeys if not _for_encryption(c)]
        found = pysequoia.Cert.from_packets([p for c in (primary, *others, *in_force) for p in c])
        pysequoia.encrypt(b"", recipients=[found])  # whether its owner's signatures hold shows in use
    except FAULTS:
        return None
    return found


def _bindings(component: Sequence[Packet]) -> Iterator[Packet]:
    return (p for p in component if p.tag == Tag.Signature and p.key_flags is not None)


def _for_encryption(component: Sequence[Packet]) -> bool:
    flags = [binding.key_flags for binding in _bindings(component)]
    return any(f is not None and (f.transport_encryption or f.storage_encryption) for f in flags)


def _in_force(subkey: Sequence[Packet], now: datetime) -> bool:
    """Whether a subkey is neither revoked nor expired by its newest binding."""
    if any(p.signature_type == SignatureType.SubkeyRevocation for p in subkey):
        return False
    newest = max(_bindings(subkey), key=lambda p: p.signature_created or now)
    created, period = subkey[0].key_created, newest.key_validity_period
    return created is None or not period or created + period > now
