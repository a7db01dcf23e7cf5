"""One recipe makes the six images; its commands are run here as an image would run them."""

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from .conftest import ROOT, SERVICES, Document, Run, tool

RECIPE = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
INSTRUCTIONS = [line for line in RECIPE.splitlines() if line and not line.startswith("#")]
FINAL = INSTRUCTIONS[max(at for at, line in enumerate(INSTRUCTIONS) if line.startswith("FROM ")) :]


def command(instruction: str) -> list[str]:
    """The exec form of an instruction of the final image, for example CMD."""
    (line,) = (each for each in FINAL if each.startswith(instruction))
    words: list[str] = json.loads(line[line.index("[") :])
    return words


def copied() -> list[str]:
    """The paths of the repository that the recipe copies."""
    lines = (line.split()[1:-1] for line in INSTRUCTIONS if line.startswith("COPY ") and "--from" not in line)
    return [source for line in lines for source in line]


def test_the_recipe_passes_the_linter(run: Run) -> None:
    result = run(tool("hadolint"), "Dockerfile")
    assert result.returncode == 0, result.stdout


def test_the_process_is_not_root() -> None:
    assert [line for line in FINAL if line.startswith("USER ")] == ["USER 10001:10001"]


def test_every_base_image_names_its_full_version() -> None:
    (version,) = (line.partition("=")[2] for line in INSTRUCTIONS if line.startswith("ARG PYTHON="))
    assert re.fullmatch(r"3\.11\.\d+-slim-\w+", version)
    assert all(line.split()[1] == "python:${PYTHON}" for line in INSTRUCTIONS if line.startswith("FROM "))


def test_requirements_are_wheels_held_to_their_hashes() -> None:
    commands = [command for line in INSTRUCTIONS for command in re.split("&&|;", line)]
    installs = [command for command in commands if "pip " in command and " install " in command]
    assert len(installs) == 2
    assert all({"--require-hashes", "--only-binary", "--no-deps"} <= set(install.split()) for install in installs)


@pytest.mark.parametrize("lock_of", [*SERVICES, "compiler"])
def test_every_requirement_has_a_hash(lock_of: str) -> None:
    lock = (ROOT / "requirements" / f"{lock_of}.txt").read_text().replace("\\\n", " ")
    pins = [line for line in lock.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert pins
    assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


def test_an_image_holds_the_kernel_and_one_service_and_nothing_else_of_the_repository() -> None:
    assert copied() == [
        "requirements/${SERVICE}.txt",
        "requirements/compiler.txt",
        "services/__init__.py",
        "services/${SERVICE}/",
        "LICENSE",
        "THIRD-PARTY-NOTICES.md",
        "secumail/",
    ]
    assert not any(re.search("gcc|cythonize", line) for line in FINAL)


def test_what_is_compiled_goes_into_the_image_without_its_source(run: Run, tmp_path: Path) -> None:
    package = tmp_path / "services" / "echo"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "loud.pyx").write_text("def said(str word):\n    return word.upper() + '!'\n")
    (line,) = (line.removeprefix("RUN ") for line in INSTRUCTIONS if "cythonize" in line)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    assert run("sh", "-euc", line, env={"PATH": path}, cwd=tmp_path).returncode == 0
    assert [file.suffix for file in tmp_path.rglob("*loud*")] == [".so"]
    shown = run(sys.executable, "-c", "from services.echo.loud import said; print(said('falcon'))", cwd=tmp_path)
    assert shown.stdout == "FALCON!\n"


def test_the_build_sees_nothing_but_what_is_copied() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {path.split("/")[0] for path in copied()}


def test_the_command_runs_the_service_as_the_main_module_without_a_shell(run: Run, tmp_path: Path) -> None:
    package = tmp_path / "services" / "echo"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text("print(__name__, __spec__.name)")
    assert command("ENTRYPOINT") == ["python"]
    result = run(sys.executable, *command("CMD"), env={"SECUMAIL_SERVICE": "echo"}, cwd=tmp_path)
    assert (result.stdout, result.stderr) == ("__main__ services.echo.__main__\n", "")


@contextmanager
def service_answering(status: int) -> Iterator[int]:
    """A service whose readiness answers `status`; gives its port."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Health)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_believes_readiness(run: Run, status: int, healthy: bool) -> None:
    python, *arguments = command("HEALTHCHECK")
    assert python == "python"
    with service_answering(status) as port:
        check = [argument.replace("8080", str(port)) for argument in arguments]
        assert (run(sys.executable, *check).returncode == 0) is healthy


def test_the_health_check_fails_where_nothing_listens(run: Run) -> None:
    _, *arguments = command("HEALTHCHECK")
    with service_answering(200) as port:
        check = [argument.replace("8080", str(port)) for argument in arguments]
    assert run(sys.executable, *check).returncode != 0


def test_compose_checks_health_as_the_image_does(compose: Document) -> None:
    for service in SERVICES:
        assert compose["services"][service]["healthcheck"]["test"] == ["CMD", *command("HEALTHCHECK")]
