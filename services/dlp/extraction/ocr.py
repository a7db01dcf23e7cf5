"""Reads what a picture shows, words with tesseract and codes: what is decoded here is bounded, and ends in time.

Only the pixels reach tesseract, as plain grey pages: of the formats that hide surprises it decodes none.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO

from PIL import Image, ImageOps, ImageStat

from services.dlp.extraction import carriers, tesseract
from services.dlp.extraction.codes import codes_in
from services.dlp.extraction.pieces import Budget, Piece, Small, Text, Trouble
from services.dlp.message import WAITING

SMALL = 20_000
"""Pixels below which a picture is read together with others."""
_LONG, _HIGH = 36, 8
"""Pixels: what is neither so long nor so high is an icon or a tracker, which has no room for a word of six letters."""
_MARGIN = 20
MAX_PIXELS = 50_000_000
FRAMES = 8
"""Frames that are read of what moves. Pages are all read, like pictures of their own."""

_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "JPEG2000", "ICO", "PPM", "PSD", "AVIF")
"""What Pillow may decode: nothing that another program renders, and no drawing."""
_MOVING = ("GIF", "PNG", "WEBP", "AVIF")
_READABLE = 1500
_LONGEST = 2400
_FEW = 200
"""Letters, fewer than which say nothing of how they lie."""
_STRONGER = 2
_LIGHT = 200
_SECONDS = 20.0
"""For one picture."""


def is_icon(width: int, height: int) -> bool:
    """Whether no word is looked for in a picture of this size."""
    return max(width, height) < _LONG or min(width, height) < _HIGH


def words(data: bytes, budget: Budget) -> Iterator[Piece]:
    """The words in a picture file, or that it is small, waits to be read, or could not be."""
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as picture:
            yield from carriers.look(picture)
            yield from words_in(picture, budget)
    except Image.DecompressionBombError:
        yield Trouble("ocr-too-big")
    except (OSError, ValueError, SyntaxError, EOFError):
        # Pillow has no name for some formats, and many names for damage.
        yield Trouble("ocr-failed") if budget.limits.languages else Trouble(WAITING, score=0.5)


def words_in(picture: Image.Image, budget: Budget) -> Iterator[Piece]:
    """The words in an opened picture: in all pages, or in some of the frames of what moves."""
    frames = int(getattr(picture, "n_frames", 1))
    moves = picture.format in _MOVING
    read = min(frames, FRAMES) if moves else min(frames, budget.limits.pictures + 1)
    waits = False
    for number in range(read):
        if frames > 1:
            # Of what moves the first and the last, and what stands evenly between them.
            picture.seek(number * (frames - 1) // (read - 1) if read > 1 else 0)
        if is_icon(*picture.size):
            yield from _icon(picture)
            continue
        waits = True
        if not budget.limits.languages:
            yield Trouble(WAITING, score=0.5)
            return
        if picture.width * picture.height > MAX_PIXELS:
            yield Trouble("ocr-too-big")
        else:
            yield from _frame(picture, budget)
    if not waits:
        yield Trouble("small-picture", score=0.3)
    if frames > read:
        yield Trouble("frames", f"{frames - read} further frames", score=0.5) if moves else Trouble("ocr-too-many")


def _icon(picture: Image.Image) -> Iterator[Piece]:
    """A code needs less room than a word, and less time than setting a mail aside for it."""
    if picture.width * picture.height <= MAX_PIXELS:
        # What is damaged has no code in it, and that it is damaged others say.
        with contextlib.suppress(OSError, ValueError, SyntaxError, EOFError):
            yield from codes_in(_grey(picture))


def _frame(picture: Image.Image, budget: Budget) -> Iterator[Piece]:
    small = picture.width * picture.height < SMALL
    budget.pictures += not small
    if budget.pictures > budget.limits.pictures:
        yield Trouble("ocr-too-many")
    elif _left(budget) <= 0:
        yield Trouble("ocr-timeout")
    else:
        grey = _grey(picture)
        yield from codes_in(grey)
        yield Small(*grey.size, grey.tobytes()) if small else _shown_by(_sized(grey), budget)


def _shown_by(grey: Image.Image, budget: Budget) -> Piece:
    try:
        said = _words([grey], budget, tesseract.UNKNOWN)
        # How a page lies shows in many letters; few may lie on their side or head, and are read as rubbish then.
        if 0 < sum(map(str.isalnum, said[0])) < _FEW:
            said += _words(_turned(grey), budget, tesseract.UNKNOWN)
    except _NOT_READ as error:
        return _trouble(error)
    return _all_of(said)


def small_words(waiting: Sequence[Small], budget: Budget) -> list[Piece]:
    """What each of a mail's small pictures shows, or why it was not read. All are pages of one document."""
    pages: list[Image.Image] = []
    places: dict[Small, slice] = {}
    alike = [replace(one, name="") for one in waiting]
    for one in list(dict.fromkeys(alike))[: budget.limits.small_pictures]:
        grey = Image.frombytes("L", (one.width, one.height), one.pixels)
        enlarged = grey.resize((grey.width * 3, grey.height * 3), Image.Resampling.LANCZOS)
        framed = ImageOps.expand(enlarged, _MARGIN, fill=one.pixels[0])
        start = len(pages)
        pages += [framed, *_turned(framed)]
        places[one] = slice(start, len(pages))
    try:
        said = _words(pages, budget, tesseract.BLOCK) if pages else []
    except _NOT_READ as error:
        return [replace(_trouble(error), name=one.name) for one in waiting]
    read = (_all_of(said[places[one]]) if one in places else Trouble("ocr-too-many") for one in alike)
    return [
        replace(piece, name=", ".join(filter(None, (one.name, piece.name))))
        for one, piece in zip(waiting, read, strict=True)
    ]


