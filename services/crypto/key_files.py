"""Reads keys and certificates as people have them: PKCS #12, PEM, DER, OpenPGP; told apart by their content. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pysequoia
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)
from pysequoia.packet import PacketPile, Tag

from secumail.errors import Refused
from services.crypto.addresses import mailboxes
from services.crypto.openpgp.keys import FAULTS
from services.crypto.protecting import OpenPGPSigner, Signer, SmimeSigner, encrypts
from services.crypto.smime.opening import DecryptionKey
from services.crypto.smime.parsing import extension
from services.crypto.smime.verification import Trust

FILE_LIMIT = 1 << 20

_CAPABILITIES = x509.ObjectIdentifier("1.2.840.113549.1.9.15")
_AES256_GCM = "2.16.840.1.101.3.4.1.46"

_PEM = b"-----BEGIN "
_PGP_SECRET = b"-----BEGIN PGP PRIVATE KEY BLOCK-----"
_PGP_PUBLIC = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass
class Keys:
    """What some files hold: S/MIME keys and certificates (not yet in pairs), OpenPGP secret keys and certificates."""

    private: list[Private] = field(default_factory=list)
    certificates: list[x509.Certificate] = field(default_factory=list)
    secrets: list[bytes] = field(default_factory=list)
    openpgp: list[bytes] = field(default_factory=list)

    def __repr__(self) -> str:
        return "Keys(...)"

    def pairs(self) -> list[DecryptionKey]:
        """Each certificate whose private key is here, with it."""
        by_public = {_public(key.public_key()): key for key in self.private}
        found = ((by_public.get(_public_of(certificate)), certificate) for certificate in self.certificates)
        return [DecryptionKey(key, certificate) for key, certificate in found if key is not None]

    def people(self) -> list[x509.Certificate]:
        """The certificates of people. Those of authorities may lie beside them; one that lies alone is somebody's
        own, signed by itself."""
        return [c for c in self.certificates if not _is_authority(c)] or self.certificates[:1]

    def signer(self, passwords: Sequence[str] = ()) -> Signer:
        """Who signs with these keys, unlocked by one of the passwords; Refused where that is nobody or not clear."""
        if len(self.secrets) == 1 and not self.private:
            return OpenPGPSigner(self.secrets[0], self.openpgp[0], _unlocking(self.secrets[0], passwords))
        people = self.people()
        signing = [pair for pair in self.pairs() if pair.certificate in people and _signs(pair.certificate)]
        if self.secrets or len(signing) != 1:
            raise Refused(
                "signing-key",
                "The file to sign with doesn't hold one private key with its certificate.",
                "Give a .p12 file, a .pem file with key and certificate, or an OpenPGP secret key (.asc).",
            )
        pair, addresses = signing[0], set(mailboxes(signing[0].certificate))
        others = [certificate for certificate in self.certificates if certificate != pair.certificate]
        own = (c for c in people if c in others and encrypts(c) and addresses & set(mailboxes(c)))
        chain = tuple(certificate for certificate in others if _is_authority(certificate))
        return SmimeSigner(pair.private, pair.certificate, chain, next(own, None))

    def trust(self) -> Trust | None:
        """Trust in the roots among the certificates; in all of them, where none is a root."""
        roots = tuple(certificate for certificate in self.certificates if certificate.issuer == certificate.subject)
        others = tuple(certificate for certificate in self.certificates if certificate not in roots)
        return Trust(roots or others, others) if self.certificates else None


def read(files: Iterable[bytes], passwords: Sequence[str] = ()) -> Keys:
    """All keys and certificates in some files; `passwords` are tried on those that are locked.

    Raises Refused for a file that holds none, or is locked with another password.
    """
    keys = Keys()
    for content in files:
        if len(content) > FILE_LIMIT:
            raise Refused(
                "key-file-too-large", "A key's file is larger than 1 MB.", "Look whether it is the right one."
            )
        if content[:1] >= b"\x80" or _PGP_SECRET in content or _PGP_PUBLIC in content:
            _add_openpgp(keys, content)
        elif _PEM in content:
            _add_pem(keys, content, passwords)
        else:
            _add_der(keys, content, passwords)
    return keys


def reads_gcm(certificate: x509.Certificate) -> bool:
    """Whether a certificate says that its owner reads AES-GCM (SMIMECapabilities, RFC 4262)."""
    try:
        found = certificate.extensions.get_extension_for_oid(_CAPABILITIES).value
        capabilities = cms.SMIMECapabilites.load(found.public_bytes())
        return any(capability["capability_id"].dotted == _AES256_GCM for capability in capabilities)
    except (x509.ExtensionNotFound, ValueError, TypeError):
        return False


def _add_openpgp(keys: Keys, content: bytes) -> None:
    try:
        whole = pysequoia.Tsk.from_bytes(content)
        if any(packet.tag in (Tag.SecretKey, Tag.SecretSubkey) for packet in PacketPile.from_bytes(bytes(whole))):
            keys.secrets.append(bytes(whole))
        keys.openpgp.append(bytes(whole.extract_certificate()))
    except FAULTS:
        raise _unknown() from None


def _unlocking(secret: bytes, passwords: Sequence[str]) -> str | None:
    for password in (None, *passwords):
        try:
            pysequoia.Tsk.from_bytes(secret).signer(password)
        except FAULTS:
            continue
        return password
    raise _locked()


def _add_pem(keys: Keys, content: bytes, passwords: Sequence[str]) -> None:
    try:
        if b"-----BEGIN CERTIFICATE-----" in content:
            keys.certificates += x509.load_pem_x509_certificates(content)
    except ValueError:
        raise _unknown() from None
    for block in content.split(_PEM)[1:]:
        kind = block.partition(b"-----")[0]
        if kind.endswith(b"PRIVATE KEY"):
            locked = kind.startswith(b"ENCRYPTED") or b"Proc-Type: 4,ENCRYPTED" in block
            keys.private.append(_private(_PEM + block, passwords if locked else (None,)))
    if not keys.certificates and not keys.private:
        raise _unknown()


def _private(pem: bytes, passwords: Sequence[str | None]) -> Private:
    for password in passwords:
        try:
            key = load_pem_private_key(pem, password.encode() if password is not None else None)
        except (ValueError, TypeError):
            continue
        return _accepted(key)
    raise _unknown() if None in passwords else _locked()


def _add_der(keys: Keys, content: bytes, passwords: Sequence[str]) -> None:
    for load in (_add_certificate, _add_private):
        try:
            return load(keys, content)
        except (ValueError, TypeError):
            continue
    for password in (*passwords, "", None):
        try:
            key, certificate, others = pkcs12.load_key_and_certificates(
                content, password.encode() if password is not None else None
            )
        except ValueError:
            continue
        keys.private += [_accepted(key)] if key is not None else []
        keys.certificates += [found for found in (certificate, *others) if found is not None]
        return None
    # Only what begins as PKCS #12 does can be locked.
    raise _locked() if content[:1] == b"0" else _unknown()


def _add_certificate(keys: Keys, content: bytes) -> None:
    keys.certificates.append(x509.load_der_x509_certificate(content))


def _add_private(keys: Keys, content: bytes) -> None:
    keys.private.append(_accepted(load_der_private_key(content, None)))


def _accepted(key: object) -> Private:
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise Refused("key-kind", "The private key is neither RSA nor EC.", "Give one of these kinds.")
    return key


def _public(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _public_of(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key()
    return _public(key) if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else b""


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _signs(certificate: x509.Certificate) -> bool:
    usage = extension(certificate, x509.KeyUsage)
    return usage is None or usage.digital_signature or usage.content_commitment


def _unknown() -> Refused:
    return Refused(
        "not-a-key-file",
        "A file holds no key and no certificate that is known here.",
        "Give a .p12 file, a PEM or DER file, or an OpenPGP key (gpg --armor --export ADDRESS).",
    )


def _locked() -> Refused:
    return Refused(
        "key-file-locked",
        "A key's file is locked with another password, or is damaged.",
        "Give its password: --password-stdin, one password a line.",
    )
