"""A pickup opens with its link and its password, and with nothing less."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secumail.errors import Refused
from secumail.sealing.hpke import PrivateKey
from secumail.sealing.stream import Tampered
from services.gateway import pickup
from services.gateway.pickup import Inside, Pickup

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=28)
SENDER = PrivateKey.generate()
GUEST = PrivateKey.generate()
WORDS = st.text(min_size=1, max_size=60)


def made(password: str, hint: str = "", address: str = "carol@elsewhere.example") -> Pickup:
    """A pickup with this password."""
    salt = pickup.new_salt()
    inside = Inside(GUEST, address, "ada@northwind.example")
    owner = uuid4(), SENDER.public
    return pickup.invite(uuid4(), 3, inside, owner, hint, (salt, pickup.stretch(password, salt)), (NOW, LATER))


def token(one: Pickup) -> str:
    """The token of its link, as the sender is shown it."""
    link = one.shown(SENDER)
    assert link is not None
    return link.token


@settings(max_examples=15, deadline=None)
@given(password=WORDS, hint=WORDS, address=WORDS)
def test_link_and_password_open_what_was_sealed(password: str, hint: str, address: str) -> None:
    one = made(password, hint.encode("utf-8", "replace").decode(), address)
    inside = one.unlock(token(one), pickup.stretch(password, one.salt))
    assert (inside.key.raw, inside.address, inside.sender) == (GUEST.raw, address, "ada@northwind.example")
    assert one.hinted(token(one)) == hint.encode("utf-8", "replace").decode()
    link = one.shown(SENDER)
    assert link is not None and link.address == address


@settings(max_examples=15, deadline=None)
@given(wrong=WORDS.filter(lambda p: p != "correct horse"))
def test_another_password_never_opens(wrong: str) -> None:
    one = made("correct horse")
    with pytest.raises(Tampered):
        one.unlock(token(one), pickup.stretch(wrong, one.salt))


@settings(max_examples=15, deadline=None)
@given(wrong=WORDS)
def test_another_token_never_opens_whatever_the_password(wrong: str) -> None:
    one = made("correct horse")
    with pytest.raises(Tampered):
        one.unlock(wrong, pickup.stretch("correct horse", one.salt))
    with pytest.raises(Tampered):
        one.hinted(wrong)


def test_a_password_typed_another_way_is_the_same_password() -> None:
    one = made("caf\u00e9 au lait")
    assert one.unlock(token(one), pickup.stretch("cafe\u0301 au lait", one.salt)).key.raw == GUEST.raw


def test_what_is_stored_names_nobody_and_nothing() -> None:
    one = made("correct horse battery", "my horse", "carol@elsewhere.example")
    stored = repr(one.document()).encode()
    secrets = (b"horse", b"carol", b"ada@", b"elsewhere", token(one).encode(), GUEST.raw)
    assert not [secret for secret in secrets if secret in stored]
    assert one.shown(PrivateKey.generate()) is None, "only the sender is shown the link"
    assert Pickup.read(one.document()) == one


def test_one_mail_and_recipient_is_one_guest() -> None:
    mail, salt, owner = uuid4(), pickup.new_salt(), (uuid4(), SENDER.public)
    inside = Inside(GUEST, "carol@elsewhere.example", "ada@northwind.example")
    twice = [pickup.invite(mail, i, inside, owner, "", (salt, bytes(32)), (NOW, LATER)) for i in (0, 0, 1)]
    assert twice[0].id == twice[1].id != twice[2].id
    assert len({token(one) for one in twice}) == 3


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "waiting"),
        ({"opened": (NOW,)}, "opened"),
        ({"attempts": 0}, "locked"),
        ({"ends": NOW}, "expired"),
        ({"sealed": None}, "expired"),
        ({"sealed": None, "revoked": NOW, "attempts": 0}, "revoked"),
    ],
)
def test_a_pickup_says_where_it_stands(changes: dict[str, object], state: str) -> None:
    fields: dict[str, Any] = {**made("x" * 8).__dict__, **changes}
    assert Pickup(**fields).state(NOW) == state


def test_a_visit_opens_with_its_cookie_alone_and_ends_before_the_pickup_does() -> None:
    inside, guest = Inside(GUEST, "carol@elsewhere.example", "ada@northwind.example"), uuid4()
    cookie, visit = pickup.begin(guest, inside, NOW, LATER)
    assert pickup.resume(visit, cookie) == inside
    assert visit.ends == NOW + timedelta(minutes=10)
    another, _ = pickup.begin(guest, inside, NOW, LATER)
    with pytest.raises(Tampered):
        pickup.resume(visit, another)
    assert pickup.begin(guest, inside, NOW, NOW + timedelta(seconds=5))[1].ends == NOW + timedelta(seconds=5)


@pytest.mark.parametrize(
    ("password", "hint", "days", "code"),
    [
        ("short", "", "", "pickup-password-too-short"),
        ("x" * 1025, "", "", "pickup-password-too-long"),
        ("where we met", "It is WHERE WE MET.", "", "pickup-hint-tells"),
        ("where we met", "x" * 201, "", "pickup-hint-too-long"),
        ("where we met", "", "0", "pickup-days"),
        ("where we met", "", "91", "pickup-days"),
        ("where we met", "", "-1", "pickup-days"),
        ("where we met", "", "1.5", "pickup-days"),
        ("where we met", "", "٣", "pickup-days"),
        ("where we met", "", "1" * 5000, "pickup-days"),
        ("", "", "", "pickup-password-too-short"),
        (None, "a hint", "", "pickup-password-missing"),
        (None, "", "7", "pickup-password-missing"),
    ],
)
def test_a_wish_that_cannot_be_meant_is_refused(password: str | None, hint: str, days: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        pickup.wish(password, hint, days, 28, 90)
    assert refused.value.code == code
    assert not password or password not in f"{refused.value.words} {refused.value.fix}"


def test_a_wish_without_days_lasts_as_long_as_is_usual() -> None:
    assert pickup.wish(None, "", "", 28, 90) is None
    usual, chosen = pickup.wish("where we met", "", "", 28, 90), pickup.wish("where we met", "", "90", 28, 90)
    assert usual is not None and usual.days == 28
    assert chosen is not None and chosen.days == 90
