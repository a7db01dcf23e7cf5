"""HPKE: a short secret to one reader, bound to a context."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secumail.sealing.hpke import PRIVATE_BYTES, PUBLIC_BYTES, NotForUs, PrivateKey, PublicKey

OWNER, OTHER = PrivateKey.generate(), PrivateKey.generate()


@given(st.binary(max_size=256), st.binary(max_size=256))
@settings(max_examples=50, deadline=None)
def test_what_is_sealed_to_a_public_key_opens_with_its_private_half_alone(secret: bytes, context: bytes) -> None:
    wrap = OWNER.public.seal(secret, context)
    assert OWNER.open(wrap, context) == secret
    with pytest.raises(NotForUs):
        OTHER.open(wrap, context)
    with pytest.raises(NotForUs):
        OWNER.open(wrap, context + b"/elsewhere")


@given(st.integers(0, 1168 * 8 - 1))
@settings(max_examples=50, deadline=None)
def test_a_wrap_with_one_bit_turned_does_not_open(bit: int) -> None:
    wrap = bytearray(OWNER.public.seal(b"k" * 32, b"context"))
    wrap[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NotForUs):
        OWNER.open(bytes(wrap), b"context")


@pytest.mark.parametrize("length", [0, 1, 31, 1120, 1167])
def test_a_cut_wrap_does_not_open(length: int) -> None:
    with pytest.raises(NotForUs):
        OWNER.open(OWNER.public.seal(b"k" * 32, b"context")[:length], b"context")


def test_a_key_pair_survives_being_stored_as_bytes() -> None:
    assert len(OWNER.raw) == PRIVATE_BYTES and len(OWNER.public.raw) == PUBLIC_BYTES
    stored = PublicKey(bytes(OWNER.public.raw))
    wrap = stored.seal(b"k" * 32, b"")
    assert len(wrap) == 1168
    assert PrivateKey(bytes(OWNER.raw)).open(wrap, b"") == b"k" * 32
    assert PrivateKey(OWNER.raw).public == OWNER.public


def test_a_hybrid_wrap_needs_both_halves_of_the_private_key() -> None:
    wrap = OWNER.public.seal(b"k" * 32, b"")
    for half_right in (OWNER.raw[:64] + OTHER.raw[64:], OTHER.raw[:64] + OWNER.raw[64:]):
        with pytest.raises(NotForUs):
            PrivateKey(half_right).open(wrap, b"")


def test_a_private_key_does_not_show_itself() -> None:
    assert repr(OWNER) == "PrivateKey(...)"
