"""People's certificates: /certificates, /certificate.pem. (What the public asks is in handlers.pki.)"""

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from secumail.contracts.commands.certificates import (
    CertificateList,
    CertificateRow,
    CertificateShown,
    ExportCertificate,
    Exported,
    GetCertificate,
    ListCertificates,
    PersonsCertificate,
    RevocationReason,
    RevokeCertificate,
    Serial,
    ShowCertificate,
)
from services.gateway.handlers.door import Asking, Behind
from services.gateway.handlers.pki import decoded

router = APIRouter()

OfCertificate = Annotated[Serial, Path(description="Its serial number, lower-case hex without leading zeros.")]


class CertificatePage(BaseModel):
    """Certificates; `next_cursor` is null where there are no more."""

    data: list[CertificateRow]
    next_cursor: str | None


class Revocation(BaseModel):
    """Why a certificate is revoked (RFC 5280 section 5.3.1)."""

    model_config = ConfigDict(extra="forbid")

    reason: RevocationReason = "unspecified"


class Export(BaseModel):
    """The password for the file, and who asks once more: a session alone does not give a key away."""

    model_config = ConfigDict(extra="forbid")

    password: str = Field(max_length=128, description="Protects the file: 12 characters or more.")
    login_password: str = Field(max_length=1024, description="The one you log in with.")
    format: Literal["modern", "legacy"] = "modern"

    def __repr__(self) -> str:
        return "Export(...)"


@router.get("/certificates", operation_id="listCertificates")
async def list_certificates(
    door: Behind,
    session: Asking,
    every: Annotated[bool, Query(alias="all", description="Everybody's. For administrators.")] = False,
    cursor: Annotated[str, Query(max_length=40)] = "",
) -> CertificatePage:
    """One's own certificates, oldest first; or everybody's, by serial number."""
    found = await door.ask(ListCertificates(every=every, after=cursor), CertificateList, session.actor)
    rows = list(found.certificates)
    return CertificatePage(data=rows, next_cursor=rows[-1].serial if found.more else None)


@router.get("/certificates/{serial}", operation_id="showCertificate")
async def show_certificate(door: Behind, session: Asking, serial: OfCertificate) -> CertificateShown:
    """One certificate, with its PEM."""
    return await door.ask(ShowCertificate(serial=serial), CertificateShown, session.actor)


@router.post("/certificates/{serial}/revoke", operation_id="revokeCertificate")
async def revoke_certificate(
    door: Behind, session: Asking, serial: OfCertificate, given: Revocation
) -> CertificateShown:
    """Revoke for good: one's own, or for administrators anybody's. The next one is made when it is needed."""
    return await door.ask(RevokeCertificate(serial=serial, reason=given.reason), CertificateShown, session.actor)


@router.post("/certificates/{serial}/p12", operation_id="exportCertificate", response_class=Response)
async def export_certificate(door: Behind, session: Asking, serial: OfCertificate, given: Export) -> Response:
    """One's own certificate with its private key (PKCS #12), for a mail program."""
    await door.ask_again(session, given.login_password)
    shown = await door.ask(ShowCertificate(serial=serial), CertificateShown, session.actor)
    secret = ""
    if shown.certificate.kind == "encryption" and shown.certificate.account == session.account:
        secret = (await door.decryption.of_certificate(session, serial)).secret
    command = ExportCertificate(serial=serial, password=given.password, format=given.format, secret=secret)
    exported = await door.ask(command, Exported, session.actor)
    return Response(
        decoded(exported.p12),
        media_type="application/x-pkcs12",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(exported.filename, safe='')}",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


@router.get("/certificate.pem", operation_id="getPersonsCertificate", response_class=Response)
async def persons_certificate(
    door: Behind, session: Asking, address: Annotated[str, Query(max_length=320)]
) -> Response:
    """What to encrypt to a colleague with: the certificate of an address here, and its chain."""
    found = await door.ask(GetCertificate(address=address), PersonsCertificate, session.actor)
    return Response(found.pem, media_type="application/x-pem-file")
