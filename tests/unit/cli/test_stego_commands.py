"""Hiding without a server: what goes in comes out, for who has the key."""

import json
import stat
from email.message import EmailMessage
from pathlib import Path

import pytest

from secumail.cli.demo import photograph
from tests.unit.cli.conftest import Run

SECRET = b"Meet me by the river.\n" * 20


@pytest.fixture
def hidden(run: Run, tmp_path: Path) -> Path:
    """A directory with a picture, what it hides, and the key."""
    (tmp_path / "cover.png").write_bytes(photograph(400, 300))
    (tmp_path / "secret.txt").write_bytes(SECRET)
    result = run(
        "stego", "hide", "--cover", str(tmp_path / "cover.png"), "--in", str(tmp_path / "secret.txt"),
        "--key-file", str(tmp_path / "key"), "-o", str(tmp_path / "out.png"),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return tmp_path


def test_the_key_is_made_for_its_owner_alone(hidden: Path) -> None:
    assert stat.S_IMODE((hidden / "key").stat().st_mode) == 0o600


def test_what_was_hidden_is_revealed(run: Run, hidden: Path) -> None:
    result = run(
        "stego", "reveal", str(hidden / "out.png"), "--key-file", str(hidden / "key"), "-o", str(hidden / "got")
    )
    assert result.exit_code == 0, result.output
    assert (hidden / "got").read_bytes() == SECRET


def test_a_picture_in_a_raw_mail_is_found(run: Run, hidden: Path) -> None:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "ada@northwind.example", "A picture"
    mail.set_content("See.")
    for name in ("cover.png", "out.png"):
        mail.add_attachment((hidden / name).read_bytes(), "image", "png", filename=name)
    (hidden / "mail.eml").write_bytes(mail.as_bytes())
    run("stego", "reveal", str(hidden / "mail.eml"), "--key-file", str(hidden / "key"), "-o", str(hidden / "got"))
    assert (hidden / "got").read_bytes() == SECRET


def test_another_key_reveals_nothing(run: Run, hidden: Path) -> None:
    (hidden / "other").write_text("A" * 43 + "=")
    result = run(
        "stego", "reveal", str(hidden / "out.png"), "--key-file", str(hidden / "other"), "-o", str(hidden / "got")
    )
    assert result.exit_code == 1
    assert result.stderr.startswith("This picture reveals nothing with this key.\n")
    assert not (hidden / "got").exists()


def test_a_key_file_that_is_none_is_named(run: Run, hidden: Path) -> None:
    (hidden / "other").write_text("not a key")
    result = run(
        "stego", "reveal", str(hidden / "out.png"), "--key-file", str(hidden / "other"), "-o", str(hidden / "got")
    )
    assert f"{hidden / 'other'} holds no stego key." in result.stderr


def test_the_capacity_is_what_fits(run: Run, hidden: Path) -> None:
    assert (
        json.loads(run("stego", "capacity", str(hidden / "cover.png"), "--json").stdout)["bytes"]
        == 400 * 300 * 3 // 160 - 41
    )
