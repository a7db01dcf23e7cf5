"""What an operator sees of `secumail up`, `down`, `status`, `readyz` and `doctor` while nothing runs."""

import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from secumail.cli.stack import commands
from secumail.installation import broker, certificates, doctor, toolchain
from secumail.installation.home import Home, Ports

cli = CliRunner()


@pytest.mark.parametrize("command", ["down", "status", "readyz"])
def test_without_an_installation_every_command_says_how_to_get_one(command: str, tmp_path: Path) -> None:
    result = cli.invoke(commands, [command, "--home", str(tmp_path), "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["fix"] == "Run: secumail up"


def test_a_stopped_installation_is_not_ready(tmp_path: Path) -> None:
    Home(tmp_path, Ports.free()).save()
    result = cli.invoke(commands, ["readyz", "--home", str(tmp_path), "--json"])
    assert (result.exit_code, json.loads(result.stdout)["ready"]) == (1, False)
    result = cli.invoke(commands, ["down", "--home", str(tmp_path)])
    assert (result.exit_code, result.stdout.strip()) == (0, "Nothing was running.")


def test_waiting_for_what_nobody_starts_ends_when_it_should(tmp_path: Path) -> None:
    Home(tmp_path, Ports.free()).save()
    result = cli.invoke(commands, ["readyz", "--home", str(tmp_path), "--wait", "--within", "0.3"])
    assert (result.exit_code, result.stdout.strip()) == (1, "not ready: nothing was started")


def test_the_doctor_names_a_taken_port_and_the_way_out(tmp_path: Path) -> None:
    ports = Ports.free()
    Home(tmp_path, ports).save()
    with socket.create_server(("127.0.0.1", ports.amqps)):
        result = cli.invoke(commands, ["doctor", "--home", str(tmp_path), "--json"])
    assert result.exit_code == 1
    (fault,) = [finding for finding in json.loads(result.stdout) if finding["ok"] is False]
    assert fault["what"] == f"port {ports.amqps}"
    assert "secumail up --port" in fault["fix"]


def test_the_doctor_finds_nothing_wrong_with_a_machine_that_can_run_the_tests(tmp_path: Path) -> None:
    Home(tmp_path, Ports.free()).save()
    result = cli.invoke(commands, ["doctor", "--home", str(tmp_path)])
    assert result.exit_code == 0, result.stdout
    assert "start it with: secumail up" in result.stdout


async def test_the_doctor_sees_certificates_that_have_ended(tmp_path: Path) -> None:
    home = Home(tmp_path, Ports.free())
    home.save()
    long_ago = doctor.EPOCH - 5 * (certificates.RENEW_WITHIN * 12)
    certificates.ensure(home, long_ago)
    findings = {finding.what: finding for finding in await doctor.examine(home)}
    assert findings["certificate of rabbitmq"].ok is False
    assert "renewed at start" in findings["certificate of rabbitmq"].fix
    assert findings["certificate of CA"].ok is True


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Exception, match="epmd is not installed"):
        toolchain.program("epmd", "erlang-base")


def test_the_broker_is_given_the_libraries_it_needs_and_no_plugin() -> None:
    names = {path.name.rsplit("-", 1)[0] for path in broker.libraries(toolchain.rabbitmq().plugins)}
    assert {"rabbit", "rabbit_common", "rabbitmq_prelaunch", "ra", "ranch", "cuttlefish"} <= names
    assert not {name for name in names if name.startswith("rabbitmq_management") or "mqtt" in name}
