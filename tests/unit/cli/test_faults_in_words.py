"""What a person sees when something is wrong: two lines, exit code 1, and never a stack trace."""

import json
import socket
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from secumail.cli import main
from tests.unit.cli.conftest import Run
from tests.unit.cli.faults import HANG_UP, Answer, answering, problem

LogIn = Callable[[str], None]


def test_a_problem_is_shown_as_what_is_wrong_and_how_to_mend_it(run: Run, logged_in_at: LogIn) -> None:
    with answering(problem(403, "role-missing", "This is for reviewers.", "Ask an administrator.")) as server:
        logged_in_at(server.url)
        result = run("quarantine", "ls")
        assert result.exit_code == 1
        assert result.stderr == "This is for reviewers.\nAsk an administrator.\n"
        assert result.stdout == ""
        assert json.loads(run("quarantine", "ls", "--json").stdout) == {
            "code": "role-missing",
            "error": "This is for reviewers.",
            "fix": "Ask an administrator.",
        }


def test_a_session_that_is_over_says_how_to_log_in_again(run: Run, logged_in_at: LogIn) -> None:
    with answering(problem(401, "session-over", "The session has ended.", "Log in again.")) as server:
        logged_in_at(server.url)
        result = run("inbox")
    assert result.stderr == "The session has ended.\nRun: secumail login ada@northwind.example\n"


def test_without_a_login_every_command_says_so(run: Run) -> None:
    result = run("whoami")
    assert (result.exit_code, result.stderr) == (1, "Nobody is logged in here.\nRun: secumail login ADDRESS\n")


def test_a_damaged_session_file_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "session.json").write_text("{}")
    assert "session.json is no session of ours." in run("whoami").stderr


def test_a_server_that_is_not_there_is_said_to_be_not_running(run: Run, logged_in_at: LogIn) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        logged_in_at(url)
        result = run("inbox")
    assert result.exit_code == 1
    assert result.stderr == f"SecuMail is not running at {url}.\nStart it with `make run`.\n"


def test_something_else_at_that_address_is_recognised(run: Run, logged_in_at: LogIn) -> None:
    with answering(Answer(404, "not here")) as server:
        logged_in_at(server.url)
        result = run("inbox")
    assert result.stderr.startswith("127.0.0.1 answered, but not as SecuMail does (404).\n")


def test_an_act_whose_answer_was_lost_is_not_done_twice(run: Run, logged_in_at: LogIn) -> None:
    with answering(HANG_UP) as server:
        logged_in_at(server.url)
        id_ = "6f3c1d52-6f0e-5a43-9d0c-52d1d9f7b6a1"
        result = run("quarantine", "reject", id_)
        assert len(server.requests) == 1
    assert result.stderr.endswith("Look whether it was done; if not, try again.\n")


def test_a_file_that_can_not_be_read_is_named(run: Run, tmp_path: Path) -> None:
    result = run("stego", "capacity", str(tmp_path / "none.png"))
    assert result.exit_code == 1
    assert f"{tmp_path / 'none.png'}: No such file or directory.\n" in result.stderr


def test_an_image_without_a_service_lacks_only_its_commands(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("away", "services.away.cli:commands", "secumail.cli"),
        EntryPoint("auth", "services.auth.cli:commands", "secumail.cli"),
    ]
    monkeypatch.setattr(main, "entry_points", lambda group: points)
    listed = run("--help").output
    assert "accounts" in listed
    assert "quarantine" not in listed
    assert run("inbox").exit_code == 2


def test_a_slip_of_the_fingers_gets_a_suggestion(run: Run) -> None:
    result = run("inbx")
    assert result.exit_code == 2
    assert "Did you mean 'inbox'?" in result.output
