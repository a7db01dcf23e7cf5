"""Reads the words that a picture shows, with tesseract: what is decoded here is bounded, and the process ends in time.

Only the pixels reach tesseract, as a plain grey map: of the formats that hide surprises it decodes none.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from io import BytesIO

from PIL import Image, ImageOps, ImageStat

from services.dlp.extraction import carriers, tesseract
from services.dlp.extraction.pieces import Budget, Piece, Text, Trouble
from services.dlp.message import WAITING

SMALL = 20_000
"""Pixels below which a picture is an icon, a logo or a tracker, and is not read; so is a line of less than 10."""
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


def is_small(width: int, height: int) -> bool:
    return width * height < SMALL or min(width, height) < 10


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
        if is_small(*picture.size):
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
    if moves and frames > read:
        yield Trouble("frames", f"{frames - read} further frames", score=0.5)


def _frame(picture: Image.Image, budget: Budget) -> Iterator[Piece]:
    budget.pictures += 1
    if budget.pictures > budget.limits.pictures:
        yield Trouble("ocr-too-many")
        return
    grey = _grey(picture)
    try:
        shown = [_words(grey, budget)]
        # How a page lies shows in many letters; few may lie on their side or head, and are read as rubbish then.
        if 0 < sum(map(str.isalnum, shown[0])) < _FEW:
            turns = (180, 90, 270) if grey.height > grey.width else (180,)
            shown += [_words(grey.rotate(turned, expand=True), budget) for turned in turns]
    except subprocess.TimeoutExpired:
        yield Trouble("ocr-timeout")
    except (subprocess.CalledProcessError, OSError):
        yield Trouble("ocr-failed")
    else:
        yield Text("words in the picture", "\n".join(dict.fromkeys(shown)))


def _words(grey: Image.Image, budget: Budget) -> str:
    left = budget.limits.seconds - (time.monotonic() - budget.began)
    whole = BytesIO()
    grey.save(whole, "PPM")
    return tesseract.words(whole.getvalue(), budget.limits.languages, max(0.1, min(_SECONDS, left)))


def _grey(picture: Image.Image) -> Image.Image:
    """Upright, small letters enlarged, in grey; or in the colour in which they stand out, where they don't in grey."""
    upright = ImageOps.exif_transpose(picture)
    if upright.has_transparency_data:
        upright = _on_paper(upright.convert("RGBA"))
    shades = [upright.convert("L"), *upright.convert("RGB").split()]
    contrasts = [ImageStat.Stat(shade).stddev[0] for shade in shades]
    strongest = max(contrasts)
    grey = shades[contrasts.index(strongest)] if strongest > _STRONGER * contrasts[0] else shades[0]
    longest = max(grey.size)
    if longest < _READABLE:
        grey = grey.resize((grey.width * 2, grey.height * 2), Image.Resampling.LANCZOS)
    elif longest > _LONGEST:
        grey.thumbnail((_LONGEST, _LONGEST))
    return grey


def _on_paper(seen: Image.Image) -> Image.Image:
    """On white where it is transparent; on black, where what is not is white."""
    alpha = seen.getchannel("A")
    lightness = ImageStat.Stat(seen.convert("L"), alpha.point(lambda opacity: 255 if opacity > 127 else 0))
    paper = "black" if lightness.count[0] and lightness.mean[0] > _LIGHT else "white"
    return Image.alpha_composite(Image.new("RGBA", seen.size, paper), seen)
