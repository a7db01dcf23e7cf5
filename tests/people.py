"""People who use SecuMail through its public door, for tests: real HTTPS, real sessions, nothing behind the scenes."""

import json
import ssl
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from secumail.installation.home import Home

AWAKE = 120.0
"""Seconds after which a person logs in again: half of what a session may be idle."""
PASSWORD = "seven green kettles on a hill"


@dataclass
class Person:
    """One logged-in person."""

    address: str
    door: httpx.AsyncClient
    account: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    seen: float = 0.0
    """When this person did something last."""

    async def log_in(self, password: str = PASSWORD) -> "Person":
        """A new session."""
        answer = await self.door.post("/sessions", json={"address": self.address, "password": password})
        answer.raise_for_status()
        self.account = answer.json()["account"]
        self.headers = {"Authorization": f"Bearer {answer.json()['token']}"}
        self.seen = time.monotonic()
        return self

    async def get(self, path: str, **params: Any) -> httpx.Response:
        """GET."""
        self.seen = time.monotonic()
        return await self.door.get(path, params=params, headers=self.headers)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        """POST."""
        self.seen = time.monotonic()
        return await self.door.post(path, headers={**self.headers, **options.pop("headers", {})}, **options)

    async def send(
        self, raw: bytes, key: str | None = None, to: list[str] | None = None, form: str = "auto"
    ) -> httpx.Response:
        """POST a raw mail."""
        return await self.post(
            "/messages",
            content=raw,
            params={"form": form, **({"to": to} if to else {})},
            headers={"Content-Type": "message/rfc822", "Idempotency-Key": key or uuid4().hex},
        )

    async def sent(
        self, raw: bytes, to: list[str] | None = None, within: float = 30, form: str = "auto"
    ) -> dict[str, Any]:
        """Send a mail and wait until it is settled: its submission."""
        answer = await self.send(raw, to=to, form=form)
        assert answer.status_code == 202, answer.text
        return await self.settled(answer.json()["id"], within)

    async def settled(self, mail: str, within: float = 30) -> dict[str, Any]:
        """The submission once every recipient is settled or held."""
        answer = await self.get(f"/submissions/{mail}", wait=within)
        assert answer.status_code == 200, answer.text
        submission: dict[str, Any] = answer.json()
        assert submission["settled"], submission
        return submission

    async def mails(self, folder: str = "inbox") -> list[dict[str, Any]]:
        """All rows of a folder, newest first."""
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = (
                await self.get("/messages", folder=folder, limit=200, **({"cursor": cursor} if cursor else {}))
            ).json()
            rows += page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return rows

    async def received(self, mail: str) -> dict[str, Any]:
        """The entry of a mail in the inbox, by the mail's id."""
        return next(row for row in await self.mails() if row["mail"] == mail)


def mail(sender: str, to: str, subject: str = "Hello", text: str = "Good morning.\r\n", extra: str = "") -> bytes:
    """A simple raw mail."""
    return f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n{extra}\r\n{text}".encode()


class Office:
    """An organisation on a running installation: its administrator (also its first reviewer) and its members."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.domain = home.domains[0]
        self.door = httpx.AsyncClient(
            base_url=f"https://localhost:{home.ports.https}/api/v1",
            verify=ssl.create_default_context(cafile=str(home.ca)),
            timeout=60,
        )
        self._people: dict[str, Person] = {}

    async def administrator(self) -> Person:
        """The first administrator, logged in."""
        given = json.loads((self.home.secrets("auth") / "first_admin.json").read_text())
        if "admin" not in self._people:
            self._people["admin"] = await Person(given["address"], self.door).log_in(given["password"])
        return await self._awake(self._people["admin"], given["password"])

    async def member(self, name: str, *roles: str) -> Person:
        """A member called `name`, registered when first asked for."""
        if name not in self._people:
            administrator = await self.administrator()
            address = f"{name}@{self.domain}"
            person = {"address": address, "display_name": name.title(), "password": PASSWORD}
            answer = await administrator.post(
                "/accounts",
                json={**person, "roles": ["member", *roles]},
            )
            assert answer.status_code in (201, 409), answer.text
            self._people[name] = await Person(address, self.door).log_in()
        return await self._awake(self._people[name], PASSWORD)

    async def _awake(self, person: Person, password: str) -> Person:
        """Logged in, though for some minutes no test may have had to do with this person: an idle session ends."""
        if time.monotonic() - person.seen > AWAKE:
            await person.log_in(password)
        return person

    async def newcomer(self, *roles: str) -> Person:
        """A member nobody else uses: an empty mailbox."""
        return await self.member(f"person-{uuid4().hex[:8]}", *roles)

    async def close(self) -> None:
        """Leave."""
        await self.door.aclose()
