"""A session at rest is useless without its token, and a token opens its own session only."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from secumail.contracts.commands.auth import LoggedIn
from secumail.errors import Refused
from secumail.sealing.accounts import AccountKeys
from secumail.sealing.stream import Tampered
from services.gateway.sessions import begin, identify, unseal

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
KEYS = AccountKeys.generate()
ADA = LoggedIn(
    account=uuid4(),
    address="ada@northwind.example",
    display_name="Ada",
    roles=("member", "reviewer"),
    bundle=base64.b64encode(KEYS.raw).decode(),
)


def test_a_token_opens_the_person_and_the_keys() -> None:
    token, stored = begin(ADA, NOW, timedelta(minutes=4))
    session = unseal(stored, token)
    assert (session.account, session.address, session.roles) == (ADA.account, ADA.address, ("member", "reviewer"))
    assert session.keys.raw == KEYS.raw
    assert stored.ends == NOW + timedelta(minutes=4)


def test_every_session_has_a_token_of_its_own_that_no_other_session_opens_with() -> None:
    (one, stored_one), (two, stored_two) = (begin(ADA, NOW, timedelta(minutes=4)) for _ in range(2))
    assert one != two
    assert len(one) >= 43  # 32 random bytes
    for stored, token in ((stored_one, two), (stored_two, one), (stored_one, one[:-1]), (stored_one, "")):
        with pytest.raises(Tampered):
            unseal(stored, token)


def test_a_session_at_rest_shows_nothing_and_cannot_be_moved_or_changed() -> None:
    token, stored = begin(ADA, NOW, timedelta(minutes=4))
    _, other = begin(ADA, NOW, timedelta(minutes=4))
    for secret in (token.encode(), ADA.address.encode(), ADA.bundle.encode(), KEYS.raw):
        assert secret not in stored.sealed
        assert secret not in stored.id
    assert stored.id == identify(token)
    flipped = stored.sealed[:-1] + bytes([stored.sealed[-1] ^ 1])
    for changed in (replace(stored, id=other.id), replace(stored, sealed=flipped)):
        with pytest.raises(Tampered):
            unseal(changed, token)


def test_a_missing_role_is_refused_by_its_name() -> None:
    token, stored = begin(ADA, NOW, timedelta(minutes=4))
    session = unseal(stored, token)
    session.require("reviewer", "administrator")
    with pytest.raises(Refused, match="role administrator"):
        session.require("administrator")
    assert "ada@" not in repr(session)
