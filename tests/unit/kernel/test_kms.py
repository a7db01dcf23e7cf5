"""A scope of keys, in a file or in a PKCS#11 token: what it wraps opens under its own context, also after a rotation,
and nowhere else."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secumail.sealing.identities import Forged, verify
from secumail.sealing.keyring import KeyRing, create_scopes
from secumail.sealing.kms import Scope, WrongKey, version_of

Opened = Callable[[str], Scope]


@pytest.fixture(params=["file", "pkcs11"])
def process(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Scopes as one process has them, made where they are missing; `name` opens it again, as another one would."""
    token = None if request.param == "file" else request.getfixturevalue("token")
    mine = uuid4().hex  # the token is the whole run's

    def open_scope(name: str) -> Scope:
        create_scopes(tmp_path / "keys", [f"{name}.{mine}"], token)
        return KeyRing(tmp_path / "keys", [f"{name}.{mine}"], token)[f"{name}.{mine}"]

    return open_scope


@pytest.fixture
def scope(process: Opened) -> Scope:
    return process("auth.profiles")


async def test_a_wrapped_secret_opens_under_its_context(scope: Scope) -> None:
    wrapped = await scope.wrap(b"secret", "profile/1")
    assert b"secret" not in wrapped
    assert await scope.unwrap(wrapped, "profile/1") == b"secret"


@given(st.binary(max_size=5_000), st.text(max_size=50))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_secret_under_any_context_comes_back(scope: Scope, secret: bytes, context: str) -> None:
    assert await scope.unwrap(await scope.wrap(secret, context), context) == secret


async def test_the_same_secret_never_looks_the_same(scope: Scope) -> None:
    assert len({await scope.wrap(b"secret", "c") for _ in range(20)}) == 20


async def test_a_wrapped_secret_does_not_open_elsewhere(process: Opened, scope: Scope) -> None:
    wrapped = await scope.wrap(b"secret", "profile/1")
    with pytest.raises(WrongKey):
        await scope.unwrap(wrapped, "profile/2")
    with pytest.raises(WrongKey):
        await process("auth.credentials").unwrap(wrapped, "profile/1")


@pytest.mark.parametrize("place", [0, 3, 4, 15, 16, 20, -1])
async def test_a_changed_byte_anywhere_is_found(scope: Scope, place: int) -> None:
    wrapped = bytearray(await scope.wrap(b"secret", "c"))
    wrapped[place] ^= 1
    with pytest.raises(WrongKey):
        await scope.unwrap(bytes(wrapped), "c")


@given(st.binary(max_size=100))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_what_was_never_wrapped_does_not_open(scope: Scope, anything: bytes) -> None:
    for shape in (anything, bytes([0, 0, 0, 1]) + anything):
        with pytest.raises(WrongKey):
            await scope.unwrap(shape, "profile/1")


async def test_after_a_rotation_old_wraps_open_and_rewrapped_ones_are_of_the_new_version(scope: Scope) -> None:
    old = await scope.wrap(b"secret", "c")
    assert await scope.rotate() == 2
    new = await scope.rewrap(old, "c")
    assert (version_of(old), version_of(new)) == (1, 2)
    assert await scope.unwrap(old, "c") == await scope.unwrap(new, "c") == b"secret"
    with pytest.raises(WrongKey):
        await scope.unwrap(old[:4] + new[4:], "c")


async def test_a_rotation_needs_no_pause_who_runs_already_wraps_under_the_new_version_at_once(
    process: Opened, scope: Scope
) -> None:
    replica = process("auth.profiles")
    await scope.rotate()
    wrapped = await replica.wrap(b"secret", "c")
    assert version_of(wrapped) == 2
    assert await scope.unwrap(wrapped, "c") == await replica.unwrap(await scope.wrap(b"secret", "c"), "c") == b"secret"


async def test_each_version_says_when_it_began(scope: Scope) -> None:
    await scope.rotate()
    versions = await scope.versions()
    assert set(versions) == {1, 2}
    assert all(timedelta(seconds=-1) <= datetime.now(UTC) - began < timedelta(minutes=1) for began in versions.values())
    assert versions[1] <= versions[2]


async def test_after_retirement_what_was_left_under_an_old_version_is_lost_for_every_process(
    process: Opened, scope: Scope
) -> None:
    old = await scope.wrap(b"secret", "c")
    await scope.rotate()
    new = await scope.rewrap(old, "c")
    assert await scope.retire() == (1,)
    assert await scope.retire() == ()
    for one in (scope, process("auth.profiles")):
        assert set(await one.versions()) == {2}
        assert await one.unwrap(new, "c") == b"secret"
        with pytest.raises(WrongKey):
            await one.unwrap(old, "c")
    assert await scope.rotate() == 3


async def test_look_up_keys_and_the_signing_key_outlast_rotation_retirement_and_restart(
    process: Opened, scope: Scope
) -> None:
    before = await scope.hmac(b"data"), await scope.derive("account/1"), scope.public_key
    await scope.rotate()
    await scope.retire()
    restarted = process("auth.profiles")
    assert (await restarted.hmac(b"data"), await restarted.derive("account/1"), restarted.public_key) == before
    verify(Ed25519PublicKey.from_public_bytes(before[2]), await restarted.sign(b"data"), b"data")
    with pytest.raises(Forged):
        verify(Ed25519PublicKey.from_public_bytes(before[2]), await restarted.sign(b"data"), b"other")


async def test_every_use_of_a_scope_has_a_key_of_its_own_and_so_has_every_scope(process: Opened, scope: Scope) -> None:
    other = process("dlp.lists")
    results = [await scope.hmac(b"x"), await scope.derive("x"), await scope.derive("y"), scope.public_key]
    results += [await other.hmac(b"x"), await other.derive("x"), other.public_key]
    assert len(set(results)) == 7 and {len(result) for result in results} == {32}


async def test_making_a_scope_again_leaves_the_one_that_is_there(process: Opened, scope: Scope) -> None:
    wrapped = await scope.wrap(b"secret", "c")
    assert await process("auth.profiles").unwrap(wrapped, "c") == b"secret"
