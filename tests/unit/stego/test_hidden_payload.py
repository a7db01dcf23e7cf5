"""The sealed form of a payload: noise without the key, exact with it, bounded whatever it claims."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from hypothesis import given, settings
from hypothesis import strategies as st

from services.stego import payload as payloads
from services.stego.payload import HEADER_SIZE, OVERHEAD, NothingHidden, PayloadTooLarge, subkeys

KEY = subkeys(bytes(range(32))).cipher
OTHER_KEY = subkeys(bytes(32)).cipher


def noise(size: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def opened(message: bytes, key: bytes = KEY) -> bytes:
    assert payloads.body_size(message[:HEADER_SIZE], key) == len(message) - HEADER_SIZE
    return payloads.open_body(message[HEADER_SIZE:], key)


def forged(frame: bytes) -> bytes:
    """A body as a hostile sender who holds the key could make it."""
    return AESGCMSIV(KEY).encrypt((1).to_bytes(12), frame, None)


@settings(max_examples=50, deadline=None)
@given(payload=st.binary(max_size=3000), spare=st.integers(0, 2000))
def test_a_payload_comes_back_byte_for_byte(payload, spare):
    room = len(payload) + OVERHEAD + spare
    message = payloads.seal(payload, KEY, room)
    assert len(message) <= room
    assert opened(message) == payload


def test_another_key_opens_nothing():
    message = payloads.seal(b"the plan", KEY, 1000)
    with pytest.raises(NothingHidden):
        payloads.body_size(message[:HEADER_SIZE], OTHER_KEY)
    with pytest.raises(NothingHidden):
        payloads.open_body(message[HEADER_SIZE:], OTHER_KEY)


def test_header_and_body_cannot_stand_in_for_each_other():
    message = payloads.seal(b"", KEY, OVERHEAD)
    with pytest.raises(NothingHidden):
        payloads.open_body(message[:HEADER_SIZE], KEY)


@pytest.mark.parametrize("at", [0, HEADER_SIZE - 1, HEADER_SIZE, -1])
def test_one_changed_bit_anywhere_opens_nothing(at):
    message = bytearray(payloads.seal(noise(300), KEY, 1000))
    message[at] ^= 1
    with pytest.raises(NothingHidden):
        opened(bytes(message))


def test_the_sealed_form_shows_no_pattern_even_for_a_payload_of_zeros():
    message = np.frombuffer(payloads.seal(bytes(10) + noise(60_000), KEY, 70_000), np.uint8)
    counts = np.bincount(message, minlength=256)
    expected = message.size / 256
    chi_square = float(np.sum((counts - expected) ** 2) / expected)
    assert 150 < chi_square < 380  # 255 degrees of freedom; six standard deviations
    assert payloads.seal(bytes(500), KEY, 1000)[:4] != payloads.seal(bytes(500), OTHER_KEY, 1000)[:4]


def test_sealing_is_repeatable_and_different_payloads_share_no_bytes_of_keystream():
    one, again, other = (payloads.seal(p, KEY, 1000) for p in (b"attack", b"attack", b"defend"))
    assert one == again
    agreeing = sum(a == b for a, b in zip(one[HEADER_SIZE:], other[HEADER_SIZE:], strict=True))
    assert agreeing < 12


def test_short_payloads_all_have_one_size_and_longer_ones_few():
    room = 20_000
    assert len({len(payloads.seal(noise(size), KEY, room)) for size in range(0, 257, 16)}) == 1
    sizes = {len(payloads.seal(noise(size), KEY, room)) for size in range(1024, 2048, 8)}
    assert len(sizes) <= 17
    for size in range(257, 18_000, 977):
        padded = len(payloads.seal(noise(size), KEY, room)) - OVERHEAD
        assert size <= padded <= size * 1.12


def test_padding_never_costs_room_that_the_payload_needs():
    payload = noise(1025)
    assert len(payloads.seal(payload, KEY, 1025 + OVERHEAD)) == 1025 + OVERHEAD


def test_text_is_compressed_and_noise_is_not():
    text = b"Dear colleagues, the meeting is on Thursday. " * 100
    assert len(payloads.seal(text, KEY, 500)) <= 500
    assert opened(payloads.seal(text, KEY, 500)) == text


def test_the_refusal_says_how_many_bytes_too_many():
    with pytest.raises(PayloadTooLarge) as caught:
        payloads.seal(noise(1000), KEY, 900 + OVERHEAD)
    assert caught.value.over == 100
    assert "100 bytes too long" in caught.value.words
    assert "1,000, and 900 fit" in caught.value.words
    assert "more pixels" in caught.value.fix


def test_the_refusal_counts_after_compression():
    compressible = noise(500) + bytes(500)
    with pytest.raises(PayloadTooLarge) as caught:
        payloads.seal(compressible, KEY, 400)
    assert caught.value.over == len(zlib.compress(compressible, 9)) + OVERHEAD - 400
    assert "after compression" in caught.value.words


def test_even_nothing_needs_room():
    assert opened(payloads.seal(b"", KEY, OVERHEAD)) == b""
    with pytest.raises(PayloadTooLarge) as caught:
        payloads.seal(b"", KEY, OVERHEAD - 3)
    assert caught.value.over == 3


def test_a_payload_over_the_limit_is_refused_before_it_is_compressed():
    with pytest.raises(PayloadTooLarge, match="1 bytes over the limit"):
        payloads.seal(bytes(payloads.PAYLOAD_LIMIT + 1), KEY, 10**6)


def test_a_payload_that_unfolds_beyond_its_stated_size_opens_nothing_and_fills_no_memory():
    bomb = forged(struct.pack(">?I", True, 1000) + zlib.compress(bytes(50_000_000), 9))
    tracemalloc.start()
    with pytest.raises(NothingHidden):
        payloads.open_body(bomb, KEY)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0\0\0",
        struct.pack(">?I", False, 10) + b"short",
        struct.pack(">?I", True, 10) + b"not deflated",
        struct.pack(">?I", True, 10) + zlib.compress(b"short"),
        struct.pack(">?I", True, 0) + zlib.compress(bytes(1000)),
    ],
)
def test_a_malformed_frame_opens_nothing(frame):
    with pytest.raises(NothingHidden):
        payloads.open_body(forged(frame), KEY)


def test_a_payload_over_the_limit_opens_nothing_though_its_size_is_honest():
    size = payloads.PAYLOAD_LIMIT + 1
    with pytest.raises(NothingHidden):
        payloads.open_body(forged(struct.pack(">?I", True, size) + zlib.compress(bytes(size), 1)), KEY)


def test_subkeys_are_independent_and_never_printed():
    keys = subkeys(bytes(range(32)))
    assert len({keys.cipher, keys.walk, keys.signs, subkeys(bytes(32)).cipher}) == 4
    assert repr(keys) == "Subkeys()"


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_stego_key_of_another_size_is_refused(size):
    with pytest.raises(ValueError, match=f"32 bytes, not {size}"):
        subkeys(bytes(size))
