"""Takes the words out of sound and film: tags, chapters, cover pictures, attached files. What they say isn't heard."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from tinytag import TinyTag, TinyTagException

from services.dlp.charsets import decode
from services.dlp.extraction.pictures import read_riff
from services.dlp.extraction.pieces import SEEN, Budget, Inner, Piece, Text, Trouble
from services.dlp.extraction.texts import likely, runs
from services.dlp.files.recordings import unaccounted
from services.dlp.files.types import kind_of


def read_recording(data: bytes, budget: Budget) -> Iterator[Piece]:
    """The tags as the format defines them; and, since there are formats and fields that nobody reads, all long runs."""
    between = unaccounted(kind_of("", "", data).name, data)
    yield Trouble("unknown") if between is None else Trouble("recording", score=SEEN)
    for start, end in between or ():
        stretch = data[start:end].strip(b"\0")
        if len(stretch) > _SLACK:
            yield Inner("data between the parts", stretch)
    budget.check()
    if data.startswith(b"RIFF"):
        yield from read_riff(data)
    elif data.startswith(_EBML):
        yield from _matroska(data, budget)
    else:
        yield Text("metadata", likely(runs(data)))
    yield from _tags(data)


def _tags(data: bytes) -> Iterator[Piece]:
    try:
        read = TinyTag.get(file_obj=BytesIO(data), image=True, duration=False)
    except (TinyTagException, ValueError, LookupError, ArithmeticError, OSError, TypeError):
        return  # no format it knows, or damaged: the runs are all there is
    said = []
    for name, values in read.as_dict().items():
        listed = values if isinstance(values, list) else [values]
        said += [f"{name}: {value}" for value in listed if isinstance(value, str)]
    yield Text("tags", "\n".join(said))
    for images in read.images.as_dict().values():
        yield from (Inner(image.description or image.name, image.data) for image in images if image.data)


_SLACK = 4096
"""Bytes between parts that are no more than a damage, or a part that is cut off."""
_EBML = b"\x1a\x45\xdf\xa3"
# Elements of Matroska by their number (RFC 9559): those that hold others, texts, and an attached file's name and bytes.
_HOLDERS = frozenset(
    [
        *(0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0x1254C367, 0x7373, 0x67C8, 0x1941A469, 0x61A7),
        *(0x1043A770, 0x45B9, 0xB6, 0x80, 0x63C0),
    ]
)
_TEXTS = frozenset([0x7BA9, 0x4D80, 0x5741, 0x536E, 0x45A3, 0x4487, 0x85, 0x466E, 0x467E, 0x7384, 0x258688])
_FILE_NAME, _FILE_DATA = 0x466E, 0x465C
_MOST = 100_000


def _matroska(data: bytes, budget: Budget) -> Iterator[Piece]:
    """Titles, tags, chapters and attachments; subtitles and all else as runs."""
    said: list[str] = []
    name = "attachment"
    place = 0
    for _ in range(_MOST):
        number, place = _number(data, place, marked=True)
        size, place = _number(data, place, marked=False)
        if number < 0 or size < 0:
            break
        if number in _HOLDERS:
            continue  # what it holds comes next
        # An element of unknown size, as a live recording has, is all ones: it ends where the file does.
        body = data[place : place + size]
        if number in _TEXTS:
            said.append(decode(body))
        if number == _FILE_NAME:
            name = decode(body)
        elif number == _FILE_DATA:
            yield Inner(name, body)
        place += size
        budget.check()
    yield Text("tags", "\n".join(said))
    yield Text("metadata", likely(runs(data)))


def _number(data: bytes, place: int, marked: bool) -> tuple[int, int]:
    """A number of variable length (RFC 8794 section 4) and where it ends; -1 behind the end of the data."""
    first = data[place] if place < len(data) else 0
    if not first:
        return -1, place
    length = 9 - first.bit_length()
    value = int.from_bytes(data[place : place + length], "big")
    return value if marked else value & ((1 << 7 * length) - 1), place + length
