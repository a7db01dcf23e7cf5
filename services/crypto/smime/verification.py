"""Judges an S/MIME signature (RFC 5652, RFC 8550, RFC 8551) from the digest of what it should cover.

The digest is enough, so that whoever opens a mail need not show it to the crypto service.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from hmac import compare_digest

from asn1crypto import algos, cms, core
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)
from pydantic import BaseModel, ConfigDict

from services.crypto.addresses import mailboxes, same_mailbox

# Bounds on the work one signature may cause; each is several times what real mail has.
SIGNATURE_LIMIT = 1 << 20
CERTIFICATE_LIMIT = 32
SIGNER_LIMIT = 4
RSA_BITS = 2048

AcceptedHash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
_HASHES: dict[str, type[AcceptedHash]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


class State(StrEnum):
    """All a signature can be."""

    GOOD = "good"
    UNSIGNED = "unsigned"
    TAMPERED = "tampered"
    NOT_THE_SENDER = "not-the-sender"
    UNTRUSTED = "untrusted"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    UNREADABLE = "unreadable"


_WORDS = {
    State.GOOD: "The mail is signed by its sender and unchanged since.",
    State.UNSIGNED: "The mail is not signed: nothing proves who wrote it or that it is unchanged.",
    State.TAMPERED: "The signature doesn't fit: the mail or its signature was changed after signing.",
    State.NOT_THE_SENDER: "The mail is unchanged since it was signed, but not signed by the sender it names.",
    State.UNTRUSTED: "The mail is unchanged since it was signed, but nobody trusted vouches for the signer.",
    State.EXPIRED: "The sender signed the mail, but with a certificate that had expired.",
    State.NOT_YET_VALID: "The sender signed the mail, but with a certificate that was not valid yet.",
    State.UNREADABLE: "The mail says it is signed, but the signature can't be checked: {}.",
}


class Verdict(BaseModel):
    """What is known about a mail's signature.

    `signer` is an address the signer's certificate names (the sender's own, if it is among them), `serial`
    and `issuer` (RFC 4514) say which certificate it is; all three are None as long as nothing fits them to
    the mail (unsigned, tampered, unreadable). In state untrusted they are only what the certificate says of
    itself. `words` is one sentence for the reader, without any address.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: State
    words: str
    signer: str | None = None
    serial: str | None = None
    issuer: str | None = None


@dataclass(frozen=True)
class Trust:
    """The certificates an organisation trusts; `intermediates` only as links to one of the `roots`."""

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...] = ()

    def __post_init__(self) -> None:
        if not self.roots:
            raise ValueError("Trust needs at least one root certificate; without any, nothing can be good")

    @cached_property
    def store(self) -> Store:
        return Store(list(self.roots))


def verify(
    signature_der: bytes | None,
    digest_of_payload_sha256: bytes,
    from_address: str,
    trust: Trust,
    now: datetime,
) -> Verdict:
    """Judge a detached signature; any bytes at all get a verdict.

    `signature_der` is CMS SignedData (DER or BER; None: the mail has no signature),
    `digest_of_payload_sha256` the 32 bytes of SHA-256 over the first part as it stands in the mail,
    `from_address` the address in From, `now` the aware time to judge at: when the mail came in, for one
    read later. If several signed, all must be good.

    What is checked, in this order: content type and message digest among the signed attributes (RFC 5652
    section 11), the signature over these attributes with the key of the certificate sent along (RSA,
    ECDSA), the chain to a root for mail (RFC 8550), From among the certificate's addresses, its time of
    validity. Revocation is not looked at. ValueError only for a digest or a time that is none.
    """
    if len(digest_of_payload_sha256) != hashes.SHA256.digest_size:
        raise ValueError("digest_of_payload_sha256 must be the 32 bytes of a SHA-256 digest")
    if now.tzinfo is None:
        raise ValueError("now must be an aware time")
    if signature_der is None:
        return _verdict(State.UNSIGNED)
    try:
        verdicts = [
            _judge(signer, digest_of_payload_sha256, from_address, trust, now) for signer in _signers(signature_der)
        ]
    except _UnreadableError as fault:
        return _unreadable(str(fault))
    except Exception:
        # The bytes are a stranger's. What malformed ASN.1 or a malformed certificate raises in the two
        # parsers is an open set, and none of it may keep a mail from being read.
        return _unreadable("it is malformed")
    return next((verdict for verdict in verdicts if verdict.state is not State.GOOD), verdicts[0])


