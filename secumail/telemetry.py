"""Tracing and logs: one trace per mail, spans by OpenTelemetry's messaging conventions, and nothing personal in them.

Spans exist whether or not they are exported, because the trace context travels with every event; they are
exported where OTEL_EXPORTER_OTLP_ENDPOINT is set. `ATTRIBUTES` is the registry: a test refuses any other key.
"""

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from secumail import __version__

ATTRIBUTES = frozenset(
    {
        "messaging.system",
        "messaging.destination.name",
        "messaging.operation.name",
        "messaging.operation.type",
        "messaging.message.id",
        "messaging.message.conversation_id",
        "messaging.message.body.size",
        "messaging.rabbitmq.destination.routing_key",
        "error.type",
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "secumail.mail.id",
        "secumail.mail.generation",
        "secumail.attempt",
        "secumail.command",
        "secumail.done",
        "secumail.of",
    }
)

Attributes = Mapping[str, str | int]

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("secumail")
_ids = RandomIdGenerator()


def start(service: str, processors: tuple[SpanProcessor, ...] = ()) -> TracerProvider:
    """Set up tracing for this process. `shutdown()` of what it returns flushes.

    Where nobody listens spans are not recorded: they only carry the trace's id along.
    """
    exported = bool(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"))
    provider = TracerProvider(
        resource=Resource.create(
            {"service.name": service, "service.version": __version__, "service.namespace": "secumail"}
        ),
        shutdown_on_exit=False,
    )
    if exported:
        # Only now: protobuf and an HTTP client cost every start of every service a sixth of a second.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    for processor in processors:
        provider.add_span_processor(processor)
    if exported or processors:
        trace.set_tracer_provider(provider)
    return provider


def traceparent() -> str:
    """The current context as a W3C traceparent, empty outside any span."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent", "")


def trace_id() -> str:
    """The current trace's id in hex, empty outside any span."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""


def span_id() -> str:
    """The current span's id in hex, empty outside any span."""
    context = trace.get_current_span().get_span_context()
    return f"{context.span_id:016x}" if context.is_valid else ""


@contextmanager
def within(parent: str | None) -> Iterator[None]:
    """Go on in a stored trace: a released mail keeps its trace days later."""
    if not parent:
        yield
        return
    token = otel_context.attach(_propagator.extract({"traceparent": parent}, otel_context.Context()))
    try:
        yield
    finally:
        otel_context.detach(token)


def sending(destination: str, key: str, attributes: Attributes) -> "Spanning":
    """A `send` span (PRODUCER) around a publish."""
    return Spanning(
        f"send {destination}",
        SpanKind.PRODUCER,
        {
            "messaging.system": "rabbitmq",
            "messaging.destination.name": f"{destination}:{key}",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.rabbitmq.destination.routing_key": key,
            **attributes,
        },
    )


def processing(queue: str, parent: str | None, attributes: Attributes) -> "Spanning":
    """A `process` span (CONSUMER): child of the message's creation context, and linked to it."""
    context = _propagator.extract({"traceparent": parent or ""}, otel_context.Context())
    creation = trace.get_current_span(context).get_span_context()
    return Spanning(
        f"process {queue}",
        SpanKind.CONSUMER,
        {
            "messaging.system": "rabbitmq",
            "messaging.destination.name": queue,
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            **attributes,
        },
        context,
        [Link(creation)] if creation.is_valid else [],
    )


def arriving(name: str, attributes: Attributes) -> "Spanning":
    """A SERVER span at a public door: the root of a trace, whatever the current context.

    asyncio calls a connection back in the context in which its reading was resumed, so that after a large upload
    the current context of the next request would be that upload's.
    """
    return Spanning(name, SpanKind.SERVER, attributes, otel_context.Context())


def serving(name: str, attributes: Attributes) -> "Spanning":
    """A SERVER span inside a trace: what a person asked for is done."""
    return Spanning(name, SpanKind.SERVER, attributes)


def failed(span: Span, error_type: str) -> None:
    """Mark a span as failed by a code; never by an exception's text, which might quote a mail."""
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", error_type)


def progress(name: str, done: int, of: int) -> None:
    """An event of the current span: how much of something long is done."""
    trace.get_current_span().add_event(name, {"secumail.done": done, "secumail.of": of})


def _unrecorded(context: otel_context.Context | None) -> Span:
    """A span that only carries the trace's id along."""
    parent = trace.get_current_span(context).get_span_context()
    trace_id = parent.trace_id if parent.is_valid else _ids.generate_trace_id()
    return NonRecordingSpan(SpanContext(trace_id, _ids.generate_span_id(), is_remote=False))


class Spanning:
    """A span that is current while it lasts, and fails with an exception's code or type. (A class: four of these
    go with every mail, and the library's stacked generators cost several times as much.)"""

    __slots__ = ("_attributes", "_context", "_kind", "_links", "_name", "_span", "_token")

    def __init__(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
        context: otel_context.Context | None = None,
        links: Sequence[Link] = (),
    ) -> None:
        self._name = name
        self._kind = kind
        self._attributes = attributes
        self._context = context
        self._links = links

    def __enter__(self) -> Span:
        if isinstance(trace.get_tracer_provider(), TracerProvider):
            self._span = _tracer.start_span(self._name, self._context, self._kind, self._attributes, self._links)
        else:
            self._span = _unrecorded(self._context)
        self._token = otel_context.attach(trace.set_span_in_context(self._span, self._context))
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if error is not None:
            failed(self._span, getattr(error, "code", None) or type(error).__name__)
        otel_context.detach(self._token)
        self._span.end()


_OWN = ("secumail", "services")


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, service, where, words, and the known extra fields. No exception texts."""

    _EXTRA = ("mail", "code", "cause", "queue", "command", "attempt", "count", "account", "port", "seconds")

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "where": record.name,
            # Libraries quote URLs, documents and bodies; of them only who and how bad is told.
            "words": record.getMessage() if record.name.startswith(_OWN) else "library message",
        }
        line |= {key: getattr(record, key) for key in self._EXTRA if hasattr(record, key)}
        if record.exc_info and record.exc_info[0] is not None:
            # The type and the place, not the text: an exception may quote what it choked on.
            line["error"] = record.exc_info[0].__name__
            line["at_line"] = _place(record)
        if span := span_id():
            line |= {"trace": trace_id(), "span": span}
        return json.dumps(line)


def _place(record: logging.LogRecord) -> list[str]:
    places = []
    tb = record.exc_info[2] if record.exc_info else None
    while tb is not None:
        places.append(f"{tb.tb_frame.f_code.co_filename.rsplit('/', 2)[-1]}:{tb.tb_lineno}")
        tb = tb.tb_next
    return places[-6:]


def start_logs(service: str, level: str) -> None:
    """JSON lines on standard error for our own loggers; libraries speak from WARNING up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in _OWN:
        logging.getLogger(name).setLevel(level)
