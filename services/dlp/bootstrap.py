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
    TryLists,
)
from secumail.contracts.events import MailSetAside, MailSubmitted
from secumail.errors import Refused
from secumail.service import Service
from secumail.spool.spool import Spool
from services.dlp.adapters.mongodb import HeldMails, StoredLists
from services.dlp.extraction.child import Extractor
from services.dlp.extraction.tesseract import missing
from services.dlp.handlers.filtering import Filtering, Pictures
from services.dlp.handlers.review import Review
from services.dlp.keeping import KeptLists
from services.dlp.settings import Settings
from services.dlp.trying import Trying

BRIEF = 8.0
"""Seconds for the pictures of a mail whose writer waits to be told what would become of it."""


def wire(settings: Settings) -> Service:
    """The service, ready to run."""
    service = Service("dlp", settings)
    acts = Acts(service.database["acts"])
    versions = StoredLists(service.database["lists"], service.blobs, service.keys["dlp.lists"])
    lists = KeptLists(versions, service.directory, acts)
    extractor = Extractor()
    languages, seconds = settings.picture_languages, settings.picture_seconds
    patient = Extractor(settings.picture_readers, wall=seconds * 3 / 2, languages=languages)
    brief = Extractor(wall=BRIEF * 3 / 2, languages=languages)
    aside = Spool(service.database["spool"], service.blobs, service.transport, service.outgoing.event)
    filtering = Filtering(
        service.spool,
        service.claims,
        service.mailboxes,
        service.directory,
        lists,
        extractor,
        Pictures(patient, brief, aside) if languages else None,
        acts,
        settings.domains,
    )
    review = review_of(service, settings)
    if "mail.submitted" in settings.queues:
        service.work.handle("mail.submitted", MailSubmitted, filtering.on_submitted)
    if "mail.set-aside" in settings.queues:
        readers = settings.picture_readers
        service.work.handle("mail.set-aside", MailSetAside, filtering.on_set_aside, at_once=readers)
    answer = service.answering.on
    answer(GetLists, lists.get_lists)
    answer(PutLists, lists.put_lists)
    answer(ChangeLists, lists.change_lists)
    answer(GetWords, lists.get_words)
    answer(PutWords, lists.put_words)
    # Not the filter's own: a hundred mails with files would keep those that are sent waiting.
    trial = Extractor(processes=1)
    answer(TryLists, Trying(lists, service.directory, trial, settings.domains).try_lists)
    answer(GetListsHistory, lists.history)
    answer(Scan, filtering.scan)
    answer(Release, review.release)
    answer(Reject, review.reject)

    async def start_extractors() -> None:
        if languages and (absent := missing(languages)):
            raise Refused(
                "tesseract-missing", f"There is no tesseract for these languages: {', '.join(absent)}.",
                "Install tesseract-ocr and their data, or set SECUMAIL_PICTURE_LANGUAGES (empty: none are read).",
            )  # fmt: skip
        extractor.warm()

    async def end_extractors() -> None:
        for one in (extractor, patient, brief, trial):
            one.close()

    service.before_work(start_extractors)
    service.at_end(end_extractors)
    service.before_work(lists.load)
    service.in_background(lists.follow)
    service.in_background(review.expire)
    return service


def review_of(service: Service, settings: Settings) -> Review:
    """What becomes of held mail, over what the service has."""
    held = HeldMails(service.database["spool"])
    return Review(service.spool, service.directory, held, timedelta(days=settings.hold_days))
