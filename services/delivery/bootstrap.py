"""delivery, wired."""

from secumail.audit import Sealer
from secumail.contracts.events import MailConcealed, MailEncrypted
from secumail.service import Service
from services.delivery.handlers import Delivery
from services.delivery.settings import Settings


def wire(settings: Settings) -> Service:
    """The service, ready to run."""
    service = Service("delivery", settings)
    delivery = Delivery(service.spool, service.mailboxes, service.claims, settings.domains[0])
    service.work.handle("mail.encrypted", MailEncrypted, delivery.on_encrypted)
    service.work.handle("mail.concealed", MailConcealed, delivery.on_concealed)
    service.in_background(Sealer(service.database, service.keys["delivery.audit"]).run)
    return service
