"""Bytes hidden in a canvas come out again, with the changes that were promised and no others."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.stego import coding
from services.stego.canvas import Canvas
from services.stego.coding import HEADER_SIZE, NoRoom
from services.stego.keys import Subkeys
from tests.unit.stego.coding_pictures import KEYS, OTHER_KEYS, header, jpeg, keys_of, photograph, with_elements


def _read(canvas: Canvas, size: int, keys: Subkeys = KEYS) -> bytes:
    read = coding.read_header(canvas, keys)
    assert read == header(int.from_bytes(read[:2]))
    return coding.read_body(canvas, keys, size, int.from_bytes(read[:2]))


@st.composite
def canvases(draw: st.DrawFn) -> Canvas:
    seed = draw(st.integers(0, 1000))
    flat = draw(st.sampled_from([0, 0, 0.3]))
    if draw(st.booleans()):
        return jpeg(draw(st.integers(12, 30)), draw(st.integers(12, 30)), seed, flat)
    return photograph(draw(st.integers(70, 130)), draw(st.integers(70, 130)), draw(st.sampled_from([1, 3])), seed, flat)


@settings(max_examples=25, deadline=None)
@given(canvases(), st.randoms(use_true_random=False), st.floats(0, 1))
def test_any_body_that_there_is_room_for_comes_out_again(canvas, random, share):
    room = coding.survey(canvas).room
    body = random.randbytes(int(room * share))
    stego = coding.embed(canvas, KEYS, body, header)
    assert _read(with_elements(canvas, stego), len(body)) == body
    assert np.abs(stego - canvas.elements).max(initial=0) <= 1


@pytest.mark.parametrize(
    "canvas",
    [photograph(128, 128), photograph(96, 101, 3, flat=0.4), photograph(160, 160, flat=0.4), jpeg(24, 24, flat=0.6)],
    ids=["grey", "colour, 40 % flat", "grey, 40 % flat", "jpeg, 60 % flat"],
)
def test_the_last_byte_of_the_room_fits_whatever_the_key(canvas):
    room = coding.survey(canvas).room
    assert room > 0
    for seed in range(5):
        keys = keys_of(seed)
        body = np.random.default_rng(seed).bytes(room)
        stego = with_elements(canvas, coding.embed(canvas, keys, body, header))
        assert _read(stego, room, keys) == body


def test_the_same_arguments_give_the_same_elements_and_other_keys_others():
    canvas = photograph(100, 100)
    body = bytes(range(200))
    once, again = (coding.embed(canvas, KEYS, body, header) for _ in range(2))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, coding.embed(canvas, OTHER_KEYS, body, header))


@pytest.mark.parametrize("canvas", [photograph(100, 100), jpeg(20, 20)], ids=["pixels", "coefficients"])
def test_the_cover_itself_is_left_as_it_was(canvas):
    before = canvas.elements.copy()
    coding.embed(canvas, KEYS, bytes(50), header)
    assert np.array_equal(canvas.elements, before)


@pytest.mark.parametrize("canvas", [photograph(128, 128), jpeg(24, 24)], ids=["pixels", "coefficients"])
def test_a_wrong_key_reads_noise(canvas):
    body = bytes(400)
    stego = with_elements(canvas, coding.embed(canvas, KEYS, body, lambda split: bytes(HEADER_SIZE)))
    for read in (coding.read_header(stego, OTHER_KEYS), coding.read_body(stego, OTHER_KEYS, 400, 1024)):
        ones = np.unpackbits(np.frombuffer(read, np.uint8))
        assert abs(ones.mean() - 0.5) < 5 * 0.5 / np.sqrt(ones.size)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1))
def test_whatever_a_header_claims_reading_ends_without_an_exception(size, split):
    canvas = photograph(70, 70)
    assert len(coding.read_body(canvas, KEYS, size, split)) in (0, size)


@pytest.mark.parametrize(
    "elements", [np.zeros((0, 0), np.int16), np.zeros((1, 1), np.int16), np.zeros((63, 65), np.int16)]
)
def test_a_canvas_too_small_reads_as_nothing_and_takes_nothing(elements):
    canvas = Canvas(elements, "pixels")
    assert coding.read_header(canvas, KEYS) == bytes(HEADER_SIZE)
    assert coding.read_body(canvas, KEYS, 10, 1024) == b""
    with pytest.raises(NoRoom):
        coding.embed(canvas, KEYS, b"", header)


def test_black_and_white_stay_within_the_range():
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (100, 100, 3))
    canvas = Canvas(np.where(rng.random(noise.shape) < 0.6, 255 * (noise & 1), noise).astype(np.int16), "pixels")
    stego = coding.embed(canvas, KEYS, rng.bytes(coding.survey(canvas).room), header)
    changed = stego != canvas.elements
    assert stego.min() == 0
    assert stego.max() == 255
    assert np.any(changed & (canvas.elements == 255))
    assert np.any(changed & (canvas.elements == 0))


def test_the_largest_coefficients_of_a_jpeg_are_not_exceeded():
    canvas = jpeg(24, 24)
    rng = np.random.default_rng(3)
    extreme = np.where(rng.random(canvas.elements.shape) < 0.2, 1023, canvas.elements)
    canvas = with_elements(canvas, np.where(rng.random(extreme.shape) < 0.2, -1023, extreme).astype(np.int16))
    stego = coding.embed(canvas, KEYS, rng.bytes(coding.survey(canvas).room), header)
    assert (stego.min(), stego.max()) == (-1023, 1023)


def test_flat_parts_of_a_picture_are_never_touched():
    canvas = photograph(128, 128, flat=0.4)
    stego = coding.embed(canvas, KEYS, bytes(coding.survey(canvas).room), header)
    edge = int(128 * 0.4) - 10  # the filters reach that far
    assert np.array_equal(stego[:, :edge], canvas.elements[:, :edge])


def test_flat_blocks_among_flat_blocks_of_a_jpeg_are_never_touched():
    canvas = jpeg(24, 40, flat=0.5)
    stego = coding.embed(canvas, KEYS, bytes(coding.survey(canvas).room), header)
    assert np.array_equal(stego[:, :19], canvas.elements[:, :19])
    assert not np.array_equal(stego[:, 20:], canvas.elements[:, 20:])


def test_what_is_too_much_is_refused_after_all_tries():
    tries = []
    canvas = photograph(100, 100, flat=0.5)

    def counted(split: int) -> bytes:
        tries.append(split % 8)
        return header(split)

    with pytest.raises(NoRoom) as refused:
        coding.embed(canvas, KEYS, bytes(canvas.elements.size // 10), counted)
    assert refused.value.code == "cover-no-room"
    assert tries == list(range(8))


def test_a_try_that_fails_is_followed_by_one_with_other_columns_and_read_all_the_same():
    """Bodies somewhat larger than is promised, of which some fit at once, some later, and some not at all."""
    canvas = photograph(96, 96, flat=0.4)
    salts = []
    for seed in range(12):
        body = bytes(int((2 + seed % 4 / 10) * coding.survey(canvas).room))
        try:
            stego = with_elements(canvas, coding.embed(canvas, keys_of(seed), body, header))
        except NoRoom:
            continue
        assert _read(stego, len(body), keys_of(seed)) == body
        salts.append(coding.read_header(stego, keys_of(seed))[1] % 8)
    assert 0 in salts
    assert max(salts) > 0


def test_no_pairs_of_values_are_equalised():
    """LSB replacement would only take even values up and odd ones down; here each goes both ways."""
    values = np.random.default_rng(1).integers(40, 100, (160, 160)) * 2
    values += np.random.default_rng(2).random(values.shape) < 0.1  # nearly all even
    canvas = Canvas(values.astype(np.int16), "pixels")
    stego = coding.embed(canvas, KEYS, np.random.default_rng(3).bytes(1000), header)
    steps = (stego - canvas.elements)[canvas.elements % 2 == 0]
    up, down = np.count_nonzero(steps > 0), np.count_nonzero(steps < 0)
    assert up + down > 1000
    assert abs(up - down) < 5 * np.sqrt(up + down)


def test_neighbours_that_change_mostly_change_the_same_way():
    canvas = photograph(200, 200)
    steps = coding.embed(canvas, KEYS, np.random.default_rng(1).bytes(1500), header) - canvas.elements
    beside = steps[:, 1:] * steps[:, :-1]
    assert np.count_nonzero(beside > 0) > 2 * np.count_nonzero(beside < 0)


def test_a_picture_hidden_in_today_is_read_in_the_same_way_for_ever():
    """The format: orders, columns, sums. A change of this digest is a change of every reader."""
    fixed = (np.arange(96 * 96) ** 2 % 251).astype(np.int16)
    read = b"".join(
        coding.read_header(canvas, KEYS) + coding.read_body(canvas, KEYS, 300, 1024 + 3)
        for canvas in (Canvas(fixed.reshape(96, 96), "pixels"), Canvas(fixed.reshape(12, 12, 8, 8), "coefficients"))
    )
    assert hashlib.sha256(read).hexdigest() == "7d6729190ec0f97cc107646229ebe9a6912f2e14446353bcb66ff4f80b0278c1"
