"""Reads CMS SignedData (RFC 5652 section 5): who signed what, and the certificates and CRLs sent along.

Nothing is judged here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import algos, cms, core, parser
from cryptography import x509

from services.crypto.smime import algorithms
from services.crypto.smime.parsing import MalformedError, content_info

# Bounds on the work one signature may cause; each is several times what real mail has.
SIGNATURE_LIMIT = 1 << 20
CONTENT_LIMIT = 64 << 20
CERTIFICATE_LIMIT = 32
CERTIFICATE_SIZE_LIMIT = 1 << 16
SIGNER_LIMIT = 4

_SEQUENCE = 0x30


class UnreadableSignatureError(Exception):
    """Why a signature can't be checked, as the end of a sentence."""


class UnsupportedSignatureError(UnreadableSignatureError):
    """It is whole, but made in a way that isn't accepted here."""


@dataclass(frozen=True)
class Signer:
    """One SignerInfo with its certificate.

    `digest` names the algorithm of `message_digest`; `signed` are the octets `signature` is over; `signing_time`
    is what the signer says.
    """

    certificate: x509.Certificate
    digest: str
    content_type: str
    message_digest: bytes
    signing_time: datetime | None
    signed: bytes
    algorithm: algos.SignedDigestAlgorithm
    signature: bytes
    attributes: dict[str, core.SetOf]


@dataclass(frozen=True)
class Signed:
    """All of a SignedData; `content` is None where the signature is detached."""

    content: bytes | None
    signers: tuple[Signer, ...]
    certificates: tuple[x509.Certificate, ...]
    crls: tuple[x509.CertificateRevocationList, ...]


def read(encoded: bytes, *, opaque: bool = False) -> Signed:
    """Read SignedData (DER or BER), detached or, if `opaque`, with its content.

    Raises UnreadableSignatureError; what malformed ASN.1 raises besides is an open set, as the bytes are a stranger's.
    """
    if len(encoded) > (CONTENT_LIMIT if opaque else SIGNATURE_LIMIT):
        raise UnreadableSignatureError("it is too large")
    try:
        info = content_info(encoded)
    except MalformedError as fault:
        raise UnreadableSignatureError("it is malformed") from fault
    if info["content_type"].native != "signed_data":
        raise UnreadableSignatureError("it is no signature")
    signed_data = info["content"]
    content = signed_data["encap_content_info"]
    is_detached = isinstance(content["content"], core.Void)
    if content["content_type"].native != "data" or is_detached == opaque:
        # A reader that shows this content instead of the mail would show what we didn't check.
        raise UnreadableSignatureError("it has no content" if opaque else "it has a content of its own")
    infos = signed_data["signer_infos"]
    certificates = list(_elements(signed_data["certificates"], CERTIFICATE_SIZE_LIMIT))
    revocation_lists = list(_elements(signed_data["crls"], SIGNATURE_LIMIT))
    if not 1 <= len(infos) <= SIGNER_LIMIT or len(certificates) + len(revocation_lists) > 2 * CERTIFICATE_LIMIT:
        raise UnreadableSignatureError("it has no signer, or too many signers or certificates")
    readable = tuple(_certificates(certificates))
    return Signed(
        content=None if is_detached else content["content"].native,
        signers=tuple(_signer(each, readable) for each in infos),
        certificates=readable,
        crls=tuple(_crls(revocation_lists)),
    )


def _elements(set_of: core.SetOf, size_limit: int) -> Iterator[bytes]:
    """The elements of a set, each as it was written: asn1crypto may write one a little differently."""
    rest = b"" if isinstance(set_of, core.Void) else bytes(set_of.contents)
    while rest:
        _, _, _, header, content, trailer = parser.parse(rest)
        element, rest = header + content + trailer, rest[len(header) + len(content) + len(trailer) :]
        # The other kinds of certificate, all obsolete, have tags of their own.
        if element[0] == _SEQUENCE and len(element) <= size_limit:
            yield element


def _certificates(elements: Sequence[bytes]) -> Iterator[x509.Certificate]:
    # One that can't be read is no link of a chain, and no reason to doubt the others.
    for element in elements:
        try:
            yield x509.load_der_x509_certificate(element)
        except ValueError:
            continue


def _crls(elements: Sequence[bytes]) -> Iterator[x509.CertificateRevocationList]:
    for element in elements:
        try:
            yield x509.load_der_x509_crl(element)
        except ValueError:
            continue


def _signer(info: cms.SignerInfo, certificates: Sequence[x509.Certificate]) -> Signer:
    attributes = info["signed_attrs"]
    if isinstance(attributes, core.Void):
        raise UnreadableSignatureError("it has no signed attributes")
    values: dict[str, core.SetOf] = {}
    for attribute in attributes:
        name = attribute["type"].native
        if name in values:
            raise UnreadableSignatureError("a signed attribute occurs twice")
        values[name] = attribute["values"]
    if any(len(values.get(name, ())) != 1 for name in ("content_type", "message_digest")):
        raise UnreadableSignatureError("a required signed attribute is missing")
    certificate = next((found for found in certificates if algorithms.is_named(found, info["sid"])), None)
    if certificate is None:
        raise UnreadableSignatureError("the certificate of the signer is missing")
    return Signer(
        certificate=certificate,
        digest=info["digest_algorithm"]["algorithm"].native,
        content_type=values["content_type"][0].native,
        message_digest=values["message_digest"][0].native,
        signing_time=values["signing_time"][0].native if values.get("signing_time") else None,
        # RFC 5652 section 5.4: signed is the SET OF itself, not the [0] it is sent as.
        signed=attributes.untag().dump(),
        algorithm=info["signature_algorithm"],
        signature=info["signature"].native,
        attributes=values,
    )
