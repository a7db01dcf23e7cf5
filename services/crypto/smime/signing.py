"""Signs a mail as it is: S/MIME multipart/signed (RFC 8551 section 3.5.3)."""

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from secumail.multipart_signed import boundary_for, join


def sign(
    raw: bytes,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
) -> bytes:
    """The mail `raw`, signed: `multipart_signed.split` gives `raw` back byte for byte, whatever bytes it has.

    `certificate` belongs to `key`; `chain` is what leads from it to a root (without the root). The
    signature carries content type, message digest (SHA-256), signing time and the capabilities of the
    sender's client.

    The signature covers the exact bytes. RFC 8551 section 3.1.1 asks for canonical text, every line ending
    in CRLF, and other programs make it so before they check: a mail for which `multipart_signed.is_canonical` holds
    verifies everywhere. Of others, openssl finds the signature broken where a LF stands alone or a CR stands
    right before a line's end or the mail's (CR or NUL elsewhere do no harm there); `verification.verify`
    calls all of them good. Mail taken in by SMTP has no LF alone.
    """
    return join(raw, detached_signature(raw, key, certificate, chain), boundary_for(raw))


def detached_signature(
    payload: bytes,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
) -> bytes:
    """CMS SignedData (RFC 5652) without the content, as DER."""
    builder = PKCS7SignatureBuilder().set_data(payload).add_signer(certificate, key, hashes.SHA256())
    # Only now: certificates added before the data or the signer would be dropped without a word.
    for issuer in chain:
        builder = builder.add_certificate(issuer)
    # Binary: sign the bytes, don't turn line ends into CRLF first.
    return builder.sign(serialization.Encoding.DER, [PKCS7Options.DetachedSignature, PKCS7Options.Binary])
