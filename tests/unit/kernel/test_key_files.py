"""Key files: who may read them, what one of an earlier form still opens, and which service is given which."""

import base64
import json
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secumail.errors import Refused
from secumail.sealing.keyring import KeyRing
from secumail.sealing.kms import SCOPES, KeyFile, WrongKey, all_scopes, create_key_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_key_files(tmp_path / "keys", all_scopes())
    return tmp_path / "keys"


@pytest.fixture
def scope(folder: Path) -> KeyFile:
    return KeyFile(folder / "auth.profiles.key")


async def test_a_renamed_scope_opens_nothing_of_the_others(folder: Path, scope: KeyFile) -> None:
    # The same secrets under another scope's name: the name is part of every wrap.
    renamed = folder / "renamed.key"
    renamed.write_text(json.dumps(_stored(folder) | {"scope": "dlp.lists"}))
    with pytest.raises(WrongKey):
        await KeyFile(renamed).unwrap(await scope.wrap(b"secret", "c"), "c")


async def test_key_files_are_for_their_owner_alone_also_after_a_rotation(folder: Path) -> None:
    await KeyFile(folder / "dlp.lists.key").rotate()
    assert _modes(folder) == {".": 0o700} | {f"{name}.key": 0o600 for name in all_scopes()}


async def test_a_retired_versions_secret_is_in_the_file_no_more(folder: Path, scope: KeyFile) -> None:
    first = _stored(folder)["versions"]["1"]
    await scope.rotate()
    assert first in (folder / "auth.profiles.key").read_text()
    await scope.retire()
    assert first not in (folder / "auth.profiles.key").read_text()


async def test_a_file_from_before_versions_were_retired_gives_the_same_and_can_be_rotated_and_retired(
    folder: Path, scope: KeyFile
) -> None:
    path = folder / "auth.profiles.key"
    path.write_text(json.dumps({k: v for k, v in _stored(folder).items() if k in ("scope", "current", "versions")}))
    earlier = KeyFile(path)
    wrapped = await scope.wrap(b"secret", "c")
    same = await scope.hmac(b"data"), await scope.derive("c"), scope.public_key
    assert await earlier.unwrap(wrapped, "c") == b"secret"
    await earlier.rotate()
    renewed = await earlier.rewrap(wrapped, "c")
    await earlier.retire()
    assert (await earlier.hmac(b"data"), await earlier.derive("c"), earlier.public_key) == same
    assert await KeyFile(path).unwrap(renewed, "c") == b"secret"


async def test_two_operators_at_once_begin_two_versions_and_lose_none(folder: Path, scope: KeyFile) -> None:
    other = KeyFile(folder / "auth.profiles.key")
    assert [await scope.rotate(), await other.rotate(), await scope.rotate()] == [2, 3, 4]
    assert set(await other.versions()) == {1, 2, 3, 4}


async def test_a_process_goes_on_with_what_it_knows_while_its_file_is_away(folder: Path, scope: KeyFile) -> None:
    path = folder / "auth.profiles.key"
    away = path.rename(path.with_suffix(".away"))
    wrapped = await scope.wrap(b"secret", "c")
    away.rename(path)
    assert await scope.unwrap(wrapped, "c") == b"secret"


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_refused_by_name_and_its_content_not_shown(folder: Path, data: st.DataObject) -> None:
    whole = (folder / "auth.profiles.key").read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    shapes = st.one_of(
        st.binary(max_size=60),
        st.just(whole[:cut]),
        st.sampled_from(
            [b"", b"{}", b"[]", b"1", b'{"scope": "x", "versions": {}}', b'{"scope": "x", "versions": {"1": ""}}']
        ),
    )
    damaged = folder / "damaged.key"
    damaged.write_bytes(data.draw(shapes))
    with pytest.raises(Refused) as refused:
        KeyFile(damaged)
    assert refused.value.code == "key-file-damaged"
    assert refused.value.words == "The key file damaged.key is damaged."


def test_secrets_are_32_random_bytes(folder: Path) -> None:
    secrets = {base64.b64decode(_stored(folder, name)["versions"]["1"]) for name in all_scopes()}
    assert len(secrets) == len(all_scopes()) and {len(secret) for secret in secrets} == {32}


def test_a_service_opens_its_own_scopes_only(folder: Path) -> None:
    ring = KeyRing(folder, SCOPES["dlp"])
    assert set(ring) == {"dlp.transport", "dlp.lists"}
    with pytest.raises(KeyError):
        ring["crypto.signing"]


def test_only_address_look_up_is_shared_between_services() -> None:
    holders = {name: [s for s, scopes in SCOPES.items() if name in scopes] for name in all_scopes()}
    assert {name for name, services in holders.items() if len(services) > 1} == {"address"}
    assert "dlp" not in holders["address"] and "delivery" not in holders["address"]


def _stored(folder: Path, scope: str = "auth.profiles") -> dict[str, dict[str, str]]:
    stored: dict[str, dict[str, str]] = json.loads((folder / f"{scope}.key").read_text())
    return stored


def _modes(folder: Path) -> dict[str, int]:
    """The permissions of a folder (as ".") and of everything in it."""
    return {str(p.relative_to(folder)): stat.S_IMODE(p.stat().st_mode) for p in (folder, *folder.iterdir())}
