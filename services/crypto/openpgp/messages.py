"""OpenPGP messages (RFC 9580): encrypt, sign, decrypt, verify. Bytes in, bytes out; pure.

rPGP looks at a message's outer packets first, without decrypting: only integrity-protected content (SEIPD) to a bounded
number of recipients is opened. Sequoia opens it, whole or not at all.
"""

import os
import resource
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import pysequoia
from openpgp.armor import Dearmor, DearmorOptions
from openpgp.packet import (
    Marker,
    Packet,
    PacketHeader,
    Padding,
    PublicKeyEncryptedSessionKey,
    SymKeyEncryptedSessionKey,
)
from openpgp.types import Tag
from pysequoia import PyDecryptor, Sig, SignatureMode

from secumail.errors import Refused
from services.crypto.errors import Damaged, NotForKeys, Reason, Unreadable
from services.crypto.openpgp import compressed
from services.crypto.openpgp.compressed import SIGNATURE_LIMIT
from services.crypto.openpgp.keys import FAULTS, decryption_parts, key_names, parse, recipient, unlocked

CONTENT_LIMIT = 64 * 2**20
"""Bytes of content: a small message can hold gigabytes of zeros."""
MESSAGE_LIMIT = 2 * CONTENT_LIMIT
RECIPIENT_LIMIT = 5_000
ANONYMOUS_LIMIT = 64
"""Each recipient who is not named costs a trial of each of our keys."""
PASSWORD_LIMIT = 8
"""Each password slot costs a key derivation for each password at hand."""
ARGON2_MEMORY_EXPONENT = 18
_LIMITED = threading.Lock()
_NO_KEY = "No key to decrypt"
_REFUSED = (Tag.SymEncryptedData.value, Tag.GnupgAeadData.value)
"""Without integrity protection; and a draft that only GnuPG followed, for keys that ask for it."""
_HEADER_BYTES = 6
PACKET_LIMIT = 64 * 1024
"""Bytes of a packet before the content; a session key for one recipient has some hundreds."""


class State(StrEnum):
    """All that can be said of a content's signatures."""

    GOOD = "good"
    UNSIGNED = "unsigned"
    UNKNOWN_KEY = "unknown-key"
    EXPIRED = "expired"
    REVOKED = "revoked"
    TAMPERED = "tampered"


@dataclass(frozen=True)
class Signatures:
    """What the signatures are worth. `signers`: fingerprints of the certificates whose signature is good; `named`: the
    keys (fingerprint or id) that the signatures say they were made with."""

    state: State
    signers: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


@dataclass(frozen=True)
class Opened:
    """An opened message."""

    content: bytes
    signatures: Signatures

    @property
    def signers(self) -> tuple[str, ...]:
        """Fingerprints of the certificates whose signature is good."""
        return self.signatures.signers

    def __repr__(self) -> str:
        return "Opened(...)"


def encrypt(
    content: bytes,
    certs: Sequence[bytes],
    signer: bytes | None = None,
    passwords: Sequence[str] = (),
    *,
    signer_password: str | None = None,
) -> str:
    """An armored message for the certificates and passwords, signed by `signer` (a key's signing part) if given.

    `signer_password` unlocks the signer. Version 1 of integrity protection as soon as one recipient's key does not
    ask for version 2. Refused for a certificate that can't be encrypted to now, for none at all, and for more than
    RECIPIENT_LIMIT.
    """
    if not 1 <= len(certs) + len(passwords) <= RECIPIENT_LIMIT:
        raise Refused(
            "recipient-count", f"Content is encrypted to 1 to {RECIPIENT_LIMIT} recipients at once.",
            "Send it in several mails.",
        )  # fmt: skip
    now = datetime.now(UTC)
    recipients = [recipient(certificate, now) for certificate in certs]
    by = unlocked(signer, signer_password) if signer is not None else None
    return pysequoia.encrypt(content, recipients=recipients, signer=by, passwords=list(passwords)).decode("ascii")


def sign_detached(content: bytes, signer: bytes, *, signer_password: str | None = None) -> str:
    """An armored signature; `signer` is a key's signing part, which `signer_password` unlocks."""
    return pysequoia.sign(unlocked(signer, signer_password), content, mode=SignatureMode.DETACHED).decode("ascii")


