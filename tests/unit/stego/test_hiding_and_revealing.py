"""Hiding and revealing over files: several covers, exact capacity, and every way in which nothing is revealed."""

import contextlib
import io
import os
import time
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from secumail.errors import Refused
from services.stego import hiding, parts
from services.stego.keys import KEY_SIZE, from_passphrase, subkeys
from services.stego.parts import Header, NothingHidden, PartsMissing, PartsMixed, PayloadTooLarge
from services.stego.refusals import CoverRefused
from services.stego.terms import PARTS_LIMIT
from tests.pictures import encoded, photograph, textured

KEY, OTHER = bytes(range(32)), bytes(32)
PNG = photograph(240, 200, seed=1)
JPEG = photograph(480, 400, "JPEG", seed=2)
THIRD = photograph(260, 200, seed=3)
SECRET = b"We meet at the lighthouse. " * 20
HIDDEN = [one.file for one in hiding.hide([PNG, JPEG, THIRD], SECRET, KEY)]


def complaint(*files: bytes, key: bytes = KEY) -> tuple[type[Refused], str]:
    with pytest.raises(Refused) as caught:
        hiding.reveal(files, key)
    return type(caught.value), str(caught.value)


@settings(max_examples=7, deadline=None)
@given(
    payload=st.one_of(st.binary(max_size=300), st.text(max_size=2000).map(str.encode)),
    key=st.binary(min_size=KEY_SIZE, max_size=KEY_SIZE),
    covers=st.sampled_from([(PNG,), (JPEG,), (JPEG, PNG), (THIRD, PNG, JPEG)]),
    order=st.randoms(use_true_random=False),
)
def test_what_was_hidden_in_any_covers_is_revealed_in_any_order(payload, key, covers, order):
    files = [one.file for one in hiding.hide(covers, payload, key)]
    order.shuffle(files)
    assert hiding.reveal(files, key) == payload


@pytest.mark.parametrize(
    "file",
    [
        encoded(textured(170, 230, 1, seed=4)),
        encoded(textured(170, 231, seed=4), "BMP"),
        encoded(textured(170, 230, 1, seed=4), "TIFF"),
        encoded(textured(170, 230, seed=4), "WEBP", lossless=True),
        encoded(textured(400, 530, 1, seed=4), "JPEG", quality=95),
        encoded(textured(403, 530, seed=4), "JPEG", quality=75, progressive=True),
    ],
    ids=["grey png", "bmp", "grey tiff", "webp", "grey jpeg", "progressive jpeg"],
)
def test_every_kind_of_picture_that_is_taken_carries(file):
    (hidden,) = hiding.hide([file], b"the plan", KEY)
    assert hiding.reveal([hidden.file], KEY) == b"the plan"


@pytest.mark.parametrize(("covers", "rate"), [([PNG], "careful"), ([JPEG], "normal"), ([JPEG, THIRD], "maximum")])
def test_the_capacity_is_exact_alone_and_together(covers, rate):
    room = hiding.together(covers)
    assert list(room.values()) == sorted(room.values())
    assert len(covers) > 1 or hiding.judge(covers[0]).room == room
    payload = os.urandom(room[rate])
    assert hiding.reveal([one.file for one in hiding.hide(covers, payload, KEY, rate)], KEY) == payload
    with pytest.raises(PayloadTooLarge) as caught:
        hiding.hide(covers, payload + b"!", KEY, rate)
    assert (caught.value.over, f"{room[rate]:,} fit" in caught.value.words) == (1, True)


def test_a_text_is_compressed_so_that_more_of_it_fits():
    room = hiding.judge(PNG).room["normal"]
    assert hiding.hide([PNG], b"again and " * room, KEY)


def test_no_sample_moves_by_more_than_one_and_few_move_at_all():
    before, after = (np.array(Image.open(io.BytesIO(file))).astype(int) for file in (PNG, HIDDEN[0]))
    moved = after - before
    assert set(np.unique(moved)) == {-1, 0, 1}
    assert np.count_nonzero(moved) < 0.03 * moved.size
    assert abs(len(HIDDEN[0]) - len(PNG)) < 0.02 * len(PNG)


def test_the_same_arguments_give_the_same_pictures():
    one, other = (hiding.hide([PNG, JPEG], b"the plan", KEY) for _ in range(2))
    assert one == other


def test_one_key_never_puts_two_messages_in_the_same_places():
    one, other = (parts.message_number(KEY, payload, [PNG]) for payload in (b"a", b"b"))
    assert one != other
    assert subkeys(KEY, one, 1).order != subkeys(KEY, other, 1).order != subkeys(KEY, other, 2).order


# --- nothing is revealed ---------------------------------------------------------------------------------------------


def test_a_wrong_key_an_ordinary_picture_and_a_changed_one_get_the_same_answer():
    image = np.array(Image.open(io.BytesIO(HIDDEN[0])))
    altered = image.copy()
    altered[:, ::7] ^= 1
    answers = {
        complaint(*HIDDEN, key=OTHER),
        complaint(*HIDDEN, key=from_passphrase("letmein")),
        complaint(photograph(240, 200, seed=9)),
        complaint(encoded(altered)),
        complaint(encoded(image, "JPEG", quality=95)),
        complaint(encoded(np.array(Image.fromarray(image).resize((200, 180))))),
        complaint(encoded(np.array(Image.open(io.BytesIO(HIDDEN[1]))), "JPEG", quality=92)),
        complaint(b"no picture"),
        complaint(HIDDEN[0][:-100]),
        complaint(),
    }
    assert [kind for kind, _ in answers] == [NothingHidden]


