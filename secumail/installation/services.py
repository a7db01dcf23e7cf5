"""The six services as data: what to run and with which environment (see secumail.settings)."""

import os
import sys
from collections.abc import Iterable, Mapping

from secumail.installation import certificates
from secumail.installation.home import DATABASE, HOST, ROOT, Home
from secumail.installation.probes import http_status
from secumail.installation.program import Program, Ready
from secumail.topology import SERVICES


def outside(name: str) -> str | None:
    """The address of a broker (AMQP_URL) or database (MONGODB_URL) that is not ours, if there is one."""
    return os.environ.get(name) or None


def programs(home: Home, names: Iterable[str] = SERVICES) -> tuple[Program, ...]:
    """These services, ready to be given to a Stack."""
    return tuple(program(home, name) for name in names)


def program(home: Home, name: str) -> Program:
    """One service."""
    return Program(name, [sys.executable, "-m", f"services.{name}"], environment(home, name), _ready(home, name))


def environment(home: Home, name: str) -> Mapping[str, str]:
    """What a service finds in its environment: the caller's, and over it what this installation decides.

    A broker or database given by AMQP_URL or MONGODB_URL is verified against SECUMAIL_TLS_CA where the caller
    sets it, else against the installation's authority; credentials are part of such an address.
    """
    own = {
        "AMQP_URL": outside("AMQP_URL") or home.amqp_url(name),
        "MONGODB_URL": outside("MONGODB_URL") or home.mongodb_url(name),
        "PYTHONPATH": str(ROOT),
        "SECUMAIL_SECRETS": str(home.secrets(name)),
        "SECUMAIL_KEYS": str(home.keys),
        "SECUMAIL_IDENTITIES": str(home.identities),
        "SECUMAIL_DATABASE": DATABASE,
        "SECUMAIL_DOMAINS": ",".join(home.domains),
        "SECUMAIL_BIND": HOST,
        "SECUMAIL_HEALTH_PORT": str(home.ports.health[name]),
    }
    if name == "gateway":
        own |= {
            "SECUMAIL_PORT": str(home.ports.https),
            "SECUMAIL_TLS_CERT": str(certificates.certificate(home, "gateway")),
            "SECUMAIL_TLS_KEY": str(certificates.key(home, "gateway")),
        }
    if name == "crypto":
        own["SECUMAIL_AUTHORITY"] = str(home.authority)
        # It stands in certificates for years: an address that people outside reach takes precedence.
        own["SECUMAIL_PUBLIC_URL"] = os.environ.get("SECUMAIL_PUBLIC_URL") or home.url
    return {"SECUMAIL_TLS_CA": str(home.ca), **os.environ, **own}


def _ready(home: Home, name: str) -> Ready:
    async def ready() -> bool:
        return await http_status(home.ports.health[name], "/readyz") == 200

    return ready
