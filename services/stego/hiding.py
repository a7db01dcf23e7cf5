"""Hiding in pictures and revealing, over bytes: one payload over several covers, in any order.

Pure but for time and memory; strangers' pictures are worked on in a process of their own (services.stego.workers).
"""

import hashlib
from collections.abc import Iterator, Sequence

from secumail.errors import Refused
from services.stego import coding, covers, parts
from services.stego.canvas import Canvas
from services.stego.coding import HEADER_SIZE, Survey
from services.stego.covers import judging
from services.stego.covers.cover import Cover
from services.stego.keys import subkeys
from services.stego.parts import Header, NothingHidden, PartsMissing, PartsMixed
from services.stego.refusals import CoverRefused
from services.stego.terms import PARTS_LIMIT, RATES, Hidden, Judged, Rate, alike

PIXELS_LIMIT = 32_000_000
"""Pixels of all covers together: they are in memory at once, since one measure of cost goes over all of them."""

_PART_OVERHEAD = HEADER_SIZE + parts.TAG_SIZE
"""Bytes that each picture carries besides its piece of the frame."""


def judge(file: bytes) -> Judged:
    """What a picture is worth as a cover. Raises CoverRefused."""
    cover = _fit(file)
    survey = coding.survey(cover.canvas)
    room = _rooms([survey])
    size = len(file) if cover.kind == "jpeg" else len(cover.write(cover.canvas.elements))
    return Judged(cover.kind, cover.width, cover.height, size, room, judging.look(cover), survey.roughness, cover.notes)


def together(files: Sequence[bytes]) -> dict[Rate, int]:
    """Bytes of any payload, however little it compresses, that these pictures carry together. Raises CoverRefused."""
    return _rooms([coding.survey(cover.canvas) for cover in _covers(files)])


def hide(files: Sequence[bytes], payload: bytes, key: bytes, rate: Rate = "normal") -> list[Hidden]:
    """The covers again, in their order, with the payload in them. The same arguments give the same pictures.

    Each is read back and opened before it is given out. Raises CoverRefused and PayloadTooLarge.
    """
    return list(hide_each(files, payload, key, rate))


def hide_each(files: Sequence[bytes], payload: bytes, key: bytes, rate: Rate) -> Iterator[Hidden]:
    """As `hide`, one after the other."""
    given = _covers(files)
    _check_empty(given, key)
    surveys = [coding.survey(cover.canvas) for cover in given]
    framed = parts.frame(payload, _frame_room(surveys, rate))
    message = parts.message_number(key, payload, files)
    at = 0
    for part, (cover, size) in enumerate(zip(given, _sizes(surveys, len(framed)), strict=True), 1):
        piece = framed[at : at + size]
        at += size
        file = _written(cover, key, message, part, len(given), piece)
        header, back = _part(file, key)
        if (header.message, header.part, back) != (message, part, piece):
            raise RuntimeError("what was hidden does not open again")
        yield Hidden(file, cover.kind, hashlib.sha256(files[part - 1]).digest(), judging.look(cover))


def reveal(files: Sequence[bytes], key: bytes) -> bytes:
    """The payload that lies in these pictures, given in any order, perhaps among others.

    Raises NothingHidden where none of them opens, PartsMissing and PartsMixed.
    """
    found: dict[tuple[bytes, int], dict[int, bytes]] = {}
    for file in files:
        try:
            header, piece = _part(file, key)
        except NothingHidden:
            continue
        found.setdefault((header.message, header.parts), {})[header.part] = piece
    if not found:
        raise NothingHidden
    if len(found) > 1:
        raise PartsMixed
    (((_, count), pieces),) = found.items()
    if missing := [part for part in range(1, count + 1) if part not in pieces]:
        raise PartsMissing(missing, count)
    return parts.unframed(b"".join(pieces[part] for part in range(1, count + 1)))


def _part(file: bytes, key: bytes) -> tuple[Header, bytes]:
    try:
        canvas = covers.read(file).canvas
    except CoverRefused as error:
        raise NothingHidden from error
    header = _header(canvas, key)
    if header.size * 8 > canvas.elements.size:
        raise NothingHidden
    body = coding.read_body(canvas, subkeys(key, header.message, header.part), header.size, header.split)
    return header, parts.open_piece(key, header, body)


def _header(canvas: Canvas, key: bytes) -> Header:
    return parts.open_header(key, coding.read_header(canvas, subkeys(key, b"", 0)))


def _written(cover: Cover, key: bytes, message: bytes, part: int, count: int, piece: bytes) -> bytes:
    body = parts.seal_piece(key, message, part, count, piece)

    def header(split: int) -> bytes:
        return parts.seal_header(key, Header(message, split, part, count, len(body)))

    return cover.write(coding.embed(cover.canvas, subkeys(key, message, part), body, header))


def _fit(file: bytes) -> Cover:
    cover = covers.read(file)
    judging.judge(cover)
    return cover


def _covers(files: Sequence[bytes]) -> list[Cover]:
    """All of them, each fit, no two alike."""
    if not 1 <= len(files) <= PARTS_LIMIT:
        raise Refused("covers-number", f"{len(files)} pictures were given.", f"Give 1 to {PARTS_LIMIT}.")
    given: list[Cover] = []
    for file in files:
        given.append(_fit(file))
        if sum(cover.width * cover.height for cover in given) > PIXELS_LIMIT:
            raise CoverRefused(
                "together-too-large",
                f"The pictures have more than {PIXELS_LIMIT:,} pixels together.",
                "Give fewer or smaller ones.",
            )
    looks = [judging.look(cover) for cover in given]
    if any(alike(one, other) for i, one in enumerate(looks) for other in looks[:i]):
        raise CoverRefused(
            "twice", "The same picture, or nearly the same, is given twice.", "Give pictures that differ."
        )
    return given


def _rooms(surveys: Sequence[Survey]) -> dict[Rate, int]:
    return {rate: max(0, _frame_room(surveys, rate) - parts.FRAME_OVERHEAD) for rate in RATES}


def _check_empty(given: Sequence[Cover], key: bytes) -> None:
    """Raises CoverRefused for a cover that carries something already, as far as this key tells."""
    for cover in given:
        try:
            _header(cover.canvas, key)
        except NothingHidden:
            continue
        raise CoverRefused(
            "carries", "The picture carries something already, under the same key.", "Give one that never carried."
        )


def _frame_room(surveys: Sequence[Survey], rate: Rate) -> int:
    """Bytes of a frame that fit at this rate over all of the covers' elements."""
    by_rate = int(RATES[rate] * sum(survey.usable for survey in surveys)) // 8 - len(surveys) * _PART_OVERHEAD
    by_code = sum(survey.room - parts.TAG_SIZE for survey in surveys)
    return max(0, min(by_rate, by_code))


def _sizes(surveys: Sequence[Survey], size: int) -> list[int]:
    """How many bytes of the frame go into each cover."""
    sealed = coding.allot(surveys, size + len(surveys) * parts.TAG_SIZE)
    pieces = [part - parts.TAG_SIZE for part in sealed]
    # A cover so dear that it would get less than its seal takes nothing, and what it lacks comes from the others.
    lacking = -sum(min(0, piece) for piece in pieces)
    for i, piece in enumerate(pieces):
        taken = min(max(0, piece), lacking)
        pieces[i], lacking = max(0, piece) - taken, lacking - taken
    return pieces
