"""Hiding without a server: what goes in comes out, for who has the key or the passphrase."""

import json
import os
import stat
from email.message import EmailMessage
from pathlib import Path

import pytest
from typer.testing import Result

from services.stego import workers
from tests.pictures import photograph
from tests.unit.cli.conftest import Run

SECRET = b"Meet me by the river.\n" * 20
PASSPHRASE = "seven blue herons\n"


@pytest.fixture(scope="module")
def covers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with two covers and what is to be hidden."""
    folder: Path = tmp_path_factory.mktemp("covers")
    (folder / "hill.png").write_bytes(photograph(240, 200, seed=1))
    (folder / "sea.jpg").write_bytes(photograph(480, 400, "JPEG", seed=2))
    (folder / "secret.txt").write_bytes(SECRET)
    return folder


def hide(run: Run, covers: Path, out: Path, *more: str, given: str | bytes | None = None) -> Result:
    named = ("--cover", str(covers / "hill.png"), "--cover", str(covers / "sea.jpg"))
    return run("stego", "hide", *named, "--in", str(covers / "secret.txt"), "--out", str(out), *more, given=given)


def test_an_outsider_needs_the_pictures_and_the_passphrase_alone(run: Run, covers: Path, tmp_path: Path) -> None:
    hidden = hide(run, covers, tmp_path / "out", "--passphrase-stdin", given=PASSPHRASE)
    assert hidden.exit_code == 0, hidden.output
    assert "Destroy the originals" in hidden.stderr
    assert "compress pictures again" in hidden.stderr
    pictures = [str(tmp_path / "out" / name) for name in ("sea.jpg", "hill.png")]
    got = tmp_path / "got.txt"
    shown = run("stego", "reveal", *pictures, "--out", str(got), "--passphrase-stdin", given=PASSPHRASE)
    assert shown.exit_code == 0, shown.output
    assert got.read_bytes() == SECRET
    assert stat.S_IMODE(got.stat().st_mode) == 0o600

    wrong = run("stego", "reveal", *pictures, "--out", str(got), "--passphrase-stdin", given="six blue herons\n")
    assert (wrong.exit_code, wrong.stderr.startswith("Nothing is revealed with this key.\n")) == (1, True)
    one = run("stego", "reveal", pictures[0], "--out", str(got), "--passphrase-stdin", given=PASSPHRASE)
    assert "It lies in 2 pictures, of which number 1 is not among these" in one.stderr


def test_a_key_is_made_for_its_owner_alone_and_opens_a_mail_with_the_pictures(
    run: Run, covers: Path, tmp_path: Path
) -> None:
    told = hide(run, covers, tmp_path / "out", "--key-file", str(tmp_path / "key"), "--rate", "maximum", "--json")
    document = json.loads(told.stdout)
    assert (document["hidden"], document["key_made"]) == (len(SECRET), True)
    assert [warning.split()[0] for warning in document["warnings"]] == ["Destroy", "Send", "At"]
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "ada@northwind.example", "Pictures"
    mail.set_content("See.")
    for file in (str(covers / "hill.png"), *document["files"]):
        mail.add_attachment(Path(file).read_bytes(), "image", "png", filename="p.png")
    (tmp_path / "mail.eml").write_bytes(mail.as_bytes())
    shown = run(
        "stego", "reveal", str(tmp_path / "mail.eml"), "--key-file", str(tmp_path / "key"), "--out",
        str(tmp_path / "got"), "--json",
    )  # fmt: skip
    assert json.loads(shown.stdout)["bytes"] == len(SECRET)
    again = hide(run, covers, tmp_path / "again", "--key-file", str(tmp_path / "key"), "--rate", "maximum")
    assert "Each file wants a key of its own" in again.stderr
    assert "a trained detector that knows the method finds many" in again.stderr


def test_the_capacity_is_told_before_anything_is_hidden(run: Run, covers: Path) -> None:
    pictures = [str(covers / "hill.png"), str(covers / "sea.jpg")]
    document = json.loads(run("stego", "capacity", *pictures, "--json").stdout)
    rooms = [one["room"] for one in document["covers"]]
    for rate in ("careful", "normal", "maximum"):
        assert document["together"][rate] > max(room[rate] for room in rooms)
    large = covers / "large.bin"
    large.write_bytes(os.urandom(17_000))
    told = run("stego", "capacity", *pictures, "--in", str(large))
    assert told.exit_code == 1
    assert "At the rate normal: these 2 pictures are 1" in told.stdout
    assert "kB short." in told.stdout
    fits = run("stego", "capacity", *pictures, "--in", str(covers / "secret.txt"))
    assert (fits.exit_code, "At the rate normal: these 2 pictures carry it." in fits.stdout) == (0, True)


def test_a_picture_that_wont_do_is_named_with_the_way_out(run: Run, covers: Path, tmp_path: Path) -> None:
    (tmp_path / "anim.gif").write_bytes(b"GIF89a")
    told = run("stego", "capacity", str(tmp_path / "anim.gif"), str(covers / "hill.png"))
    assert told.exit_code == 1
    assert "The picture is a GIF, which can't carry anything. Give a JPEG, PNG" in told.stdout
    refused = run(
        "stego", "hide", "--cover", str(tmp_path / "anim.gif"), "--in", str(covers / "secret.txt"),
        "--out", str(tmp_path / "out"), "--passphrase-stdin", given=PASSPHRASE,
    )  # fmt: skip
    assert (refused.exit_code, "is a GIF" in refused.stderr) == (1, True)
    assert not (tmp_path / "out").exists()


def test_more_pictures_than_one_message_can_have_are_refused_with_the_way_out(
    run: Run, covers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "FILES_LIMIT", 1000)
    told = run(
        "stego", "reveal", str(covers / "hill.png"), "--out", str(tmp_path / "got"), "--passphrase-stdin",
        given=PASSPHRASE,
    )  # fmt: skip
    assert told.exit_code == 1
    assert "Give the pictures of one hidden message at a time." in told.stderr


def test_what_is_asked_wrongly_is_said_before_any_work(run: Run, covers: Path, tmp_path: Path) -> None:
    beside = hide(run, covers, covers, "--passphrase-stdin", given=PASSPHRASE)
    assert "Pictures would lie beside their originals." in beside.stderr
    both = hide(run, covers, tmp_path, "--passphrase-stdin", "--key-file", str(covers / "secret.txt"), given="x\n")
    assert "A key file or a passphrase is needed, not both." in both.stderr
    neither = run("stego", "reveal", str(covers / "hill.png"), "--out", str(tmp_path / "got"))
    assert "A key file or a passphrase is needed, not both." in neither.stderr
    short = hide(run, covers, tmp_path, "--passphrase-stdin", given="blue herons\n")
    assert "The passphrase has 11 characters; at least 12 are needed." in short.stderr
    odd = hide(run, covers, tmp_path, "--passphrase-stdin", given=b"\xff\xfe some long words\n")
    assert "The passphrase is not UTF-8." in odd.stderr
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "sea.png").write_bytes(b"a message of another day")
    full = hide(run, covers, tmp_path / "full", "--passphrase-stdin", given=PASSPHRASE)
    assert "There are pictures of these names already" in full.stderr
    (tmp_path / "other").write_text("not a key")
    no_key = run("stego", "reveal", str(covers / "sea.jpg"), "--key-file", str(tmp_path / "other"), "--out", "got")
    assert f"{tmp_path / 'other'} holds no stego key." in no_key.stderr
