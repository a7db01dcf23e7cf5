"""Why a picture can't carry anything: each fault has a code, words, and the way out."""

from secumail.errors import Refused

FILE_LIMIT = 32 * 2**20  # bytes; a carrier mail larger than this would be accepted nowhere
PIXEL_LIMIT = 16_000_000
SIDE_MINIMUM = 128  # pixels
PROFILE_LIMIT = 64 * 2**10  # bytes of a colour profile worth keeping

_TAKE_PHOTO = "Choose a photograph: the camera's own JPEG, or a picture that never was one, saved as 8-bit PNG."


class CoverRefused(Refused):
    """This picture can't carry hidden mail; `code` starts with `cover-`, `fix` says which picture can."""

    def __init__(self, fault: str, words: str, fix: str = _TAKE_PHOTO) -> None:
        super().__init__(f"cover-{fault}", words, fix)


def check_file(data: bytes) -> None:
    """Raises CoverRefused for a file that is not even looked into."""
    if len(data) > FILE_LIMIT:
        raise CoverRefused(
            "file-too-large",
            f"The file has {len(data):,} bytes; at most {FILE_LIMIT:,} are read.",
            "Scale the picture down and save it again.",
        )


def check_size(width: int, height: int) -> None:
    """Raises CoverRefused for a picture too small to carry, or too large to be worked on."""
    if width * height > PIXEL_LIMIT:
        raise CoverRefused(
            "too-many-pixels",
            f"The picture has {width:,} x {height:,} pixels; at most {PIXEL_LIMIT:,} in all are read.",
            "Scale the picture down and save it again.",
        )
    if min(width, height) < SIDE_MINIMUM:
        raise CoverRefused(
            "too-small",
            f"The picture has {width} x {height} pixels; each side needs at least {SIDE_MINIMUM}.",
            "Choose a larger photograph; do not enlarge a small one, the enlargement shows.",
        )


def damaged() -> CoverRefused:
    """For a file that is cut off, or whose parts contradict each other."""
    return CoverRefused(
        "damaged", "The picture is cut off or damaged.", "Fetch the file again from its source, or choose another."
    )


def unknown_format(kind: str | None) -> CoverRefused:
    """For a file of a kind that is not taken; `kind` is its name where it has one."""
    words = f"The picture is a {kind}, which can't carry anything." if kind else "The file is no picture that is known."
    return CoverRefused("format", words, "Give a JPEG, PNG, BMP, TIFF or lossless WebP photograph.")


def palette() -> CoverRefused:
    """For indexed colours."""
    return CoverRefused("palette", "The picture has a palette; a changed index would be another colour.")


def depth(bits: int) -> CoverRefused:
    """For other than 8 bits a sample."""
    return CoverRefused("depth", f"The picture has {bits} bits a sample; 8 are needed.")


def colours() -> CoverRefused:
    """For colours that are neither grey nor RGB (in a JPEG: YCbCr)."""
    return CoverRefused(
        "colours", "The picture's colours are neither grey nor RGB: CMYK is for printing, and rare in mail."
    )


def animated() -> CoverRefused:
    """For several frames or pages."""
    return CoverRefused("animated", "The picture is animated, or has several pages; a still is needed.")


def jpeg_past() -> CoverRefused:
    """For a lossless picture with the traces of a JPEG."""
    return CoverRefused(
        "jpeg-past",
        "The picture was a JPEG before: what is changed in it breaks the pattern that JPEG left.",
        "Give the JPEG itself; it stays a JPEG.",
    )


def used() -> CoverRefused:
    """For a picture that served before."""
    return CoverRefused(
        "used",
        "The picture, or one nearly the same, has carried a hidden mail before: two copies of it give both away.",
        "Give another one, and destroy each original once it was used.",
    )