def test_one_altered_pixel_that_carries_is_found_and_one_that_does_not_harms_nothing():
    (hidden,) = hiding.hide([PNG], SECRET, KEY)
    samples = np.array(Image.open(io.BytesIO(hidden.file)))
    outcomes = set()
    for at in range(0, samples.size, samples.size // 40):
        altered = samples.copy()
        altered.reshape(-1)[at] ^= 1
        try:
            outcomes.add(hiding.reveal([encoded(altered)], KEY))
        except NothingHidden:
            outcomes.add(None)
    assert outcomes <= {SECRET, None}
    assert None in outcomes


def test_a_missing_or_changed_picture_is_named_by_its_number():
    with pytest.raises(PartsMissing) as caught:
        hiding.reveal([HIDDEN[2], HIDDEN[0]], KEY)
    assert (caught.value.missing, "3 pictures" in caught.value.words) == ((2,), True)
    with pytest.raises(PartsMissing) as caught:
        hiding.reveal([PNG, HIDDEN[1], THIRD], KEY)  # the originals took the places of two
    assert caught.value.missing == (1, 3)


def test_pictures_of_two_messages_under_one_key_are_told_apart():
    (other,) = hiding.hide([photograph(240, 200, seed=12)], b"another", KEY)
    assert complaint(*HIDDEN, other.file)[0] is PartsMixed
    assert hiding.reveal([other.file], KEY) == b"another"


def test_ordinary_pictures_among_them_and_one_given_twice_do_no_harm():
    assert hiding.reveal([photograph(240, 200, seed=9), *HIDDEN, HIDDEN[1]], KEY) == SECRET


def test_a_wrong_key_takes_as_long_as_a_plain_picture():
    """Coarsely: neither tells that there is something by ending sooner or later."""

    def seconds(file: bytes, key: bytes) -> float:
        began = time.process_time()
        complaint(file, key=key)
        return time.process_time() - began

    wrong, plain = (sorted(seconds(*case) for _ in range(15))[7] for case in ((HIDDEN[0], OTHER), (PNG, KEY)))
    assert 0.5 < wrong / plain < 2


# --- covers together -------------------------------------------------------------------------------------------------


def refused(*files: bytes) -> str:
    with pytest.raises(Refused) as caught:
        hiding.hide(files, b"x", KEY)
    return caught.value.code


def test_covers_that_wont_do_together_are_refused():
    assert refused() == "covers-number"
    assert refused(*[PNG] * (PARTS_LIMIT + 1)) == "covers-number"
    assert refused(PNG, THIRD, PNG) == "cover-twice"
    assert refused(PNG, encoded(np.array(Image.open(io.BytesIO(PNG))), "JPEG", quality=90)) == "cover-twice"
    assert refused(PNG, JPEG[:2000]) == "cover-damaged"


def test_a_picture_that_carries_already_is_no_cover():
    with pytest.raises(CoverRefused) as caught:
        hiding.hide([HIDDEN[0]], b"x", KEY)
    assert caught.value.code == "cover-carries"


def test_covers_with_too_many_pixels_together_are_refused(monkeypatch):
    monkeypatch.setattr(hiding, "PIXELS_LIMIT", 240 * 200 + 260 * 200 - 1)
    with pytest.raises(CoverRefused) as caught:
        hiding.hide([PNG, THIRD], b"x", KEY)
    assert caught.value.code == "cover-together-too-large"


# --- what lies in them -----------------------------------------------------------------------------------------------


def test_headers_and_pieces_open_in_their_own_places_alone():
    header = Header(b"message.", 77, 2, 3, 100)
    sealed = parts.seal_header(KEY, header)
    assert (len(sealed), parts.open_header(KEY, sealed)) == (32, header)
    piece = parts.seal_piece(KEY, b"message.", 2, 3, b"piece")
    assert parts.open_piece(KEY, header, piece) == b"piece"
    for moved in (
        Header(b"message!", 77, 2, 3, 100),
        Header(b"message.", 77, 3, 3, 100),
        Header(b"message.", 7, 2, 4, 9),
    ):
        with pytest.raises(NothingHidden):
            parts.open_piece(KEY, moved, piece)


@given(st.binary(max_size=3000), st.integers(0, 4000))
def test_a_frame_holds_its_payload_or_says_how_much_too_long_it_is(payload, room):
    try:
        framed = parts.frame(payload, room)
    except PayloadTooLarge as refused:
        assert len(parts.frame(payload, room + refused.over)) <= room + refused.over
        return
    assert len(framed) <= room
    assert parts.unframed(framed) == payload


@given(st.binary(max_size=200))
def test_no_frame_from_elsewhere_opens_or_unfolds_into_all_memory(framed):
    with contextlib.suppress(NothingHidden):
        assert len(parts.unframed(framed)) <= parts.PAYLOAD_LIMIT


def test_a_frame_that_lies_about_its_size_is_nothing():
    bomb = zlib.compress(bytes(10_000_000))
    with pytest.raises(NothingHidden):
        parts.unframed(b"\x01" + (1000).to_bytes(4) + bomb)


def test_short_payloads_all_look_alike_and_long_ones_nearly():
    assert {len(parts.frame(os.urandom(size), 2**20)) for size in range(0, 200, 20)} == {261}
    lengths = {len(parts.frame(os.urandom(size), 2**20)) for size in range(10_000, 11_000, 50)}
    assert len(lengths) <= 4


def test_a_passphrase_gives_its_key_again_and_another_gives_another():
    one = from_passphrase("Öl und Salz")
    assert one == from_passphrase("O\u0308l und Salz") != from_passphrase("Öl und Salz ")
