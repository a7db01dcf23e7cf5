"""The members of a zip-based document, read within bounds."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

MAX_PART = 1 << 24
MAX_ALL = 1 << 26
MAX_MEMBERS = 5_000

_DAMAGED = (
    zipfile.BadZipFile,
    RuntimeError,  # a locked member, and a compression zipfile has not
    OSError,
    EOFError,
    ValueError,
    KeyError,
    zlib.error,
    struct.error,
)


class Package:
    """A zip file whose members are read at most 16 MB each and 64 MB in all; what cannot be read reads as empty.

    `exhausted` says that something was left unread for the bounds, `damaged` that something could not be read: then no
    hit proves nothing.
    """

    def __init__(self, data: bytes) -> None:
        self._left = MAX_ALL
        self.exhausted = False
        self.damaged = False
        self._zip: zipfile.ZipFile | None = None
        self.names: tuple[str, ...] = ()
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            self.names = tuple(info.filename for info in self._zip.infolist()[:MAX_MEMBERS])
            self.exhausted = len(self._zip.infolist()) > MAX_MEMBERS
        except _DAMAGED:
            self.damaged = True

    def read(self, name: str, limit: int = MAX_PART) -> bytes:
        """At most `limit` bytes of a member; up to the fault where it is damaged."""
        pieces: list[bytes] = []
        got, limit = 0, min(limit, self._left)
        try:
            if self._zip:
                with self._zip.open(name) as member:
                    while got < limit and (piece := member.read(min(1 << 16, limit - got))):
                        pieces.append(piece)
                        got += len(piece)
        except _DAMAGED:
            self.damaged = True
        self._left -= got
        self.exhausted = self.exhausted or self._left <= 0 or got == MAX_PART
        return b"".join(pieces)
