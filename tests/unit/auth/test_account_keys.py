"""Accounts: the password's unlock half opens their keys, together with the KMS and not without it."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secumail.errors import Refused
from secumail.sealing.hpke import NotForUs
from secumail.sealing.stream import Tampered
from services.auth.accounts import Account, Profile, check_address, forget_former, open_account, renew, unlock
from services.auth.passwords import Cost, Halves

HALVES = Halves(b"a" * 32, b"u" * 32)
CUSTODY = b"k" * 32
NOW = datetime(2026, 11, 23, tzinfo=UTC)
DOMAINS = ("northwind.example", "südwind.example")


def opened() -> tuple[Account, bytes]:
    """A new account and its private keys."""
    account, keys = open_account(
        b"lookup", b"profile", ("member",), datetime(2026, 11, 22, tzinfo=UTC), uuid4(),
        b"salt", Cost(64, 1), HALVES, b"verifier", CUSTODY,
    )  # fmt: skip
    return account, keys.raw


def test_the_unlock_half_and_the_kms_together_open_the_keys() -> None:
    account, keys = opened()
    assert unlock(account, HALVES, CUSTODY).raw == keys
    assert unlock(account, Halves(b"", HALVES.unlock), CUSTODY).raw == keys


@pytest.mark.parametrize(
    ("halves", "custody"),
    [(Halves(HALVES.auth, b"x" * 32), CUSTODY), (Halves(HALVES.unlock, HALVES.auth), CUSTODY), (HALVES, b"x" * 32)],
    ids=["another password", "the auth half", "another KMS"],
)
def test_nothing_else_does(halves: Halves, custody: bytes) -> None:
    with pytest.raises(Tampered):
        unlock(opened()[0], halves, custody)


def test_a_credential_does_not_open_another_account_or_epoch() -> None:
    mine, _ = opened()
    other, _ = opened()
    with pytest.raises(Tampered):
        unlock(replace(other, credential=mine.credential), HALVES, CUSTODY)
    with pytest.raises(NotForUs):
        unlock(replace(mine, epoch=2), HALVES, CUSTODY)
    swapped = replace(mine.credential, bundle=other.credential.bundle)
    with pytest.raises(NotForUs):
        unlock(replace(mine, credential=swapped), HALVES, CUSTODY)


def test_nothing_stored_has_the_keys_or_a_half_in_clear() -> None:
    account, keys = opened()
    for secret in (keys, HALVES.auth, HALVES.unlock, CUSTODY):
        assert secret not in b"".join((account.credential.private, account.credential.bundle))


def test_a_change_is_the_next_revision_not_yet_listed() -> None:
    account, _ = opened()
    listed = replace(account, listed=True)
    changed = listed.changed(status="suspended").changed(roles=("member", "reviewer"))
    assert (changed.status, changed.roles, changed.revision, changed.listed) == (
        "suspended", ("member", "reviewer"), account.revision + 2, False,
    )  # fmt: skip
    assert not changed.entry().active


@given(st.text(max_size=60))
def test_an_address_is_one_line_of_visible_characters_in_an_own_domain_or_refused(local: str) -> None:
    try:
        address = check_address(f"{local}@Northwind.example", DOMAINS)
    except Refused as refused:
        assert refused.code in ("address-malformed", "address-foreign")
        return
    assert address.endswith("@northwind.example")
    assert address.isprintable()
    assert address.count("@") == 1
    assert check_address(address, DOMAINS) == address


@pytest.mark.parametrize("address", ["ada@sub.northwind.example", "ada@northwind.example.evil.example", "ada@example"])
def test_an_address_elsewhere_is_foreign(address: str) -> None:
    with pytest.raises(Refused) as refused:
        check_address(address, DOMAINS)
    assert refused.value.code == "address-foreign"


def test_a_profile_is_read_as_it_was_written_and_not_shown_by_accident() -> None:
    profile = Profile("ada@northwind.example", "Ada \u00dc. \u202e")
    assert Profile.decode(profile.encode()) == profile
    assert repr(profile) == "Profile(...)"


def test_a_renewed_account_opens_by_the_same_password_and_has_its_former_key_besides() -> None:
    account, _ = opened()
    keys = unlock(account, HALVES, CUSTODY)
    renewed, new = renew(replace(account, renew=True), keys, NOW)
    assert unlock(renewed, HALVES, CUSTODY) == new
    assert [key.raw for key in new.private.former] == [keys.private.raw]
    assert (renewed.epoch, renewed.revision, renewed.renew, renewed.renewed) == (2, account.revision + 1, False, NOW)
    assert renewed.entry().key == new.private.public != account.entry().key
    assert renewed.signer == account.signer


def test_former_keys_are_gone_when_they_are_forgotten() -> None:
    account, _ = opened()
    renewed, new = renew(account, unlock(account, HALVES, CUSTODY), NOW)
    later, current = forget_former(replace(renewed, former_unused=True), new)
    assert unlock(later, HALVES, CUSTODY) == current == new.current()
    assert (later.epoch, later.renewed, later.former_unused) == (2, None, False)
    assert later.entry().key == renewed.entry().key


def test_a_shredded_account_opens_by_nothing_it_still_has() -> None:
    account, _ = opened()
    shredded = account.shredded()
    with pytest.raises(Tampered):
        unlock(shredded, HALVES, CUSTODY)
    assert shredded.status == "shredded" and not shredded.entry().active
    assert (shredded.credential.private, shredded.credential.bundle, shredded.credential.verifier) == (b"", b"", b"")
