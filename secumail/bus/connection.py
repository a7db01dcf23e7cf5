"""How to reach the broker: TLS verified against the installation's CA, patience while it boots."""

import asyncio
import logging
import ssl
from pathlib import Path

import aio_pika
from aio_pika.abc import AbstractRobustConnection
from aiormq.exceptions import AMQPConnectionError

log = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds to wait for a broker that is not there yet."""


def tls_context(ca: Path | None) -> ssl.SSLContext:
    """Verifies the broker's certificate against `ca` (or the system's)."""
    return ssl.create_default_context(cafile=str(ca) if ca else None)


async def connect(url: str, ca: Path | None, name: str, patience: float = PATIENCE) -> AbstractRobustConnection:
    """A connection that restores itself. ConnectionError where the broker stays away for `patience` seconds."""
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        try:
            return await aio_pika.connect_robust(
                url,
                ssl_context=tls_context(ca) if url.startswith("amqps") else None,
                client_properties={"connection_name": name},
                reconnect_interval=1,
                timeout=10,
            )
        except (AMQPConnectionError, OSError, TimeoutError):
            if asyncio.get_running_loop().time() > deadline:
                raise
            log.info("waiting for the broker")
            await asyncio.sleep(0.5)
