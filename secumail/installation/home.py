"""The directory and the ports of one installation: every path and every address is decided here."""

import contextlib
import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

from secumail.errors import Refused
from secumail.topology import OPERATOR, SERVICES, VHOST

BASE_PORT = 8443
HOST = "127.0.0.1"
DEMO_DOMAIN = "northwind.example"
DATABASE = "secumail"
REPLICA_SET = "rs0"
ROOT = Path(__file__).resolve().parents[2]
"""Where the packages `secumail` and `services` lie."""


@dataclass(frozen=True)
class Ports:
    """The TCP ports of one installation; all of them are bound to the loopback address."""

    https: int
    amqps: int
    mongodb: int
    epmd: int
    distribution: int
    health: Mapping[str, int]

    @classmethod
    def from_base(cls, base: int = BASE_PORT) -> "Ports":
        """The fixed layout: HTTPS, then four of the infrastructure; the health ports from base + 10."""
        if not 1024 <= base <= 65535 - 20:
            raise Refused("bad-port", f"{base} cannot be a base port.", "Choose one from 1024 to 65515.")
        health = {service: base + 10 + n for n, service in enumerate(SERVICES)}
        return cls(base, base + 1, base + 2, base + 3, base + 4, health)

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nobody listens on now, for installations that live beside others (tests)."""
        with contextlib.ExitStack() as held:
            https, amqps, mongodb, epmd, distribution = (_free_port(held) for _ in range(5))
            health = {service: _free_port(held) for service in SERVICES}
        return cls(https, amqps, mongodb, epmd, distribution, health)

    def by_name(self) -> dict[str, int]:
        """Every port with the name of who listens on it."""
        infrastructure = {
            "gateway (https)": self.https,
            "broker": self.amqps,
            "database": self.mongodb,
            "epmd": self.epmd,
            "broker (distribution)": self.distribution,
        }
        return infrastructure | {f"{service} (health)": port for service, port in self.health.items()}


@dataclass(frozen=True)
class Home:
    """One installation. Everything it keeps lies under `path`, and nothing elsewhere."""

    path: Path
    ports: Ports = field(default_factory=Ports.from_base)
    domains: Sequence[str] = (DEMO_DOMAIN,)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", self.path.resolve())

    @classmethod
    def open(cls, path: Path) -> "Home":
        """The installation as it was last started. Refused where there is none."""
        try:
            kept = json.loads((path / "installation.json").read_text())
        except FileNotFoundError:
            raise Refused("no-installation", f"There is no installation in {path}.", "Run: secumail up") from None
        return cls(path, Ports(**kept["ports"]), tuple(kept["domains"]))

    def save(self) -> None:
        """Makes the directory, and keeps ports and domains for `open`."""
        private_directory(self.path)
        kept = {"ports": asdict(self.ports), "domains": list(self.domains)}
        write_private(self.path / "installation.json", json.dumps(kept, indent=1))

    @property
    def tls(self) -> Path:
        """Certificates and their keys."""
        return self.path / "tls"

    @property
    def ca(self) -> Path:
        """The certificate that clients, services and the operator trust."""
        return self.tls / "ca.pem"

    @property
    def keys(self) -> Path:
        """The KMS's scope keys."""
        return self.path / "keys"

    @property
    def identities(self) -> Path:
        """The services' public identity keys."""
        return self.path / "identities.json"

    @property
    def authority(self) -> Path:
        """The issuing authority's certificate chain, for crypto."""
        return self.path / "authority"

    @property
    def rabbitmq(self) -> Path:
        """The broker's configuration, definitions and data."""
        return self.path / "rabbitmq"

    @property
    def mongodb(self) -> Path:
        """The database's key file and data."""
        return self.path / "mongodb"

    @property
    def logins(self) -> Path:
        """What the seed leaves for the table of `up`: a JSON list of {"who", "address", "password"}."""
        return self.path / "secrets" / "logins.json"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.path / "logs"

    @property
    def records(self) -> Path:
        """One record per process: its pid and how it fares."""
        return self.path / "pids"

    def secrets(self, identity: str) -> Path:
        """The directory with one identity's passwords."""
        return self.path / "secrets" / identity

    def log(self, name: str) -> Path:
        """The log of one process."""
        return self.logs / f"{name}.log"

    def amqp_url(self, user: str, password: str = "") -> str:
        """The private broker's address for `user`; the password is left out where it is empty."""
        return f"amqps://{_userinfo(user, password)}@{HOST}:{self.ports.amqps}/{VHOST}"

    def mongodb_url(self, user: str, password: str = "") -> str:
        """The private database's address for `user`; the password is left out where it is empty."""
        member = f"{HOST}:{self.ports.mongodb}"
        return f"mongodb://{_userinfo(user, password)}@{member}/?replicaSet={REPLICA_SET}&tls=true"

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"https://localhost:{self.ports.https}"

    def health_url(self, service: str, path: str = "/readyz") -> str:
        """A service's health page."""
        return f"http://{HOST}:{self.ports.health[service]}{path}"


IDENTITIES = (*SERVICES, OPERATOR)


def private_directory(path: Path) -> Path:
    """Makes a directory that only its owner enters, and likewise each parent that is missing."""
    for directory in reversed([path, *path.parents]):
        if not directory.exists():
            directory.mkdir(mode=0o700, exist_ok=True)
    return path


def write_private(path: Path, content: str | bytes) -> None:
    """Writes a file that only its owner reads: whole or not at all, even when the power fails."""
    private_directory(path.parent)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)


def _userinfo(user: str, password: str) -> str:
    return f"{user}:{quote(password, safe='')}" if password else user


def _free_port(held: contextlib.ExitStack) -> int:
    # All are held until the last is found, so that no port is given twice.
    listener = held.enter_context(socket.socket())
    listener.bind((HOST, 0))
    port: int = listener.getsockname()[1]
    return port
