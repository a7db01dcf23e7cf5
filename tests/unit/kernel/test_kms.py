"""A scope's key file: what it wraps opens under its own context, also after a rotation, and nowhere else."""

import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secumail.sealing.identities import Forged, verify
from secumail.sealing.kms import SCOPES, KeyFile, KeyRing, WrongKey, all_scopes, create_key_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_key_files(tmp_path / "keys", all_scopes())
    return tmp_path / "keys"


@pytest.fixture
def scope(folder: Path) -> KeyFile:
    return KeyFile(folder / "auth.profiles.key")


async def test_a_wrapped_secret_opens_under_its_context(scope: KeyFile) -> None:
    wrapped = await scope.wrap(b"secret", "profile/1")
    assert b"secret" not in wrapped
    assert await scope.unwrap(wrapped, "profile/1") == b"secret"


async def test_a_wrapped_secret_does_not_open_elsewhere(folder: Path, scope: KeyFile) -> None:
    wrapped = await scope.wrap(b"secret", "profile/1")
    with pytest.raises(WrongKey):
        await scope.unwrap(wrapped, "profile/2")
    with pytest.raises(WrongKey):
        await KeyFile(folder / "auth.credentials.key").unwrap(wrapped, "profile/1")


@given(st.binary(max_size=100))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_what_was_never_wrapped_does_not_open(scope: KeyFile, anything: bytes) -> None:
    with pytest.raises(WrongKey):
        await scope.unwrap(anything, "profile/1")


async def test_a_renamed_scope_opens_nothing_of_the_others(folder: Path, scope: KeyFile) -> None:
    # The same secret under another scope's name: the name is part of every use.
    stored = json.loads((folder / "auth.profiles.key").read_text())
    renamed = folder / "renamed.key"
    renamed.write_text(json.dumps(stored | {"scope": "dlp.lists"}))
    with pytest.raises(WrongKey):
        await KeyFile(renamed).unwrap(await scope.wrap(b"secret", "c"), "c")
    assert await KeyFile(renamed).hmac(b"data") != await scope.hmac(b"data")
    assert KeyFile(renamed).public_key != scope.public_key


async def test_after_a_rotation_old_wraps_open_and_rewrapped_ones_are_of_the_new_version(scope: KeyFile) -> None:
    old = await scope.wrap(b"secret", "c")
    assert await scope.rotate() == 2
    new = await scope.rewrap(old, "c")
    assert (old[:4], new[:4]) == (bytes([0, 0, 0, 1]), bytes([0, 0, 0, 2]))
    assert await scope.unwrap(old, "c") == await scope.unwrap(new, "c") == b"secret"
    with pytest.raises(WrongKey):
        await scope.unwrap(bytes([0, 0, 0, 1]) + new[4:], "c")


async def test_a_rotation_needs_no_pause_replicas_open_what_is_wrapped_under_a_version_they_have_not_seen(
    folder: Path, scope: KeyFile
) -> None:
    replica = KeyFile(folder / "auth.profiles.key")
    await scope.rotate()
    assert await replica.unwrap(await scope.wrap(b"secret", "c"), "c") == b"secret"


async def test_look_up_keys_and_the_signing_key_outlast_a_rotation_and_a_restart(folder: Path, scope: KeyFile) -> None:
    before = await scope.hmac(b"data"), await scope.derive("account/1"), await scope.public()
    await scope.rotate()
    restarted = KeyFile(folder / "auth.profiles.key")
    assert (await restarted.hmac(b"data"), await restarted.derive("account/1"), await restarted.public()) == before
    verify(Ed25519PublicKey.from_public_bytes(before[2]), await restarted.sign(b"data"), b"data")
    with pytest.raises(Forged):
        verify(Ed25519PublicKey.from_public_bytes(before[2]), await restarted.sign(b"data"), b"other")


async def test_every_use_of_a_scope_has_a_key_of_its_own(scope: KeyFile) -> None:
    assert len({await scope.hmac(b"x"), await scope.derive("x"), await scope.derive("y"), await scope.public()}) == 4


async def test_key_files_are_for_their_owner_alone_also_after_a_rotation(folder: Path) -> None:
    await KeyFile(folder / "dlp.lists.key").rotate()
    assert _modes(folder) == {".": 0o700} | {f"{name}.key": 0o600 for name in all_scopes()}


async def test_making_key_files_again_leaves_those_that_are_there(folder: Path, scope: KeyFile) -> None:
    wrapped = await scope.wrap(b"secret", "c")
    create_key_files(folder, all_scopes())
    assert await KeyFile(folder / "auth.profiles.key").unwrap(wrapped, "c") == b"secret"


def test_a_service_opens_its_own_scopes_only(folder: Path) -> None:
    ring = KeyRing(folder, SCOPES["dlp"])
    assert ring["dlp.lists"] is not None
    with pytest.raises(KeyError):
        ring["crypto.signing"]


def test_only_address_look_up_is_shared_between_services() -> None:
    holders = {name: [s for s, scopes in SCOPES.items() if name in scopes] for name in all_scopes()}
    assert {name for name, services in holders.items() if len(services) > 1} == {"address"}
    assert "dlp" not in holders["address"] and "delivery" not in holders["address"]


def _modes(folder: Path) -> dict[str, int]:
    """The permissions of a folder (as ".") and of everything in it."""
    return {str(p.relative_to(folder)): stat.S_IMODE(p.stat().st_mode) for p in (folder, *folder.iterdir())}
