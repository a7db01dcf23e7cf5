"""Pictures that are refused for what they are, and pictures that are known again."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from services.stego import covers, terms
from services.stego.covers import judging
from services.stego.refusals import CoverRefused
from tests.pictures import encoded, textured

PHOTOGRAPH = textured(300, 400, seed=11)


def judged(data: bytes) -> str:
    try:
        judging.judge(covers.read(data))
    except CoverRefused as refused:
        assert refused.fix
        return refused.code
    return "fit"


def look(data: bytes) -> int:
    return judging.look(covers.read(data))


def through_jpeg(quality: int, **options: object) -> Image.Image:
    return Image.open(io.BytesIO(encoded(PHOTOGRAPH, "JPEG", quality=quality, **options)))


def test_a_photograph_is_fit_as_png_and_as_jpeg():
    assert judged(encoded(PHOTOGRAPH)) == "fit"
    assert judged(encoded(PHOTOGRAPH, "JPEG", quality=90)) == "fit"


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_drawings_are_refused_because_changes_would_show(kind):
    drawing = np.full((200, 200, 3), 255, np.uint8)
    drawing[50:150, 50:150] = 30
    assert judged(encoded(drawing, kind)) == "cover-smooth"


@pytest.mark.parametrize("quality", [50, 75, 90, 95])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_png_that_was_a_jpeg_is_refused(quality, subsampling):
    assert judged(encoded(np.array(through_jpeg(quality, subsampling=subsampling)))) == "cover-jpeg-past"


def test_a_jpeg_past_is_seen_in_grey_and_after_cropping():
    jpeg = through_jpeg(85)
    assert judged(encoded(np.array(jpeg.convert("L")))) == "cover-jpeg-past"
    assert judged(encoded(np.array(jpeg.crop((13, 5, 390, 291))))) == "cover-jpeg-past"


def test_what_was_scaled_down_has_no_jpeg_past_any_more():
    assert judged(encoded(np.array(through_jpeg(85).resize((266, 200), Image.Resampling.LANCZOS)))) == "fit"


@pytest.mark.parametrize("other", ["jpeg", "smaller", "brighter", "grey"])
def test_one_picture_looks_alike_in_all_its_versions(other):
    image = Image.fromarray(PHOTOGRAPH)
    versions = {
        "jpeg": encoded(PHOTOGRAPH, "JPEG", quality=60),
        "smaller": encoded(np.array(image.resize((260, 195), Image.Resampling.LANCZOS))),
        "brighter": encoded(np.clip(PHOTOGRAPH.astype(int) + 9, 0, 255).astype(np.uint8)),
        "grey": encoded(np.array(image.convert("L"))),
    }
    assert terms.alike(look(encoded(PHOTOGRAPH)), look(versions[other]))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_looks_the_same_however_its_camera_was_held(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    held = Image.open(io.BytesIO(encoded(PHOTOGRAPH, "JPEG", exif=exif)))
    upright = ImageOps.exif_transpose(held)
    scaled = upright.resize((upright.width * 2 // 3, upright.height * 2 // 3), Image.Resampling.LANCZOS)
    assert terms.alike(look(encoded(PHOTOGRAPH, "JPEG", exif=exif)), look(encoded(np.array(scaled))))


def test_other_pictures_look_different():
    looks = [look(encoded(textured(200, 260, seed=seed))) for seed in range(40)]
    assert not any(terms.alike(a, b) for i, a in enumerate(looks) for b in looks[:i])


@given(st.integers(0, 2**64 - 1), st.sets(st.integers(0, 63), max_size=terms.ALIKE))
def test_looks_that_are_alike_have_two_bytes_in_common(one, flipped):
    """What the memory of used covers finds them by."""
    other = one ^ sum(1 << bit for bit in flipped)
    pairs = zip(one.to_bytes(terms.LOOK_BYTES), other.to_bytes(terms.LOOK_BYTES), strict=True)
    assert sum(a == b for a, b in pairs) >= 2
