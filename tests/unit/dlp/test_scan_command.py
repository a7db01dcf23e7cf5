"""`secumail scan`: the service's verdict without a server."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from secumail.cli.main import app
from services.dlp.black_words import BlackWord
from services.dlp.lists import Lists

MAIL = (
    b"From: ada@northwind.example\r\nTo: eve@contoso.example, bob@northwind.example\r\nSubject: Plan\r\n\r\nFalcon.\r\n"
)


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    file = tmp_path / "mail.eml"
    file.write_bytes(MAIL)
    return file


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "lists.json"
    file.write_text(Lists(words=(BlackWord(term="falcon", scope="outside"),)).model_dump_json())
    return file


def test_a_clean_mail_passes_by_the_default_rules(mail: Path) -> None:
    result = CliRunner().invoke(app, ["scan", str(mail)])
    assert result.exit_code == 0
    assert "pass: clean" in result.stdout


def test_what_would_be_held_is_said_with_its_findings_and_the_exit_code(mail: Path, policy: Path) -> None:
    result = CliRunner().invoke(app, ["scan", str(mail), "--policy", str(policy), "--json"])
    assert result.exit_code == 1
    verdicts = [json.loads(line) for line in result.stdout.splitlines()]
    verdicts = verdicts[0] if isinstance(verdicts[0], list) else verdicts
    assert [(v["recipients"], v["action"], v["code"]) for v in verdicts] == [
        (["bob@northwind.example"], "pass", "clean"),
        (["eve@contoso.example"], "hold", "black-word"),
    ]
    assert verdicts[1]["findings"][0]["rule"] == "falcon"


def test_whose_mail_it_is_and_what_is_inside_can_be_said(mail: Path, policy: Path) -> None:
    inside = ["--to", "eve@contoso.example", "--domain", "contoso.example"]
    assert CliRunner().invoke(app, ["scan", str(mail), "--policy", str(policy), *inside]).exit_code == 0


@pytest.mark.parametrize(
    ("content", "fault"),
    [("{", "lists.json: the file: "), ('{"rules": [{"name": "a", "then": "burn"}]}', "lists.json: rules.0.then: ")],
)
def test_a_policy_that_is_none_is_refused_with_the_place(mail: Path, policy: Path, content: str, fault: str) -> None:
    policy.write_text(content)
    result = CliRunner().invoke(app, ["scan", str(mail), "--policy", str(policy)])
    assert result.exit_code == 1
    assert fault in result.stderr


def test_a_mail_for_nobody_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "nobody.eml"
    file.write_bytes(b"From: ada@northwind.example\r\n\r\n")
    result = CliRunner().invoke(app, ["scan", str(file)])
    assert (result.exit_code, "--to ADDRESS" in result.stderr) == (1, True)
