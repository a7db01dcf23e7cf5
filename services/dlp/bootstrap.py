"""dlp, wired."""

from datetime import timedelta

from secumail.audit import Acts
from secumail.contracts.commands.dlp import (
    ChangeLists,
    GetLists,
    GetListsHistory,
    GetWords,
    PutLists,
    PutWords,
    Reject,
    Release,
    Scan,
)
from secumail.contracts.events import MailSubmitted
from secumail.service import Service
from services.dlp.adapters.mongodb import HeldMails, StoredLists
from services.dlp.extraction.child import Extractor
from services.dlp.handlers import Filtering
from services.dlp.keeping import KeptLists
from services.dlp.message import Extract
from services.dlp.settings import Settings


def wire(settings: Settings) -> Service:
    """The service, ready to run."""
    service = Service("dlp", settings)
    acts = Acts(service.database["acts"])
    versions = StoredLists(service.database["lists"], service.blobs, service.keys["dlp.lists"])
    lists = KeptLists(versions, service.directory, acts)
    extractor = Extractor()
    filtering = filtering_of(service, settings, lists, extractor, acts)
    service.work.handle("mail.submitted", MailSubmitted, filtering.on_submitted)
    answer = service.answering.on
    answer(GetLists, lists.get_lists)
    answer(PutLists, lists.put_lists)
    answer(ChangeLists, lists.change_lists)
    answer(GetWords, lists.get_words)
    answer(PutWords, lists.put_words)
    answer(GetListsHistory, lists.history)
    answer(Scan, filtering.scan)
    answer(Release, filtering.release)
    answer(Reject, filtering.reject)

    async def end_extractor() -> None:
        extractor.close()

    service.at_end(end_extractor)
    service.before_work(lists.load)
    service.in_background(lists.follow)
    service.in_background(filtering.expire)
    return service


def filtering_of(service: Service, settings: Settings, lists: KeptLists, extract: Extract, acts: Acts) -> Filtering:
    """The step and its answers, over what the service has."""
    return Filtering(
        service.spool,
        service.claims,
        service.mailboxes,
        service.directory,
        lists,
        extract,
        acts,
        settings.domains,
        HeldMails(service.database["spool"]),
        timedelta(days=settings.hold_days),
    )
