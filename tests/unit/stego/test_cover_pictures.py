"""Which pictures are taken as covers, and what is said about the others."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from services.stego import cover
from services.stego.cover import CoverRefused, Picture

# First row, first column, row step and column step of each pass of an interlaced PNG (W3C PNG, section 8.1).
ADAM7 = (
    (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)
)  # fmt: skip


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


def saved(samples, kind="PNG", mode=None, **options) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(samples)
    (image.convert(mode) if mode else image).save(file, kind, **options)
    return file.getvalue()


def refusal(data: bytes) -> CoverRefused:
    with pytest.raises(CoverRefused) as caught:
        cover.read(data)
    assert caught.value.fix, "every refusal says what to do instead"
    return caught.value


@pytest.mark.parametrize("channels", [1, 3])
def test_an_8_bit_png_is_read_and_written_sample_for_sample(textured, png, channels):
    samples = textured(140, 200, channels)
    assert np.array_equal(cover.read(png(samples)).samples, samples)
    assert np.array_equal(cover.read(cover.write(Picture(samples))).samples, samples)


def test_an_interlaced_png_is_read(textured):
    samples = textured(128, 136, 1)
    passes = [samples[top::down, left::right] for top, left, down, right in ADAM7]
    rows = b"".join(b"\0" + row.tobytes() for part in passes for row in part)
    assert np.array_equal(cover.read(bare_png(136, 128, colour=0, rows=rows, interlace=1)).samples, samples)


@pytest.mark.parametrize(
    ("kind", "mode", "code", "words"),
    [
        ("JPEG", None, "cover-jpeg", "JPEG"),
        ("JPEG", "CMYK", "cover-jpeg", "later method"),
        ("TIFF", "CMYK", "cover-not-png", "TIFF"),
        ("GIF", None, "cover-not-png", "GIF"),
        ("BMP", None, "cover-not-png", "BMP"),
        ("WEBP", None, "cover-not-png", "WebP"),
        ("PPM", None, "cover-not-png", "not a PNG"),
        ("PNG", "P", "cover-palette", "palette"),
        ("PNG", "1", "cover-depth", "1 bits"),
        ("PNG", "I;16", "cover-depth", "16 bits"),
    ],
)
def test_other_kinds_of_picture_are_refused_by_name(textured, kind, mode, code, words):
    samples = textured(160, 160, 1 if mode == "I;16" else 3)
    error = refusal(saved(samples, kind, mode))
    assert (error.code, words in error.words) == (code, True)
    assert "PNG" in error.fix


def test_16_bit_colour_is_refused_though_the_decoder_would_halve_it_in_silence():
    assert refusal(bare_png(128, 128, depth=16, rows=bytes(128 * (128 * 6 + 1)))).code == "cover-depth"


def test_an_animated_png_is_refused(textured, png):
    frames = [Image.fromarray(textured(130, 130, seed=seed)) for seed in (1, 2, 3)]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    error = refusal(file.getvalue())
    assert error.code == "cover-animated"
    assert "3 frames" in error.words


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_refused_and_an_opaque_alpha_channel_dropped(textured, mode):
    image = Image.fromarray(textured(130, 140)).convert(mode)
    opaque, holed = io.BytesIO(), io.BytesIO()
    image.save(opaque, "PNG")
    image.putpixel((3, 4), (9, 9, 9, 254) if mode == "RGBA" else (9, 254))
    image.save(holed, "PNG")
    error = refusal(holed.getvalue())
    assert error.code == "cover-transparent"
    assert "flatten" in error.fix
    expected = np.array(Image.fromarray(textured(130, 140)).convert("RGB" if mode == "RGBA" else "L"))
    assert np.array_equal(cover.read(opaque.getvalue()).samples, expected)


def test_one_transparent_colour_is_transparency_too(textured, png):
    assert refusal(png(textured(130, 130), transparency=(1, 2, 3))).code == "cover-transparent"


def test_a_small_picture_is_refused_with_the_size_it_needs(textured, png):
    error = refusal(png(textured(127, 500)))
    assert error.code == "cover-too-small"
    assert "500 x 127" in error.words
    assert "128" in error.words


@pytest.mark.parametrize("size", [(30_000, 30_000), (2**31 - 1, 128), (24_000_001, 1)])
def test_a_decompression_bomb_is_refused_before_anything_is_decoded(size):
    bomb = bare_png(*size, rows=bytes(2_000_000))
    tracemalloc.start()
    error = refusal(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.code == "cover-too-many-pixels"
    assert f"{size[0]:,}" in error.words
    assert peak < 100_000


def test_a_second_header_that_contradicts_the_first_is_damage(textured):
    rows = b"".join(b"\0" + row.tobytes() for row in textured(200, 128, 1))
    checked, decoded = (bare_png(*size, colour=0, rows=rows) for size in ((200, 128), (128, 200)))
    header_end = 8 + 25
    assert cover.read(decoded).samples.shape == (200, 128)
    assert refusal(checked[:header_end] + decoded[8:]).code == "cover-damaged"


def test_a_file_over_the_limit_is_refused_unread(photograph):
    error = refusal(photograph.ljust(cover.FILE_LIMIT + 1, b"\0"))
    assert error.code == "cover-file-too-large"
    assert f"{cover.FILE_LIMIT:,}" in error.words


@pytest.mark.parametrize("part", [0.01, 0.5, 0.9, 0.999])
def test_a_cut_off_file_is_refused_as_damaged(photograph, part):
    assert refusal(photograph[: int(len(photograph) * part)]).code in ("cover-damaged", "cover-not-png")


@pytest.mark.parametrize("from_the_end", [1_000, 14])
def test_a_flipped_bit_is_found_even_in_a_checksum(photograph, from_the_end):
    broken = bytearray(photograph)
    broken[-from_the_end] ^= 1
    assert refusal(bytes(broken)).code == "cover-damaged"


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"hello", bytes(1000)])
def test_what_is_no_picture_is_refused(data):
    assert refusal(data).code in ("cover-not-png", "cover-damaged")


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 400), change=st.binary(min_size=1, max_size=12))
def test_a_mutilated_file_is_read_or_refused_and_nothing_else(photograph, at, change):
    try:
        picture = cover.read(photograph[:at] + change + photograph[at + len(change) :])
    except CoverRefused:
        return
    assert picture.samples.size <= 3 * cover.PIXEL_LIMIT


def test_drawings_are_refused_because_changes_would_show(png):
    drawing = np.full((200, 200, 3), 255, np.uint8)
    drawing[50:150, 50:150] = 30
    error = refusal(png(drawing))
    assert error.code == "cover-smooth"
    assert "photograph" in error.fix


def test_what_a_camera_writes_about_place_and_person_is_dropped(textured, png):
    exif = Image.Exif()
    exif[0x010E] = "Anna in the garden"
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Author", "Anna Gardener")
    original = png(textured(150, 150), exif=exif, pnginfo=notes)
    assert b"Anna" in original
    written = cover.write(cover.read(original))
    assert set(chunk_kinds(written)) == {b"IHDR", b"IDAT", b"IEND"}
    assert b"Anna" not in written


def test_a_picture_taken_sideways_stays_upright_without_its_exif(textured, png):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to view
    samples = textured(150, 260)
    assert np.array_equal(cover.read(png(samples, exif=exif)).samples, np.rot90(samples, -1))


def test_the_colour_profile_is_kept_unless_it_is_huge(textured, png):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = cover.read(png(textured(150, 150), icc_profile=profile))
    assert picture.profile == profile
    assert cover.read(cover.write(picture)).profile == profile
    huge = profile + bytes(cover.PROFILE_LIMIT)
    assert cover.read(png(textured(150, 150), icc_profile=huge)).profile is None
