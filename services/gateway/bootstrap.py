"""gateway, wired."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, FastAPI

from secumail import __version__, telemetry
from secumail.audit import Acts
from secumail.bus.asking import Asking
from secumail.health import HealthApp
from secumail.service import Service
from services.gateway import problems
from services.gateway.adapters.decryption import DecryptionKeys
from services.gateway.adapters.pickups import Pickups
from services.gateway.adapters.renewal import Renewal
from services.gateway.adapters.sessions import Sessions
from services.gateway.adapters.waiting import News
from services.gateway.handlers import (
    appeals,
    certificates,
    covers,
    dry_run,
    filter_lists,
    forms,
    keys,
    messages,
    openpgp,
    people,
    pickup_pages,
    pickups,
    pki,
    review,
    sent_log,
    submissions,
)
from services.gateway.handlers.door import Door
from services.gateway.limits import Http, Measured
from services.gateway.pickup import Stretching
from services.gateway.settings import Settings

API = "/api/v1"
KEEP_ALIVE = 75
"""Seconds a connection may idle. Longer than clients and proxies keep theirs (60 s are usual): a server that closes
first cuts off the request that is on its way at that moment."""
_PLACES = (API, pickup_pages.PLACE, pki.PLACE, openpgp.PLACE)

Scope = MutableMapping[str, Any]
Asgi = Callable[[Scope, Any, Any], Awaitable[None]]


def wire(settings: Settings) -> Service:
    """The service, ready to run."""
    service = Service("gateway", settings)
    sessions = Sessions(
        service.database["sessions"],
        service.database["groups"],
        service.directory,
        settings.session_idle,
        settings.session_end,
    )
    asking = Asking("gateway", settings.amqp, settings.tls_ca, service.outgoing, service.transport)

    def account_changed(account: UUID) -> None:
        service.directory.forget(account)
        sessions.forget(account)

    kept = Pickups(
        service.database["pickups"],
        service.database["sessions"],
        service.mailboxes,
        Acts(service.database["acts"]),
        service.transport,
        Stretching(settings.pickups_at_once),
    )
    service.in_background(kept.run)
    news = News(account_changed)
    door = Door(
        settings,
        sessions,
        service.spool,
        service.mailboxes,
        service.directory,
        service.claims,
        asking.ask,
        news,
        DecryptionKeys(service.database["decryption_keys"]),
        kept,
        Renewal(service.database, asking.ask),
    )

    async def listening() -> bool:
        return asking.connected

    async def listen() -> None:
        await asking.start(news.heard)

    service.checks["listening"] = listening
    service.before_work(listen)
    service.at_end(asking.stop)
    service.serve(
        Traced(Measured(application(door)), HealthApp(service.checks)),
        host=settings.bind,
        port=settings.port,
        ssl_certfile=str(settings.tls_cert),
        ssl_keyfile=str(settings.tls_key),
        lifespan="off",
        http=Http,
        timeout_graceful_shutdown=20,
        timeout_keep_alive=KEEP_ALIVE,
        server_header=False,
    )
    return service


def application(door: Door | None) -> FastAPI:
    """The API. (Without a door it only describes itself.)"""
    app = problems.Api(
        title="SecuMail",
        version=__version__,
        description="An organisation's mail, safe by construction. Errors are problem details (RFC 9457).",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=problems.RESPONSES,
        # Its own spans would carry query strings, and with ?to= addresses.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.state.door = door
    problems.install(app)
    api = APIRouter(prefix=API)
    for tag, module in (
        ("people", people),
        ("sending", submissions),
        ("sending", forms),
        ("sending", covers),
        ("sending", appeals),
        ("sending", pickups),
        ("reading", messages),
        ("review", review),
        ("review", sent_log),
        ("review", filter_lists),
        ("review", dry_run),
        ("certificates", certificates),
        ("certificates", openpgp),
        ("people", keys),
    ):
        api.include_router(module.router, tags=[tag])
    app.include_router(api)
    app.include_router(pickup_pages.pages)
    app.include_router(pki.router, tags=["certificates"])
    app.include_router(openpgp.directory, tags=["certificates"])
    return app


class Traced:
    """A SERVER span around each request, named by its route; health on the same port, without one."""

    def __init__(self, app: Asgi, health: HealthApp) -> None:
        self._app = app
        self._health = health

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] in ("/livez", "/readyz"):
            await self._health(scope, receive, send)
            return
        method = str(scope["method"])
        with telemetry.arriving(method, {"http.request.method": method}) as span:

            async def sent(message: MutableMapping[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self._app(scope, receive, sent)
            route = scope.get("route")
            if route is not None:
                # An included router's route does not know where it was included.
                path = route.path if route.path.startswith(_PLACES) else API + route.path
                span.update_name(f"{method} {path}")
                span.set_attribute("http.route", path)
