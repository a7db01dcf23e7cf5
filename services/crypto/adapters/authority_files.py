"""The authority's files: `ca.pem` (issuing certificate, chain, root) and `issuing.key`, wrapped under the KMS scope.

A former issuing CA stays as `former-<id>.pem` and `.key`, for it alone can revoke what it has issued. The root's
private key is not among the files: it was written once, to be taken offline (`secumail create-authority`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12

from secumail.errors import Refused
from secumail.installation.home import write_private
from secumail.sealing.kms import Scope, WrongKey
from services.crypto import own_ca
from services.crypto.authority import Authority, create_authority, renew_issuing

_CHAIN, _KEY = "ca.pem", "issuing.key"
_CONTEXT = "issuing.key"


@dataclass(frozen=True)
class Issuer:
    """An issuing CA with its chain, from its own issuer to the root."""

    authority: Authority
    chain: tuple[x509.Certificate, ...]

    @property
    def root(self) -> x509.Certificate:
        """The chain's end; of a CA that signed itself, that one."""
        return self.chain[-1] if self.chain else self.authority.certificate

    @property
    def sent(self) -> tuple[x509.Certificate, ...]:
        """What goes along with a signature: all but the root, which its reader has or must not trust."""
        return (self.authority.certificate, *self.chain)[: max(len(self.chain), 1)]


@dataclass(frozen=True)
class Issuers:
    """The CA that issues now, and its predecessors."""

    current: Issuer
    former: tuple[Issuer, ...] = ()

    @property
    def authorities(self) -> tuple[Authority, ...]:
        """All of them, the current one first."""
        return tuple(issuer.authority for issuer in (self.current, *self.former))

    @property
    def roots(self) -> tuple[x509.Certificate, ...]:
        """Every root, each once."""
        return tuple(dict.fromkeys(issuer.root for issuer in (self.current, *self.former)))

    @property
    def intermediates(self) -> tuple[x509.Certificate, ...]:
        """Every CA certificate between people and roots, each once."""
        return tuple(dict.fromkeys(c for issuer in (self.current, *self.former) for c in issuer.sent))


async def create(directory: Path, offline: Path, organisation: str, scope: Scope) -> bool:
    """Make the authority where there is none: False if there was one. The root's key goes to `offline`."""
    if (directory / _CHAIN).exists():
        return False
    root, issuing = create_authority(organisation, datetime.now(UTC))
    write_private(offline / "mail-root.key", _private(root.private_key, serialization.Encoding.PEM))
    await _keep(directory, Issuer(issuing, (root.certificate,)), scope)
    return True


async def renew(directory: Path, root_key: bytes, password: str | None, scope: Scope) -> Issuer:
    """Replace the issuing CA by one with a new key, made with the offline root's (PEM). Returns the new one."""
    issuer = await _load(directory, _CHAIN, _KEY, scope)
    key = _loaded_key(root_key, password)
    if (
        not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
        or key.public_key() != issuer.root.public_key()
    ):
        raise Refused("not-the-root", "This is not the key of the root in ca.pem.", "Give the root's private key.")
    issuing = renew_issuing(Authority(issuer.root, key), issuer.authority.certificate, datetime.now(UTC))
    return await _replace(directory, issuer, Issuer(issuing, (issuer.root,)), scope)


async def bring(
    directory: Path, certificates: Sequence[x509.Certificate], key: PrivateKeyTypes, scope: Scope
) -> Issuer:
    """Issue with an organisation's own CA from now on: its certificate first, then the others in any order."""
    authority, chain = own_ca.checked(certificates[0], key, certificates[1:], datetime.now(UTC))
    brought = Issuer(authority, chain)
    if not (directory / _CHAIN).exists():
        await _keep(directory, brought, scope)
        return brought
    issuer = await _load(directory, _CHAIN, _KEY, scope)
    if issuer.authority.id == authority.id:
        # The same key with a renewed certificate or chain.
        await _keep(directory, brought, scope)
        return brought
    return await _replace(directory, issuer, brought, scope)


async def _replace(directory: Path, old: Issuer, new: Issuer, scope: Scope) -> Issuer:
    write_private(directory / f"former-{old.authority.id}.key", (directory / _KEY).read_bytes())
    write_private(directory / f"former-{old.authority.id}.pem", (directory / _CHAIN).read_bytes())
    await _keep(directory, new, scope)
    return new


async def _keep(directory: Path, issuer: Issuer, scope: Scope) -> None:
    raw = _private(issuer.authority.private_key, serialization.Encoding.DER)
    pem = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (issuer.authority.certificate, *issuer.chain))
    write_private(directory / _KEY, await scope.wrap(raw, _CONTEXT))
    # Last, because its presence says that the authority is complete.
    write_private(directory / _CHAIN, pem)


async def load(directory: Path, scope: Scope) -> Issuers:
    """The issuing CAs; Refused where files are missing or don't belong together."""
    current = await _load(directory, _CHAIN, _KEY, scope)
    former = [await _load(directory, f"{name}.pem", f"{name}.key", scope) for name in _former(directory)]
    # A CA that was brought back is not its own predecessor.
    return Issuers(current, tuple(f for f in former if f.authority.id != current.authority.id))


def _former(directory: Path) -> list[str]:
    return sorted(path.stem for path in directory.glob("former-*.pem"))


async def _load(directory: Path, chain: str, key: str, scope: Scope) -> Issuer:
    try:
        issuing, *others = x509.load_pem_x509_certificates((directory / chain).read_bytes())
        raw = await scope.unwrap((directory / key).read_bytes(), _CONTEXT)
    except (OSError, ValueError, WrongKey) as error:
        raise Refused(
            "no-authority", "The mail authority's files are missing or damaged.",
            "Run `secumail create-authority`, or restore ca.pem and issuing.key into SECUMAIL_AUTHORITY.",
        ) from error  # fmt: skip
    private = serialization.load_der_private_key(raw, None)
    if (
        not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
        or private.public_key() != issuing.public_key()
    ):
        raise Refused("no-authority", f"{key} does not belong to {chain}.", "Restore both from one backup.")
    return Issuer(Authority(issuing, private), tuple(others))


def read_pem(certificates: bytes, key: bytes, password: str | None) -> tuple[list[x509.Certificate], PrivateKeyTypes]:
    """An own CA from PEM files: its certificate and chain, and its key; Refused for what is none."""
    try:
        return x509.load_pem_x509_certificates(certificates), _loaded_key(key, password)
    except ValueError as error:
        raise Refused("ca-file", "The file holds no PEM certificates.", "Give the CA's certificate as PEM.") from error


def read_p12(data: bytes, password: str | None) -> tuple[list[x509.Certificate], PrivateKeyTypes]:
    """An own CA from a PKCS #12 file; Refused for what is none, or for a wrong password."""
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(data, password.encode() if password else None)
    except ValueError as error:
        raise Refused("ca-file", "The file is no PKCS #12, or the password is wrong.", "Try again.") from error
    if key is None or certificate is None:
        raise Refused("ca-file", "The file holds no key with its certificate.", "Export the CA with its private key.")
    return [certificate, *others], key


def _loaded_key(pem: bytes, password: str | None) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(pem, password.encode() if password else None)
    except (ValueError, TypeError) as error:
        raise Refused(
            "key-file", "The file holds no private key that can be read, or its password is wrong or missing.",
            "Give a PEM file, with its password if it has one.",
        ) from error  # fmt: skip


def _private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, encoding: serialization.Encoding) -> bytes:
    return key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
