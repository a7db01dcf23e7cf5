"""Goes through the files a mail carries and the files in them, and gives all that can be read in them.

What can't be read is said as loudly as what can: every limit, every damage and every lock is a hit of the detector
"unscannable". Nothing here raises.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count

from services.dlp import reading
from services.dlp.attachments import Attachment
from services.dlp.extraction.archives import BEFORE, FORMATS, STREAMS, read_archive, read_stream, read_zip
from services.dlp.extraction.compound import read_compound
from services.dlp.extraction.ocr import small_words
from services.dlp.extraction.outlook import read_tnef
from services.dlp.extraction.pdf import read_pdf
from services.dlp.extraction.pictures import read_drawing, read_picture
from services.dlp.extraction.pieces import SEEN, Budget, Exceeded, Inner, Limits, Piece, Sign, Small, Text, Trouble
from services.dlp.extraction.recordings import read_recording
from services.dlp.extraction.rtf import read_rtf
from services.dlp.extraction.texts import plain, read_text, runs, unsaid
from services.dlp.files.chunks import chunk_hashes
from services.dlp.files.kinds import KINDS, Family, Kind
from services.dlp.files.types import is_text, kind_of, zip_end
from services.dlp.findings import Hit
from services.dlp.message import Chunks, File, Found, Passage

Examine = Callable[[str, str, bytes], Iterable[Hit]]
"""(name, declared type, bytes) -> what is dangerous about a file, and where its name or type lies."""

UNSCANNABLE = "unscannable"
MAX_NAME = 255

_Reader = Callable[[bytes, Budget], Iterator[Piece]]
_READERS: dict[str, _Reader] = {
    **dict.fromkeys(FORMATS, read_archive),
    **dict.fromkeys(STREAMS, read_stream),
    "zip": read_zip,
    "ole": read_compound,
    "pdf": read_pdf,
    "tnef": read_tnef,
    "rtf": read_rtf,
    "wmf": read_drawing,
    "emf": read_drawing,
}
"""By the kind, or by the container it is built in."""
_ROOMY = ("pdf", "rtf", "tnef")
"""With room, as pictures, recordings and compound files have, where no reader looks: letters there are seen as well."""
_SHOWN_OR_HEARD: dict[Family, _Reader] = {Family.PICTURE: read_picture, Family.MEDIA: read_recording}
_TABLES = 100
_SIGNED = bytes.fromhex("06092a864886f70d010702")
_CONTENT = bytes.fromhex("06092a864886f70d010701")
_LONGEST_SIGNATURE = 32 * 1024
_ENVELOPED = bytes.fromhex("06092a864886f70d0107")
_FIELD = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]{1,60}:[^\n]{0,998}\n[ \t]?|[ \t][^\n]{0,998}\n|From [^\n]{0,998}\n)")
_MAIL = re.compile(
    rb"^(?:from|received|mime-version|content-type|date|subject|message-id):", re.IGNORECASE | re.MULTILINE
)
_MAILS = ("eml", "mht", "mhtml", "nws")
_NEXT_MAIL = re.compile(rb"\r?\n\r?\n(?=From )")


def extract(files: Iterable[File], limits: Limits | None = None, examine: Examine | None = None) -> Iterator[Found]:
    """All that the files of one mail carry, in their order. Runs where it is called: see `child` for a safe place."""
    walk = _Walk(Budget(limits or Limits()), examine)
    where = ""
    try:
        for file in files:
            where = file.where
            yield from walk.top(file)
        yield from walk.small_pictures()
    except Exceeded as exceeded:
        yield Hit(UNSCANNABLE, exceeded.rule, where)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk is: the chain of names, how deep, and what it is a rendering of."""

    where: str
    depth: int
    index: int
    alternative: tuple[int, int] | None


