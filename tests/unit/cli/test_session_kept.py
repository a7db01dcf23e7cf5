"""The session on this machine: only its owner reads it, and it is told to nobody."""

import stat
from collections.abc import Callable
from pathlib import Path

from tests.unit.cli.conftest import Run
from tests.unit.cli.faults import Answer, answering, problem

BEGUN = Answer(
    201,
    {
        "token": "a-secret-token",
        "account": "6f3c1d52-6f0e-5a43-9d0c-52d1d9f7b6a1",
        "address": "ada@northwind.example",
        "display_name": "Ada",
        "roles": ["member"],
        "idle_seconds": 240,
    },
)


def test_the_session_lies_in_a_file_only_its_owner_reads(run: Run, tmp_path: Path) -> None:
    with answering(BEGUN) as server:
        result = run("login", "ada@northwind.example", "--url", server.url, "--password-stdin", given="kettles\n")
        assert result.exit_code == 0, result.output
        assert b'"password":"kettles"' in server.requests[0].body.replace(b" ", b"")
    file = tmp_path / "session.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "a-secret-token" in file.read_text()
    assert result.stdout == "Logged in as ada@northwind.example (member).\n"


def test_the_token_is_printed_nowhere(run: Run) -> None:
    with answering(BEGUN) as server:
        result = run("login", "ada@northwind.example", "--url", server.url, "--json", given="kettles\n")
    assert result.exit_code == 0
    assert "a-secret-token" not in result.output
    assert "kettles" not in result.output


def test_the_token_goes_with_each_request(run: Run, logged_in_at: Callable[[str], None]) -> None:
    with answering(Answer(200, [])) as server:
        logged_in_at(server.url)
        assert run("folders", "--json").stdout == "[]\n"
        assert server.requests[0].headers["authorization"] == "Bearer a-token"


def test_logging_out_of_a_session_that_is_over_forgets_it(
    run: Run, logged_in_at: Callable[[str], None], tmp_path: Path
) -> None:
    with answering(problem(401, "session-over", "The session has ended.", "Log in again.")) as server:
        logged_in_at(server.url)
        assert run("logout").stdout == "Logged out.\n"
    assert not (tmp_path / "session.json").exists()