def digest_name(signature: str) -> str:
    """A signature's `micalg`, as multipart/signed names it (RFC 3156, section 5)."""
    algorithm = str(Sig.from_bytes(signature.encode("ascii")).hash_algorithm)  # HashAlgorithm.SHA512
    return f"pgp-{algorithm.rpartition('.')[2].lower()}"


def decrypt(
    armored: bytes, keys: Sequence[bytes], certs: Sequence[bytes] = (), passwords: Sequence[str] = ()
) -> Opened:
    """The content of a message (armored or binary), and what its signatures are worth by the certificates `certs`.

    `keys` are secret keys or decryption parts; `passwords` open the message itself and keys that are locked. Raises
    NotForKeys, Damaged or Unreadable, and then has shown nothing of the content.
    """
    message = _binary(armored)
    for opener in _outside(message).openers(keys, passwords):
        try:
            return _open(message, opener, certs)
        except NotForKeys:
            continue
    raise NotForKeys


def verify_detached(content: bytes, signature: bytes, certs: Sequence[bytes]) -> Signatures:
    """What a detached signature (armored or binary) of exactly these bytes is worth; Unreadable where it is none."""
    named = _Named(certs)
    signers = _signers(content, _signatures(_binary(signature)), named)
    return _judged(signers, named.ids or [""], certs)


class _Named:
    """What Sequoia asks for certificates: notes the keys that signatures name."""

    def __init__(self, certs: Sequence[bytes]) -> None:
        self.ids: list[str] = []
        self._certs = certs

    def __call__(self, ids: list[str]) -> list[pysequoia.Cert]:
        self.ids += ids
        return [parse(certificate) for certificate in self._certs]


def _signers(content: bytes, signatures: Sequence[bytes], named: _Named) -> list[str]:
    signers: list[str] = []
    for packet in signatures:
        try:
            verified = pysequoia.verify(bytes=content, store=named, signature=Sig.from_bytes(packet))
        except FAULTS:
            continue
        signers += [good.certificate.upper() for good in verified.valid_sigs]
    return signers


@dataclass(frozen=True)
class _Opener:
    """A decryption part that is open, or a password."""

    decryptor: PyDecryptor | None = None
    secret: bytes | None = None
    passwords: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Outside:
    """Who can open a message, as its outer packets say."""

    named: frozenset[str]
    anonymous: bool
    password: bool

    def openers(self, keys: Sequence[bytes], passwords: Sequence[str]) -> Iterator[_Opener]:
        """What is worth a trial."""
        if self.named or self.anonymous:
            for part in (part for key in keys for part in decryption_parts(key)):
                if (self.anonymous or part.names & self.named) and (decryptor := part.decryptor(passwords)):
                    yield _Opener(decryptor, part.secret, tuple(passwords))
        if self.password:
            # One at a time: given several, Sequoia's binding takes the first that looks right.
            yield from (_Opener(passwords=(password,)) for password in passwords)


def _outside(message: bytes) -> _Outside:
    named: set[str] = set()
    anonymous = by_password = 0
    for count, (tag, whole) in enumerate(_packets(message)):
        if count > RECIPIENT_LIMIT or anonymous > ANONYMOUS_LIMIT or by_password > PASSWORD_LIMIT:
            raise Unreadable(Reason.TOO_MANY_RECIPIENTS)
        if tag in _REFUSED:
            raise Unreadable(Reason.ALGORITHM)
        if tag == Tag.SymEncryptedProtectedData.value:
            return _Outside(frozenset(named), bool(anonymous), bool(by_password))
        match _parsed(whole):
            case PublicKeyEncryptedSessionKey() as packet:
                names = {name.upper() for name in (packet.recipient_key_id, packet.recipient_fingerprint) if name}
                anonymous += packet.recipient_is_anonymous or not names
                named |= names
            case SymKeyEncryptedSessionKey() as packet:
                by_password += 1
                derivation = packet.string_to_key
                if derivation is not None and (derivation.memory_exponent or 0) > ARGON2_MEMORY_EXPONENT:
                    raise Unreadable(Reason.ALGORITHM)
            case Marker() | Padding():
                pass
            case _:
                raise Unreadable(Reason.NOT_ENCRYPTED)
    raise Unreadable(Reason.NO_CONTENT)


