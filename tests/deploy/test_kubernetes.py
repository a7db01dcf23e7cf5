"""The Kubernetes base: it renders, the API's own schemas accept it, and every pod keeps the house rules."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from secumail.sealing.kms import SCOPES

from .conftest import ROOT, SERVICES, Document, Documents, Run, named, of_kind, tool

WORKLOADS = ("Deployment", "StatefulSet", "Job")
NAME = "app.kubernetes.io/name"
OLDEST, NEWEST = "1.29.0", "1.37.0"


def pods(documents: Documents) -> dict[str, Document]:
    """Each workload's pod template, by the workload's name."""
    return {each["metadata"]["name"]: each["spec"]["template"] for each in of_kind(documents, *WORKLOADS)}


def containers(documents: Documents) -> Iterator[tuple[str, Document]]:
    """Every container of every pod, with a name to show."""
    for workload, pod in pods(documents).items():
        for container in (*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]):
            yield f"{workload}/{container['name']}", container


def files_of(pod: Document, kind: str) -> set[tuple[str, str]]:
    """(object, key) of every file that a pod mounts from Secrets or from ConfigMaps with named items."""
    name = {"secret": "secretName", "configMap": "name"}[kind]
    volumes = pod["spec"]["volumes"]
    single = [(volume[kind][name], volume[kind].get("items", [])) for volume in volumes if kind in volume]
    joined = [
        (source[kind]["name"], source[kind]["items"])
        for volume in volumes
        for source in volume.get("projected", {}).get("sources", [])
        if kind in source
    ]
    return {(owner, item["key"]) for owner, items in (*single, *joined) for item in items}


def selects(policy: Document, labels: dict[str, str]) -> bool:
    """Whether a network policy is for pods with these labels by naming some of them."""
    wanted = policy["spec"]["podSelector"].get("matchLabels", {})
    return bool(wanted) and wanted.items() <= labels.items()


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_schemas_of_the_api_accept_every_document(run: Run, rendered: str, tmp_path: Path, version: str) -> None:
    manifest = tmp_path / "base.yaml"
    manifest.write_text(rendered)
    result = run(tool("kubernetes-validate"), "--strict", "--kubernetes-version", version, str(manifest))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "WARN" not in result.stdout + result.stderr


def test_the_schemas_refuse_a_field_that_does_not_exist(run: Run, documents: Documents, tmp_path: Path) -> None:
    wrong = copy.deepcopy(named(documents, "Deployment", "dlp"))
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    manifest = tmp_path / "wrong.yaml"
    manifest.write_text(yaml.safe_dump(wrong))
    assert run(tool("kubernetes-validate"), "--strict", str(manifest)).returncode != 0


def test_everything_is_in_one_namespace_that_enforces_the_restricted_profile(documents: Documents) -> None:
    namespace = named(documents, "Namespace", "secumail")
    for mode in ("enforce", "audit", "warn"):
        assert namespace["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}"] == "restricted"
    assert {each["metadata"].get("namespace") for each in documents if each is not namespace} == {"secumail"}


def test_the_workloads_are_six_services_a_broker_a_database_and_one_start_up_job(
    documents: Documents,
) -> None:
    assert {each["metadata"]["name"] for each in of_kind(documents, "Deployment")} == set(SERVICES)
    assert {each["metadata"]["name"] for each in of_kind(documents, "StatefulSet")} == {"rabbitmq", "mongodb"}
    assert {each["metadata"]["name"] for each in of_kind(documents, "Job")} == {"database-init"}


def test_every_pod_runs_as_an_unprivileged_user(documents: Documents) -> None:
    for name, pod in pods(documents).items():
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod["spec"]), name


def test_every_container_is_locked_down(documents: Documents) -> None:
    for name, container in containers(documents):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name


def test_every_container_states_what_it_needs_and_may_take(documents: Documents) -> None:
    for name, container in containers(documents):
        for bound in ("requests", "limits"):
            assert set(container["resources"][bound]) == {"cpu", "memory"}, name


def test_every_image_is_pinned(documents: Documents) -> None:
    for name, container in containers(documents):
        assert re.fullmatch(r"[\w/]+:\d+\.\d+\.\d+", container["image"]), name


def test_compose_and_kubernetes_run_the_same_broker_and_database(documents: Documents, compose: Document) -> None:
    for server in ("rabbitmq", "mongodb"):
        (container,) = pods(documents)[server]["spec"]["containers"]
        assert container["image"] == compose["services"][server]["image"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_probed_bounded_and_given_time_to_finish(documents: Documents, service: str) -> None:
    spec = pods(documents)[service]["spec"]
    (container,) = spec["containers"]
    (health,) = (port["containerPort"] for port in container["ports"] if port["name"] == "health")
    assert health == 8080
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "health"}
    assert container["startupProbe"]["httpGet"] == {"path": "/livez", "port": "health"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}
    assert container["resources"]["limits"]["memory"] == ("3Gi" if service in ("dlp", "stego") else "256Mi")
    assert spec["terminationGracePeriodSeconds"] == 60
    assert {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}} in spec["volumes"]


@pytest.mark.parametrize("server", ["rabbitmq", "mongodb"])
def test_broker_and_database_are_probed_and_keep_their_data(documents: Documents, server: str) -> None:
    workload = named(documents, "StatefulSet", server)
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
    (claim,) = workload["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] in {mount["name"] for mount in container["volumeMounts"]}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_lose_one_pod_at_a_time(documents: Documents, service: str) -> None:
    budget = named(documents, "PodDisruptionBudget", service)["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"].items() <= pods(documents)[service]["metadata"]["labels"].items()


def test_no_pod_holds_a_token_of_the_cluster(documents: Documents) -> None:
    accounts = {each["metadata"]["name"]: each for each in of_kind(documents, "ServiceAccount")}
    for name, pod in pods(documents).items():
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        assert accounts[pod["spec"]["serviceAccountName"]]["automountServiceAccountToken"] is False, name
        assert pod["spec"]["serviceAccountName"] == name


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_mounts_its_own_kms_scopes_and_no_other(documents: Documents, service: str) -> None:
    mounted = files_of(pods(documents)[service], "secret")
    assert {owner for owner, _ in mounted} == {service}
    keys = {key for _, key in mounted if key.endswith(".key") and key not in ("tls.key", "issuing.key")}
    assert keys == {f"{scope}.key" for scope in SCOPES[service]}
    own = {
        "gateway": {"tls.pem", "tls.key"},
        "auth": {"first_admin.json"},
        "crypto": {"authority.pem", "issuing.key"},
    }.get(service, set())
    assert {key for _, key in mounted} - keys == {"amqp_password", "mongodb_password", *own}


def test_every_secret_volume_names_the_files_it_shows(documents: Documents) -> None:
    for name, pod in pods(documents).items():
        for volume in pod["spec"]["volumes"]:
            if "secret" in volume:
                assert volume["secret"]["items"], name
                assert volume["secret"]["defaultMode"] == 0o440, name


def test_no_secret_stands_in_the_environment_or_in_the_repository(documents: Documents) -> None:
    assert not list(of_kind(documents, "Secret"))
    for name, container in containers(documents):
        assert all("secretRef" not in source for source in container.get("envFrom", [])), name
        for variable in container.get("env", []):
            assert "valueFrom" not in variable, name
            if re.search("PASS|SECRET|TOKEN|KEY|CREDENTIAL", variable["name"]):
                assert variable["value"].startswith("/run/secumail/"), f"{name}: {variable['name']}"
            if "://" in variable["value"]:
                assert urlsplit(variable["value"]).password is None, f"{name}: {variable['name']}"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_same_environment_as_in_compose(
    documents: Documents, compose: Document, service: str
) -> None:
    (container,) = pods(documents)[service]["spec"]["containers"]
    (settings,) = (source["configMapRef"]["name"] for source in container["envFrom"])
    environment = {each["name"]: each["value"] for each in container["env"]}
    environment |= named(documents, "ConfigMap", settings)["data"]
    assert environment == compose["services"][service]["environment"]


def test_nothing_speaks_unless_a_policy_allows_it(documents: Documents) -> None:
    deny = named(documents, "NetworkPolicy", "default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    policies = list(of_kind(documents, "NetworkPolicy"))
    for name, pod in pods(documents).items():
        labels = pod["metadata"]["labels"]
        assert [policy["metadata"]["name"] for policy in policies if selects(policy, labels)] == [name]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_reaches_broker_and_database_and_delivery_alone_the_world(documents: Documents, service: str) -> None:
    reaches = {
        (target["podSelector"]["matchLabels"][NAME] if "podSelector" in target else "world", port["port"])
        for rule in named(documents, "NetworkPolicy", service)["spec"]["egress"]
        for target in rule["to"]
        for port in rule["ports"]
    }
    world = {("world", 25)} if service == "delivery" else set()
    assert reaches == {("rabbitmq", 5671), ("mongodb", 27017)} | world


def test_only_the_gateway_hears_the_outside_and_only_services_reach_broker_and_database(
    documents: Documents,
) -> None:
    heard = {
        policy["metadata"]["name"]: policy["spec"]["ingress"]
        for policy in of_kind(documents, "NetworkPolicy")
        if "ingress" in policy["spec"]
    }
    assert set(heard) == {"gateway", "rabbitmq", "mongodb"}
    assert heard["gateway"] == [{"ports": [{"protocol": "TCP", "port": 8443}]}]
    services = {"podSelector": {"matchLabels": {"app.kubernetes.io/component": "service"}}}
    setup = {"podSelector": {"matchLabels": {NAME: "database-init"}}}
    assert heard["rabbitmq"] == [{"from": [services], "ports": [{"protocol": "TCP", "port": 5671}]}]
    assert heard["mongodb"] == [{"from": [services, setup], "ports": [{"protocol": "TCP", "port": 27017}]}]


def test_dlp_alone_scales_by_itself_and_by_one_autoscaler(documents: Documents) -> None:
    (scaler,) = of_kind(documents, "HorizontalPodAutoscaler", "ScaledObject")
    assert scaler["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "dlp"}
    assert scaler["spec"]["minReplicas"] >= 1
    assert "replicas" not in named(documents, "Deployment", "dlp")["spec"]


def test_every_service_object_finds_its_pods_and_port(documents: Documents) -> None:
    found = {}
    for service in of_kind(documents, "Service"):
        selector = service["spec"]["selector"]
        (pod,) = (pod for pod in pods(documents).values() if selector.items() <= pod["metadata"]["labels"].items())
        (container,) = pod["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        found[service["metadata"]["name"]] = [ports[port["targetPort"]] for port in service["spec"]["ports"]]
    assert found == {"gateway": [8443], "rabbitmq": [5671], "mongodb": [27017]}


def installation(directory: Path, compose: Document) -> None:
    """Lay out the files of an installation, as compose names them, each holding its own path."""
    for declared in (*compose["secrets"].values(), *compose["configs"].values()):
        path = declared["file"].removeprefix(compose["home"] + "/")
        if not Path(path).is_absolute():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(path)


def test_the_installation_script_writes_every_object_that_a_pod_mounts_and_nothing_more(
    run: Run, documents: Documents, compose: Document, tmp_path: Path
) -> None:
    installation(tmp_path, compose)
    result = run("deploy/k8s/installation.sh", str(tmp_path), env={"KUBECTL": tool("kubectl")})
    assert result.returncode == 0, result.stderr
    written = [each for each in yaml.safe_load_all(result.stdout) if each]
    assert {each["metadata"]["namespace"] for each in written} == {"secumail"}

    has = {(each["metadata"]["name"], key) for each in of_kind(written, "Secret") for key in each["data"]}
    assert has == set().union(*(files_of(pod, "secret") for pod in pods(documents).values()))

    public = {each["metadata"]["name"]: set(each["data"]) for each in of_kind(written, "ConfigMap")}
    assert public == {"installation": {"ca.pem", "identities.json"}}


def test_the_installation_script_says_which_file_is_missing(run: Run, tmp_path: Path) -> None:
    result = run("deploy/k8s/installation.sh", str(tmp_path), env={"KUBECTL": tool("kubectl")})
    assert result.returncode != 0
    assert str(tmp_path / "keys") in result.stderr


def test_the_configuration_of_broker_and_database_is_the_one_that_compose_mounts(
    documents: Documents,
) -> None:
    maps = {each["metadata"]["name"].rpartition("-")[0]: each["data"] for each in of_kind(documents, "ConfigMap")}
    for server, file in (("rabbitmq", "rabbitmq.conf"), ("mongodb", "mongod.conf")):
        assert maps[server] == {file: (ROOT / "deploy/config" / file).read_text()}