class _Walk:
    def __init__(self, budget: Budget, examine: Examine | None) -> None:
        self.budget = budget
        self.examine = examine
        self.groups = count(1)
        self.digests: list[str] = []
        self.small: list[tuple[_Place, Small]] = []

    def top(self, file: File) -> Iterator[Found]:
        place = _Place(file.where, 0, file.index, file.alternative)
        yield from self.dangers(file.name, file.media_type, file.data, file.where)
        yield from self.chunks(file.name, file.media_type, file.data, file.where)
        yield from self.file(file.name, file.media_type, file.data, place, known=file.known)

    def chunks(self, name: str, media_type: str, data: bytes, where: str) -> Iterator[Chunks]:
        """Of a file that is no text, in which excerpts are found by their letters, and no archive of others."""
        kind = kind_of(name, media_type, data)
        if kind.container in ("text", "zip") or kind.family is Family.ARCHIVE:
            return
        if hashes := chunk_hashes(data):
            yield Chunks(where, hashes)

    def dangers(self, name: str, media_type: str, data: bytes, where: str) -> Iterator[Hit]:
        if self.examine is not None:
            try:
                for hit in self.examine(name, media_type, data):
                    yield replace(hit, where=_chain(where, hit.where))
            except Exception:
                yield Hit(UNSCANNABLE, "crashed", where)

    def file(
        self,
        name: str,
        media_type: str,
        data: bytes,
        place: _Place,
        known: bool = False,
        expected: bool = False,
        seen: frozenset[str] = frozenset(),
    ) -> Iterator[Found]:
        """One file as every kind it is; a second reading passes over the files the first has found, or was of."""
        if not data:
            return
        if place.depth > self.budget.limits.depth:
            yield Hit(UNSCANNABLE, "too-deep", place.where)
            return
        begin = len(self.digests)
        said: list[str] = []
        for turn, kind in enumerate(_kinds(name, media_type, data)):
            if turn:
                seen = seen.union(self.digests[begin:])
            try:
                for piece in self.pieces(kind, name, media_type, data, place, known, expected):
                    if not (turn and isinstance(piece, Inner) and piece.name == BEFORE):
                        for found in self.piece(piece, place, seen):
                            if isinstance(found, Passage):
                                said.append(found.text)
                            yield found
            except Exceeded:
                raise
            except (MemoryError, RecursionError):
                yield Hit(UNSCANNABLE, "memory", place.where)
            except Exception:
                # The libraries raise whatever they like on damage. What it was is of no use to anybody; that the
                # file was not read is.
                yield Hit(UNSCANNABLE, "damaged", place.where)
                yield from self.text(Text("bytes", runs(data)), place)
        if kind.name in _ROOMY or kind.container == "ole" or kind.family in _SHOWN_OR_HEARD:
            yield from self.text(Text("bytes", unsaid(plain(data), said)), place)

    def piece(self, piece: Piece | Found, place: _Place, seen: frozenset[str]) -> Iterator[Found]:
        if isinstance(piece, Inner):
            yield from self.inner(piece, place, seen)
        elif isinstance(piece, Trouble):
            yield Hit(UNSCANNABLE, piece.rule, _chain(place.where, piece.name), score=piece.score)
        elif isinstance(piece, Sign):
            yield Hit(piece.detector, piece.rule, _chain(place.where, piece.name), score=piece.score)
        elif isinstance(piece, Text):
            yield from self.text(piece, place)
        elif isinstance(piece, Small):
            self.small.append((place, piece))
        else:
            yield piece

    def small_pictures(self) -> Iterator[Found]:
        """What those that a mail's files had show, each in its place."""
        waiting, self.small = self.small, []
        shown = small_words([picture for _, picture in waiting], self.budget)
        for (place, _), piece in zip(waiting, shown, strict=True):
            yield from self.piece(piece, place, frozenset())

    def pieces(
        self, kind: Kind, name: str, media_type: str, data: bytes, place: _Place, known: bool, expected: bool
    ) -> Iterator[Piece | Found]:
        reader = _reader(kind)
        if reader is not None:
            yield from reader(data, self.budget)
        elif kind.container == "text" and is_text(data):
            # A text that is read already may still be a mail with files in it.
            if _is_mail(name, media_type, data):
                yield from self.mails(data, place)
            else:
                yield from read_text(data, self.budget, name, media_type, known)
        elif kind.name == "font" and _is_font(data):
            yield Trouble("font", score=SEEN)
            yield Text("bytes", runs(data))
        elif _is_sealed(data):
            yield Trouble("encrypted")
        elif name.lower().endswith(".p7s") and _is_signature(data):
            # A signature beside what it signs: certificates, and nothing a person wrote.
            yield Text("bytes", runs(data))
        else:
            yield Trouble("unknown", score=SEEN if expected else 1.0)
            yield Text("bytes", runs(data))

    def inner(self, piece: Inner, place: _Place, seen: frozenset[str]) -> Iterator[Found]:
        self.budget.member()
        self.budget.check()
        digest = hashlib.sha256(piece.data).hexdigest()
        self.digests.append(digest)
        if digest in seen:
            return
        deeper = _Place(
            _chain(place.where, piece.name), place.depth + 1, place.index, self.rendering(place, piece.rendering)
        )
        if not piece.part:
            name = _shown(piece.name)
            yield Attachment.of(place.index, piece.data, "", name, within=place.where)
            yield from self.dangers(name, "", piece.data, deeper.where)
            yield from self.chunks(name, "", piece.data, deeper.where)
        yield from self.file(piece.name, "", piece.data, deeper, expected=piece.expected, seen=seen)

    def text(self, piece: Text, place: _Place) -> Iterator[Passage]:
        if piece.text and not piece.text.isspace():
            self.budget.say(len(piece.text))
            # Half of a pair that some formats write characters in could not be encoded again.
            text = piece.text.encode("utf-8", "replace").decode("utf-8")
            yield Passage(_chain(place.where, piece.name), text, self.rendering(place, piece.rendering))

    def rendering(self, place: _Place, rendering: bool) -> tuple[int, int] | None:
        """A number of its own for each rendering, in a group that is the file's."""
        if place.alternative is not None or not rendering:
            return place.alternative
        return (-1 - int(hashlib.sha256(place.where.encode()).hexdigest()[:12], 16), next(self.groups))

    def mails(self, data: bytes, place: _Place) -> Iterator[Found]:
        """A mail in a file, or a mailbox of mails."""
        several = _NEXT_MAIL.split(data) if data.startswith(b"From ") else [data]
        for number, raw in enumerate(several, 1):
            self.budget.member()
            where = _chain(place.where, f"mail {number}") if len(several) > 1 else place.where
            if place.depth + 1 > self.budget.limits.depth:
                yield Hit(UNSCANNABLE, "too-deep", where)
                return
            start = raw.find(b"\n") + 1 if raw.startswith(b"From ") else 0
            yield from self.mail(raw[start:], replace(place, where=where, depth=place.depth + 1))

    def mail(self, raw: bytes, place: _Place) -> Iterator[Found]:
        base = -1 - int(hashlib.sha256(place.where.encode()).hexdigest()[:12], 16)

        def nested(files: Iterable[File]) -> Iterator[Found]:
            outer, self.small = self.small, []
            try:
                for file in files:
                    yield from self.top_of_mail(file, place.depth)
                yield from self.small_pictures()
            finally:
                self.small = outer + self.small

        read = reading.read(raw, nested)
        if read.unreadable is not None:
            yield Hit(UNSCANNABLE, read.unreadable, place.where)
            yield from self.text(Text("bytes", runs(raw)), place)
            return
        for passage in read.passages:
            alternative = place.alternative
            if alternative is None and passage.alternative is not None:
                group, branch = passage.alternative
                alternative = (base - abs(group), branch)
            self.budget.say(len(passage.text))
            yield Passage(_chain(place.where, passage.name), passage.text, alternative)
        for attachment in read.attachments:
            within = _chain(place.where, attachment.within) if attachment.within else place.where
            yield replace(attachment, index=place.index, within=within)
        for hit in (*read.troubles, *read.dangers):
            yield replace(hit, where=_chain(place.where, hit.where))
        yield from (replace(chunks, where=_chain(place.where, chunks.where)) for chunks in read.chunks)

    def top_of_mail(self, file: File, depth: int) -> Iterator[Found]:
        yield from self.dangers(file.name, file.media_type, file.data, file.where)
        yield from self.chunks(file.name, file.media_type, file.data, file.where)
        place = _Place(file.where, depth, file.index, file.alternative)
        yield from self.file(file.name, file.media_type, file.data, place, known=file.known)


