"""Every error is a problem document that says the fault and the fix, and nothing from inside."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from secumail.errors import Permanent, Refused, Transient
from secumail.store.client import AutoReconnect
from services.gateway import problems

FAULTS = {
    "refused": Refused("too-blue", "It is too blue.", "Paint it.", 409),
    "busy": Refused("busy", "Too many at once.", "Wait.", 429),
    "away": Transient("broker-away"),
    "database": AutoReconnect("mongodb://secret:password@host"),
    "damaged": Permanent("blob-gone"),
    "fault": ValueError("secret inside"),
}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """An application whose paths fail, each in its way."""
    app = FastAPI(redirect_slashes=False)
    problems.install(app)

    @app.get("/fails/{name}")
    async def fails(name: str, number: int = 0) -> None:
        raise FAULTS[name]

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/fails/refused", 409, "too-blue"),
        ("/fails/busy", 429, "busy"),
        ("/fails/away", 503, "not-now"),
        ("/fails/database", 503, "not-now"),
        ("/fails/damaged", 500, "blob-gone"),
        ("/fails/fault", 500, "fault"),
        ("/fails/refused?number=x", 422, "malformed-request"),
        ("/elsewhere", 404, "http-404"),
    ],
)
async def test_each_error_has_its_status_and_code(client: httpx.AsyncClient, path: str, status: int, code: str) -> None:
    answer = await client.get(path)
    problem = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == f"/problems/{code}"
    assert problem["detail"]
    assert problem["fix"]
    assert "secret" not in answer.text
    assert ("Retry-After" in answer.headers) == (status in (429, 503))


async def test_a_wrong_method_names_the_right_ones(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/fails/refused")
    assert (answer.status_code, answer.json()["code"], answer.headers["Allow"]) == (405, "http-405", "GET")


async def test_a_malformed_value_is_named_by_its_place_and_not_repeated(client: httpx.AsyncClient) -> None:
    answer = await client.get("/fails/refused", params={"number": "my secret"})
    assert answer.json()["detail"].startswith("query.number: ")
    assert "my secret" not in answer.text
