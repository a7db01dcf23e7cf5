"""Errors as problem details (RFC 9457): a stable type, what is wrong, and how to mend it."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from secumail import telemetry
from secumail.errors import Permanent, Refused, Transient
from secumail.store.client import PyMongoError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """The body of every error answer. `code` is stable; `trace` finds the request in logs and traces."""

    model_config = ConfigDict(extra="forbid")

    type: str
    title: str
    status: int
    detail: str
    fix: str
    code: str
    trace: str


RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "The request can't be done as it is: see `fix`."},
    "5XX": {"model": Problem, "description": "The service can't do it just now: try again."},
}


class Api(FastAPI):
    """FastAPI whose description says of errors what they are: problem details."""

    def openapi(self) -> dict[str, Any]:
        """The description. FastAPI writes a route's own media type over its errors too; it is put right here."""
        if self.openapi_schema is None:
            for path in super().openapi()["paths"].values():
                for operation in path.values():
                    for status in RESPONSES:
                        (schema,) = operation["responses"][status]["content"].values()
                        operation["responses"][status]["content"] = {MEDIA_TYPE: schema}
        return super().openapi()


def answer(refused: Refused, headers: dict[str, str] | None = None) -> JSONResponse:
    """A refusal as a response."""
    problem = Problem(
        type=f"/problems/{refused.code}",
        title=refused.code.replace("-", " ").capitalize(),
        status=refused.status,
        detail=refused.words,
        fix=refused.fix,
        code=refused.code,
        trace=telemetry.trace_id(),
    )
    if refused.status in (429, 503):
        headers = {"Retry-After": "5", **(headers or {})}
    return JSONResponse(problem.model_dump(), refused.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of `app` this way."""

    @app.exception_handler(Refused)
    async def refused(_request: Request, error: Refused) -> JSONResponse:
        return answer(error)

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return answer(
            Refused("malformed-request", f"{where}: {first['msg']}.", "Mend that place; see the API description.")
        )

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        fix = "See the API description for paths and methods."
        return answer(
            Refused(f"http-{error.status_code}", str(error.detail), fix, error.status_code),
            dict(error.headers) if error.headers else None,
        )

    @app.exception_handler(Transient)
    @app.exception_handler(PyMongoError)
    async def later(_request: Request, error: Exception) -> JSONResponse:
        log.warning("not now", extra={"cause": type(error).__name__})
        return answer(Refused("not-now", "A part of the mail system does not answer.", "Try again in a minute.", 503))

    @app.exception_handler(Permanent)
    async def damaged(_request: Request, error: Permanent) -> JSONResponse:
        log.error("damaged", extra={"code": error.code})
        return answer(
            Refused(
                error.code,
                "What is stored is damaged or gone.",
                "Ask your administrator to look at the trace.",
                500,
            )
        )

    @app.exception_handler(Exception)
    async def fault(_request: Request, error: Exception) -> JSONResponse:
        log.error("fault", extra={"cause": type(error).__name__}, exc_info=error)
        return answer(Refused("fault", "A fault of ours.", "Try again; report it with the trace if it stays.", 500))
