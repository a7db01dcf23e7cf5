"""What crypto answers about certificates: whose there are, their revocation and export, and the public's questions.

Serial numbers are lower-case hex without leading zeros, certificates PEM, other bytes base64.
"""

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from secumail.contracts.commands.base import Command, Reply

Kind = Literal["signing", "encryption"]
Status = Literal["good", "revoked", "expired"]
RevocationReason = Literal[
    "unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation", "privilegeWithdrawn"
]
"""Of RFC 5280 section 5.3.1, those that can be said of a person's certificate and are never taken back."""

Serial = Annotated[str, Field(pattern=r"^[1-9a-f][0-9a-f]{0,39}$")]
PAGE = 200


class CertificateRow(BaseModel):
    """One certificate. `account` is absent for the mail system's own."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    serial: str
    kind: Kind
    account: UUID | None
    address: str
    begins: datetime
    ends: datetime
    status: Status
    revoked: datetime | None = None
    reason: RevocationReason | None = None


class CertificateList(Reply):
    """Rows in order of their serial numbers; `more` says that others follow the last one."""

    certificates: tuple[CertificateRow, ...]
    more: bool = False


class ListCertificates(Command):
    """One's own certificates; with `every`, an administrator's act: all, 200 at a time, from behind `after`."""

    name: ClassVar[str] = "crypto.list-certificates"
    reply: ClassVar[type[Reply]] = CertificateList
    every: bool = False
    after: str = ""


class CertificateShown(Reply):
    """One certificate with what is known of it."""

    certificate: CertificateRow
    pem: str


class ShowCertificate(Command):
    """A certificate of one's own, or for an administrator anybody's."""

    name: ClassVar[str] = "crypto.show-certificate"
    reply: ClassVar[type[Reply]] = CertificateShown
    serial: Serial


class RevokeCertificate(Command):
    """Revoke a certificate for good: one's own, or for an administrator anybody's. The next one is made when needed."""

    name: ClassVar[str] = "crypto.revoke-certificate"
    reply: ClassVar[type[Reply]] = CertificateShown
    serial: Serial
    reason: RevocationReason = "unspecified"


class PersonsCertificate(Reply):
    """The certificate to encrypt to somebody with, and its chain to the root, PEM."""

    pem: str


class GetCertificate(Command):
    """The encryption certificate of a colleague, made where there is none yet. For people inside."""

    name: ClassVar[str] = "crypto.get-certificate"
    reply: ClassVar[type[Reply]] = PersonsCertificate
    address: str


class Exported(Reply):
    """A .p12 file (PKCS #12), base64."""

    p12: str
    filename: str

    def __repr__(self) -> str:
        return "Exported(...)"


class ExportCertificate(Command):
    """One's own certificate with its private key, for a mail program. `modern`: AES-256; `legacy`: triple DES.

    `secret`: the encryption key as the session opened it (PKCS #8, base64); a signing key is crypto's to give.
    """

    name: ClassVar[str] = "crypto.export-certificate"
    reply: ClassVar[type[Reply]] = Exported
    serial: Serial
    password: str
    format: Literal["modern", "legacy"] = "modern"
    secret: str = ""

    def __repr__(self) -> str:
        return "ExportCertificate(...)"


class Published(Reply):
    """A CRL or a certificate as DER, base64."""

    der: str


class GetCrl(Command):
    """The revocation list of an issuing CA, by its id; of the current one where that is empty. Public."""

    name: ClassVar[str] = "crypto.get-crl"
    reply: ClassVar[type[Reply]] = Published
    issuer: str = ""


class GetIssuer(Command):
    """An issuing CA's certificate, by its id as above. Public."""

    name: ClassVar[str] = "crypto.get-issuer"
    reply: ClassVar[type[Reply]] = Published
    issuer: str = ""


class OcspAnswer(Reply):
    """An OCSPResponse (RFC 6960), base64: also for a request that can't be answered."""

    response: str


class AskOcsp(Command):
    """Whether a certificate is good. `request` is an OCSPRequest, base64. Public."""

    name: ClassVar[str] = "crypto.ask-ocsp"
    reply: ClassVar[type[Reply]] = OcspAnswer
    request: str


PRIVILEGED: tuple[type[Command], ...] = (
    ListCertificates,
    ShowCertificate,
    RevokeCertificate,
    GetCertificate,
    ExportCertificate,
)
COMMANDS: tuple[type[Command], ...] = (*PRIVILEGED, GetCrl, GetIssuer, AskOcsp)
