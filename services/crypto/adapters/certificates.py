"""The register of everything the authority has issued, and the revocation lists made from it.

A certificate names a mail address, and addresses are not readable at rest: it is wrapped under crypto's KMS scope.
What a CRL says to everybody (serial, when, why) lies open.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from secumail.audit import Acts
from secumail.contracts.commands.certificates import Kind
from secumail.errors import Transient
from secumail.sealing.kms import Scope
from secumail.store.client import Collection, Document, DuplicateKeyError
from services.crypto import revocation
from services.crypto.authority import Authority
from services.crypto.revocation import Reason, Revoked, Status
from services.crypto.smime.crls import Revocation

FRESH = 5.0
"""Seconds after which another replica's revocation is seen here."""
_LIST_AGAIN = timedelta(hours=1)
_CLOCKS_APART = timedelta(minutes=10)
# RFC 5280 section 3.3: an entry stays on one list issued after the certificate's end; ours stays on all of a week.
_LISTED_AFTER_END = timedelta(days=7)
_LENGTH = 4


@dataclass(frozen=True)
class Registered:
    """One certificate in the register. `account` is None for the mail system's own."""

    certificate: x509.Certificate
    account: UUID | None
    kind: Kind
    address: str
    revoked: Revoked | None

    @property
    def serial(self) -> str:
        """As the register is asked."""
        return hexadecimal(self.certificate.serial_number)


def hexadecimal(serial: int) -> str:
    """A serial number as it is written everywhere: lower-case hex."""
    return f"{serial:x}"