def _kinds(name: str, media_type: str, data: bytes) -> tuple[Kind, ...]:
    """All that a file can be read as: the kind its bytes say and, whatever that is, a zip file if it ends as one."""
    kind, archive = kind_of(name, media_type, data), KINDS["zip"]
    if _reader(kind) is read_zip or zip_end(data) is None:
        return (kind,)
    return (archive,) if _reader(kind) is None else (kind, archive)


def _reader(kind: Kind) -> _Reader | None:
    found = _READERS.get(kind.name) or _READERS.get(kind.container)
    return found or (_SHOWN_OR_HEARD.get(kind.family) if kind.container != "text" else None)


def _is_font(data: bytes) -> bool:
    """Whether it is as long as it says: a web font in its header, another in its directory of tables."""
    if data.startswith((b"wOFF", b"wOF2")):
        return int.from_bytes(data[8:12], "big") == len(data)
    tables = range(12, 12 + 16 * int.from_bytes(data[4:6], "big"), 16)
    ends = [sum(struct.unpack_from(">II", data.ljust(at + 16, b"\0"), at + 8)) for at in tables[:_TABLES]]
    # A table is padded to four bytes, the last one perhaps too.
    return 0 < len(tables) <= _TABLES and len(data) - 4 < max(ends) <= len(data)


