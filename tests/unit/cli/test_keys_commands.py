"""`secumail keys` where something is missing: said in two lines, with what to do."""

import json
from pathlib import Path

import pytest

from secumail.installation.home import Home, write_private
from secumail.sealing.kms import all_scopes, create_key_files
from tests.unit.cli.conftest import Run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An installation that does not run, with the operator's passwords."""
    made = Home(tmp_path / "home")
    made.save()
    for kind in ("amqp_password", "mongodb_password"):
        write_private(made.secrets("operator") / kind, "secret")
    monkeypatch.setenv("SECUMAIL_HOME", str(made.path))
    return made


def test_without_an_installation_there_are_no_keys(run: Run, tmp_path: Path) -> None:
    result = run("keys", "ls", "--home", str(tmp_path))
    assert result.exit_code == 1 and "There is no installation" in result.output


def test_an_operator_who_holds_no_keys_is_told_where_to_go(run: Run, home: Home) -> None:
    for command in (("ls",), ("rotate", "--all"), ("retire", "--all"), ("rotate", "transport")):
        result = run("keys", *command, "--json")
        said = json.loads(result.output)
        assert (result.exit_code, said["code"]) == (1, "no-keys-here"), said
        assert ".key" in said["error"] and "SECUMAIL_KEYS" in said["fix"]


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"SECUMAIL_KMS": "pkcs11"}, "token-not-named"),
        ({"SECUMAIL_KMS": "paper"}, "no-such-kms"),
        ({"SECUMAIL_KMS": "pkcs11", "SECUMAIL_PKCS11_MODULE": "/no.so", "SECUMAIL_PKCS11_PIN": "/pin"}, "no-pkcs11"),
    ],
)  # fmt: skip
def test_a_back_end_that_can_not_be_used_is_told(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], code: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = run("keys", "ls", "--json")
    assert (result.exit_code, json.loads(result.output)["code"]) == (1, code)


def test_a_key_file_that_is_damaged_is_told_by_name(run: Run, home: Home) -> None:
    create_key_files(home.keys, all_scopes())
    (home.keys / "dlp.lists.key").write_text('{"scope": "dlp.lists"')
    result = run("keys", "ls", "--json")
    said = json.loads(result.output)
    assert (result.exit_code, said["code"]) == (1, "key-file-damaged")
    assert "dlp.lists.key" in said["error"] and "backup" in said["fix"]
