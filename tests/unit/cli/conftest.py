"""`secumail` run as a person runs it, with a session file of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from secumail.cli import session
from secumail.cli.main import app
from secumail.cli.session import Session

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("inbox", "--json", given="...")`."""
    monkeypatch.setenv("SECUMAIL_SESSION", str(tmp_path / "session.json"))

    def call(*arguments: str, given: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), input=given)

    return call


@pytest.fixture
def logged_in_at(run: Run) -> Callable[[str], None]:
    """Whoever runs `secumail` is logged in at this URL."""

    def keep(url: str) -> None:
        session.keep(Session(url, None, "ada@northwind.example", "a-token"))

    return keep