def _is_sealed(data: bytes) -> bool:
    """A CMS message of type enveloped data, or the kinds derived from it (RFC 5652 section 6, 8)."""
    at = data.find(_ENVELOPED, 0, 32)
    return data.startswith(b"\x30") and at >= 0 and data.startswith((b"\x03", b"\x06"), at + len(_ENVELOPED))


def _is_signature(data: bytes) -> bool:
    """A CMS message that signs what is not in it (RFC 5652 section 5), and is as long as it says."""
    at = data.find(_SIGNED, 0, 32)
    if at < 0 or len(data) > _LONGEST_SIGNATURE or data[:2] not in (b"\x30\x80", b"\x30\x82"):
        return False
    whole = data[1] == 0x80 or len(data) - 4 <= int.from_bytes(data[2:4], "big") + 2
    # What is signed would follow its type in an element [0]; without it the type ends its sequence.
    content = data.find(_CONTENT, at)
    ended = content + len(_CONTENT)
    alone = data[content - 2 : content] == b"\x30\x0b" or data[ended : ended + 2] == b"\0\0"
    return whole and content > 0 and alone and b"\x30\x82" in data[ended:]


def _is_mail(name: str, media_type: str, data: bytes) -> bool:
    """By its name or type, or by beginning as mail begins: two fields, one of them a mail's."""
    if (
        name.rpartition(".")[2].lower() in _MAILS
        or media_type.startswith("message/")
        or media_type == "application/mbox"
    ):
        return True
    head = data[:8192].lstrip(b"\xef\xbb\xbf\r\n")
    first = _FIELD.match(head)
    if first is None:
        return False
    if head.startswith(b"From "):
        return bool(_MAIL.search(head))
    second = _FIELD.match(head, first.end())
    header = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0]
    return second is not None and len({found.lower() for found in _MAIL.findall(header)}) >= 2


def _chain(where: str, name: str) -> str:
    return f"{where} ! {_shown(name)}" if name else where


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in name[-MAX_NAME:])
