"""Which pictures are taken as covers, and what is said about the others."""

import io
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin

from services.stego import covers, refusals
from services.stego.covers import judging
from services.stego.refusals import CoverRefused
from tests.pictures import encoded, textured

# First row, first column, row step and column step of each pass of an interlaced PNG (W3C PNG, section 8.1).
ADAM7 = (
    (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)
)  # fmt: skip
SAMPLES = textured(140, 200, seed=1)
FILES = {"PNG": encoded(SAMPLES), "JPEG": encoded(SAMPLES, "JPEG", quality=90)}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bare_png(width: int, height: int, depth: int = 8, colour: int = 2, rows: bytes = b"", interlace: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def chunk_kinds(file: bytes) -> list[bytes]:
    kinds, at = [], 8
    while at < len(file):
        (length,) = struct.unpack_from(">I", file, at)
        kinds.append(file[at + 4 : at + 8])
        at += length + 12
    return kinds


def saved(samples: NDArray[np.generic], kind: str, mode: str | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(samples)
    (image.convert(mode) if mode else image).save(file, kind, **options)
    return file.getvalue()


def refusal(data: bytes) -> CoverRefused:
    with pytest.raises(CoverRefused) as caught:
        covers.read(data)
    assert caught.value.fix, "every refusal says what to do instead"
    return caught.value


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
def test_a_lossless_picture_is_read_and_written_as_png_sample_for_sample(kind, options, channels):
    samples = textured(140, 200, channels, seed=2)
    cover = covers.read(encoded(samples, kind, **options))
    written = cover.write(cover.canvas.elements)
    assert cover.kind == "png"
    assert written.startswith(b"\x89PNG")
    assert np.array_equal(np.array(Image.open(io.BytesIO(written)).convert("RGB" if channels == 3 else "L")), samples)
    assert np.array_equal(covers.read(written).canvas.elements, cover.canvas.elements)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}, {"optimize": True}]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_stays_the_jpeg_it_was_with_its_tables_and_subsampling(options, channels):
    data = encoded(textured(150, 203, channels, seed=3), "JPEG", **{"quality": 90, **options})
    cover = covers.read(data)
    before, after = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(cover.write(cover.canvas.elements)))
    assert cover.kind == "jpeg"
    assert before.quantization == after.quantization
    assert [c[1:3] for c in before.layer] == [c[1:3] for c in after.layer]
    assert np.array_equal(np.array(before), np.array(after))
    assert ("baseline" in " ".join(cover.notes)) == ("progressive" in options)
    # The coding's tables are of the same kind too: neither larger nor smaller than they were.
    assert "progressive" in options or abs(len(cover.write(cover.canvas.elements)) - len(data)) < 32


def test_changed_coefficients_come_back_as_they_were_changed():
    cover = covers.read(FILES["JPEG"])
    changed = cover.canvas.elements.copy()
    changed[2, 3, 1, 1] += 1
    changed[5, 7, 0, 4] -= 1
    assert np.array_equal(covers.read(cover.write(changed)).canvas.elements, changed)


def test_an_interlaced_png_is_read():
    samples = textured(128, 136, 1, seed=4)
    passes = [samples[top::down, left::right] for top, left, down, right in ADAM7]
    rows = b"".join(b"\0" + row.tobytes() for part in passes for row in part)
    assert np.array_equal(covers.read(bare_png(136, 128, colour=0, rows=rows, interlace=1)).canvas.elements, samples)


