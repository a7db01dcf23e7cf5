"""Attachments as the policy sees them: digests over their decoded bytes, looked up in hash lists.

The paper hashes with SHA-1. A file may be let pass by its SHA-256 only: two files can be made to share a
SHA-1, one harmless for the white list and one not. SHA-1 still serves to recognise files on an old black
list, where a forged twin gains nothing but being held.
"""

import hashlib
from collections.abc import Container, Iterable
from dataclasses import dataclass

from services.dlp.findings import Hit


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attachment: `index` counts from 1 in the order of the mail, `size` is in decoded bytes.

    `media_type` is what the mail declares, not what the bytes are. `name` is content: a reviewer sees it, no
    log does.
    """

    index: int
    sha256: str
    sha1: str
    size: int
    media_type: str
    name: str
    within: str = ""
    """The chain of files it was found in, if any; `index` is then that of the outermost, or 0 in a body."""

    @classmethod
    def of(cls, index: int, data: bytes, media_type: str, name: str, within: str = "") -> "Attachment":
        """Digest `data`, the attachment's decoded bytes."""
        return cls(
            index=index,
            sha256=hashlib.sha256(data).hexdigest(),
            sha1=hashlib.sha1(data, usedforsecurity=False).hexdigest(),
            size=len(data),
            media_type=media_type,
            name=name,
            within=within,
        )

    def __str__(self) -> str:
        """As a reviewer reads it: `attachment 2 (plan.pdf)`, or `attachment 2 (plans.zip) ! plan.pdf`."""
        if self.within:
            return f"{self.within} ! {self.name or 'file'}"
        return f"attachment {self.index} ({self.name})" if self.name else f"attachment {self.index}"


def black_listed(attachments: Iterable[Attachment], hashes: Container[str]) -> tuple[Attachment, ...]:
    """Those whose SHA-256 or SHA-1 is among `hashes` (lower-case hex)."""
    return tuple(a for a in attachments if a.sha256 in hashes or a.sha1 in hashes)


def known_bad(attachments: Iterable[Attachment], hashes: Container[str]) -> tuple[Hit, ...]:
    """A hit for each whose SHA-256 or SHA-1 is among `hashes` (lower-case hex), of files known to do harm."""
    return tuple(Hit("danger", "known-bad", str(found)) for found in black_listed(attachments, hashes))


def not_listed(attachments: Iterable[Attachment], hashes: Container[str]) -> tuple[Attachment, ...]:
    """Those whose SHA-256 is not among `hashes` (lower-case hex). A SHA-1 never lets a file pass.

    A listed file covers the files in it. An unlisted one is not redeemed by them: it has room for more.
    """
    return tuple(a for a in attachments if (not a.within or not a.index) and a.sha256 not in hashes)
