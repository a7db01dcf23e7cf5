"""crypto's answers about certificates: people's own, an administrator's, and what the public may ask."""

import asyncio
import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from secumail.audit import Acts
from secumail.contracts.commands.certificates import (
    PAGE,
    AskOcsp,
    CertificateList,
    CertificateRow,
    CertificateShown,
    ExportCertificate,
    Exported,
    GetCertificate,
    GetCrl,
    GetIssuer,
    ListCertificates,
    OcspAnswer,
    PersonsCertificate,
    Published,
    RevokeCertificate,
    ShowCertificate,
    Status,
)
from secumail.directory import Directory
from secumail.errors import Refused, Transient
from services.crypto import revocation
from services.crypto.adapters.authority_files import Issuer, Issuers
from services.crypto.adapters.certificates import Register, Registered
from services.crypto.pkcs12 import Format, export
from services.crypto.ports import Custody, EncryptionKeys

_EXPORTS_AT_ONCE = 2
"""Each takes a thread for a tenth of a second: a password for a file is stretched."""


class Certificates:
    """The answers, over the register and the keys."""

    def __init__(
        self,
        register: Register,
        issuers: Issuers,
        custody: Custody,
        keys: EncryptionKeys,
        directory: Directory,
        acts: Acts,
        export_signing_keys: bool,
    ) -> None:
        self._register = register
        self._issuers = issuers
        self._custody = custody
        self._keys = keys
        self._directory = directory
        self._acts = acts
        self._export_signing_keys = export_signing_keys
        self._exports = asyncio.Semaphore(_EXPORTS_AT_ONCE)

    # --- people -------------------------------------------------------------------------------------------

    async def list_certificates(self, command: ListCertificates, actor: UUID | None) -> CertificateList:
        """One's own, or everybody's."""
        account = _somebody(actor)
        now = datetime.now(UTC)
        if not command.every:
            own = await self._register.of(account)
            return CertificateList(certificates=tuple(_row(r, now) for r in sorted(own, key=_begins)))
        if not await self._is_administrator(account):
            raise Refused("role-missing", "All certificates are for administrators.", "Ask an administrator.", 403)
        found = await self._register.page(command.after, PAGE + 1)
        return CertificateList(certificates=tuple(_row(r, now) for r in found[:PAGE]), more=len(found) > PAGE)

    async def show_certificate(self, command: ShowCertificate, actor: UUID | None) -> CertificateShown:
        """One certificate."""
        return _shown(await self._known(command.serial, _somebody(actor)))

    async def revoke_certificate(self, command: RevokeCertificate, actor: UUID | None) -> CertificateShown:
        """Revoke. A certificate that is revoked already stays as it is: the first reason counts."""
        account = _somebody(actor)
        found = await self._known(command.serial, account)
        await self._register.revoke(found.serial, command.reason, account)
        return _shown(await self._known(command.serial, account))

    async def get_certificate(self, command: GetCertificate, _actor: UUID | None) -> PersonsCertificate:
        """What to encrypt to a colleague with."""
        entry = await self._directory.address(command.address)
        if entry is None:
            raise Refused("no-such-person", "Nobody here has this address.", "Look at the address.", 404)
        certificate = await self._encryption(entry.account, command.address)
        return PersonsCertificate(pem=_pem(certificate, *self._chain_of(certificate)))

    async def _encryption(self, account: UUID, address: str) -> x509.Certificate:
        try:
            return await self._keys.encryption(account, address)
        except Transient as error:
            raise Refused(
                "certificate-limit", "The person has had too many certificates today.", "Try again tomorrow.", 429
            ) from error

    async def export_certificate(self, command: ExportCertificate, actor: UUID | None) -> Exported:
        """One's own certificate with its key as a .p12 file."""
        account = _somebody(actor)
        found = await self._known(command.serial, account)
        if found.account != account:
            raise Refused("not-your-key", "Only its owner can export a key.", "Log in as its owner.", 403)
        key = await self._signing_key(found) if found.kind == "signing" else _decoded(command.secret)
        if key.public_key() != found.certificate.public_key():
            raise Refused("not-this-key", "The key is not this certificate's.", "Export the newest certificate.", 409)
        chain = self._chain_of(found.certificate)
        format_ = Format(command.format)
        async with self._exports:
            p12 = await asyncio.to_thread(
                export, key, found.certificate, chain, found.address, command.password, format_
            )
        await self._acts.record(account, f"certificate-exported:{format_}", found.serial)
        return Exported(p12=base64.b64encode(p12).decode(), filename=f"{found.kind}-{found.serial[:8]}.p12")

    async def _signing_key(self, found: Registered) -> ec.EllipticCurvePrivateKey:
        if not self._export_signing_keys:
            raise Refused(
                "signing-keys-stay",
                "Signing keys stay with the organisation.",
                "An operator can allow their export: SECUMAIL_EXPORT_SIGNING_KEYS.",
                403,
            )
        return (await self._custody.signer(found.account, found.address)).key

    async def _known(self, serial: str, account: UUID) -> Registered:
        """A certificate of one's own, or for an administrator anybody's; others don't learn that it exists."""
        found = await self._register.find(serial)
        if found is None or (found.account != account and not await self._is_administrator(account)):
            raise Refused("no-such-certificate", "You have no such certificate.", "Look at your certificates.", 404)
        return found

    async def _is_administrator(self, account: UUID) -> bool:
        entry = await self._directory.account(account)
        return entry is not None and entry.active and "administrator" in entry.roles

    def _chain_of(self, certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
        for issuer in (self._issuers.current, *self._issuers.former):
            if issuer.authority.issued(certificate):
                return (issuer.authority.certificate, *issuer.chain)
        return ()

    # --- the public ---------------------------------------------------------------------------------------

    async def get_crl(self, command: GetCrl, _actor: UUID | None) -> Published:
        """A revocation list."""
        return _published(await self._register.crl(self._issuer(command.issuer).authority))

    async def get_issuer(self, command: GetIssuer, _actor: UUID | None) -> Published:
        """An issuing CA's certificate."""
        certificate = self._issuer(command.issuer).authority.certificate
        return _published(certificate.public_bytes(serialization.Encoding.DER))

    async def ask_ocsp(self, command: AskOcsp, _actor: UUID | None) -> OcspAnswer:
        """Whether a certificate is good."""
        try:
            asked = revocation.read_request(base64.b64decode(command.request), self._issuers.authorities)
        except binascii.Error:
            asked = revocation.MALFORMED
        if not isinstance(asked, bytes):
            status = await self._register.status(asked.serial, asked.issuing)
            asked = revocation.answer(asked, status, datetime.now(UTC))
        return OcspAnswer(response=base64.b64encode(asked).decode())

    def _issuer(self, id_: str) -> Issuer:
        if not id_:
            return self._issuers.current
        for issuer in (self._issuers.current, *self._issuers.former):
            if issuer.authority.id == id_:
                return issuer
        raise Refused(
            "no-such-issuer", "There is no issuing CA of this id.", "Use the address in the certificate.", 404
        )


def _somebody(actor: UUID | None) -> UUID:
    if actor is None:
        raise Refused("not-your-act", "This act needs a person's signature.", "Log in.", 403)
    return actor


def _decoded(secret: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    try:
        key = serialization.load_der_private_key(base64.b64decode(secret, validate=True), None)
    except (ValueError, TypeError) as error:
        raise Refused("no-key", "The key that came along can't be read.", "Log in again, and try again.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise Refused("no-key", "The key that came along is of another kind.", "Log in again, and try again.")
    return key


def _begins(found: Registered) -> datetime:
    return found.certificate.not_valid_before_utc


def _row(found: Registered, now: datetime) -> CertificateRow:
    ends = found.certificate.not_valid_after_utc
    status: Status = "revoked" if found.revoked else "expired" if ends <= now else "good"
    return CertificateRow(
        serial=found.serial,
        kind=found.kind,
        account=found.account,
        address=found.address,
        begins=found.certificate.not_valid_before_utc,
        ends=ends,
        status=status,
        revoked=found.revoked.when if found.revoked else None,
        reason=found.revoked.reason if found.revoked else None,
    )


def _shown(found: Registered) -> CertificateShown:
    return CertificateShown(certificate=_row(found, datetime.now(UTC)), pem=_pem(found.certificate))


def _pem(*certificates: x509.Certificate) -> str:
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates).decode()


def _published(der: bytes) -> Published:
    return Published(der=base64.b64encode(der).decode())
