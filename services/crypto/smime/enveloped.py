"""Encrypts to certificates: CMS EnvelopedData (RFC 5652) and AuthEnvelopedData (RFC 5083) as RFC 8551 uses them."""

import secrets
from collections.abc import Sequence
from enum import StrEnum
from io import BytesIO

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import AEADEncryptionContext, modes
from cryptography.hazmat.primitives.ciphers import Cipher as Keyed
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secumail.errors import Refused
from services.crypto.smime import algorithms, der
from services.crypto.smime.opening import RECIPIENT_LIMIT

_BLOCK = 16
_NONCE = 12
_TAG = 16
_MAC_HEADER = der.header(0x04, _TAG)


class Cipher(StrEnum):
    """How the content is encrypted. GCM also shows every change; CBC is what all other programs read."""

    CBC = "cbc"
    GCM = "gcm"


def envelop(
    content: bytes,
    recipients: Sequence[x509.Certificate],
    cipher: Cipher,
    *,
    oaep: bool = False,
    key_bits: int = 256,
    by_key_identifier: bool = False,
) -> bytes:
    """A ContentInfo as DER that the holders of the recipients' keys can open; RSA and EC keys may be mixed.

    The content key has `key_bits`, 128 or 256. An RSA recipient gets it by PKCS #1 v1.5, or by OAEP with
    SHA-256 if `oaep` (RFC 8551 prefers it, many programs don't read it yet); an EC recipient by ephemeral
    ECDH and AES key wrap (RFC 5753). Recipients are named by issuer and serial number, or, if
    `by_key_identifier`, by the key identifier of those certificates that have one.

    Raises Refused without recipients, for more than RECIPIENT_LIMIT, and for a key that can't be encrypted to.
    """
    if not 1 <= len(recipients) <= RECIPIENT_LIMIT:
        raise Refused(
            "recipient-count",
            f"Content is encrypted to 1 to {RECIPIENT_LIMIT} recipients at once.",
            "Send it in several mails.",
        )
    key = secrets.token_bytes(key_bits // 8)
    infos = [_recipient(certificate, key, oaep, by_key_identifier) for certificate in recipients]
    recipient_infos = der.set_of(info for _, info in infos)
    if cipher is Cipher.GCM:
        nonce = secrets.token_bytes(_NONCE)
        algorithm = der.sequence(algorithms.AES_GCM[key_bits], der.sequence(der.octets(nonce), der.integer(_TAG)))
        start = der.integer(0) + recipient_infos
        return _encrypted(algorithms.AUTH_ENVELOPED_DATA, start, algorithm, key, modes.GCM(nonce), content)
    iv = secrets.token_bytes(_BLOCK)
    algorithm = der.sequence(algorithms.AES_CBC[key_bits], der.octets(iv))
    # RFC 5652 section 6.1: version 0 only if every recipient is named and treated in the oldest way.
    start = der.integer(2 if any(version for version, _ in infos) else 0) + recipient_infos
    return _encrypted(algorithms.ENVELOPED_DATA, start, algorithm, key, modes.CBC(iv), content)


def _encrypted(
    kind: bytes, start: bytes, algorithm: bytes, key: bytes, mode: modes.CBC | modes.GCM, content: bytes
) -> bytes:
    """The ContentInfo, with the content encrypted right into its place: a large one is never copied."""
    whole = len(content) - len(content) % _BLOCK
    end = content[whole:]
    if isinstance(mode, modes.CBC):
        # RFC 5652 section 6.3
        missing = _BLOCK - len(end)
        end += bytes([missing]) * missing
    length = whole + len(end)
    follows = length + (len(_MAC_HEADER) + _TAG if isinstance(mode, modes.GCM) else 0)
    info = der.begun(0x30, algorithms.DATA + algorithm + der.header(0x80, length), length)
    start = der.begun(0x30, kind + der.begun(0xA0, der.begun(0x30, start + info, follows), follows), follows)

    encryptor = Keyed(AES(key), mode).encryptor()
    # The buffer that is filled becomes the result as it is.
    result = BytesIO(bytes(len(start) + follows))
    with result.getbuffer() as room:
        at = len(start)
        room[:at] = start
        at += encryptor.update_into(memoryview(content)[:whole], room[at:])
        room[at : at + len(end)] = encryptor.update(end)
        encryptor.finalize()
        if isinstance(encryptor, AEADEncryptionContext):
            room[at + len(end) :] = _MAC_HEADER + encryptor.tag
    return result.getvalue()


def _recipient(certificate: x509.Certificate, key: bytes, oaep: bool, by_key_identifier: bool) -> tuple[int, bytes]:
    """The version of a RecipientInfo, and the RecipientInfo."""
    name = algorithms.named(certificate)
    identifier = name.key_identifier if by_key_identifier else None
    match public_key := certificate.public_key():
        case rsa.RSAPublicKey() if oaep:
            mask = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
            algorithm, sealed = algorithms.RSA_OAEP_SHA256, public_key.encrypt(key, mask)
        case rsa.RSAPublicKey():
            algorithm, sealed = algorithms.RSA, public_key.encrypt(key, padding.PKCS1v15())
        case ec.EllipticCurvePublicKey():
            rid = name.issuer_and_serial if identifier is None else der.tagged(0xA0, der.octets(identifier))
            return 3, _agreement(public_key, rid, key)
        case _:
            raise Refused(
                "certificate-not-for-encryption",
                "Nothing can be encrypted to a recipient's certificate: its key is neither RSA nor EC.",
                "Ask the recipient for a certificate for encryption.",
            )
    version = 0 if identifier is None else 2
    rid = name.issuer_and_serial if identifier is None else der.tagged(0x80, identifier)
    return version, der.sequence(der.integer(version), rid, algorithm, der.octets(sealed))


def _agreement(public_key: ec.EllipticCurvePublicKey, rid: bytes, key: bytes) -> bytes:
    """KeyAgreeRecipientInfo: the content key wrapped under what ECDH with an ephemeral key gives (RFC 5753)."""
    # RFC 8551 section 2.7: the wrap is as strong as the content's cipher.
    wrap = algorithms.AES_WRAP[len(key) * 8]
    ephemeral = ec.generate_private_key(public_key.curve)
    shared = ephemeral.exchange(ec.ECDH(), public_key)
    wrapping_key = X963KDF(hashes.SHA256(), len(key), algorithms.shared_info(wrap, None, len(key))).derive(shared)
    point = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return der.tagged(
        0xA1,
        der.integer(3),
        der.tagged(0xA0, der.tagged(0xA1, der.sequence(algorithms.EC_PUBLIC_KEY), der.bits(point))),
        algorithms.ecdh_sha256(wrap),
        der.sequence(der.sequence(rid, der.octets(aes_key_wrap(wrapping_key, key)))),
    )