def _packets(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and bytes of each packet. The last may be longer than its header says: it may come in parts."""
    view = memoryview(message)
    while view:
        try:
            header = PacketHeader.from_bytes(bytes(view[:_HEADER_BYTES]))
        except ValueError:
            raise Unreadable(Reason.MALFORMED) from None
        end = _header_size(view) + (header.length or 0) if header.length_kind == "fixed" else len(view)
        if end > len(view):
            raise Unreadable(Reason.MALFORMED)
        yield header.tag, bytes(view[:end]) if end <= PACKET_LIMIT else b""
        view = view[end:]


def _header_size(view: memoryview) -> int:
    """Octets of a header with a fixed length (RFC 9580, sections 4.2.1 and 4.2.2); the library does not say."""
    if view[0] & 0x40:
        return 2 if view[1] < 192 else 3 if view[1] < 224 else 6
    return 1 + (1, 2, 4)[view[0] & 0x03]


def _parsed(whole: bytes) -> object:
    try:
        return Packet.from_bytes(whole).value
    except ValueError:
        raise Unreadable(Reason.MALFORMED) from None


def _binary(given: bytes) -> bytes:
    if len(given) > MESSAGE_LIMIT:
        raise Unreadable(Reason.TOO_LARGE)
    if given[:1] >= b"\x80":  # no text: every packet begins with this bit
        return given
    try:
        return Dearmor(given, DearmorOptions(limit=MESSAGE_LIMIT)).readall()
    except ValueError:
        raise Unreadable(Reason.MALFORMED) from None


def _signatures(given: bytes) -> list[bytes]:
    found: list[bytes] = []
    for tag, whole in _packets(given):
        if tag != Tag.Signature.value or not whole or len(found) >= SIGNATURE_LIMIT:
            raise Unreadable(Reason.MALFORMED)
        found.append(whole)
    if not found:
        raise Unreadable(Reason.MALFORMED)
    return found


def _open(message: bytes, opener: _Opener, certs: Sequence[bytes]) -> Opened:
    named = _Named(certs)
    try:
        content, signers = _decrypted(message, opener, named)
    except Damaged:
        # Asked to look at signatures, Sequoia stops where none holds, whatever the content is worth.
        content, _ = _decrypted(message, opener, None)
        known = {name for certificate in certs for name in key_names(certificate)}
        inside = known & {name.upper() for name in named.ids}
        found = compressed.signatures(message, opener.secret, opener.passwords) if inside else []
        signers = _signers(content, found, _Named(certs))
    return Opened(content, _judged(signers, named.ids, certs))


def _decrypted(message: bytes, opener: _Opener, store: _Named | None) -> tuple[bytes, list[str]]:
    with (
        os.fdopen(os.memfd_create("message"), "w+b", buffering=0) as given,
        os.fdopen(os.memfd_create("content"), "w+b", buffering=0) as taken,
    ):
        given.write(message)
        try:
            with _files_limited(CONTENT_LIMIT):
                opened = pysequoia.decrypt_file(
                    f"/proc/self/fd/{given.fileno()}",
                    f"/proc/self/fd/{taken.fileno()}",
                    decryptor=opener.decryptor,
                    store=store,
                    passwords=list(opener.passwords) if opener.decryptor is None else [],
                )
        except FAULTS as fault:
            if os.fstat(taken.fileno()).st_size >= CONTENT_LIMIT:
                raise Unreadable(Reason.TOO_LARGE) from None
            if str(fault).startswith(_NO_KEY):
                raise NotForKeys from None
            raise Damaged from None
        return taken.read(), [good.certificate.upper() for good in opened.valid_sigs]


@contextmanager
def _files_limited(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes meanwhile.

    Sequoia's binding decompresses without a bound; but it can write into a file, and a file can be bounded. It holds
    the interpreter's lock while it works, so nothing else of ours writes in that time.
    """
    with _LIMITED:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        bound = [limit for limit in (size, soft, hard) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_FSIZE, (min(bound), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _judged(signers: Sequence[str], named: Sequence[str], certs: Sequence[bytes]) -> Signatures:
    names = tuple(dict.fromkeys(name.upper() for name in named))
    if signers:
        return Signatures(State.GOOD, tuple(dict.fromkeys(signers)), names)
    if not names:
        return Signatures(State.UNSIGNED)
    known = [parse(certificate) for certificate in certs if key_names(certificate) & set(names)]
    if not known:
        state = State.UNKNOWN_KEY
    elif any(certificate.is_revoked for certificate in known):
        state = State.REVOKED
    elif all(c.expiration is not None and c.expiration <= datetime.now(UTC) for c in known):
        state = State.EXPIRED
    else:
        state = State.TAMPERED
    return Signatures(state, (), names)
