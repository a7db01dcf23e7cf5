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
from services.dlp.handlers.filtering import Filtering
from services.dlp.handlers.review import Review
from services.dlp.keeping import KeptLists
from services.dlp.settings import Settings


def wire(settings: Settings) -> Service:
    """The service, ready to run."""
    service = Service("dlp", settings)
    acts = Acts(service.database["acts"])
    versions = StoredLists(service.database["lists"], service.blobs, service.keys["dlp.lists"])
    lists = KeptLists(versions, service.directory, acts)
    extractor = Extractor()
    filtering = Filtering(
        service.spool,
        service.claims,
        service.mailboxes,
        service.directory,
        lists,
        extractor,
        acts,
        settings.domains,
    )
    review = review_of(service, settings)
    service.work.handle("mail.submitted", MailSubmitted, filtering.on_submitted)
    answer = service.answering.on
    answer(GetLists, lists.get_lists)
    answer(PutLists, lists.put_lists)
    answer(ChangeLists, lists.change_lists)
    answer(GetWords, lists.get_words)
    answer(PutWords, lists.put_words)
    answer(GetListsHistory, lists.history)
    answer(Scan, filtering.scan)
    answer(Release, review.release)
    answer(Reject, review.reject)

    async def start_extractor() -> None:
        extractor.warm()

    async def end_extractor() -> None:
        extractor.close()

    service.before_work(start_extractor)
    service.at_end(end_extractor)
    service.before_work(lists.load)
    service.in_background(lists.follow)
    service.in_background(review.expire)
    return service


def review_of(service: Service, settings: Settings) -> Review:
    """What becomes of held mail, over what the service has."""
    held = HeldMails(service.database["spool"])
    return Review(service.spool, service.directory, held, timedelta(days=settings.hold_days))
