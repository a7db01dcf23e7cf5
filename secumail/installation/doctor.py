"""What may be wrong with this machine or this installation, and for each fault its fix."""

import asyncio
import datetime
import platform
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import aio_pika
from aiormq.exceptions import AMQPError
from pymongo.errors import PyMongoError

from secumail.errors import Refused
from secumail.installation import broker, certificates, credentials, database, toolchain
from secumail.installation.home import Home
from secumail.installation.probes import http_status, listens
from secumail.installation.supervisor import is_running
from secumail.topology import OPERATOR, SERVICES

_LEAST_DISK = 2 * 2**30
EPOCH = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_PATIENCE = 20.0
_CA_DAYS = 90
"""So many days before its end an issuing CA ought to have a successor: no certificate outlives it."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `ok` None: there is nothing to judge. `fix` says what to do where it is False."""

    what: str
    ok: bool | None
    found: str
    fix: str = ""


async def examine(home: Home) -> Sequence[Finding]:
    """Everything, in the order in which an operator would ask."""
    up = is_running(home)
    findings = [_python(), _openssl(), _rabbitmq(), _mongod(), _node(), _disk(home), _clock(home)]
    findings += await _ports(home, up)
    findings += _certificates(home)
    if not up:
        return [*findings, Finding("installation", None, "is not up; start it with: secumail up")]
    findings += await asyncio.gather(_broker_connects(home), _broker_alarms(home), _replica_set(home))
    findings += await asyncio.gather(*(_service(home, name) for name in SERVICES))
    return findings


def _python() -> Finding:
    try:
        library = f", cryptography {version('cryptography')}"
    except PackageNotFoundError:
        library = ""
    ok = sys.version_info >= (3, 11)
    return Finding("python", ok, platform.python_version() + library, "Install Python 3.11 or newer.")


def _openssl() -> Finding:
    return Finding("openssl", ssl.OPENSSL_VERSION_INFO >= (3, 0), ssl.OPENSSL_VERSION, "Install OpenSSL 3 or newer.")


def _rabbitmq() -> Finding:
    return _tool("rabbitmq", lambda: toolchain.rabbitmq().version)


def _mongod() -> Finding:
    return _tool("mongod", lambda: _first_line([str(toolchain.mongod()), "--version"]))


def _node() -> Finding:
    found = shutil.which("node")
    if found is None:
        return Finding("node", None, "not installed (only building the web client needs it)")
    return Finding("node", True, _first_line([found, "--version"]))


def _tool(what: str, ask: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, ask())
    except Refused as refused:
        return Finding(what, False, refused.words, refused.fix)


def _disk(home: Home) -> Finding:
    there = next(path for path in (home.path, *home.path.parents) if path.exists())
    free = shutil.disk_usage(there).free
    return Finding("disk", free > _LEAST_DISK, f"{free / 2**30:.1f} GiB free", f"Free 2 GiB where {there} lies.")


def _clock(home: Home) -> Finding:
    now = datetime.datetime.now(datetime.UTC)
    newest = home.ca.stat().st_mtime if home.ca.exists() else 0.0
    ok = now > EPOCH and now.timestamp() >= newest - 60
    return Finding("clock", ok, now.isoformat(timespec="seconds"), "Set the clock: certificates and codes need it.")


async def _ports(home: Home, up: bool) -> list[Finding]:
    ports = home.ports.by_name()
    taken = dict(zip(ports, await asyncio.gather(*map(listens, ports.values())), strict=True))
    if up:
        return [Finding("ports", True, f"{sum(taken.values())} of {len(ports)} in use by this installation")]
    fix = "Stop who listens there, or choose another base port: secumail up --port N"
    wrong = [Finding(f"port {ports[n]}", False, f"{n}: somebody listens", fix) for n in ports if taken[n]]
    return wrong or [Finding("ports", True, f"{len(ports)} free")]


def _certificates(home: Home) -> list[Finding]:
    files = {"CA": home.ca} | {name: certificates.certificate(home, name) for name in certificates.SERVERS}
    there = {name: certificates.days_left(file) for name, file in files.items() if file.exists()}
    issuing = home.authority / "ca.pem"
    if not there:
        return [Finding("certificates", None, "none yet; they are made at the first start")]
    fix = "Start again: secumail down; secumail up (they are renewed at start)."
    found = [Finding(f"certificate of {name}", days > 0, f"{days} days left", fix) for name, days in there.items()]
    if issuing.exists():
        days, fix = certificates.days_left(issuing), "Renew it with the offline root's key: secumail renew-authority."
        found.append(Finding("certificate of the mail's issuing CA", days > _CA_DAYS, f"{days} days left", fix))
    return found


async def _broker_connects(home: Home) -> Finding:
    fix = f"See {home.log('broker')}"
    context = ssl.create_default_context(cafile=str(home.ca))
    url = home.amqp_url(OPERATOR, credentials.read(home, OPERATOR, credentials.AMQP))
    try:
        connection = await aio_pika.connect(url, ssl_context=context, timeout=5)
    except (AMQPError, OSError, TimeoutError) as error:
        return Finding("broker", False, f"does not let the operator in ({type(error).__name__})", fix)
    await connection.close()
    return Finding("broker", True, "lets the operator in, over TLS")


async def _broker_alarms(home: Home) -> Finding:
    alarms = await broker.alarms(home)
    fix = "Free memory or disk: publishers stand still until the alarm ends."
    return Finding("broker alarms", not alarms, alarms or "none", fix)


async def _replica_set(home: Home) -> Finding:
    client = database.member(home).connect()
    try:
        status = await client.admin.command("replSetGetStatus")
    except PyMongoError as error:
        return Finding("database", False, f"no answer ({type(error).__name__})", f"See {home.log('database')}")
    finally:
        client.close()
    state = status["members"][0]["stateStr"]
    return Finding(
        "database", state == "PRIMARY", f"replica set {status['set']}: {state}", f"See {home.log('database')}"
    )


async def _service(home: Home, name: str) -> Finding:
    status = await http_status(home.ports.health[name], "/readyz")
    words = {None: "does not answer", 200: "ready"}.get(status, "not ready")
    return Finding(name, status == 200, words, f"See {home.log(name)}")


def _first_line(argv: Sequence[str]) -> str:
    output = subprocess.run(argv, capture_output=True, text=True, timeout=_PATIENCE, check=False).stdout
    return output.partition("\n")[0] or "no answer"
