"""Opens a mail in whatever form it arrives, and says what each of its layers is worth. Pure.

Any bytes get an answer: a mail as its reader is shown it and a verdict in words, or the reason why nothing is shown. Of
what was encrypted and then changed nothing is ever shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from io import BytesIO

import pyzipper
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from secumail import entity
from secumail.multipart_signed import is_canonical
from services.crypto import headers
from services.crypto.addresses import same_mailbox
from services.crypto.errors import Damaged, NotForKeys, NotOpened, Reason, Unreadable
from services.crypto.layers import Kind, Layer, layer_of
from services.crypto.openpgp import messages
from services.crypto.openpgp.keys import Facts, facts
from services.crypto.smime.opening import DecryptionKey, open_enveloped
from services.crypto.smime.verification import State, Trust, Verdict, digest_of, verify, verify_opaque

DEPTH = 5
"""Layers of protection that are opened; a triple-wrapped mail has three."""
SIZE_LIMIT = 128 << 20
CONTENT_LIMIT = 64 << 20

_DECRYPTED = (Kind.ENVELOPED, Kind.AUTH_ENVELOPED, Kind.PGP_ENCRYPTED, Kind.PGP_FILE, Kind.ZIP)
_HEAD = 64
_CONTROLS = bytes(octet for octet in range(0x20) if octet not in b"\t\r\n") + b"\x7f"
_NO_PROOF = (State.UNSIGNED, State.TAMPERED, State.UNREADABLE)

_UNSIGNED = Verdict(
    state=State.UNSIGNED, words="The mail is not signed: nothing proves who wrote it or that it is unchanged."
)
_NOT_SEEN = Verdict(state=State.UNREADABLE, words="Whether the mail is signed can't be told: it isn't opened.")
_WORDS_GOOD = "The mail is signed by its sender (OpenPGP) and unchanged since."
_WORDS_OTHER = "The mail is unchanged since it was signed (OpenPGP), but not signed by the sender it names."
_OPENPGP = {
    messages.State.UNSIGNED: (State.UNSIGNED, _UNSIGNED.words),
    messages.State.UNKNOWN_KEY: (
        State.UNREADABLE,
        "The mail is signed with an OpenPGP key that isn't known: the signature was not checked.",
    ),
    messages.State.EXPIRED: (State.EXPIRED, "The mail is signed with an OpenPGP key that has expired."),
    messages.State.REVOKED: (State.REVOKED, "The mail is signed with an OpenPGP key that its owner has revoked."),
    messages.State.TAMPERED: (
        State.TAMPERED,
        "The signature doesn't fit: the mail or its signature was changed after signing.",
    ),
}

_OPENED = {
    Kind.ENVELOPED: "Encrypted with S/MIME, AES-CBC: the encryption itself doesn't show changes.",
    Kind.AUTH_ENVELOPED: "Encrypted with S/MIME, AES-GCM, and unchanged since.",
    Kind.PGP_ENCRYPTED: "Encrypted with OpenPGP, and unchanged since.",
    Kind.PGP_FILE: "Encrypted with a password (OpenPGP), and unchanged since.",
    Kind.ZIP: "Encrypted with a password (AES-256 zip), and unchanged since.",
}
_NOT_OPENED = {
    Kind.EMBEDDED: "Something in the mail is encrypted, but not the mail as a whole: it is not opened, since "
    "what stands around it could carry it away.",
    Kind.INLINE: "The text holds OpenPGP inline, which is not opened: it protects neither header nor attachments.",
    Kind.COMPRESSED: "The mail is compressed (CMS), which isn't opened here.",
    Kind.MANGLED: "The mail says it is signed, but no signature can be read in it.",
    Kind.UNREADABLE: "The mail says it is encrypted, but what is encrypted can't be found in it.",
}
_SHOWN_AS_IT_IS = (Kind.EMBEDDED, Kind.INLINE, Kind.MANGLED)


@dataclass(frozen=True)
class Keyring:
    """What a reader has to open and judge mail with: S/MIME keys, OpenPGP secret keys, OpenPGP certificates of people
    whose signatures count, and passwords (of mails, and of locked OpenPGP keys)."""

    smime: tuple[DecryptionKey, ...] = ()
    openpgp: tuple[bytes, ...] = ()
    certificates: tuple[bytes, ...] = ()
    passwords: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Keyring({len(self.smime)}, {len(self.openpgp)}, {len(self.certificates)}, {len(self.passwords)})"


@dataclass(frozen=True)
class Judged:
    """One layer: what it was, a stable `state` (`opened`, a signature's state, or why it was not opened), one sentence
    for the reader. `fingerprint` names an OpenPGP signer's certificate."""

    kind: Kind
    state: str
    words: str
    fingerprint: str | None = None


@dataclass(frozen=True)
class Opened:
    """A mail, opened as far as it could be.

    `mail` is what its reader is shown, None where that is nothing. `layers`: outermost first. `signature` is that
    of the author: the innermost one. `remote_content`: whether what the mail refers to may be loaded; not so
    where it was decrypted and nothing proves that it is what was encrypted (EFAIL). `forged_from`: the encrypted mail
    names another From inside than outside and nobody proves it; shown is the one outside.
    """

    mail: bytes | None
    layers: tuple[Judged, ...]
    signature: Verdict
    remote_content: bool = True
    forged_from: bool = False

    @property
    def encrypted(self) -> bool:
        """Whether any layer was decrypted."""
        return any(layer.kind in _DECRYPTED and layer.state == "opened" for layer in self.layers)

    def __repr__(self) -> str:
        return f"Opened({', '.join(f'{layer.kind}: {layer.state}' for layer in self.layers)})"


def open_mail(raw: bytes, keyring: Keyring, trust: Trust | None, now: datetime) -> Opened:
    """What `raw` is to the holder of `keyring`; any bytes get an answer.

    S/MIME signatures are judged by `trust` at `now` (aware: when the mail came in); without trust they are checked
    for changes, but nobody vouches for any signer. OpenPGP signatures count by the certificates in the keyring.
    """
    reading = _Reading(raw, keyring, trust or _nobody(), now)
    if len(raw) > SIZE_LIMIT:
        return reading.refused(Kind.UNREADABLE, Unreadable(Reason.TOO_LARGE))
    for _ in range(DEPTH):
        layer = layer_of(entity.read(reading.mail))
        if layer.kind is Kind.NONE:
            return reading.done()
        if layer.kind in _NOT_OPENED:
            return reading.left(layer.kind)
        try:
            reading.take_off(layer)
        except NotOpened as reason:
            return reading.refused(layer.kind, reason)
    if layer_of(entity.read(reading.mail)).kind is Kind.NONE:
        return reading.done()
    return reading.refused(Kind.UNREADABLE, NotOpened("too-deep", f"The mail has more than {DEPTH} layers."))


@dataclass
class _Reading:
    """A mail on its way out of its layers: `mail` is always a complete one."""

    mail: bytes
    keyring: Keyring
    trust: Trust
    now: datetime
    layers: list[Judged] = field(default_factory=list)
    signature: Verdict = _UNSIGNED
    decrypted: bool = False
    unproven: bool = False
    forged_from: bool = False

    def take_off(self, layer: Layer) -> None:
        """The mail without its outermost layer; NotOpened where that can't be."""
        match layer.kind:
            case Kind.ENVELOPED | Kind.AUTH_ENVELOPED:
                content = open_enveloped(layer.content, self.keyring.smime)
                if layer.kind is Kind.ENVELOPED and _is_noise(content):
                    raise Damaged
                self._opened(layer.kind, content)
            case Kind.PGP_ENCRYPTED | Kind.PGP_FILE:
                opened = self._decrypted(layer)
                self._opened(layer.kind, opened.content, opened.signatures)
            case Kind.ZIP:
                self._opened(layer.kind, _unzipped(layer.content, self.keyring.passwords))
            case Kind.SIGNED:
                self._signed(layer.kind, layer.payload, self._detached(layer))
            case Kind.OPAQUE:
                self._signed(layer.kind, *self._opaque(layer.content))
            case Kind.PGP_SIGNED:
                self._signed(layer.kind, layer.payload, *self._detached_openpgp(layer))

    def done(self) -> Opened:
        """The mail as shown, with no layer left."""
        if self.unproven and self.signature.state is State.TAMPERED:
            # Changed was what is encrypted, and the encryption itself would not have shown it.
            return self.refused(Kind.ENVELOPED, _changed())
        return Opened(self.mail, tuple(self.layers), self.signature, not self.unproven, self.forged_from)

    def left(self, kind: Kind) -> Opened:
        """What is not opened, shown as it is or not at all."""
        self.layers.append(Judged(kind, "not-opened", _NOT_OPENED[kind]))
        if kind is Kind.MANGLED:
            self.signature = Verdict(state=State.UNREADABLE, words=_NOT_OPENED[kind])
        # A signature that went missing inside an encrypted mail is what a change of AES-CBC leaves.
        is_changed = kind is Kind.MANGLED and self.decrypted
        return self.done() if kind in _SHOWN_AS_IT_IS and not is_changed else self._nothing()

    def refused(self, kind: Kind, reason: NotOpened) -> Opened:
        """Nothing is shown, for this reason."""
        self.layers.append(Judged(kind, reason.code, reason.words))
        return self._nothing()

    def _nothing(self) -> Opened:
        signature = _NOT_SEEN if self.signature.state is State.UNSIGNED else self.signature
        return Opened(None, tuple(self.layers), signature, remote_content=False)

    def _opened(self, kind: Kind, payload: bytes, signatures: messages.Signatures | None = None) -> None:
        self.decrypted = True
        self.unproven = self.unproven or kind is Kind.ENVELOPED
        self.layers.append(Judged(kind, "opened", _OPENED[kind]))
        if signatures is None or signatures.state is messages.State.UNSIGNED:
            self._reveal(payload, proven=False)
        else:
            self._signed(kind, payload, *self._openpgp(signatures, payload))

    def _signed(self, kind: Kind, payload: bytes, verdict: Verdict, fingerprint: str | None = None) -> None:
        # AES-CBC doesn't show a change; a signature inside that is damaged shows that there was one.
        if self.decrypted and (verdict.state is State.TAMPERED or (self.unproven and verdict.malformed)):
            raise _changed()
        self.layers.append(Judged(kind, verdict.state, verdict.words, fingerprint))
        self.signature = verdict
        self.unproven = self.unproven and verdict.state in _NO_PROOF
        self._reveal(payload, proven=verdict.state is State.GOOD)

    def _reveal(self, payload: bytes, *, proven: bool) -> None:
        shown = headers.reveal(payload, self.mail, proven=proven)
        self.mail = shown.mail
        self.forged_from = shown.forged or (self.forged_from and not shown.whole)

    def _from(self, payload: bytes) -> str:
        """Who has to have signed: From of what is signed, if it has one."""
        inner = entity.read(payload)
        return headers.sender(inner if headers.names_author(inner) else entity.read(self.mail))

    def _decrypted(self, layer: Layer) -> messages.Opened:
        ring = self.keyring
        try:
            return messages.decrypt(layer.content, ring.openpgp, ring.certificates, ring.passwords)
        except NotForKeys:
            if layer.kind is Kind.PGP_FILE:
                raise _password_missing() from None
            raise

    def _detached(self, layer: Layer) -> Verdict:
        address = self._from(layer.payload)
        verdict = verify(layer.content, digest_of(layer.payload), address, self.trust, self.now)
        if verdict.state is State.TAMPERED and not is_canonical(layer.payload):
            verdict = verify(layer.content, digest_of(_with_crlf(layer.payload)), address, self.trust, self.now)
        return verdict

    def _opaque(self, der: bytes) -> tuple[bytes, Verdict]:
        address = headers.sender(entity.read(self.mail))
        payload, verdict = verify_opaque(der, address, self.trust, self.now)
        if payload is None:
            raise NotOpened("unreadable-signature", verdict.words)
        if (inside := self._from(payload)) != address:
            _, verdict = verify_opaque(der, inside, self.trust, self.now)
        return payload, verdict

    def _detached_openpgp(self, layer: Layer) -> tuple[Verdict, str | None]:
        try:
            signatures = _verified(layer, self.keyring.certificates)
        except Unreadable:
            return Verdict(state=State.UNREADABLE, words=_NOT_OPENED[Kind.MANGLED], malformed=True), None
        return self._openpgp(signatures, layer.payload)

    def _openpgp(self, signatures: messages.Signatures, payload: bytes) -> tuple[Verdict, str | None]:
        """An OpenPGP signature in the words of all signatures, and the fingerprint of who signed."""
        if signatures.state is not messages.State.GOOD:
            state, words = _OPENPGP[signatures.state]
            return Verdict(state=state, words=words), None
        sender, found = self._from(payload), self._signers(signatures)
        own = next((f for f in found if any(same_mailbox(address, sender) for address in f.addresses)), None)
        if own is None:
            other, *_ = found
            signer = next(iter(other.addresses), None)
            return Verdict(state=State.NOT_THE_SENDER, words=_WORDS_OTHER, signer=signer), other.fingerprint
        # The signature's own time proves nothing: whoever has an old key can write any.
        expired = own.expired(self.now)
        state, words = _OPENPGP[messages.State.EXPIRED] if expired else (State.GOOD, _WORDS_GOOD)
        signer = next(address for address in own.addresses if same_mailbox(address, sender))
        return Verdict(state=state, words=words, signer=signer), own.fingerprint

    def _signers(self, signatures: messages.Signatures) -> list[Facts]:
        known = {fact.fingerprint: fact for fact in (facts(c, self.now) for c in self.keyring.certificates)}
        return [known[fingerprint] for fingerprint in signatures.signers]


def _is_noise(content: bytes) -> bool:
    """Whether what was decrypted can't be the beginning of a mail: changed AES-CBC leaves 16 octets of noise in each
    place, and one wrong key in 256 gives nothing else."""
    head = content[: max(entity.read(content).header_end, _HEAD)]
    return len(head.translate(None, _CONTROLS)) < len(head)


def _verified(layer: Layer, certificates: Sequence[bytes]) -> messages.Signatures:
    signatures = messages.verify_detached(layer.payload, layer.content, certificates)
    if signatures.state is messages.State.TAMPERED and not is_canonical(layer.payload):
        signatures = messages.verify_detached(_with_crlf(layer.payload), layer.content, certificates)
    return signatures


def _with_crlf(payload: bytes) -> bytes:
    """As it was signed, where a mail was kept in a file of Unix (RFC 8551 section 3.1.1, RFC 3156 section 5)."""
    return payload.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _unzipped(content: bytes, passwords: Sequence[str]) -> bytes:
    """The one mail in a zip file of AES-256; NotOpened for any other zip file."""
    try:
        with pyzipper.AESZipFile(BytesIO(content)) as file:
            names = [info for info in file.infolist() if info.filename.lower().endswith(".eml")]
            if len(names) != 1 or len(file.infolist()) != 1 or names[0].wz_aes_version is None:
                raise NotOpened("no-mail-inside", "The encrypted zip file holds no protected mail, or is not AES.")
            if names[0].file_size > CONTENT_LIMIT:
                raise Unreadable(Reason.TOO_LARGE)
            for password in passwords:
                try:
                    with file.open(names[0], pwd=password.encode()) as mail:
                        opened = mail.read(CONTENT_LIMIT + 1)
                except RuntimeError:
                    continue
                if len(opened) > CONTENT_LIMIT:
                    raise Unreadable(Reason.TOO_LARGE)
                return bytes(opened)
    except NotOpened:
        raise
    except Exception as fault:
        # The bytes are a stranger's; what a malformed zip file raises is an open set.
        raise Damaged from fault
    raise _password_missing()


def _changed() -> NotOpened:
    return NotOpened("tampered", "The mail was changed after it was signed and encrypted; nothing of it is shown.")


def _password_missing() -> NotOpened:
    return NotOpened("not-the-password", "The mail is protected with a password, and none that was given opens it.")


@lru_cache(1)
def _nobody() -> Trust:
    """Trust in nobody: a root that has issued nothing and whose key is gone."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(x509.Name([]), x509.Name([]), key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
    )
    return Trust((builder.sign(key, hashes.SHA256()),))
