"""Signing custody in MongoDB: keys and certificates wrapped under crypto's KMS scope.

The certificate too: it names the address, and addresses are not readable at rest.
"""

import hashlib
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from secumail.audit import Acts
from secumail.errors import Permanent
from secumail.sealing.kms import Scope
from secumail.store.client import Collection, DuplicateKeyError
from services.crypto.authority import Authority, issue
from services.crypto.ports import Signer

_CACHED = 10_000
_RENEW_BEFORE = timedelta(days=30)
_LENGTH = 4


class StoredCustody:
    """Collection `signing_keys`: {_id: owner and keyed address, sealed: wrapped certificate and key}."""

    def __init__(self, collection: Collection, scope: Scope, issuing: Authority, acts: Acts) -> None:
        self._keys = collection
        self._scope = scope
        self._issuing = issuing
        self._acts = acts
        self._cache: OrderedDict[str, Signer] = OrderedDict()

    async def signer(self, account: UUID | None, address: str) -> Signer:
        owner = str(account) if account is not None else "system"
        id_ = f"{owner}/{(await self._scope.hmac(address.encode()))[:16].hex()}"
        signer = self._cache.get(id_) or await self._stored(id_)
        now = datetime.now(UTC)
        if signer is None or signer.certificate.not_valid_after_utc < now + _RENEW_BEFORE:
            signer = await self._issue(id_, owner, address, now, replacing=signer is not None)
        self._cache[id_] = signer
        self._cache.move_to_end(id_)
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return signer

    async def _stored(self, id_: str) -> Signer | None:
        found = await self._keys.find_one({"_id": id_})
        return _decode(await self._scope.unwrap(found["sealed"], id_)) if found else None

    async def _issue(self, id_: str, owner: str, address: str, now: datetime, replacing: bool) -> Signer:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = issue(self._issuing, address, key.public_key(), now, x509.random_serial_number())
        signer = Signer(key, certificate)
        fingerprint = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()
        await self._acts.record("crypto", f"certificate-issued:{fingerprint}", owner)
        sealed = await self._scope.wrap(_encode(signer), id_)
        if replacing:
            await self._keys.update_one({"_id": id_}, {"$set": {"sealed": sealed}})
            return signer
        try:
            await self._keys.insert_one({"_id": id_, "sealed": sealed})
        except DuplicateKeyError:
            # Another replica was faster; its key is the one.
            stored = await self._stored(id_)
            if stored is None:
                raise Permanent("signing-key-gone") from None
            return stored
        return signer


def _encode(signer: Signer) -> bytes:
    certificate = signer.certificate.public_bytes(serialization.Encoding.DER)
    key = signer.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return len(certificate).to_bytes(_LENGTH, "big") + certificate + key


def _decode(raw: bytes) -> Signer:
    end = _LENGTH + int.from_bytes(raw[:_LENGTH], "big")
    key = serialization.load_der_private_key(raw[end:], None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Permanent("signing-key-unknown")
    return Signer(key, x509.load_der_x509_certificate(raw[_LENGTH:end]))