class Register:
    """Collections `certificates` {_id: serial, account, kind, issuer, sealed, issued, ends, revoked, reason} and
    `crls` {_id: issuer, number, made, revoked: how many were then, of all CAs, der}."""

    def __init__(self, certificates: Collection, crls: Collection, scope: Scope, acts: Acts, issues_a_day: int) -> None:
        self._certificates = certificates
        self._crls = crls
        self._scope = scope
        self._acts = acts
        self._issues_a_day = issues_a_day
        self._revoked: dict[int, Revocation] = {}
        self._seen = datetime.fromtimestamp(0, UTC)
        self._looked = float("-inf")

    async def allow(self, account: UUID | None) -> None:
        """Transient where the account has had as many certificates as it may have in a day."""
        since = datetime.now(UTC) - timedelta(days=1)
        query = {"account": account, "issued": {"$gt": since}}
        if await self._certificates.count_documents(query, limit=self._issues_a_day) >= self._issues_a_day:
            raise Transient("certificate-limit")

    async def add(
        self, certificate: x509.Certificate, issuing: Authority, account: UUID | None, kind: Kind, address: str
    ) -> None:
        """Register a certificate, before anybody gets to see it."""
        serial = hexadecimal(certificate.serial_number)
        await self._acts.record("crypto", f"certificate-issued:{serial}", account or "system")
        await self._certificates.insert_one(
            {
                "_id": serial,
                "account": account,
                "kind": kind,
                "issuer": issuing.id,
                "sealed": await self._scope.wrap(_encode(certificate, address), _context(serial)),
                "issued": datetime.now(UTC),
                "begins": certificate.not_valid_before_utc,
                "ends": certificate.not_valid_after_utc,
            }
        )

    async def find(self, serial: str) -> Registered | None:
        """One certificate."""
        found = await self._certificates.find_one({"_id": serial})
        return await self._read(found) if found else None

    async def of(self, account: UUID) -> list[Registered]:
        """All certificates of an account."""
        return [await self._read(d) async for d in self._certificates.find({"account": account})]

    async def page(self, after: str, most: int) -> list[Registered]:
        """Everybody's, by serial number."""
        found = self._certificates.find({"_id": {"$gt": after}}).sort("_id", 1).limit(most)
        return [await self._read(d) async for d in found]

    # --- renewal ------------------------------------------------------------------------------------------

    async def ending(self, kind: Kind, before: datetime) -> AsyncIterator[Registered]:
        """Certificates that end between now and `before`, and have neither been revoked nor renewed."""
        query = {"ends": {"$gt": datetime.now(UTC), "$lt": before}, "kind": kind}
        nor = {"revoked": {"$exists": False}, "renewed": {"$exists": False}}
        async for found in self._certificates.find(query | nor).sort("ends", 1):
            yield await self._read(found)

    async def renewed(self, serial: str) -> None:
        """There is a newer certificate in this one's place."""
        await self._acts.record("crypto", f"certificate-renewed:{serial}", "system")
        await self._certificates.update_one({"_id": serial}, {"$set": {"renewed": True}})

    # --- revocation ---------------------------------------------------------------------------------------

    async def revoke(self, serial: str, reason: Reason, by: UUID | None) -> bool:
        """Revoke for good; False where it is revoked already (its first time and reason stay) or not there."""
        now = datetime.now(UTC).replace(microsecond=0)  # certificates and lists know whole seconds
        done = await self._certificates.update_one(
            {"_id": serial, "revoked": {"$exists": False}}, {"$set": {"revoked": now, "reason": reason}}
        )
        if done.matched_count == 0:
            return False
        await self._acts.record(by or "crypto", f"certificate-revoked:{reason}", serial)
        self._revoked[int(serial, 16)] = Revocation(now, reason)
        return True

    async def revoked(self, fresh: float = FRESH) -> Mapping[int, Revocation]:
        """When and why, by serial number: all that is revoked, as it was `fresh` seconds ago."""
        if time.monotonic() - self._looked < fresh:
            return self._revoked
        looked = time.monotonic()
        # Nothing is ever taken back: what was seen stays, only what is new is read.
        query = {"revoked": {"$gte": self._seen - _CLOCKS_APART}}
        async for d in self._certificates.find(query, {"revoked": 1, "reason": 1}):
            self._revoked[int(d["_id"], 16)] = Revocation(d["revoked"], d["reason"])
            self._seen = max(self._seen, d["revoked"])
        self._looked = looked
        return self._revoked

    async def status(self, serial: int, issuing: Authority) -> Status | None:
        """What is known of a certificate of this CA; None: it has issued no such certificate."""
        found = await self._certificates.find_one({"_id": hexadecimal(serial), "issuer": issuing.id})
        if found is None:
            return None
        return Status(_revoked(found))

    async def crl(self, issuing: Authority) -> bytes:
        """The CA's list as DER: made anew when something was revoked since, and every hour."""
        now = datetime.now(UTC)
        kept = await self._crls.find_one({"_id": issuing.id})
        # Replicas that have seen different things must not make lists in turn: one that would make one looks again.
        for fresh in (FRESH, 0):
            revoked = len(await self.revoked(fresh))
            if kept is not None and now - kept["made"] < _LIST_AGAIN and kept["revoked"] == revoked:
                der: bytes = kept["der"]
                return der
        query = {"issuer": issuing.id, "revoked": {"$exists": True}, "ends": {"$gt": now - _LISTED_AFTER_END}}
        entries = [entry async for d in self._certificates.find(query) if (entry := _revoked(d)) is not None]
        last = kept["number"] if kept else 0
        # Rising after the database was put back from a backup, too: readers remember the last number they saw.
        number = max(last + 1, int(now.timestamp()))
        list_ = await asyncio.to_thread(revocation.crl, issuing, entries, number, now)
        made = {"_id": issuing.id, "number": number, "revoked": revoked, "made": now, "der": list_}
        try:
            await self._crls.replace_one({"_id": issuing.id, "number": last}, made, upsert=True)
        except DuplicateKeyError:
            # Another replica was faster; its list is the one.
            return await self.crl(issuing)
        return list_

    async def _read(self, d: Document) -> Registered:
        certificate, address = _decode(await self._scope.unwrap(d["sealed"], _context(d["_id"])))
        return Registered(certificate, d["account"], d["kind"], address, _revoked(d))


def _revoked(d: Document) -> Revoked | None:
    return Revoked(int(d["_id"], 16), d["revoked"], d["reason"]) if "revoked" in d else None


def _context(serial: str) -> str:
    return f"certificate/{serial}"


def _encode(certificate: x509.Certificate, address: str) -> bytes:
    der = certificate.public_bytes(Encoding.DER)
    return len(der).to_bytes(_LENGTH, "big") + der + address.encode()


def _decode(raw: bytes) -> tuple[x509.Certificate, str]:
    end = _LENGTH + int.from_bytes(raw[:_LENGTH], "big")
    return x509.load_der_x509_certificate(raw[_LENGTH:end]), raw[end:].decode()
