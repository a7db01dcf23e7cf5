"""dlp's settings."""

from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from secumail.settings import Settings as KernelSettings
from services.dlp.extraction.tesseract import LANGUAGES

Queue = Literal["mail.submitted", "mail.set-aside"]


class Settings(KernelSettings):
    """The kernel's, how long a held mail waits for a reviewer, and who reads pictures in which languages."""

    hold_days: int = Field(default=30, ge=1, le=3650)
    """Days after which a held mail that nobody decided on is refused, and its sender told."""
    queues: Annotated[frozenset[Queue], NoDecode] = frozenset({"mail.submitted", "mail.set-aside"})
    """What this process takes. Mails whose pictures must be read wait in the second, and are scaled by themselves."""
    picture_languages: str = Field(default=LANGUAGES, pattern=r"^([A-Za-z_]+(\+[A-Za-z_]+)*)?$")
    """In which words in pictures are looked for, as tesseract names them. Empty: pictures are noted and not read."""
    picture_readers: int = Field(default=1, ge=1, le=64)
    """Mails whose pictures this process reads at once."""
    picture_seconds: float = Field(default=60.0, ge=1, le=110)
    """For all pictures of a mail; what was not read by then is said to be so."""

    @field_validator("queues", mode="before")
    @classmethod
    def _by_commas(cls, given: object) -> object:
        return [one.strip() for one in given.split(",") if one.strip()] if isinstance(given, str) else given
