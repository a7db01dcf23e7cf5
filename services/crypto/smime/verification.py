"""Judges an S/MIME signature (RFC 5652, RFC 8550, RFC 8551).

A detached one from the digest of what it should cover, so that whoever opens a mail need not show it to the crypto
service.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hmac import compare_digest
from typing import TypeAlias

from asn1crypto import algos, tsp
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from pydantic import BaseModel, ConfigDict

from services.crypto.addresses import mailboxes, same_mailbox
from services.crypto.smime.chains import RSA_BITS, is_for_mail, paths
from services.crypto.smime.crls import Known, Revocation, Revocations, RevokedSerials, Standing
from services.crypto.smime.parsing import extension
from services.crypto.smime.signed import Signed, Signer, UnreadableSignatureError, UnsupportedSignatureError, read

AcceptedHash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
_HASHES: dict[str, type[AcceptedHash]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_FORMER_HASHES = frozenset({"md5", "sha1", "sha224"})

Digest: TypeAlias = Callable[[str], bytes | None]
"""Gives the digest of what should be signed, for `sha256`, `sha384` or `sha512`; None where it isn't at hand."""


class State(StrEnum):
    """All a signature can be."""

    GOOD = "good"
    UNSIGNED = "unsigned"
    TAMPERED = "tampered"
    NOT_THE_SENDER = "not-the-sender"
    UNTRUSTED = "untrusted"
    REVOKED = "revoked"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    UNREADABLE = "unreadable"


_WORDS = {
    State.GOOD: "The mail is signed by its sender and unchanged since.",
    State.UNSIGNED: "The mail is not signed: nothing proves who wrote it or that it is unchanged.",
    State.TAMPERED: "The signature doesn't fit: the mail or its signature was changed after signing.",
    State.NOT_THE_SENDER: "The mail is unchanged since it was signed, but not signed by the sender it names.",
    State.UNTRUSTED: "The mail is unchanged since it was signed, but nobody trusted vouches for the signer.",
    State.REVOKED: "The mail is unchanged since it was signed, but the signer's certificate had been revoked.",
    State.EXPIRED: "The sender signed the mail, but with a certificate that had expired.",
    State.NOT_YET_VALID: "The sender signed the mail, but with a certificate that was not valid yet.",
    State.UNREADABLE: "The mail says it is signed, but the signature can't be checked: {}.",
}
_KEY_LOST = "The signer's certificate was revoked because others may have its key: anybody could have signed the mail."
_REVOKED_SINCE = (
    "The signer's certificate is revoked. By its own account the mail was signed before; nothing proves that."
)
_EXPIRED_SINCE = (
    "The sender's certificate has expired. By its own account the mail was signed before; nothing proves that."
)
_NOT_CHECKED = " Whether the signer's certificate was revoked is not known."
_COMPROMISES = frozenset({"keyCompromise", "cACompromise", "aACompromise"})


class Verdict(BaseModel):
    """What is known about a mail's signature.

    `signer` is an address the signer's certificate names (the sender's own, if it is among them), `serial`
    and `issuer` (RFC 4514) say which certificate it is, `signed_at` when it was signed by the signer's own
    account, `revocation` whether the certificates are known to be good, revoked or neither; all are None as
    long as nothing fits them to the mail (unsigned, tampered, unreadable). In state untrusted they are only
    what the certificate says of itself. `words` is one or two sentences for the reader, without any address.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: State
    words: str
    signer: str | None = None
    serial: str | None = None
    issuer: str | None = None
    signed_at: datetime | None = None
    revocation: Known | None = None
    malformed: bool = False
    """Unreadable, because it is damaged or was never whole; not because it is made in a way that isn't accepted."""


@dataclass(frozen=True)
class Trust:
    """The certificates an organisation trusts; `intermediates` only as links to one of the `roots`.

    How revocation is known: `revoked` has for each CA whose own list is at hand the serial numbers on it (none
    of them: an empty mapping), `crls` are other CAs' lists. A CRL sent along with a signature counts as well.
    """

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...] = ()
    revoked: RevokedSerials = field(default_factory=dict)
    crls: tuple[x509.CertificateRevocationList, ...] = ()

    def __post_init__(self) -> None:
        if not self.roots:
            raise ValueError("Trust needs at least one root certificate; without any, nothing can be good")


