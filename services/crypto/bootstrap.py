"""crypto, wired."""

from secumail.audit import Acts
from secumail.contracts.commands.crypto import GetAuthority, VerifySignature
from secumail.contracts.events import MailFiltered
from secumail.service import Service
from services.crypto.adapters.authority_files import load
from services.crypto.adapters.custody import StoredCustody
from services.crypto.handlers.protection import Protection
from services.crypto.settings import Settings


async def wire(settings: Settings) -> Service:
    """The service, ready to run."""
    service = Service("crypto", settings)
    issuing, root = await load(settings.authority, service.keys["crypto.authority"])
    custody = StoredCustody(
        service.database["signing_keys"],
        service.keys["crypto.signing"],
        issuing,
        Acts(service.database["acts"]),
    )
    protection = Protection(
        service.spool,
        service.claims,
        service.transport,
        service.directory,
        custody,
        issuing,
        root,
        settings.domains,
    )
    service.work.handle("mail.filtered", MailFiltered, protection.on_filtered)
    service.answering.on(VerifySignature, protection.verify_signature)
    service.answering.on(GetAuthority, protection.get_authority)
    return service