class _UnreadableError(Exception):
    """Why a signature can't be checked, as the end of a sentence."""


@dataclass(frozen=True)
class _Signer:
    """One SignerInfo with its certificate."""

    certificate: x509.Certificate
    others: tuple[x509.Certificate, ...]
    content_type: str
    message_digest: bytes
    signed: bytes
    algorithm: algos.SignedDigestAlgorithm
    signature: bytes


def _signers(signature_der: bytes) -> list[_Signer]:
    if len(signature_der) > SIGNATURE_LIMIT:
        raise _UnreadableError("it is too large")
    info = cms.ContentInfo.load(signature_der, strict=True)
    if info["content_type"].native != "signed_data":
        raise _UnreadableError("it is no signature")
    signed_data = info["content"]
    content = signed_data["encap_content_info"]
    if content["content_type"].native != "data" or not isinstance(content["content"], core.Void):
        # A reader that shows this content instead of the mail would show what we didn't check.
        raise _UnreadableError("it has a content of its own")
    infos, certificates = signed_data["signer_infos"], signed_data["certificates"]
    if not 1 <= len(infos) <= SIGNER_LIMIT or len(certificates) > CERTIFICATE_LIMIT:
        raise _UnreadableError("it has no signer, or too many signers or certificates")
    # Serial numbers are positive (RFC 5280 section 4.1.2.2).
    sent_along = [
        choice.chosen
        for choice in certificates
        if choice.name == "certificate" and choice.chosen["tbs_certificate"]["serial_number"].native > 0
    ]
    return [_signer(info, sent_along) for info in infos]


def _signer(info: cms.SignerInfo, sent_along: list[core.Sequence]) -> _Signer:
    # Only SHA-256 is at hand; other digests would need the mail itself.
    if info["digest_algorithm"]["algorithm"].native != "sha256":
        raise _UnreadableError("its digest isn't SHA-256")
    attributes = info["signed_attrs"]
    if isinstance(attributes, core.Void):
        raise _UnreadableError("it has no signed attributes")
    values: dict[str, core.SetOf] = {}
    for attribute in attributes:
        name = attribute["type"].native
        if name in values:
            raise _UnreadableError("a signed attribute occurs twice")
        values[name] = attribute["values"]
    if any(len(values.get(name, ())) != 1 for name in ("content_type", "message_digest")):
        raise _UnreadableError("a required signed attribute is missing")
    named = next((found for found in sent_along if _is_named(found, info["sid"])), None)
    if named is None:
        raise _UnreadableError("the certificate of the signer is missing")
    return _Signer(
        certificate=x509.load_der_x509_certificate(named.dump()),
        others=tuple(_readable(found for found in sent_along if found is not named)),
        content_type=values["content_type"][0].native,
        message_digest=values["message_digest"][0].native,
        # RFC 5652 section 5.4: signed is the SET OF itself, not the [0] it is sent as.
        signed=attributes.untag().dump(),
        algorithm=info["signature_algorithm"],
        signature=info["signature"].native,
    )


def _is_named(certificate: core.Sequence, sid: cms.SignerIdentifier) -> bool:
    if sid.name == "subject_key_identifier":
        identifier = certificate.key_identifier_value
        return identifier is not None and bool(identifier.native == sid.chosen.native)
    fields = certificate["tbs_certificate"]
    return bool(
        fields["serial_number"].native == sid.chosen["serial_number"].native
        and fields["issuer"].dump() == sid.chosen["issuer"].dump()
    )


def _readable(certificates: Iterator[core.Sequence]) -> Iterator[x509.Certificate]:
    # One that can't be read is no link of a chain, and no reason to doubt the others.
    for certificate in certificates:
        try:
            yield x509.load_der_x509_certificate(certificate.dump())
        except ValueError:
            continue


