"""Keyed ids of black words: by them the sent log counts words that did not hold a mail, and names none."""

import hmac
from collections.abc import Iterable

from services.dlp.words import fold


class TermIds:
    """Ids under a secret of dlp's: who has no more than the log can't try words out on it."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def of(self, term: str) -> str:
        """The same for all spellings of a term that make no difference to the list."""
        return hmac.digest(self._secret, fold(term).encode(), "sha256")[:16].hex()

    def counted(self, terms: Iterable[tuple[str, int]]) -> dict[str, int]:
        """How often each term stands in a mail, by its id."""
        return {self.of(term): count for term, count in terms}
