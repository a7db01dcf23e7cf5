"""Sealed data opens whole, under its own key and context, or not at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secumail.sealing import stream

KEY, OTHER = stream.new_key(), stream.new_key()
CHUNK = 16 * 1024


@given(st.binary(max_size=2 * CHUNK + 100), st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_sealed_data_opens_under_its_key_and_context_alone(data: bytes, context: str) -> None:
    sealed = stream.seal(data, KEY, context)
    assert stream.open_sealed(sealed, KEY, context) == data
    for key, elsewhere in ((OTHER, context), (KEY, context + "/elsewhere")):
        with pytest.raises(stream.Tampered):
            stream.open_sealed(sealed, key, elsewhere)


@given(st.data(), st.sampled_from([0, 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7]))
@settings(max_examples=80, deadline=None)
def test_cut_or_changed_data_does_not_open(drawn: st.DataObject, size: int) -> None:
    sealed = stream.seal(bytes(size), KEY, "body/1")
    end = drawn.draw(st.integers(0, len(sealed) - 1))
    bit = drawn.draw(st.integers(0, len(sealed) * 8 - 1))
    changed = bytearray(sealed)
    changed[bit // 8] ^= 1 << bit % 8
    for wrong in (sealed[:end], bytes(changed), sealed + b"\0"):
        with pytest.raises(stream.Tampered):
            stream.open_sealed(wrong, KEY, "body/1")


def test_data_cut_at_a_chunks_border_does_not_open() -> None:
    # Each chunk before the border is authentic; what is missing must be noticed all the same.
    whole, first = stream.seal(bytes(2 * CHUNK), KEY, "c"), stream.seal(bytes(CHUNK), KEY, "c")
    step = len(whole) - len(first)
    with pytest.raises(stream.Tampered):
        stream.open_sealed(whole[:-step], KEY, "c")


def test_the_same_data_is_never_sealed_the_same_way_twice() -> None:
    assert stream.seal(b"same", KEY, "c") != stream.seal(b"same", KEY, "c")


def test_the_error_names_the_kind_of_data_and_no_id() -> None:
    with pytest.raises(stream.Tampered) as tampered:
        stream.open_sealed(b"", KEY, "body/0b6f0a52")
    assert str(tampered.value) == "body"
