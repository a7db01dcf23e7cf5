"""A server with faults to order: real HTTP on a free port, each request answered by the next line of a script."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass(frozen=True)
class Answer:
    """One answer; `hang_up` closes the connection without any."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False


def problem(status: int, code: str, detail: str, fix: str, **headers: str) -> Answer:
    """A problem as SecuMail answers it."""
    body = {"type": f"/problems/{code}", "title": code, "status": status, "detail": detail, "fix": fix, "code": code}
    return Answer(status, {**body, "trace": ""}, {name.replace("_", "-"): value for name, value in headers.items()})


HANG_UP = Answer(hang_up=True)
BUSY = problem(503, "not-now", "A part of the mail system does not answer.", "Try again.", Retry_After="0")


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Server:
    """What was asked, and where to ask."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.requests: list[Request] = []


@contextmanager
def answering(*script: Answer) -> Iterator[Server]:
    """Serve the script; its last line answers everything that follows."""
    waiting = list(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.requests.append(Request(self.command, self.path, headers, body))
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if answer.hang_up:
                self.close_connection = True
                return
            content = _content(answer.body)
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(content)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server = Server(listening.server_port)
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


def _content(body: object) -> bytes:
    """As it is sent: bytes as they are, anything else as JSON."""
    if body is None or isinstance(body, bytes):
        return body or b""
    return json.dumps(body).encode()
