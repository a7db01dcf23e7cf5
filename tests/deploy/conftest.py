"""What the deployment tests look at: the rendered Kubernetes base and the resolved compose project.

The tools are the real ones, installed by the development requirements: kubectl, docker-compose, hadolint and
kubernetes-validate. None of them needs an engine or a cluster for what is asked of them here.
"""

import json
import os
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SERVICES = ("gateway", "auth", "dlp", "crypto", "stego", "delivery")

Document = dict[str, Any]
Documents = list[Document]
Run = Callable[..., subprocess.CompletedProcess[str]]


def tool(name: str) -> str:
    """The path of a tool that the development requirements install beside this interpreter."""
    path = Path(sysconfig.get_path("scripts")) / name
    assert path.exists(), f"{name} is missing: install the development requirements"
    return str(path)


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a command in the repository's root with a bare environment; returns its code and output."""

    def runs(*command: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        bare = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **(env or {})}
        return subprocess.run(command, cwd=cwd, env=bare, capture_output=True, text=True, check=False, timeout=120)

    return runs


@pytest.fixture(scope="session")
def rendered(run: Run) -> str:
    """The manifest that `kubectl apply -k deploy/k8s/base` would send."""
    result = run(tool("kubectl"), "kustomize", "deploy/k8s/base")
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="session")
def documents(rendered: str) -> Documents:
    """The rendered manifest's documents."""
    return [document for document in yaml.safe_load_all(rendered) if document]


@pytest.fixture(scope="session")
def compose(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Document:
    """The compose project as the engine would get it, of an installation in a directory of its own."""
    home = tmp_path_factory.mktemp("installation")
    result = run(
        *(tool("docker-compose"), "--file", "docker-compose.yml", "config", "--format", "json"),
        env={"SECUMAIL_HOME": str(home)},
    )
    assert result.returncode == 0, result.stderr
    project: Document = json.loads(result.stdout)
    return {**project, "home": str(home)}


def of_kind(documents: Documents, *kinds: str) -> Iterator[Document]:
    """The documents of some kinds."""
    return (document for document in documents if document["kind"] in kinds)


def named(documents: Documents, kind: str, name: str) -> Document:
    """The one document of a kind and name."""
    (document,) = (each for each in of_kind(documents, kind) if each["metadata"]["name"] == name)
    return document
