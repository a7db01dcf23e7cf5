"""The authority's files: `ca.pem` (issuing certificate, then root) and `issuing.key`, wrapped under the KMS scope.

The root's private key is not among them: it was written once, to be taken offline (`secumail create-authority`).
"""

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from secumail.errors import Refused
from secumail.sealing.kms import Scope
from services.crypto.authority import Authority, create_authority

_CONTEXT = "issuing.key"


async def create(directory: Path, offline: Path, organisation: str, scope: Scope) -> bool:
    """Make the authority where there is none: False if there was one. The root's key goes to `offline`."""
    if (directory / "ca.pem").exists():
        return False
    root, issuing = create_authority(organisation, datetime.now(UTC))
    root_key = root.private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    raw = issuing.private_key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = b"".join(a.certificate.public_bytes(serialization.Encoding.PEM) for a in (issuing, root))
    wrapped = await scope.wrap(raw, _CONTEXT)
    _write(offline / "mail-root.key", root_key)
    _write(directory / "issuing.key", wrapped)
    # Last, because its presence says that the authority is complete.
    _write(directory / "ca.pem", pem)
    return True


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(data)


async def load(directory: Path, scope: Scope) -> tuple[Authority, x509.Certificate]:
    """(issuing, root certificate); Refused where the files are missing or don't belong together."""
    try:
        issuing, root = x509.load_pem_x509_certificates((directory / "ca.pem").read_bytes())
        raw = await scope.unwrap((directory / "issuing.key").read_bytes(), _CONTEXT)
    except (OSError, ValueError) as error:
        raise Refused(
            "no-authority", "The mail authority's files are missing or damaged.",
            "Run `secumail create-authority`, or restore ca.pem and issuing.key into SECUMAIL_AUTHORITY.",
        ) from error  # fmt: skip
    key = serialization.load_der_private_key(raw, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != issuing.public_key():
        raise Refused("no-authority", "issuing.key does not belong to ca.pem.", "Restore both from one backup.")
    return Authority(issuing, key), root
