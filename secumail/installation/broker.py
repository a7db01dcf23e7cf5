"""The private RabbitMQ: one node, loopback and TLS only, defined by secumail.topology at every boot.

The Erlang VM is started directly and not through the distribution's scripts: those switch to a system user
and put a shell between us and the process. The node gets a library path with what it needs and no more: with
every plugin on it, Erlang looks for each module in all of their directories (52 000 failed opens in one boot), and
the boot takes about twice as long (medians of three on two busy cores: 6.6 s with, 3.2 s without).
"""

import asyncio
import json
import os
import re
import secrets
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path

from secumail.installation import certificates, toolchain
from secumail.installation.home import HOST, Home, private_directory, write_private
from secumail.installation.probes import listens, speaks_amqp
from secumail.installation.program import Program

NODE = "secumail@localhost"
"""Unique without a number: every installation has an epmd of its own."""

_APPLICATIONS = re.compile(r"\{\s*applications\s*,\s*\[([^\]]*)\]")

_CONFIGURATION = """\
listeners.tcp = none
listeners.ssl.default = {host}:{port}
ssl_options.cacertfile = {ca}
ssl_options.certfile = {certificate}
ssl_options.keyfile = {key}
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
# A service proves itself by its own user and password; the broker proves itself by its certificate.
ssl_options.verify = verify_none
ssl_options.fail_if_no_peer_cert = false
load_definitions = {definitions}
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 128MB
raft.wal_max_size_bytes = 67108864
log.file = false
log.console = true
log.console.level = info
log.connection.level = warning
"""


def write_definitions(home: Home, definitions: Mapping[str, object]) -> None:
    """Writes what the node loads at every boot: users, permissions, exchanges, queues, policies."""
    write_private(home.rabbitmq / "definitions.json", json.dumps(definitions))


def prepare(home: Home) -> None:
    """Writes the rest of what the node reads at boot."""
    rabbitmq = toolchain.rabbitmq()
    write_private(home.rabbitmq / "enabled_plugins", "[].\n")
    write_private(
        home.rabbitmq / "rabbitmq.conf",
        _CONFIGURATION.format(
            host=HOST,
            port=home.ports.amqps,
            ca=home.ca,
            certificate=certificates.certificate(home, "rabbitmq"),
            key=certificates.key(home, "rabbitmq"),
            definitions=home.rabbitmq / "definitions.json",
        ),
    )
    cookie = home.rabbitmq / "home" / ".erlang.cookie"
    if not cookie.exists():
        write_private(cookie, secrets.token_hex(32))
        cookie.chmod(0o400)
    _link_libraries(home.rabbitmq / "lib", libraries(rabbitmq.plugins))


def epmd(home: Home) -> Program:
    """Erlang's port mapper, ours alone: it tells the CLI tools the node's distribution port."""

    async def ready() -> bool:
        return await listens(home.ports.epmd)

    argv = [str(toolchain.program("epmd", "erlang-base")), "-address", HOST, "-port", str(home.ports.epmd)]
    return Program("epmd", argv, _base_environment(home), ready, grace=5)


def program(home: Home) -> Program:
    """The node. It needs `epmd`."""
    # As soon as certificates exist; they are renewed only at start.
    trusted = ssl.create_default_context(cafile=str(home.ca))

    async def ready() -> bool:
        return await speaks_amqp(home.ports.amqps, trusted)

    schedulers = "1" if (os.cpu_count() or 1) <= 2 else "2"
    argv = [
        str(toolchain.program("erl", "erlang-base")), "-noinput",
        "-boot", "start_sasl", "-s", "rabbit", "boot",
        "+W", "w", "+B", "i",
        # Allocators, process and atom limits as the distribution's script sets them.
        "+MBas", "ageffcbf", "+MHas", "ageffcbf", "+MBlmbcs", "512", "+MHlmbcs", "512", "+MMmcs", "30",
        "+P", "1048576", "+t", "5000000", "+zdbbl", "128000",
        # Idle schedulers sleep at once: busy waiting takes the CPU from the services on the same machine.
        "+S", f"{schedulers}:{schedulers}", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none",
        "-start_epmd", "false", "-kernel", "inet_dist_use_interface", "{127,0,0,1}",
        "-kernel", "prevent_overlapping_partitions", "false",
        "-syslog", "logger", "[]", "-syslog", "syslog_error_logger", "false",
    ]  # fmt: skip
    return Program("broker", argv, environment(home), ready)


def environment(home: Home) -> Mapping[str, str]:
    """The environment of the node and of the tools that talk to it (rabbitmqctl)."""
    rabbitmq = toolchain.rabbitmq()
    return {
        **_base_environment(home),
        "ERL_LIBS": str(home.rabbitmq / "lib"),
        "ERL_MAX_PORTS": "65536",
        "ERL_MAX_ETS_TABLES": "50000",
        "ERL_CRASH_DUMP_BYTES": "0",  # a dump would hold messages and passwords
        "RABBITMQ_HOME": str(rabbitmq.root),
        "RABBITMQ_PLUGINS_DIR": str(home.rabbitmq / "lib"),
        "RABBITMQ_NODENAME": NODE,
        "RABBITMQ_DIST_PORT": str(home.ports.distribution),
        "RABBITMQ_CONFIG_FILE": str(home.rabbitmq / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home.rabbitmq / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(private_directory(home.rabbitmq / "data")),
        "RABBITMQ_LOG_BASE": str(home.logs),
        "RABBITMQ_LOGS": "-",
    }


def libraries(plugins: Path, roots: Iterable[str] = ("rabbit", "rabbitmq_prelaunch")) -> list[Path]:
    """The directories under `plugins` that the applications `roots` need, as their .app files say."""
    by_name = {path.name.rsplit("-", 1)[0]: path for path in plugins.iterdir() if path.is_dir()}
    needed: dict[str, Path] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in needed or name not in by_name:  # not there: it is one of Erlang's own
            continue
        needed[name] = by_name[name]
        found = _APPLICATIONS.search((by_name[name] / "ebin" / f"{name}.app").read_text())
        if found:
            waiting += [application.strip() for application in found[1].split(",")]
    return sorted(needed.values())


def _link_libraries(directory: Path, wanted: Iterable[Path]) -> None:
    private_directory(directory)
    for link in directory.iterdir():
        link.unlink()
    for library in wanted:
        (directory / library.name).symlink_to(library)


def _base_environment(home: Home) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(home.rabbitmq / "home"),
        "ERL_EPMD_PORT": str(home.ports.epmd),
        "ERL_EPMD_ADDRESS": HOST,
    }


async def alarms(home: Home) -> str:
    """What the broker's own tool says of resource alarms (memory, disk), which hold publishers back; "" for none."""
    process = await asyncio.create_subprocess_exec(
        str(toolchain.rabbitmq().root / "sbin" / "rabbitmq-diagnostics"), "--quiet", "check_alarms",
        env=environment(home),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return output.decode(errors="replace").strip() if process.returncode else ""
