"""The public API over HTTPS, as commands use it: every fault is a Refused with words, every wait is bounded."""

import itertools
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, cast
from uuid import uuid4

import httpx

from secumail.cli import session
from secumail.cli.answers import Accepted, Row
from secumail.errors import Refused

Rate = Literal["careful", "normal", "maximum"]
"""How much of a hidden mail pictures carry."""
PAGE = 200
PATIENCE = 30.0
"""Seconds after which nothing is tried again."""
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)  # an answer may take 30 s: GET /submissions/{id}?wait=30
_SHORTEST, _LONGEST = 0.1, 2.0
_NOT_REACHED = (httpx.ConnectError, httpx.ConnectTimeout)


@dataclass(frozen=True)
class Hiding:
    """Pictures to hide a mail in, in the order they are to be shown, and the text that goes with them.

    `pictures`: name and file each; none: the organisation's.
    """

    pictures: tuple[tuple[str, bytes], ...] = ()
    text: str = ""
    rate: Rate = "normal"

    def __repr__(self) -> str:
        return f"Hiding({len(self.pictures)})"


@dataclass(frozen=True)
class Password:
    """A password for the recipients outside, a hint for them (may be empty), and for how many days (None: as usual)."""

    password: str
    hint: str = ""
    days: int | None = None

    def __repr__(self) -> str:
        return "Password(...)"


