"""The compose project: what each container is given, reaches and may do."""

import importlib.util
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from secumail.sealing.kms import SCOPES
from secumail.settings import Settings

from .conftest import ROOT, SERVICES, Document, Run, tool

STANDING = (*SERVICES, "rabbitmq", "mongodb")
KEYS = "/run/secumail/keys/"
SECRETS = "/run/secumail/secrets/"
AUTHORITY = "/run/secumail/authority/"


def secrets_of(compose: Document, container: str) -> dict[str, str]:
    """Where each secret is mounted in a container -> the file of the installation it comes from."""
    return {
        mount["target"]: compose["secrets"][mount["source"]]["file"].removeprefix(compose["home"] + "/")
        for mount in compose["services"][container].get("secrets", [])
    }


def test_a_mistake_in_the_file_is_refused(run: Run, tmp_path: Path) -> None:
    project = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    project["services"]["dlp"]["healthchek"] = {}
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(yaml.safe_dump(project))
    result = run(tool("docker-compose"), "--file", str(wrong), "config", "--quiet")
    assert result.returncode != 0
    assert "healthchek" in result.stderr


def test_the_project_is_six_services_a_broker_a_database_and_one_start_up_job(compose: Document) -> None:
    assert set(compose["services"]) == {*STANDING, "database-init"}


@pytest.mark.parametrize("container", STANDING)
def test_every_container_tells_whether_it_is_healthy_and_comes_back(compose: Document, container: str) -> None:
    service = compose["services"][container]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_when_broker_and_database_are_ready(compose: Document, service: str) -> None:
    waits = {name: wait["condition"] for name, wait in compose["services"][service]["depends_on"].items()}
    assert waits == {
        "rabbitmq": "service_healthy",
        "mongodb": "service_healthy",
        "database-init": "service_completed_successfully",
    }


@pytest.mark.parametrize("container", [*STANDING, "database-init"])
def test_every_container_is_hardened_and_bounded(compose: Document, container: str) -> None:
    service = compose["services"][container]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].split(":")[0]) > 0
    assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"])


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_a_quarter_of_a_gibibyte_and_what_works_on_pictures_three(
    compose: Document, service: str
) -> None:
    limit = int(compose["services"][service]["deploy"]["resources"]["limits"]["memory"])
    assert limit == (3 * 2**30 if service == "stego" else 256 * 2**20)


@pytest.mark.parametrize("container", ["rabbitmq", "mongodb"])
def test_broker_and_database_name_their_full_version(compose: Document, container: str) -> None:
    assert re.fullmatch(r"\w+:\d+\.\d+\.\d+", compose["services"][container]["image"])


def test_no_secret_stands_in_the_environment(compose: Document) -> None:
    for container, service in compose["services"].items():
        for name, value in service.get("environment", {}).items():
            if re.search("PASS|SECRET|TOKEN|KEY|CREDENTIAL", name):
                assert value.startswith("/run/secumail/"), f"{container}: {name} is not a path"
            if "://" in value:
                assert urlsplit(value).password is None, f"{container}: {name} holds a password"


def test_every_secret_and_configuration_comes_from_a_file(compose: Document) -> None:
    assert {tuple(sorted(set(secret) - {"name"})) for secret in compose["secrets"].values()} == {("file",)}
    assert {tuple(sorted(set(config) - {"name"})) for config in compose["configs"].values()} == {("file",)}


def test_only_the_gateway_publishes_a_port(compose: Document) -> None:
    published = [
        (name, port["target"]) for name, service in compose["services"].items() for port in service.get("ports", [])
    ]
    assert published == [("gateway", 8443)]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_holds_its_own_kms_scopes_and_no_other(compose: Document, service: str) -> None:
    keys = {target: file for target, file in secrets_of(compose, service).items() if target.startswith(KEYS)}
    assert keys == {f"{KEYS}{scope}.key": f"keys/{scope}.key" for scope in SCOPES[service]}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_holds_its_own_passwords_and_no_other(compose: Document, service: str) -> None:
    mounted = secrets_of(compose, service)
    others = {target: file for target, file in mounted.items() if not target.startswith(KEYS)}
    own = {f"{SECRETS}{kind}_password": f"secrets/{service}/{kind}_password" for kind in ("amqp", "mongodb")}
    gateway = {f"{SECRETS}tls.pem": "tls/gateway.pem", f"{SECRETS}tls.key": "tls/gateway.key"}
    auth = {f"{SECRETS}first_admin.json": "secrets/auth/first_admin.json"}
    crypto = {AUTHORITY + "issuing.key": "authority/issuing.key"}
    assert others == own | {"gateway": gateway, "auth": auth, "crypto": crypto}.get(service, {})


@pytest.mark.parametrize("container", ["rabbitmq", "mongodb", "database-init"])
def test_broker_and_database_hold_no_key_of_a_service(compose: Document, container: str) -> None:
    assert not [file for file in secrets_of(compose, container).values() if file.startswith("keys/")]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_itself_to_broker_and_database(compose: Document, service: str) -> None:
    environment = compose["services"][service]["environment"]
    broker, database = urlsplit(environment["AMQP_URL"]), urlsplit(environment["MONGODB_URL"])
    assert (broker.scheme, broker.username, broker.hostname) == ("amqps", service, "rabbitmq")
    assert (database.username, database.hostname) == (service, "mongodb")
    assert {"tls=true", "replicaSet=rs0"} <= set(database.query.split("&"))


@pytest.mark.parametrize("service", SERVICES)
def test_the_image_and_the_project_together_give_a_service_its_settings(
    compose: Document, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = dict(re.findall(r"\b(SECUMAIL_\w+)=([\w.]+)", (ROOT / "Dockerfile").read_text()))
    for name, value in (image | compose["services"][service]["environment"]).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.bind, settings.health_port) == ("0.0.0.0", 8080)
    assert settings.domains == ("northwind.example",)
    mounted = {Path(target).parent for target in secrets_of(compose, service)}
    assert mounted - {Path(AUTHORITY)} == {settings.secrets, settings.keys}
    public = {Path(config["target"]) for config in compose["services"][service]["configs"]}
    assert {settings.identities, settings.tls_ca} <= public


def test_services_share_no_network_with_each_other(compose: Document) -> None:
    networks = [set(compose["services"][service]["networks"]) for service in SERVICES]
    assert sum(map(len, networks)) == len(set().union(*networks))
    for service in SERVICES:
        for server in ("rabbitmq", "mongodb"):
            assert service in compose["services"][server]["networks"]


def test_only_gateway_and_delivery_reach_beyond_the_machine(compose: Document) -> None:
    inner = {name for name, network in compose["networks"].items() if network.get("internal")}
    outward = {name for name, service in compose["services"].items() if set(service["networks"]) - inner}
    assert outward == {"gateway", "delivery"}


def test_every_module_that_a_container_or_script_names_exists(compose: Document) -> None:
    flag, module = compose["services"]["database-init"]["command"]
    script = (ROOT / "deploy/compose/prepare.sh").read_text()
    assert flag == "-m"
    assert importlib.util.find_spec(module)
    for prepares in re.findall(r"-m (\S+)", script):
        assert importlib.util.find_spec(prepares)
