"""Who has stolen disks and looks for words on them, in every form that software writes words in."""

import base64
import http.server
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ahocorasick_rs import BytesAhoCorasick
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_PIECE = 64 * 2**20


def forms(word: str) -> dict[str, bytes]:
    """How a word of lower-case letters may lie on a disk. (In quoted-printable and JSON it lies as it is.)"""
    raw = word.encode("ascii")
    found = {
        "as it is": raw,
        "in capitals": raw.upper(),
        "with a capital": raw.capitalize(),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "UTF-16 little-endian": word.encode("utf-16-le"),
        "UTF-16 big-endian": word.encode("utf-16-be"),
    }
    for before in range(3):
        # What stands around a word decides how it is cut into groups of three bytes; the groups that are not all
        # the word's own are left out.
        encoded = base64.b64encode(b"\0" * before + raw)
        inner = encoded[-(-before * 4 // 3) : (before + len(raw)) * 4 // 3]
        found[f"base64, shifted by {before}"] = inner
    return found


class Search:
    """Looks for all forms of some words at once."""

    def __init__(self, words: Mapping[str, str]) -> None:
        named = [(f"{what} ({form})", raw) for what, word in words.items() for form, raw in forms(word).items()]
        self._names = [name for name, _ in named]
        self._patterns = BytesAhoCorasick([raw for _, raw in named])
        self._longest = max(len(raw) for _, raw in named)

    def in_bytes(self, data: bytes) -> set[str]:
        """What of the words is in `data`, and in which form."""
        return {self._names[index] for index, _, _ in self._patterns.find_matches_as_indexes(data)}

    def in_files(self, directory: Path) -> dict[str, set[str]]:
        """The same for every file below a directory, by the file's path."""
        found = {}
        for path in sorted(p for p in directory.rglob("*") if p.is_file() and not p.is_symlink()):
            if hits := self._in_file(path):
                found[str(path.relative_to(directory))] = hits
        return found

    def in_document(self, document: object) -> set[str]:
        """The same for every value of a document, decoded as far as the database's format goes."""
        return set().union(*(self.in_bytes(value) for value in _values(document)))

    def _in_file(self, path: Path) -> set[str]:
        hits: set[str] = set()
        with path.open("rb") as file:
            tail = b""
            while piece := file.read(_PIECE):
                hits |= self.in_bytes(tail + piece)
                tail = piece[-self._longest :]
        return hits


def _values(document: object) -> Iterator[bytes]:
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield str(key).encode()
            yield from _values(value)
    elif isinstance(document, list | tuple):
        for value in document:
            yield from _values(value)
    else:
        yield document if isinstance(document, bytes) else str(document).encode()


class Collector:
    """A tracing back end that keeps what it is sent, as a context manager."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the library's name for it
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def spans(self) -> Iterable[Any]:
        """Every span that came."""
        for body in self.bodies:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    yield from scope.spans
