"""What of a mail stands on the papers' lists: files by their hash, words by their threshold or their weight. Pure."""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from datetime import date
from typing import Literal

from services.dlp.attachments import Attachment, black_listed, not_listed
from services.dlp.black_words import Scope
from services.dlp.explaining import (
    Finding,
    attachment_finding,
    capital,
    place,
    some,
    the,
    the_word,
    word_finding,
    word_sentences,
)
from services.dlp.findings import Hit
from services.dlp.lists import Lists
from services.dlp.message import Message
from services.dlp.terms import Occurrence
from services.dlp.words import fold

Code = Literal["attachment-black-listed", "attachment-not-listed", "black-word", "term-weight"]
"""What holds it; also the detector's name in findings, and in rules that ask for it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What was found of the lists. `unlisted` holds a mail only where the white list is strict."""

    message: Message
    lists: Lists
    black: tuple[Attachment, ...]
    unlisted: tuple[Attachment, ...]
    words: tuple[Occurrence, ...]
    heavy: tuple[Occurrence, ...]

    @classmethod
    def among(
        cls, message: Message, occurrences: Iterable[Occurrence], lists: Lists, scopes: Set[Scope], today: date
    ) -> "Listed":
        """Look a mail up, for recipients for whom the words of these scopes count, on this day."""
        listed, over, limit = lists.words, lists.over("words", today), lists.weight_threshold
        counted = [
            o for o in occurrences
            if listed[o.term].scope in scopes and not (over and fold(listed[o.term].term) in over)
        ]  # fmt: skip
        white = lists.counting("white", today)
        return cls(
            message,
            lists,
            black_listed(message.attachments, lists.counting("black", today)),
            () if lists.white_mode == "off" else not_listed(message.attachments, white),
            tuple(o for o in counted if o.total >= listed[o.term].threshold),
            tuple(o for o in counted if limit is not None and o.weight >= limit),
        )

    def findings(self) -> Iterator[Finding]:
        """All of it, for reviewers."""
        version, listed = self.lists.version, self.lists.words
        for detector, attachments in self._files():
            yield from (attachment_finding(detector, a, version) for a in attachments)
        for o in self.words:
            yield word_finding("black-word", o, listed[o.term].threshold, self.message, listed, version)
        for o in self.heavy:
            yield word_finding("term-weight", o, self.lists.weight_threshold, self.message, listed, version)

    def hits(self) -> tuple[Hit, ...]:
        """The same as rules see it: they may make more of it than a list does."""
        files = (Hit(code, a.sha256, str(a)) for code, attachments in self._files() for a in attachments)
        return (*files, *self._words("black-word", self.words), *self._words("term-weight", self.heavy))

    def holds(self) -> tuple[Code, str] | None:
        """The first list that holds the mail, and why; None where none does."""
        listed = self.lists.words
        if self.black:
            return "attachment-black-listed", some(
                f"{capital(str(a))} is on the black list of files." for a in self.black
            )
        if self.unlisted and self.lists.white_mode == "strict":
            return "attachment-not-listed", some(
                f"{capital(str(a))} is not on the white list of files that may leave." for a in self.unlisted
            )
        if self.words:
            return "black-word", some(word_sentences(self.words, self.message, listed))
        if self.heavy:
            limit = f"from {self.lists.weight_threshold:g} on the mail is held"
            return "term-weight", some(
                f"{the_word(listed[o.term])} weighs {o.weight:.2f} in {the(place(o, self.message))}; {limit}."
                for o in self.heavy
            )
        return None

    def _files(self) -> tuple[tuple[Code, tuple[Attachment, ...]], ...]:
        return ("attachment-black-listed", self.black), ("attachment-not-listed", self.unlisted)

    def _words(self, code: Code, found: Iterable[Occurrence]) -> Iterator[Hit]:
        for o in found:
            yield Hit(code, self.lists.words[o.term].term, place(o, self.message), o.count)
