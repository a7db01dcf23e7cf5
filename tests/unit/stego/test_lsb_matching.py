"""Hiding in a picture and revealing from it; where the bits go and what they change."""

import hashlib
import io
import subprocess
import sys

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from services.stego import cover as covers
from services.stego.embedding import LsbMatching, embed, extract, walk
from services.stego.payload import OVERHEAD, NothingHidden, PayloadTooLarge, subkeys

KEY = bytes(range(32))
KEYS = subkeys(KEY)
DENSE = LsbMatching(samples_per_bit=2)


def noise(size: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def lattice() -> np.ndarray:
    """A picture by arithmetic alone, the same for ever."""
    y, x, c = np.mgrid[:160, :160, :3]
    return ((7 * x + 13 * y + 31 * c + x * y % 17) % 256).astype(np.uint8)


@settings(max_examples=25, deadline=None)
@given(
    payload=st.binary(max_size=700),
    key=st.binary(min_size=32, max_size=32),
    height=st.integers(128, 180),
    width=st.integers(128, 180),
    channels=st.sampled_from([1, 3]),
    seed=st.integers(0, 99),
)
def test_what_was_hidden_is_revealed(textured, png, payload, key, height, width, channels, seed):
    cover = png(textured(height, width, channels, seed))
    stego = LsbMatching(samples_per_bit=2).hide(cover, payload, key)
    assert LsbMatching().reveal(stego, key) == payload, "revealing needs the key alone, not the rate"


def test_the_stego_picture_looks_like_its_cover(photograph):
    stego = LsbMatching().hide(photograph, noise(800), KEY)
    before, after = (covers.read(file).samples.astype(int) for file in (photograph, stego))
    assert after.shape == before.shape
    assert np.abs(after - before).max() == 1
    assert np.mean(after != before) < 1 / 40 * 1.1
    assert abs(len(stego) - len(photograph)) < 0.02 * len(photograph)


def test_about_every_second_bit_costs_a_change(textured):
    samples = textured(192, 256)
    message = noise(2000)
    changes = np.count_nonzero(embed(samples, message, KEYS) != samples)
    assert 0.46 < changes / (8 * len(message)) < 0.54


@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(128, 200),
    width=st.integers(128, 200),
    channels=st.sampled_from([1, 3]),
    rate=st.integers(2, 40),
)
def test_capacity_is_exact(textured, png, height, width, channels, rate):
    embedder = LsbMatching(rate)
    cover = png(textured(height, width, channels))
    capacity = embedder.capacity(cover)
    assert capacity == max(0, height * width * channels // rate // 8 - OVERHEAD)
    payload = noise(capacity)
    assert embedder.reveal(embedder.hide(cover, payload, KEY), KEY) == payload
    with pytest.raises(PayloadTooLarge) as caught:
        embedder.hide(cover, noise(capacity + 1), KEY)
    assert caught.value.over == 1
    assert f"{capacity:,} fit" in caught.value.words


def complaint(image: bytes, key: bytes) -> tuple[type, str, str, str]:
    with pytest.raises(NothingHidden) as caught:
        LsbMatching().reveal(image, key)
    return type(caught.value), caught.value.code, caught.value.words, caught.value.fix


def test_wrong_key_ordinary_picture_changed_picture_and_no_picture_look_alike(photograph):
    stego = LsbMatching().hide(photograph, b"the plan", KEY)
    scaled, recompressed = io.BytesIO(), io.BytesIO()
    image = Image.open(io.BytesIO(stego))
    image.resize((300, 200)).save(scaled, "PNG")
    image.save(recompressed, "JPEG", quality=95)
    complaints = {
        complaint(stego, bytes(32)),
        complaint(photograph, KEY),
        complaint(scaled.getvalue(), KEY),
        complaint(recompressed.getvalue(), KEY),
        complaint(b"no picture", KEY),
    }
    assert len(complaints) == 1
    assert "original file" in complaints.pop()[3]


def tampered(stego: bytes, place: int) -> bytes:
    picture = covers.read(stego)
    picture.samples.reshape(-1)[place] ^= 1
    return covers.write(picture)


@pytest.mark.parametrize("step", [0, 159, 160, 2000])
def test_one_tampered_sample_on_the_walk_reveals_nothing(photograph, step):
    stego = LsbMatching().hide(photograph, noise(600), KEY)
    place = walk(KEYS.walk, 192 * 256 * 3, 2001)[step]
    assert complaint(tampered(stego, int(place)), KEY)[1] == "nothing-hidden"


def test_samples_off_the_walk_do_not_matter(photograph):
    stego = LsbMatching().hide(photograph, b"the plan", KEY)
    size = 192 * 256 * 3
    off = np.setdiff1d(np.arange(size), walk(KEYS.walk, size, size // 20))
    assert LsbMatching().reveal(tampered(stego, int(off[77])), KEY) == b"the plan"


def test_changes_go_both_ways_from_even_and_from_odd_samples(textured):
    samples = np.clip(textured(256, 256), 1, 254)
    stego = embed(samples, noise(samples.size // 16), KEYS)
    moved = stego.astype(int) - samples
    for parity in (0, 1):
        moves = moved[(samples & 1 == parity) & (moved != 0)]
        ups = np.count_nonzero(moves == 1)
        assert abs(ups / moves.size - 0.5) < 0.02
    left_their_pair = np.count_nonzero(samples >> 1 != stego >> 1)
    assert abs(left_their_pair / np.count_nonzero(moved) - 0.5) < 0.02, "LSB replacement would leave none"


def test_values_that_replacement_could_never_reach_appear_in_the_histogram():
    samples = np.random.default_rng(3).choice(np.array([100, 102, 150], np.uint8), (128, 128))
    values = set(np.unique(embed(samples, noise(1000), KEYS)).tolist())
    assert {99, 149} <= values
    assert values == {99, 100, 101, 102, 103, 149, 150, 151}


@pytest.mark.parametrize(("value", "neighbour"), [(0, 1), (255, 254)])
def test_black_and_white_step_inwards_and_never_wrap(value, neighbour):
    samples = np.full((128, 128), value, np.uint8)
    message = noise(1024)
    stego = embed(samples, message, KEYS)
    assert set(np.unique(stego).tolist()) == {value, neighbour}
    assert extract(stego, len(message), KEYS) == message


def test_embedding_leaves_the_cover_samples_untouched(textured):
    samples = textured(128, 128)
    embed(samples, noise(500), KEYS)
    assert np.array_equal(samples, textured(128, 128))


@settings(max_examples=40, deadline=None)
@given(samples=st.integers(2, 5000), part=st.floats(0, 1), key=st.binary(min_size=32, max_size=32))
def test_the_walk_meets_no_place_twice_and_a_longer_one_starts_like_a_shorter(samples, part, key):
    longest = walk(key, samples, samples // 2)
    assert np.unique(longest).size == samples // 2
    assert longest.size == 0 or (longest.min() >= 0 and longest.max() < samples)
    steps = int(part * (samples // 2))
    assert np.array_equal(walk(key, samples, steps), longest[:steps])


def test_the_walk_is_the_first_appearances_of_keystream_numbers():
    stream = Cipher(algorithms.AES(KEY), modes.CTR(bytes(16))).encryptor().update(bytes(8 * 400))
    numbers = [int.from_bytes(stream[at : at + 8], "little") % 300 for at in range(0, len(stream), 8)]
    assert walk(KEY, 300, 150).tolist() == list(dict.fromkeys(numbers))[:150]


def test_the_walk_spreads_over_the_whole_picture():
    counts = np.histogram(walk(KEY, 160_000, 16_000), bins=16, range=(0, 160_000))[0]
    assert counts.min() > 850
    assert counts.max() < 1150


def test_two_keys_walk_different_ways():
    ours, theirs = (set(walk(subkeys(key).walk, 100_000, 1000).tolist()) for key in (KEY, bytes(32)))
    assert len(ours & theirs) < 40


def test_a_walk_over_more_than_half_of_the_samples_is_refused():
    with pytest.raises(ValueError, match="at most 500 steps, not 501"):
        walk(KEY, 1000, 501)
    with pytest.raises(ValueError, match="samples_per_bit is at least 2"):
        LsbMatching(samples_per_bit=1)


def test_no_message_can_be_longer_than_half_of_the_samples():
    with pytest.raises(NothingHidden):
        extract(np.zeros((100, 100), np.uint8), 626, KEYS)


GOLDEN_PAYLOAD = b"From here to there, and nobody saw it go."
GOLDEN_SHA256 = "8574b7126cc49a36f7f5d80d4a16bd30a55d29599ec84d32538e333fefaf099f"


def test_the_format_never_changes(png):
    """Fixed vector: what an old version hid, a new one must reveal, and hide again in the same samples."""
    stego = LsbMatching().hide(png(lattice()), GOLDEN_PAYLOAD, KEY)
    assert hashlib.sha256(covers.read(stego).samples).hexdigest() == GOLDEN_SHA256
    assert LsbMatching().reveal(stego, KEY) == GOLDEN_PAYLOAD


def test_another_process_hides_in_the_same_samples():
    program = (
        "import hashlib, sys, numpy as np;"
        "from services.stego.embedding import embed; from services.stego.payload import subkeys;"
        "samples = np.arange(40_000).astype(np.uint8);"
        "sys.stdout.write(hashlib.sha256(embed(samples, bytes(900), subkeys(bytes(range(32))))).hexdigest())"
    )
    runs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, timeout=60).stdout
        for _ in range(2)
    ]
    here = hashlib.sha256(embed(np.arange(40_000).astype(np.uint8), bytes(900), KEYS)).hexdigest()
    assert runs == [here, here]