def _judge(signer: _Signer, digest: bytes, from_address: str, trust: Trust, now: datetime) -> Verdict:
    if (
        signer.content_type != "data"
        or not compare_digest(signer.message_digest, digest)
        or not _is_signed_by(signer.certificate.public_key(), signer)
    ):
        return _verdict(State.TAMPERED)
    addresses = mailboxes(signer.certificate)
    sender = next((address for address in addresses if same_mailbox(address, from_address)), None)
    begins, ends = signer.certificate.not_valid_before_utc, signer.certificate.not_valid_after_utc
    # The chain is tried at a moment the certificate is valid, so that "expired" can be told from "untrusted".
    if not _is_trusted(signer, trust, min(max(now, begins), ends)):
        state = State.UNTRUSTED
    elif sender is None:
        state = State.NOT_THE_SENDER
    elif now < begins:
        state = State.NOT_YET_VALID
    elif now > ends:
        state = State.EXPIRED
    else:
        state = State.GOOD
    return Verdict(
        state=state,
        words=_WORDS[state],
        signer=sender or next(iter(addresses), None),
        serial=f"{signer.certificate.serial_number:X}",
        issuer=signer.certificate.issuer.rfc4514_string(),
    )


def _is_signed_by(key: object, signer: _Signer) -> bool:
    kind = signer.algorithm.signature_algo
    try:
        match key:
            case rsa.RSAPublicKey() if kind in {"rsassa_pkcs1v15", "rsassa_pss"} and key.key_size >= RSA_BITS:
                key.verify(signer.signature, signer.signed, _rsa_padding(signer.algorithm), _hash(signer.algorithm))
            case ec.EllipticCurvePublicKey() if kind == "ecdsa":
                key.verify(signer.signature, signer.signed, ec.ECDSA(_hash(signer.algorithm)))
            case _:
                raise _UnreadableError("its algorithm isn't accepted")
    except InvalidSignature:
        return False
    return True


def _hash(algorithm: algos.SignedDigestAlgorithm) -> AcceptedHash:
    # rsaEncryption names no hash: it is the digest algorithm's then (RFC 5754 section 3.2), which is
    # SHA-256 here.
    bare = algorithm["algorithm"].native == "rsassa_pkcs1v15"
    return _accepted("sha256" if bare else algorithm.hash_algo)


def _rsa_padding(algorithm: algos.SignedDigestAlgorithm) -> padding.AsymmetricPadding:
    if algorithm.signature_algo == "rsassa_pkcs1v15":
        return padding.PKCS1v15()
    parameters = algorithm["parameters"]
    mask = parameters["mask_gen_algorithm"]["parameters"]["algorithm"].native
    return padding.PSS(padding.MGF1(_accepted(mask)), int(parameters["salt_length"].native))


def _accepted(name: str) -> AcceptedHash:
    if name not in _HASHES:
        raise _UnreadableError("its algorithm isn't accepted")
    return _HASHES[name]()


def _is_trusted(signer: _Signer, trust: Trust, moment: datetime) -> bool:
    verifier = (
        PolicyBuilder()
        .store(trust.store)
        .time(moment)
        .extension_policies(ca_policy=_FOR_AUTHORITIES, ee_policy=_FOR_SIGNERS)
        .build_client_verifier()
    )
    try:
        verifier.verify(signer.certificate, [*trust.intermediates, *signer.others])
    except VerificationError:
        return False
    return True


_MAIL = frozenset({ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})


def _is_for_mail(_: Policy, __: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
    # RFC 8550 section 4.4.4; without the extension every use is allowed.
    if usage and _MAIL.isdisjoint(usage):
        raise ValueError("not for mail")


def _may_sign_mail(_: Policy, __: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    # RFC 8550 section 4.4.2
    if usage and not (usage.digital_signature or usage.content_commitment):
        raise ValueError("not for signatures")


def _may_sign_certificates(_: Policy, __: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage and not usage.key_cert_sign:
        raise ValueError("not for certificates")


def _is_authority(_: Policy, __: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("no certificate authority")


# The library's own policies are those of web servers and their clients, with TLS purposes. Extensions these
# don't name are ignored unless critical.
_FOR_SIGNERS = (
    ExtensionPolicy.permit_all()
    .may_be_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
    .may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign_mail)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _is_for_mail)
)
_FOR_AUTHORITIES = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign_certificates)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _is_for_mail)
)


def _verdict(state: State) -> Verdict:
    return Verdict(state=state, words=_WORDS[state])


def _unreadable(fault: str) -> Verdict:
    return Verdict(state=State.UNREADABLE, words=_WORDS[State.UNREADABLE].format(fault))
