"""Passwords: two halves that tell nothing of each other, and which passwords are taken."""

import unicodedata

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from secumail.errors import Refused
from services.auth.passwords import Cost, check_strength, new_salt, split

CHEAP = Cost(memory_kib=64, passes=1)
SALT = b"0123456789abcdef"


def test_the_same_password_has_the_same_halves_and_only_with_the_same_salt() -> None:
    halves = split("seven green kettles", SALT, CHEAP)
    assert halves == split("seven green kettles", SALT, CHEAP)
    assert halves != split("seven green kettles", new_salt(), CHEAP)
    assert halves != split("seven green kettles", SALT, Cost(128, 1))
    assert (len(halves.auth), len(halves.unlock)) == (32, 32)
    assert halves.auth != halves.unlock
    assert repr(halves) == "Halves(...)"


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_another_password_has_other_halves(one: str, other: str) -> None:
    halves, others = split(one, SALT, CHEAP), split(other, SALT, CHEAP)
    same = unicodedata.normalize("NFKC", one) == unicodedata.normalize("NFKC", other)
    assert (halves.auth == others.auth) is same
    assert (halves.unlock == others.unlock) is same


def test_a_password_typed_on_another_keyboard_is_the_same() -> None:
    assert split("Caf\u00e9 \u2460 ananas", SALT, CHEAP) == split("Cafe\u0301 1 ananas", SALT, CHEAP)


@given(st.text(min_size=12, max_size=100))
def test_any_long_password_of_some_variety_that_is_not_the_address_is_taken(password: str) -> None:
    assume(len(set(password)) >= 4 and "magdalena" not in password.lower())
    check_strength(password, "magdalena@northwind.example", 12)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "password-too-short"),
        ("a1B!c2D?e3F", "password-too-short"),
        ("x" * 1025, "password-too-long"),
        ("aaaaaaaaaaaaaaaa", "password-too-easy"),
        ("abcabcabcabcabc", "password-too-easy"),
        ("I am MAGDALENA!", "password-too-easy"),
    ],
)
def test_a_weak_password_is_refused_with_advice(password: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        check_strength(password, "magdalena@northwind.example", 12)
    assert (refused.value.code, bool(refused.value.fix)) == (code, True)
    assert not password or password not in str(refused.value)


def test_a_short_name_in_a_password_is_no_matter() -> None:
    check_strength("the adamant bobcat", "ada@northwind.example", 12)