def verify(
    signature_der: bytes | None,
    digest: bytes | Digest,
    from_address: str,
    trust: Trust,
    now: datetime,
) -> Verdict:
    """Judge a detached signature; any bytes at all get a verdict.

    `signature_der` is CMS SignedData (DER or BER; None: the mail has no signature), `digest` gives digests
    of the first part as it stands in the mail, or is the 32 bytes of its SHA-256 (`digest_of` makes one of
    the content), `from_address` the address in From, `now` the aware time to judge at: when the mail came
    in, for one read later. If several signed, all must be good.

    What is checked, the worst fault first: content type and message digest among the signed attributes (RFC
    5652 section 11), the signature over these attributes (RSA, ECDSA, Ed25519) with the key of the certificate
    sent along, which must be the one they name (RFC 5035), the chain to a root for mail (RFC 8550),
    revocation as far as it is known, From among the certificate's addresses, its time of validity. ValueError
    only for a digest or a time that is none.
    """
    if isinstance(digest, bytes) and len(digest) != hashes.SHA256.digest_size:
        raise ValueError("a digest in bytes must be the 32 bytes of a SHA-256 digest")
    _demand_aware(now)
    if signature_der is None:
        return _verdict(State.UNSIGNED)
    given = {"sha256": digest}.get if isinstance(digest, bytes) else digest
    try:
        return _worst(read(signature_der), given, from_address, trust, now)
    except UnreadableSignatureError as fault:
        return _unreadable(str(fault), isinstance(fault, UnsupportedSignatureError))
    except Exception:
        # The bytes are a stranger's. What malformed ASN.1 or a malformed certificate raises in the two
        # parsers is an open set, and none of it may keep a mail from being read.
        return _unreadable("it is malformed")


def verify_opaque(der: bytes, from_address: str, trust: Trust, now: datetime) -> tuple[bytes | None, Verdict]:
    """The content of an opaque signature (RFC 8551 section 3.5.2) and the verdict on it; otherwise as `verify`.

    The content is None where none can be read.
    """
    _demand_aware(now)
    content = None
    try:
        signed = read(der, opaque=True)
        content = signed.content
        return content, _worst(signed, digest_of(content or b""), from_address, trust, now)
    except UnreadableSignatureError as fault:
        return content, _unreadable(str(fault), isinstance(fault, UnsupportedSignatureError))
    except Exception:
        # As in verify.
        return content, _unreadable("it is malformed")


def digest_of(content: bytes) -> Digest:
    """The digests of `content`, each made when it is asked for."""
    return lambda name: hashlib.new(name, content).digest() if name in _HASHES else None


def _demand_aware(now: datetime) -> None:
    if now.tzinfo is None:
        raise ValueError("now must be an aware time")


def _worst(signed: Signed, digest: Digest, from_address: str, trust: Trust, now: datetime) -> Verdict:
    verdicts = [_judge(signer, signed, digest, from_address, trust, now) for signer in signed.signers]
    return next((verdict for verdict in verdicts if verdict.state is not State.GOOD), verdicts[0])


def _judge(signer: Signer, signed: Signed, digest: Digest, from_address: str, trust: Trust, now: datetime) -> Verdict:
    expected = digest(signer.digest) if signer.digest in _HASHES else None
    if expected is None:
        # A name that nobody knows is what damage leaves of a name.
        fault = UnsupportedSignatureError if signer.digest in _FORMER_HASHES else UnreadableSignatureError
        raise fault("its digest isn't accepted")
    certificate = signer.certificate
    if (
        signer.content_type != "data"
        or not compare_digest(signer.message_digest, expected)
        or not _is_the_named_one(certificate, signer)
        or not _is_signed_by(certificate.public_key(), signer)
    ):
        return _verdict(State.TAMPERED)
    addresses = mailboxes(certificate)
    sender = next((address for address in addresses if same_mailbox(address, from_address)), None)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    standing = _standing(signer, signed, trust, now)
    known, revocation = standing or (None, None)
    if known is None:
        state, words = State.UNTRUSTED, _WORDS[State.UNTRUSTED]
    elif revocation is not None:
        state, words = State.REVOKED, _on_revocation(revocation, signer.signing_time)
    elif sender is None:
        state, words = State.NOT_THE_SENDER, _WORDS[State.NOT_THE_SENDER]
    elif now < begins:
        state, words = State.NOT_YET_VALID, _WORDS[State.NOT_YET_VALID]
    elif now > ends:
        before = signer.signing_time is not None and begins <= signer.signing_time <= ends
        state, words = State.EXPIRED, _EXPIRED_SINCE if before else _WORDS[State.EXPIRED]
    else:
        state, words = State.GOOD, _WORDS[State.GOOD]
    return Verdict(
        state=state,
        words=words + _NOT_CHECKED if known is Known.UNKNOWN else words,
        signer=sender or next(iter(addresses), None),
        serial=f"{certificate.serial_number:X}",
        issuer=certificate.issuer.rfc4514_string(),
        signed_at=signer.signing_time,
        revocation=known,
    )


