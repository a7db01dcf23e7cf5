"""Signing custody in MongoDB: keys and certificates wrapped under crypto's KMS scope.

The certificate too: it names the address, and addresses are not readable at rest.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from secumail.errors import Permanent
from secumail.sealing.kms import Scope
from secumail.store.client import Collection, DuplicateKeyError
from services.crypto.adapters.authority_files import Issuers
from services.crypto.adapters.certificates import Register, hexadecimal
from services.crypto.authority import Authority, Profile, is_due, issue
from services.crypto.ports import Signer

_CACHED = 10_000
_LENGTH = 4


class StoredCustody:
    """Collection `signing_keys`: {_id: owner and keyed address, sealed: wrapped certificate and key}."""

    def __init__(
        self,
        collection: Collection,
        scope: Scope,
        issuers: Issuers,
        profile: Callable[[Authority], Profile],
        register: Register,
    ) -> None:
        self._keys = collection
        self._scope = scope
        self._issuing = issuers.current.authority
        self._former = [issuer.authority for issuer in issuers.former]
        self._profile = profile(self._issuing)
        self._register = register
        self._cache: OrderedDict[str, Signer] = OrderedDict()

    async def signer(self, account: UUID | None, address: str) -> Signer:
        owner = str(account) if account is not None else "system"
        id_ = f"{owner}/{(await self._scope.hmac(address.encode()))[:16].hex()}"
        signer = self._cache.get(id_)
        if signer is None or await self._is_due(signer):
            signer = await self._usable(id_, account, address)
        self._cache[id_] = signer
        self._cache.move_to_end(id_)
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return signer

    async def _is_due(self, signer: Signer) -> bool:
        """Whether another certificate has to take this one's place: it ends soon, is revoked, or of a former CA."""
        certificate = signer.certificate
        return (
            certificate.serial_number in await self._register.revoked()
            or is_due(certificate, self._issuing, self._profile, datetime.now(UTC))
            or any(authority.issued(certificate) for authority in self._former)
        )

    async def _usable(self, id_: str, account: UUID | None, address: str) -> Signer:
        sealed = await self._sealed(id_)
        if sealed is None:
            return await self._issue(id_, account, address, None)
        signer = _decode(await self._scope.unwrap(sealed, id_))
        serial = hexadecimal(signer.certificate.serial_number)
        # One that the register doesn't know (it is older than the register) could not be revoked.
        if not await self._is_due(signer) and await self._register.find(serial) is not None:
            return signer
        renewed = await self._issue(id_, account, address, sealed)
        await self._register.renewed(serial)
        return renewed

    async def _sealed(self, id_: str) -> bytes | None:
        found = await self._keys.find_one({"_id": id_})
        return found["sealed"] if found else None

    async def _issue(self, id_: str, account: UUID | None, address: str, replaced: bytes | None) -> Signer:
        await self._register.allow(account)
        key = ec.generate_private_key(ec.SECP256R1())
        serial = x509.random_serial_number()
        certificate = issue(self._issuing, address, key.public_key(), datetime.now(UTC), serial, self._profile)
        signer = Signer(key, certificate)
        await self._register.add(certificate, self._issuing, account, "signing", address)
        if await self._keep(id_, await self._scope.wrap(_encode(signer), id_), replaced):
            return signer
        # Another replica was faster; its key is the one, and ours never signs anything.
        await self._register.revoke(hexadecimal(serial), "superseded", None)
        return await self._usable(id_, account, address)

    async def _keep(self, id_: str, sealed: bytes, replaced: bytes | None) -> bool:
        if replaced is not None:
            done = await self._keys.update_one({"_id": id_, "sealed": replaced}, {"$set": {"sealed": sealed}})
            return done.matched_count == 1
        try:
            await self._keys.insert_one({"_id": id_, "sealed": sealed})
        except DuplicateKeyError:
            return False
        return True


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
