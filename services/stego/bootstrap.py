"""stego, wired."""

from secumail.audit import Acts
from secumail.contracts.commands.stego import AddCover, JudgeCovers, ListCovers, RemoveCover, RevealPictures
from secumail.contracts.events import MailEncrypted
from secumail.service import Service
from services.stego.adapters.mongodb import StoredLibrary, StoredUsedCovers
from services.stego.handlers import Concealment
from services.stego.keeping import KeptCovers
from services.stego.settings import Settings
from services.stego.workers import Workers


def wire(settings: Settings) -> Service:
    """The service, ready to run."""
    service = Service("stego", settings)
    scope = service.keys["stego.covers"]
    used = StoredUsedCovers(service.database["covers_used"], scope)
    library = StoredLibrary(service.database["covers"], service.blobs, scope)
    hiding, answering = Workers(settings.hiding_processes), Workers()
    concealment = Concealment(
        service.spool, service.claims, service.directory, hiding, answering, used, library, settings.domains[0]
    )
    covers = KeptCovers(answering, used, library, service.spool, service.directory, Acts(service.database["acts"]))
    # No more mails than there are processes: the others wait in the queue, for whichever replica is free.
    service.work.handle("mail.encrypted", MailEncrypted, concealment.on_encrypted, settings.hiding_processes)
    answer = service.answering.on
    answer(RevealPictures, concealment.reveal)
    answer(JudgeCovers, covers.judge)
    answer(AddCover, covers.add)
    answer(ListCovers, covers.all)
    answer(RemoveCover, covers.remove)

    async def end_workers() -> None:
        hiding.close()
        answering.close()

    service.at_end(end_workers)
    return service
