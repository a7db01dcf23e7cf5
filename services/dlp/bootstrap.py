"""dlp, wired."""

from secumail.audit import Acts
from secumail.contracts.commands.dlp import GetLists, PutLists, Reject, Release
from secumail.contracts.events import MailSubmitted
from secumail.service import Service
from services.dlp.adapters.mongodb import StoredLists
from services.dlp.handlers import Filtering
from services.dlp.settings import Settings


def wire(settings: Settings) -> Service:
    """The service, ready to run."""
    service = Service("dlp", settings)
    filtering = Filtering(
        service.spool,
        service.claims,
        service.mailboxes,
        service.directory,
        StoredLists(service.database["lists"], service.blobs, service.keys["dlp.lists"]),
        Acts(service.database["acts"]),
        settings.domains,
    )
    service.work.handle("mail.submitted", MailSubmitted, filtering.on_submitted)
    answer = service.answering.on
    answer(GetLists, filtering.get_lists)
    answer(PutLists, filtering.put_lists)
    answer(Release, filtering.release)
    answer(Reject, filtering.reject)
    service.before_work(filtering.load)
    service.in_background(filtering.follow)
    return service
