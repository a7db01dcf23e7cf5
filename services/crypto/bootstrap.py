"""crypto, wired."""

from secumail.audit import Acts
from secumail.contracts.commands.certificates import (
    AskOcsp,
    ExportCertificate,
    GetCertificate,
    GetCrl,
    GetIssuer,
    ListCertificates,
    RevokeCertificate,
    ShowCertificate,
)
from secumail.contracts.commands.crypto import GetAuthority, VerifySignature
from secumail.contracts.events import MailFiltered
from secumail.service import Service
from services.crypto.adapters.authority_files import load
from services.crypto.adapters.certificates import Register
from services.crypto.adapters.custody import StoredCustody
from services.crypto.adapters.encryption_keys import StoredEncryptionKeys
from services.crypto.handlers.certificates import Certificates
from services.crypto.handlers.protection import Protection
from services.crypto.settings import Settings


async def wire(settings: Settings) -> Service:
    """The service, ready to run."""
    service = Service("crypto", settings)
    issuers = await load(settings.authority, service.keys["crypto.authority"])
    acts = Acts(service.database["acts"])
    scope = service.keys["crypto.signing"]
    register = Register(service.database["certificates"], service.database["crls"], scope, acts, settings.issues_a_day)
    custody = StoredCustody(service.database["signing_keys"], scope, issuers, settings.signing, register)
    keys = StoredEncryptionKeys(
        service.database["decryption_keys"], scope, issuers, settings.encryption, register, service.directory
    )
    certificates = Certificates(register, issuers, custody, keys, service.directory, acts, settings.export_signing_keys)
    protection = Protection(
        service.spool,
        service.claims,
        service.transport,
        service.directory,
        custody,
        issuers.current.authority,
        issuers.current.root,
        settings.domains,
    )
    service.work.handle("mail.filtered", MailFiltered, protection.on_filtered)
    service.answering.on(VerifySignature, protection.verify_signature)
    service.answering.on(GetAuthority, protection.get_authority)
    service.answering.on(ListCertificates, certificates.list_certificates)
    service.answering.on(ShowCertificate, certificates.show_certificate)
    service.answering.on(RevokeCertificate, certificates.revoke_certificate)
    service.answering.on(GetCertificate, certificates.get_certificate)
    service.answering.on(ExportCertificate, certificates.export_certificate)
    service.answering.on(GetCrl, certificates.get_crl)
    service.answering.on(GetIssuer, certificates.get_issuer)
    service.answering.on(AskOcsp, certificates.ask_ocsp)
    service.in_background(keys.run)
    return service