@pytest.mark.parametrize(
    ("kind", "mode", "options", "code", "words"),
    [
        ("JPEG", "CMYK", {}, "colours", "CMYK"),
        ("JPEG", None, {"keep_rgb": True}, "colours", "RGB"),
        ("TIFF", "CMYK", {}, "colours", "CMYK"),
        ("TIFF", "P", {}, "palette", "palette"),
        ("TIFF", "F", {}, "depth", "32 bits"),
        ("TIFF", None, {"compression": "jpeg"}, "jpeg-past", "JPEG"),
        ("GIF", None, {}, "format", "GIF"),
        ("AVIF", None, {}, "format", "AVIF"),
        ("PPM", None, {}, "format", "no picture"),
        ("BMP", "P", {}, "palette", "palette"),
        ("BMP", "1", {}, "depth", "1 bits"),
        ("WEBP", None, {"lossless": False}, "lossy", "WebP"),
        ("PNG", "P", {}, "palette", "palette"),
        ("PNG", "1", {}, "depth", "1 bits"),
        ("PNG", "I;16", {}, "depth", "16 bits"),
    ],
)
def test_other_kinds_of_picture_are_refused_by_name(kind, mode, options, code, words):
    samples = textured(160, 160, 1 if mode == "I;16" else 3, seed=5)
    error = refusal(saved(samples, kind, mode, **options))
    assert (error.code, words in error.words) == (f"cover-{code}", True), error.words


def test_16_bit_colour_is_refused_though_the_decoder_would_halve_it_in_silence():
    assert refusal(bare_png(128, 128, depth=16, rows=bytes(128 * (128 * 6 + 1)))).code == "cover-depth"


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_several_frames_are_refused(kind):
    frames = [Image.fromarray(textured(130, 130, seed=seed)) for seed in (1, 2, 3)]
    file = io.BytesIO()
    frames[0].save(
        file, kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {})
    )
    assert refusal(file.getvalue()).code == "cover-animated"


def test_the_pages_of_a_tiff_are_not_counted():
    page = Image.fromarray(SAMPLES[..., 0])
    file = io.BytesIO()
    page.save(file, "TIFF", save_all=True, append_images=[page.resize((1, 1))] * 3000)
    began = time.process_time()
    assert refusal(file.getvalue()).code == "cover-animated"
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_refused_and_an_opaque_alpha_channel_dropped(mode):
    image = Image.fromarray(SAMPLES).convert(mode)
    opaque, holed = io.BytesIO(), io.BytesIO()
    image.save(opaque, "PNG")
    image.putpixel((3, 4), (9, 9, 9, 254) if mode == "RGBA" else (9, 254))
    image.save(holed, "PNG")
    error = refusal(holed.getvalue())
    assert error.code == "cover-transparent"
    assert "flatten" in error.fix
    expected = np.array(Image.fromarray(SAMPLES).convert("RGB" if mode == "RGBA" else "L"))
    assert np.array_equal(covers.read(opaque.getvalue()).canvas.elements, expected)


def test_one_transparent_colour_is_transparency_too():
    assert refusal(encoded(SAMPLES, transparency=(1, 2, 3))).code == "cover-transparent"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_a_small_picture_is_refused_with_the_size_it_needs(kind):
    error = refusal(encoded(textured(127, 500, seed=6), kind))
    assert error.code == "cover-too-small"
    assert "500 x 127" in error.words
    assert "128" in error.words


