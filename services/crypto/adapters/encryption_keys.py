"""People's S/MIME encryption keys in MongoDB: the private key sealed to the account key, so only a session opens it.

A key is made when it is first needed, and its owner may be logged out. An older key stays, to open older mail.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from secumail.directory import Directory, Entry, normal
from secumail.errors import Refused, SecuMailError, Transient
from secumail.sealing import decryption
from secumail.sealing.kms import Scope
from secumail.store.client import Collection, Document, DuplicateKeyError, PyMongoError
from services.crypto.adapters.authority_files import Issuers
from services.crypto.adapters.certificates import Register, hexadecimal
from services.crypto.authority import RENEW_BEFORE, RSA_BITS, Authority, KeyKind, Profile, is_due, issue

log = logging.getLogger(__name__)

_CACHED = 10_000
_EVERY = 3600.0
_AT_A_TURN = 100
"""Keys renewed in one turn: with RSA some ten seconds of one core, and the others wait for the next."""
_EXPONENT = 65537


@dataclass(frozen=True)
class _Kept:
    """A stored key, as far as crypto reads it."""

    id: str
    number: int
    epoch: int
    certificate: x509.Certificate


class StoredEncryptionKeys:
    """Collection `decryption_keys`: {_id: kind, account, keyed address and number, account, kind: "smime", wrap,
    public: the wrapped certificate, serial, epoch of the account key it is sealed to}."""

    def __init__(
        self,
        collection: Collection,
        scope: Scope,
        issuers: Issuers,
        profile: Callable[[Authority], Profile],
        register: Register,
        directory: Directory,
    ) -> None:
        self._keys = collection
        self._scope = scope
        self._issuing = issuers.current.authority
        self._former = [issuer.authority for issuer in issuers.former]
        self._profile = profile(self._issuing)
        self._register = register
        self._directory = directory
        self._making = asyncio.Lock()
        self._cache: OrderedDict[str, _Kept] = OrderedDict()

    async def encryption(self, account: UUID, address: str) -> x509.Certificate:
        """The certificate to encrypt to an account's address with. Refused where they don't belong together."""
        address = normal(address)
        entry = await self._directory.address(address)
        if entry is None or entry.account != account or entry.group or not entry.active:
            raise Refused("no-such-person", "Nobody here has this address.", "Look at the address.", 404)
        prefix = f"smime/{account}/{(await self._scope.hmac(address.encode()))[:16].hex()}/"
        kept = self._cache.get(prefix)
        if kept is None or await self._is_due(kept, entry):
            kept = await self._newest(prefix)
        if kept is None or await self._is_due(kept, entry):
            async with self._making:  # making an RSA key takes all of a core
                kept = await self._newest(prefix)
                while kept is None or await self._is_due(kept, entry):
                    kept = await self._make(prefix, kept, entry, address)
        self._cache[prefix] = kept
        self._cache.move_to_end(prefix)
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return kept.certificate

    async def certificates(self, account: UUID) -> Mapping[str, x509.Certificate]:
        """The certificates of all S/MIME keys an account ever had, by the id of the key."""
        found = self._keys.find({"account": account, "kind": "smime"})
        return {d["_id"]: (await self._read(d)).certificate async for d in found}

    async def run(self) -> None:
        """Renew what ends within 30 days, every hour, for ever."""
        while True:
            await asyncio.sleep(_EVERY)
            try:
                await self.renew()
            except (PyMongoError, OSError, SecuMailError) as error:
                log.warning("certificates not renewed", extra={"cause": type(error).__name__})

    async def renew(self, most: int = _AT_A_TURN) -> int:
        """Give people a new encryption certificate before the old one ends; how many got one."""
        done = 0
        async for ending in self._register.ending("encryption", datetime.now(UTC) + RENEW_BEFORE):
            if done == most:
                break
            if ending.account is None:
                continue
            try:
                newest = await self.encryption(ending.account, ending.address)
            except (Refused, Transient):
                continue  # suspended or gone, or had too many today: they get a new one when it is needed
            if newest.serial_number != ending.certificate.serial_number:
                done += 1
        return done

    async def _is_due(self, kept: _Kept, entry: Entry) -> bool:
        """It ends soon, is revoked, of a former CA, or sealed to an account key that has been replaced."""
        return (
            kept.epoch != entry.epoch
            or kept.certificate.serial_number in await self._register.revoked()
            or is_due(kept.certificate, self._issuing, self._profile, datetime.now(UTC))
            or any(authority.issued(kept.certificate) for authority in self._former)
        )

    async def _newest(self, prefix: str) -> _Kept | None:
        # "0" follows "/": all ids that begin with the prefix.
        found = await self._keys.find_one({"_id": {"$gt": prefix, "$lt": f"{prefix[:-1]}0"}}, sort=[("_id", -1)])
        return await self._read(found) if found else None

    async def _read(self, d: Document) -> _Kept:
        der = await self._scope.unwrap(d["public"], d["_id"])
        return _Kept(d["_id"], int(d["_id"].rpartition("/")[2]), d["epoch"], x509.load_der_x509_certificate(der))

    async def _make(self, prefix: str, old: _Kept | None, entry: Entry, address: str) -> _Kept:
        await self._register.allow(entry.account)
        key = await asyncio.to_thread(_generate, self._profile.key)
        serial = x509.random_serial_number()
        certificate = issue(self._issuing, address, key.public_key(), datetime.now(UTC), serial, self._profile)
        number = old.number + 1 if old else 1
        id_ = f"{prefix}{number:06}"  # so that the newest is the last by its id
        secret = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        await self._register.add(certificate, self._issuing, entry.account, "encryption", address)
        try:
            await self._keys.insert_one(
                {
                    "_id": id_,
                    "account": entry.account,
                    "kind": "smime",
                    "wrap": decryption.seal(secret, entry.account, id_, entry.key),
                    "public": await self._scope.wrap(certificate.public_bytes(serialization.Encoding.DER), id_),
                    "serial": hexadecimal(serial),
                    "epoch": entry.epoch,
                }
            )
        except DuplicateKeyError:
            # Another replica was faster; nobody ever encrypts to ours.
            await self._register.revoke(hexadecimal(serial), "superseded", None)
            taken = await self._newest(prefix)
            if taken is None:
                raise
            return taken
        if old is not None:
            await self._register.renewed(hexadecimal(old.certificate.serial_number))
        return _Kept(id_, number, entry.epoch, certificate)


def _generate(kind: KeyKind) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    if kind is KeyKind.RSA3072:
        return rsa.generate_private_key(_EXPONENT, RSA_BITS)
    return ec.generate_private_key(ec.SECP256R1())
