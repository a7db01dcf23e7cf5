"""`secumail scan`: the service's verdict without a server."""

import base64
import io
import json
import zipfile
from email.message import EmailMessage
from email.policy import SMTP
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


def test_findings_are_a_table_of_what_where_by_which_chain_how_often_and_who_decided(
    tmp_path: Path, policy: Path
) -> None:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        archive.writestr("b.txt", base64.b64encode(b"The falcon lands. The falcon starts."))
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = "ada@northwind.example", "eve@contoso.example", "Files"
    mail.set_content("Card 4111 1111 1111 1111\r\n")
    mail.add_attachment(kept.getvalue(), maintype="application", subtype="zip", filename="a.zip")
    file = tmp_path / "files.eml"
    file.write_bytes(mail.as_bytes())

    told = CliRunner().invoke(app, ["scan", str(file), "--policy", str(policy)]).stdout
    head = next(line for line in told.splitlines() if line.startswith("found"))
    assert head.split() == ["found", "where", "at", "sample", "count", "weight", "decided"]
    word = next(line for line in told.splitlines() if line.startswith("black-word: falcon"))
    assert "attachment 1 (a.zip) ! b.txt" in word
    assert "base64" in word
    assert "2 (from 1 on)" in word
    assert "lists (version 0)" in word
    card = next(line for line in told.splitlines() if line.startswith("personal-data: card"))
    assert "body" in card
    assert "4111 1111" not in told

    documents = json.loads(CliRunner().invoke(app, ["scan", str(file), "--policy", str(policy), "--json"]).stdout)
    findings = {found["rule"]: found for found in documents[0]["findings"]}
    assert (findings["falcon"]["count"], findings["falcon"]["total"], findings["falcon"]["threshold"]) == (2, 2, 1)
    assert findings["falcon"]["weight"] > 0
    begin, end = findings["card"]["span"]
    assert 0 <= begin < end
    assert findings["card"]["list_version"] == 0
