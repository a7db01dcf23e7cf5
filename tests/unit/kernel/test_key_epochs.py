"""A person's keys over epochs: the current one is sealed to, former ones open until nothing is sealed to them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secumail.sealing.accounts import AccountKeys
from secumail.sealing.hpke import NotForUs


@given(epochs=st.integers(0, 4), sealed_at=st.integers(0, 4))
@settings(max_examples=15, deadline=None)
def test_what_was_sealed_in_any_epoch_opens_in_every_later_one(epochs: int, sealed_at: int) -> None:
    keys, wrap = AccountKeys.generate(), b""
    for epoch in range(epochs + 1):
        if epoch == min(sealed_at, epochs):
            wrap = keys.private.public.seal(b"secret", b"context")
        if epoch < epochs:
            keys = keys.renewed()
    assert AccountKeys(keys.raw).private.open(wrap, b"context") == b"secret"
    assert len(keys.private.former) == epochs


def test_sealing_anew_brings_a_secret_under_the_current_key_once() -> None:
    old = AccountKeys.generate()
    new = old.renewed()
    wrap = old.private.public.seal(b"secret", b"context")
    renewed = new.private.renew(wrap, b"context")
    assert renewed is not None
    assert new.current().private.open(renewed, b"context") == b"secret"
    assert new.private.renew(renewed, b"context") is None
    with pytest.raises(NotForUs):
        old.private.open(renewed, b"context")


def test_without_former_keys_what_is_sealed_to_them_is_lost() -> None:
    old = AccountKeys.generate()
    new = old.renewed()
    wrap = old.private.public.seal(b"secret", b"context")
    with pytest.raises(NotForUs):
        new.current().private.open(wrap, b"context")


def test_another_context_or_another_accounts_secret_opens_in_no_epoch() -> None:
    keys = AccountKeys.generate().renewed()
    wrap = keys.private.public.seal(b"secret", b"context")
    for given_wrap, context in (
        (wrap, b"other"),
        (AccountKeys.generate().private.public.seal(b"x", b"context"), b"context"),
    ):
        with pytest.raises(NotForUs):
            keys.private.open(given_wrap, context)
        with pytest.raises(NotForUs):
            keys.private.renew(given_wrap, context)


def test_acts_are_signed_by_the_same_key_in_every_epoch() -> None:
    keys = AccountKeys.generate()
    renewed = keys.renewed().renewed()
    assert renewed.signer.public_key() == keys.signer.public_key() == renewed.current().signer.public_key()
    assert renewed.private.public != keys.private.public


def test_keys_never_show_themselves() -> None:
    keys = AccountKeys.generate().renewed()
    assert repr(keys) == "AccountKeys(...)" and repr(keys.private) == "AccountKey(...)"
    assert "raw" not in repr(keys.private.former)