class Client:
    """One server, and (with a token) one session on it.

    A request that may be repeated is repeated when its connection is lost, or when the server is too busy and
    says so (429, 503: Retry-After), for `patience` seconds at most.
    """

    def __init__(
        self, url: str, ca: str | None = None, token: str = "", address: str = "", patience: float = PATIENCE
    ) -> None:
        self._url = url.rstrip("/")
        self._address = address
        self._patience = patience
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=f"{self._url}/api/v1", headers=headers, timeout=_TIMEOUT, verify=_trust(ca))
        self._reached = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        """GET: the answer's JSON."""
        given = {name: value for name, value in params.items() if value is not None}
        return _json(self._request("GET", path, params=given))

    def text(self, path: str, **params: Any) -> tuple[str, str]:
        """GET: the answer's text, and the version it is of (its ETag)."""
        given = {name: value for name, value in params.items() if value is not None}
        answer = self._request("GET", path, params=given)
        return answer.text, answer.headers.get("etag", "").strip('"')

    def content(self, path: str) -> bytes:
        """GET: the answer's bytes."""
        return self._request("GET", path).content

    def post(self, path: str, body: Any = None) -> Any:
        """POST a JSON body. Never repeated when the answer was lost: it may have been done."""
        return _json(self._request("POST", path, repeatable=False, json=body))

    def download(self, path: str, body: Any) -> bytes:
        """POST a JSON body: the answer's bytes. Never repeated, as above."""
        return self._request("POST", path, repeatable=False, json=body).content

    def patch(self, path: str, body: Any) -> None:
        """PATCH. Flags, folders, roles: doing it twice is doing it once."""
        self._request("PATCH", path, json=body)

    def put(self, path: str, body: Any, version: str) -> Any:
        """PUT what was changed of `version`; Refused `changed-meanwhile` where it is no longer the current one."""
        return _json(self._request("PUT", path, repeatable=False, json=body, headers={"If-Match": f'"{version}"'}))

    def change(self, path: str, body: Any, version: str) -> Any:
        """PATCH what was changed of `version`; Refused as in `put`."""
        return _json(self._request("PATCH", path, repeatable=False, json=body, headers={"If-Match": f'"{version}"'}))

    def put_text(self, path: str, text: str, media_type: str, version: str) -> Any:
        """PUT a text instead of `version`; Refused as in `put`."""
        return self._text("PUT", path, text, media_type, version)

    def change_by_text(self, path: str, text: str, media_type: str, version: str, **params: str) -> Any:
        """PATCH what a text changes of `version`; Refused as in `put`."""
        return self._text("PATCH", path, text, media_type, version, params)

    def scan(self, raw: bytes, to: Sequence[str] = ()) -> Any:
        """POST a raw mail to be looked at, not sent."""
        headers = {"Content-Type": "message/rfc822"}
        return _json(self._request("POST", "/scan", params={"to": list(to)}, headers=headers, content=raw))

    def upload(self, path: str, data: bytes, **params: Any) -> Any:
        """POST a file. Never repeated, as above."""
        headers = {"Content-Type": "application/octet-stream"}
        return _json(self._request("POST", path, repeatable=False, params=params, headers=headers, content=data))

    def judge(self, pictures: Sequence[tuple[str, bytes]]) -> Any:
        """POST pictures to be looked at as covers, not kept."""
        return _json(self._request("POST", "/covers/judge", files=[("cover", picture) for picture in pictures]))

    def delete(self, path: str) -> None:
        """DELETE. Not repeated: the second answer would be that there is no such thing."""
        self._request("DELETE", path, repeatable=False)

    def send(
        self,
        raw: bytes,
        to: Sequence[str] = (),
        hiding: Hiding | None = None,
        key: str | None = None,
        form: str = "auto",
        password: Password | None = None,
        why: str = "",
    ) -> Accepted:
        """Send a raw mail; `why`: the reason, where it came back for one.

        The same `key` (made afresh here) goes with every repetition: it is kept once.
        """
        headers = {"Idempotency-Key": key or uuid4().hex}
        params: dict[str, Any] = {"form": form, **({"to": list(to)} if to else {})}
        if hiding is None and password is None and not why:
            headers["Content-Type"] = "message/rfc822"
            answer = self._request("POST", "/messages", params=params, headers=headers, content=raw)
        else:
            files: list[tuple[str, Any]] = [("message", ("mail.eml", raw))]
            fields: dict[str, str] = {"reason": why} if why else {}
            if hiding is not None:
                files += [("cover", picture) for picture in hiding.pictures]
                fields |= {"conceal": "true", "cover_text": hiding.text, "rate": hiding.rate}
            if password is not None:
                fields |= {"password": password.password, "hint": password.hint}
                fields |= {"expires_days": str(password.days)} if password.days is not None else {}
            answer = self._request("POST", "/messages", params=params, headers=headers, data=fields, files=files)
        return cast(Accepted, _json(answer))

    def rows(self, path: str, most: int | None = None, **params: Any) -> Iterator[Row]:
        """The rows of a paged list, newest first; all of them, or at most `most`."""
        cursor: str | None = None
        left = most
        while left is None or left > 0:
            page = self.get(path, limit=min(PAGE, left or PAGE), cursor=cursor, **params)
            yield from page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return
            left = None if left is None else left - len(page["data"])

    def _text(
        self, method: str, path: str, text: str, media_type: str, version: str, params: Mapping[str, str] | None = None
    ) -> Any:
        headers = {"If-Match": f'"{version}"', "Content-Type": media_type}
        return _json(
            self._request(method, path, repeatable=False, params=params, content=text.encode(), headers=headers)
        )

    def _request(self, method: str, path: str, *, repeatable: bool = True, **options: Any) -> httpx.Response:
        ends = time.monotonic() + self._patience
        for attempt in itertools.count():
            pause = min(_SHORTEST * 2**attempt, _LONGEST)
            try:
                answer = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                missed = isinstance(error, _NOT_REACHED)
                # Who was there a moment ago is restarting, perhaps; who never was is not running.
                again = self._reached if missed else repeatable
                if not again or time.monotonic() + pause > ends:
                    self._reached = False  # given up: what follows is not to wait as long again
                    raise self._lost(error, missed) from error
                self._reached = self._reached or not missed
            else:
                self._reached = True
                # 429 means that nothing was done; 503 leaves it open.
                busy = answer.status_code == 429 or (answer.status_code == 503 and repeatable)
                pause = max(pause, _retry_after(answer.headers))
                if not busy or time.monotonic() + pause > ends:
                    return self._checked(answer)
            time.sleep(pause)
        raise AssertionError("count() has no end")

    def _lost(self, error: httpx.TransportError, missed: bool) -> Refused:
        if _untrusted(error):
            return Refused(
                "not-trusted", f"{self._url} shows a certificate that is not trusted here.",
                "Name the installation's authority: secumail login ADDRESS --ca FILE (its .run/tls/ca.pem).",
            )  # fmt: skip
        if missed:
            return Refused("not-running", f"SecuMail is not running at {self._url}.", "Start it with `make run`.")
        return Refused(
            "connection-lost", f"The connection to {self._url} was lost before the answer came.",
            "Look whether it was done; if not, try again.",
        )  # fmt: skip

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        try:
            problem = answer.json()
            code, words, fix = str(problem["code"]), str(problem["detail"]), str(problem["fix"])
        except (ValueError, KeyError, TypeError):
            raise _foreign(answer) from None
        if answer.status_code == 401 and self._address:
            fix = f"Run: secumail login {self._address}"
        raise Refused(code, words, fix, answer.status_code)


def logged_in() -> Client:
    """The client of who is logged in on this machine; Refused where nobody is."""
    kept = session.read()
    return Client(kept.url, kept.ca, kept.token, kept.address)


def _trust(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        fix = "Name the PEM file with the installation's authority: --ca FILE"
        raise Refused("no-certificate", f"{ca} holds no certificate that can be read.", fix) from error


def _untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _retry_after(headers: Mapping[str, str]) -> float:
    stated = headers.get("Retry-After", "")
    return float(stated) if stated.isdigit() else 0.0


def _json(answer: httpx.Response) -> Any:
    if not answer.content:
        return None
    try:
        return answer.json()
    except ValueError:
        raise _foreign(answer) from None


def _foreign(answer: httpx.Response) -> Refused:
    return Refused(
        f"http-{answer.status_code}", f"{answer.url.host} answered, but not as SecuMail does ({answer.status_code}).",
        "Look at the address you gave with --url.", answer.status_code,
    )  # fmt: skip
