"""A tiny OTLP/HTTP collector: what an operator's tracing back end would be given."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    """Spans by service, as they arrive."""

    endpoint: str
    spans: list[tuple[str, Span]] = field(default_factory=list)

    def of_trace(self, trace: str) -> list[tuple[str, Span]]:
        """The spans of one trace, oldest first."""
        found = [(service, span) for service, span in self.spans if span.trace_id.hex() == trace]
        return sorted(found, key=lambda row: row[1].start_time_unix_nano)

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[..., Awaitable[None]],
    ) -> None:
        """The ASGI application behind POST /v1/traces."""
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scoped in resource.scope_spans:
                self.spans += [(names["service.name"], span) for span in scoped.spans]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """A collector on a free loopback port."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    collector = Collector(f"http://127.0.0.1:{port}")
    config = uvicorn.Config(collector, host="127.0.0.1", port=port, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield collector
    finally:
        server.should_exit = True
        await running