def _standing(signer: Signer, signed: Signed, trust: Trust, now: datetime) -> Standing | None:
    """What is known of the best path from the signer's certificate to a root; None if there is no path."""
    certificate = signer.certificate
    if not _may_sign_mail(certificate):
        return None
    # The path is tried at a moment the certificate is valid, so that "expired" can be told from "untrusted".
    moment = min(max(now, certificate.not_valid_before_utc), certificate.not_valid_after_utc)
    revocations = at_hand(signed, trust, now)
    others: dict[Known, Standing] = {}
    for path in paths(certificate, revocations.others, trust.roots, moment):
        standing = revocations.of(path)
        if standing[0] is Known.GOOD:
            return standing
        others[standing[0]] = standing
    return others.get(Known.REVOKED) or others.get(Known.UNKNOWN)


def at_hand(signed: Signed, trust: Trust, now: datetime) -> Revocations:
    """What is known of revocation: by those who are trusted, and by what was sent along."""
    # The newest list first: an old one may lack what was revoked since.
    crls = sorted((*trust.crls, *signed.crls), key=lambda crl: crl.last_update_utc, reverse=True)
    return Revocations(trust.revoked, crls, (*trust.intermediates, *signed.certificates), now)


def _on_revocation(revocation: Revocation, signing_time: datetime | None) -> str:
    if revocation.reason in _COMPROMISES:
        return _KEY_LOST
    return _REVOKED_SINCE if signing_time is not None and signing_time < revocation.when else _WORDS[State.REVOKED]


def _may_sign_mail(certificate: x509.Certificate) -> bool:
    # RFC 8550 section 4.4.2
    usage = extension(certificate, x509.KeyUsage)
    return is_for_mail(certificate) and (usage is None or usage.digital_signature or usage.content_commitment)


def _is_the_named_one(certificate: x509.Certificate, signer: Signer) -> bool:
    """Whether the certificate is the one the signature names, if it names one (RFC 5035 section 5.4).

    Else another certificate for the same key, with another name, could be laid beside somebody's signature.
    """
    named = signer.attributes.get("signing_certificate_v2")
    if not named:
        return True
    # The attribute is known by this name, and parsed, because `tsp` is imported.
    first: tsp.ESSCertIDv2 = named[0]["certs"][0]
    digest = _accepted(first["hash_algorithm"]["algorithm"].native)
    return compare_digest(certificate.fingerprint(digest), first["cert_hash"].native)


def _is_signed_by(key: object, signer: Signer) -> bool:
    kind = signer.algorithm.signature_algo
    try:
        match key:
            case rsa.RSAPublicKey() if kind in {"rsassa_pkcs1v15", "rsassa_pss"}:
                if key.key_size < RSA_BITS:
                    raise UnsupportedSignatureError("the signer's key is too short to prove anything")
                key.verify(signer.signature, signer.signed, _rsa_padding(signer.algorithm), _hash(signer))
            case ec.EllipticCurvePublicKey() if kind == "ecdsa":
                key.verify(signer.signature, signer.signed, ec.ECDSA(_hash(signer)))
            case ed25519.Ed25519PublicKey() if kind == "ed25519":
                key.verify(signer.signature, signer.signed)
            case _:
                raise UnsupportedSignatureError("its algorithm isn't accepted")
    except InvalidSignature:
        return False
    return True


def _hash(signer: Signer) -> AcceptedHash:
    # rsaEncryption and ecPublicKey name no hash: it is the digest algorithm's then (RFC 5754 section 3.2).
    named = signer.algorithm["algorithm"].native not in {"rsassa_pkcs1v15", "ecdsa"}
    return _accepted(signer.algorithm.hash_algo if named else signer.digest)


def _rsa_padding(algorithm: algos.SignedDigestAlgorithm) -> padding.AsymmetricPadding:
    if algorithm.signature_algo == "rsassa_pkcs1v15":
        return padding.PKCS1v15()
    parameters = algorithm["parameters"]
    mask = parameters["mask_gen_algorithm"]["parameters"]["algorithm"].native
    return padding.PSS(padding.MGF1(_accepted(mask)), int(parameters["salt_length"].native))


def _accepted(name: str) -> AcceptedHash:
    if name not in _HASHES:
        raise UnsupportedSignatureError("its algorithm isn't accepted")
    return _HASHES[name]()


def _verdict(state: State) -> Verdict:
    return Verdict(state=state, words=_WORDS[state])


def _unreadable(fault: str, whole: bool = False) -> Verdict:
    return Verdict(state=State.UNREADABLE, words=_WORDS[State.UNREADABLE].format(fault), malformed=not whole)