_NOT_READ = (subprocess.TimeoutExpired, subprocess.CalledProcessError, OSError)


def _trouble(error: Exception) -> Trouble:
    return Trouble("ocr-timeout" if isinstance(error, subprocess.TimeoutExpired) else "ocr-failed")


def _all_of(said: Sequence[str]) -> Text:
    return Text("words in the picture", "\n".join(dict.fromkeys(said)))


def _turned(grey: Image.Image) -> list[Image.Image]:
    turns = (180, 90, 270) if grey.height > grey.width else (180,)
    return [grey.rotate(turned, expand=True) for turned in turns]


def _left(budget: Budget) -> float:
    return budget.limits.seconds - (time.monotonic() - budget.began)


def _words(pages: Sequence[Image.Image], budget: Budget, layout: int) -> list[str]:
    """The words on each page."""
    whole = BytesIO()
    pages[0].save(whole, "TIFF", save_all=True, append_images=pages[1:])
    seconds = max(0.1, min(_SECONDS, _left(budget)))
    said = tesseract.words(whole.getvalue(), budget.limits.languages, seconds, layout)
    if len(said) != len(pages):
        raise OSError
    return said


def _grey(picture: Image.Image) -> Image.Image:
    """Upright, in grey; or in the colour in which letters stand out, where they don't in grey."""
    upright = ImageOps.exif_transpose(picture)
    if upright.has_transparency_data:
        upright = _on_paper(upright.convert("RGBA"))
    shades = [upright.convert("L"), *upright.convert("RGB").split()]
    contrasts = [ImageStat.Stat(shade).stddev[0] for shade in shades]
    strongest = max(contrasts)
    grey = shades[contrasts.index(strongest)] if strongest > _STRONGER * contrasts[0] else shades[0]
    grey.info.clear()  # how it was packed, a profile: tesseract gets the pixels alone
    return grey


def _sized(grey: Image.Image) -> Image.Image:
    """With small letters enlarged, and large pictures reduced."""
    longest = max(grey.size)
    if longest < _READABLE:
        return grey.resize((grey.width * 2, grey.height * 2), Image.Resampling.LANCZOS)
    grey.thumbnail((_LONGEST, _LONGEST))
    return grey


def _on_paper(seen: Image.Image) -> Image.Image:
    """On white where it is transparent; on black, where what is not is white."""
    alpha = seen.getchannel("A")
    lightness = ImageStat.Stat(seen.convert("L"), alpha.point(lambda opacity: 255 if opacity > 127 else 0))
    paper = "black" if lightness.count[0] and lightness.mean[0] > _LIGHT else "white"
    return Image.alpha_composite(Image.new("RGBA", seen.size, paper), seen)
