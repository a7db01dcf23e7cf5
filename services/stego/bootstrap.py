"""stego, wired."""

from secumail.contracts.commands.stego import Reveal
from secumail.contracts.events import MailEncrypted
from secumail.service import Service
from services.stego.embedding import LsbMatching
from services.stego.handlers import Concealment
from services.stego.settings import Settings


def wire(settings: Settings) -> Service:
    """The service, ready to run."""
    service = Service("stego", settings)
    concealment = Concealment(service.spool, service.claims, service.directory, LsbMatching(), settings.domains[0])
    service.work.handle("mail.encrypted", MailEncrypted, concealment.on_encrypted)
    service.answering.on(Reveal, concealment.reveal)
    return service