@pytest.mark.parametrize("size", [(30_000, 30_000), (2**31 - 1, 128), (refusals.PIXEL_LIMIT + 1, 1)])
def test_a_decompression_bomb_is_refused_before_anything_is_decoded(size):
    bomb = bare_png(*size, rows=bytes(2_000_000))
    tracemalloc.start()
    error = refusal(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.code == "cover-too-many-pixels"
    assert f"{size[0]:,}" in error.words
    assert peak < 100_000


@pytest.mark.parametrize(("side", "code"), [(30_000, "cover-too-many-pixels"), (3000, "cover-smooth")])
def test_a_jpeg_that_lies_about_its_size_is_refused(side, code):
    """Up to the limit of pixels libjpeg fills up what is not there, in grey."""
    at = FILES["JPEG"].index(b"\xff\xc0") + 5
    lying = FILES["JPEG"][:at] + side.to_bytes(2) * 2 + FILES["JPEG"][at + 4 :]
    with pytest.raises(CoverRefused) as caught:
        judging.judge(covers.read(lying))
    assert caught.value.code == code


def test_a_jpeg_of_endless_scans_is_refused():
    at = FILES["JPEG"].index(b"\xff\xda")
    assert refusal(FILES["JPEG"][:at] + FILES["JPEG"][at:] * 100).code == "cover-damaged"


def test_a_second_header_that_contradicts_the_first_is_damage():
    rows = b"".join(b"\0" + row.tobytes() for row in textured(200, 128, 1, seed=7))
    checked, decoded = (bare_png(*size, colour=0, rows=rows) for size in ((200, 128), (128, 200)))
    header_end = 8 + 25
    assert covers.read(decoded).canvas.elements.shape == (200, 128)
    assert refusal(checked[:header_end] + decoded[8:]).code == "cover-damaged"


def test_a_file_over_the_limit_is_refused_unread():
    error = refusal(FILES["PNG"].ljust(refusals.FILE_LIMIT + 1, b"\0"))
    assert error.code == "cover-file-too-large"
    assert f"{refusals.FILE_LIMIT:,}" in error.words


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("part", [0.01, 0.5, 0.9, 0.999])
def test_a_cut_off_file_is_refused_as_damaged(kind, part):
    assert refusal(FILES[kind][: int(len(FILES[kind]) * part)]).code == "cover-damaged"


@pytest.mark.parametrize("from_the_end", [1_000, 14])
def test_a_flipped_bit_is_found_even_in_a_checksum(from_the_end):
    broken = bytearray(FILES["PNG"])
    broken[-from_the_end] ^= 1
    assert refusal(bytes(broken)).code == "cover-damaged"


@pytest.mark.parametrize("data", [b"", b"hello", bytes(1000)])
def test_what_is_no_picture_is_refused(data):
    assert refusal(data).code == "cover-format"


@settings(max_examples=80, deadline=None)
@given(kind=st.sampled_from(["PNG", "JPEG"]), at=st.integers(0, 700), change=st.binary(min_size=1, max_size=12))
def test_a_mutilated_file_is_read_or_refused_and_nothing_else(kind, at, change):
    data = FILES[kind]
    try:
        cover = covers.read(data[:at] + change + data[at + len(change) :])
    except CoverRefused:
        return
    assert cover.width * cover.height <= refusals.PIXEL_LIMIT


def test_what_a_camera_writes_about_place_and_person_is_dropped():
    exif = Image.Exif()
    exif[0x010E] = "Anna in the garden"
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "Anna Gardener")
    for kind, options in (("PNG", {"pnginfo": text}), ("JPEG", {"comment": "Anna Gardener"})):
        original = encoded(SAMPLES, kind, exif=exif, **options)
        assert original.count(b"Anna") == 2
        cover = covers.read(original)
        written = cover.write(cover.canvas.elements)
        assert b"Anna" not in written
        if kind == "PNG":
            assert set(chunk_kinds(written)) == {b"IHDR", b"IDAT", b"IEND"}


def test_a_picture_taken_sideways_is_shown_upright_afterwards():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to view
    cover = covers.read(encoded(SAMPLES, exif=exif))
    assert np.array_equal(cover.canvas.elements, np.rot90(SAMPLES, -1))
    assert "upright" in cover.notes[0]
    jpeg = covers.read(encoded(SAMPLES, "JPEG", exif=exif))
    written = Image.open(io.BytesIO(jpeg.write(jpeg.canvas.elements)))
    assert dict(written.getexif()) == {0x0112: 6}


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_colour_profile_is_kept_unless_it_is_huge(kind):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    def kept(given: bytes) -> bytes | None:
        cover = covers.read(encoded(SAMPLES, kind, icc_profile=given))
        found: bytes | None = Image.open(io.BytesIO(cover.write(cover.canvas.elements))).info.get("icc_profile")
        return found

    assert kept(profile) == profile
    assert kept(profile + bytes(refusals.PROFILE_LIMIT)) is None
