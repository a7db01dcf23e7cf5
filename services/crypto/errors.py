"""Why a protected mail can't be opened: values for a verdict, each with a stable `code` and a sentence `words`.

A reader who sees one of these sees no part of the content. None of the texts repeats anything of the mail.
"""

from enum import StrEnum

from secumail.errors import SecuMailError


class Reason(StrEnum):
    """What makes content unreadable for everybody, whoever's keys are at hand."""

    MALFORMED = "malformed"
    NOT_ENCRYPTED = "not-encrypted"
    NO_CONTENT = "no-content"
    TOO_LARGE = "too-large"
    TOO_MANY_RECIPIENTS = "too-many-recipients"
    ALGORITHM = "algorithm"


_WORDS = {
    Reason.MALFORMED: "The mail says it is encrypted, but its encrypted part is malformed.",
    Reason.NOT_ENCRYPTED: "The mail says it is encrypted, but what it carries is not encrypted content.",
    Reason.NO_CONTENT: "The mail says it is encrypted, but there is no mail in its encrypted part.",
    Reason.TOO_LARGE: "The mail's encrypted part is larger than is opened here.",
    Reason.TOO_MANY_RECIPIENTS: "The mail has more recipients, or comes in more pieces, than are looked through here.",
    Reason.ALGORITHM: "The mail is encrypted in a way that isn't accepted here.",
}


class NotOpened(SecuMailError):
    """Root of the reasons; `code` is stable, `words` one sentence for the reader."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


class NotForKeys(NotOpened):
    """The content is encrypted, but to none of the keys at hand."""

    def __init__(self) -> None:
        super().__init__("not-for-keys", "The mail is encrypted, but to none of the reader's keys.")


class Damaged(NotOpened):
    """The content is not what was encrypted: changed on its way, or encrypted to another key of this name.

    There is one such error for all causes: a sender who could tell them apart would have a decryption oracle.
    """

    def __init__(self) -> None:
        super().__init__("damaged", "The mail was changed after it was encrypted; nothing of it is shown.")


class Unreadable(NotOpened):
    """The content can't be read by anybody here."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"unreadable-{reason}", _WORDS[reason])
        self.reason = reason
