"""What dlp answers: the lists, scanning before sending, releasing and rejecting."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from secumail.contracts.claims import SealedClaim
from secumail.contracts.commands.base import Command, Done, Reply

WordsForm = Literal["csv", "text"]
"""CSV: term,threshold,scope; text: a term a line."""
WordsAct = Literal["replace", "add", "remove"]


class ListsReply(Reply):
    """The lists as JSON (services.dlp.lists), packed (secumail.contracts.packing), and their version."""

    lists: str
    number: int = 0


class WordsReply(Reply):
    """The black words, packed, and the version of the lists they are from."""

    words: str
    number: int


class ChangedReply(Reply):
    """The version that a change made; `counts` False: it is kept, and will count within seconds."""

    number: int
    counts: bool = True


class ListsVersion(BaseModel):
    """One version of the lists: who made it, and when."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int
    at: datetime
    actor: UUID | None = None


class HistoryReply(Reply):
    """The versions, newest first; `counting` is the one by which mail is filtered where this is answered."""

    versions: tuple[ListsVersion, ...]
    counting: int = 0


class GetLists(Command):
    """The current lists, or those of a version; `words` False: without the black words, which may be very many.

    A reviewer's or administrator's act: the lists are secrets.
    """

    name: ClassVar[str] = "dlp.get-lists"
    reply: ClassVar[type[Reply]] = ListsReply
    number: int | None = None
    words: bool = True


class PutLists(Command):
    """Replace the lists; refused where `expects` is not the current version (somebody else edited them)."""

    name: ClassVar[str] = "dlp.put-lists"
    reply: ClassVar[type[Reply]] = ListsReply
    lists: str
    expects: int


class ChangeLists(Command):
    """Replace some of the lists' fields (a JSON object, packed); the others, and the words, stay as they are."""

    name: ClassVar[str] = "dlp.change-lists"
    reply: ClassVar[type[Reply]] = ChangedReply
    fields: str
    expects: int


class GetWords(Command):
    """The black words: as CSV, or the terms alone, one a line."""

    name: ClassVar[str] = "dlp.get-words"
    reply: ClassVar[type[Reply]] = WordsReply
    patience: ClassVar[float] = 60.0
    number: int | None = None
    form: WordsForm = "csv"


class PutWords(Command):
    """Replace the black words by these (packed), add these, or remove these; the other lists stay as they are."""

    name: ClassVar[str] = "dlp.put-words"
    reply: ClassVar[type[Reply]] = ChangedReply
    patience: ClassVar[float] = 60.0
    words: str
    form: WordsForm = "csv"
    act: WordsAct = "replace"
    expects: int


class HandedMail(BaseModel):
    """A held mail (base64), opened by a reviewer, with its envelope."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    mail: str
    sender: str
    recipients: tuple[str, ...]


class LoggedMail(BaseModel):
    """A line of the sent log: to whom, and how often it has black words, by their keyed ids."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    recipients: tuple[str, ...]
    terms: dict[str, int]


class TriedMail(BaseModel):
    """What would become of a held mail by the lists that count and by those tried: action and code of each verdict."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    now: tuple[str, ...]
    then: tuple[str, ...]


class TriedTerm(BaseModel):
    """A word, and how many of the mails sent it would have held."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    term: str
    mails: int


class TriedReply(Reply):
    """Held mails, those of the mails sent that would have been held, and by which words."""

    held: tuple[TriedMail, ...]
    sent: tuple[UUID, ...]
    terms: tuple[TriedTerm, ...]


class TryLists(Command):
    """What would lists do that are the current ones but for these fields (JSON, packed) and words (as in PutWords)?

    A reviewer's act, with mail that the reviewer's session opened; nothing is kept.
    """

    name: ClassVar[str] = "dlp.try-lists"
    reply: ClassVar[type[Reply]] = TriedReply
    patience: ClassVar[float] = 60.0
    fields: str = "{}"
    words: str | None = None
    form: WordsForm = "csv"
    act: WordsAct = "replace"
    held: tuple[HandedMail, ...] = ()
    logged: tuple[LoggedMail, ...] = ()


class GetListsHistory(Command):
    """The versions of the lists."""

    name: ClassVar[str] = "dlp.lists-history"
    reply: ClassVar[type[Reply]] = HistoryReply


class Foreseen(BaseModel):
    """What would become of a mail for some recipients (positions in the envelope): no term, file or place in it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    recipients: tuple[int, ...]
    action: Literal["pass", "ask", "hold", "block"]
    code: str
    notice: str


class ScanReply(Reply):
    """The verdicts; every recipient is in one."""

    verdicts: tuple[Foreseen, ...]


class Scan(Command):
    """What would become of a mail (base64), asked by the person who is about to send it.

    Nothing is kept of it but, where it would not just pass, a line of the audit trail: whoever tries out what is held
    is seen to do so.
    """

    name: ClassVar[str] = "dlp.scan"
    reply: ClassVar[type[Reply]] = ScanReply
    mail: str
    sender: str
    recipients: tuple[str, ...]


class ReleaseReply(Done):
    """`missing`: how many other reviewers have to release it before it goes; 0 where it is on its way."""

    missing: int = 0


class Release(Command):
    """Let a held mail go: `claim` is its key bundle, sealed to crypto and signed in the reviewer's session.

    It says `released`, or `released-encrypted`: on condition that the mail leaves encrypted only. Where two reviewers
    are needed the first one's release is a vote, and the second one's claim carries the keys.
    """

    name: ClassVar[str] = "dlp.release"
    reply: ClassVar[type[Reply]] = ReleaseReply
    mail: UUID
    generation: int
    claim: SealedClaim


class Reject(Command):
    """Refuse a held mail for good."""

    name: ClassVar[str] = "dlp.reject"
    mail: UUID
    generation: int


COMMANDS: tuple[type[Command], ...] = (
    GetLists, PutLists, ChangeLists, GetWords, PutWords, TryLists, GetListsHistory, Scan, Release, Reject,
)  # fmt: skip
PRIVILEGED: tuple[type[Command], ...] = COMMANDS
