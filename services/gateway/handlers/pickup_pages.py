"""The page behind a pickup's link, for people: /pickup/{token}. No script, no account, a cookie of ten minutes."""

import re
import secrets
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.datastructures import UploadFile

from secumail.apart import apart
from secumail.errors import Refused, Transient
from secumail.mailbox.summary import summarise
from secumail.multipart_signed import split
from secumail.spool.record import Envelope
from secumail.spool.spool import NewMail
from secumail.store.client import PyMongoError
from services.gateway import page, pickup
from services.gateway.handlers.door import Behind, Door
from services.gateway.handlers.pickups import Admitted, admit, carried, known, look
from services.gateway.handlers.showing import attachment
from services.gateway.page import Answering, Shown
from services.gateway.pickup import MAX_PASSWORD, VISIT, Pickup
from services.gateway.plain_text import words
from services.gateway.reading import view
from services.gateway.reply import reply

PLACE = "/pickup/"
_FORM = re.compile(r"[0-9a-f]{32}\Z")
_FORMS = "application/x-www-form-urlencoded"


class _Page(APIRoute):
    """A route whose errors are pages too, and whose answers are kept nowhere."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, wrapped."""
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                answer = await inner(request)
            except Refused as refused:
                answer = _told(request, refused)
            except (Transient, PyMongoError):
                answer = _told(
                    request,
                    Refused("not-now", "A part of the mail system does not answer.", "Try again in a minute.", 503),
                )
            except RequestValidationError:
                answer = _told(request, Refused("malformed-request", "This is no page.", "Open the link again.", 404))
            for name, value in page.HEADERS.items():
                answer.headers.setdefault(name, value)
            return answer

        return handler


pages = APIRouter(route_class=_Page, include_in_schema=False)


@pages.get(f"{PLACE}{{token}}")
async def show(door: Behind, request: Request, token: str, sent: bool = False) -> Response:
    """The mail, for who is in; otherwise the question for the password."""
    one = await known(door, token)
    visiting = await _visiting(door, request, one)
    if visiting is None:
        return HTMLResponse(_asked(door, one, token))
    return await _mail(door, token, visiting, sent=sent)


@pages.post(f"{PLACE}{{token}}")
async def unlock(door: Behind, request: Request, token: str) -> Response:
    """The password, given. After it the browser gets the page anew: nothing is sent again when it is reloaded."""
    fields = await _fields(request)
    one = await known(door, token)
    draft = fields.get("draft", "")
    try:
        admitted = await admit(door, token, fields.get("password", "")[: MAX_PASSWORD + 1])
    except Refused as refused:
        if refused.code != "pickup-password-wrong":
            raise
        return HTMLResponse(_asked(door, one, token, f"{refused.words} {refused.fix}", draft), refused.status)
    now = datetime.now(UTC)
    cookie, visit = pickup.begin(one.id, admitted.inside, now, one.ends)
    await door.pickups.visit(visit)
    answer = await _mail(door, token, admitted, draft) if draft else _to(token)
    answer.set_cookie(
        _cookie(one), cookie, max_age=int(VISIT.total_seconds()), secure=True, httponly=True, samesite="strict"
    )
    return answer


@pages.get(f"{PLACE}{{token}}/attachments/{{number}}")
async def fetch_attachment(door: Behind, request: Request, token: str, number: int) -> Response:
    """An attachment, as a download."""
    visiting = await _visiting(door, request, await known(door, token))
    if visiting is None:
        return _to(token)
    return attachment(await apart(len(visiting.raw), lambda: view(split(visiting.raw)[0])), number)


@pages.get(f"{PLACE}{{token}}/mail.eml")
async def fetch_mail(door: Behind, request: Request, token: str) -> Response:
    """The mail as it was filed, with its signature, as a download."""
    visiting = await _visiting(door, request, await known(door, token))
    if visiting is None:
        return _to(token)
    named = {"Content-Disposition": 'attachment; filename="mail.eml"'}
    return Response(visiting.raw, media_type="message/rfc822", headers=named)


@pages.post(f"{PLACE}{{token}}/reply")
async def send_reply(door: Behind, request: Request, token: str) -> Response:
    """A reply to the sender. It goes the way of every mail, dlp's filter included, and is signed by nobody."""
    fields = await _fields(request)
    text, form = fields.get("text", ""), fields.get("form", "")
    one = await known(door, token)
    visiting = await _visiting(door, request, one)
    if visiting is None:
        fault = "Ten minutes have passed. Give the password again."
        return HTMLResponse(_asked(door, one, token, fault, text))
    if not _FORM.match(form):
        raise Refused("malformed-request", "This is not the form of a reply.", "Open the link again.")
    now = datetime.now(UTC)
    # The form's id makes the reply recognisable: one that is sent twice is one mail, and one of the replies.
    key = f"reply/{one.id}/{form}".encode()
    mail = NewMail(key, "reply", one.id, Envelope("", ()), b"").id
    raw = reply(visiting.inside, visiting.meta, text, mail, now)
    if not await door.pickups.answer(one.id, form, now):
        raise Refused("replies-used-up", "You have used all replies to this mail.", "Ask the sender to write.", 409)
    inside = visiting.inside
    envelope = Envelope(inside.address, (inside.sender,), summarise(raw).__dict__)
    given = text.encode("utf-8", "surrogatepass")
    accepted = await door.spool.submit(NewMail(key, "reply", one.id, envelope, raw, given=given))
    if not accepted.same:
        raise Refused("reply-changed", "Another reply was sent with this form before.", "Open the link again.", 409)
    await door.spool.announce(accepted)
    return RedirectResponse(f"{PLACE}{token}?sent=true#reply", 303)


@pages.post(f"{PLACE}{{token}}/leave")
async def leave(door: Behind, token: str) -> Response:
    """Close the mail: the next who sits here is asked for the password."""
    one = await known(door, token)
    await door.pickups.leave(one)
    answer = HTMLResponse(page.said(_organisation(door), "Closed", "The mail is closed on this device."))
    answer.delete_cookie(_cookie(one), secure=True, httponly=True, samesite="strict")
    return answer


async def _visiting(door: Door, request: Request, one: Pickup) -> Admitted | None:
    """The guest of a cookie, with the mail; None where the password is needed."""
    cookie = request.cookies.get(_cookie(one))
    inside = await door.pickups.resume(one, cookie, datetime.now(UTC)) if cookie else None
    return await carried(door, one, inside) if inside is not None else None


def _asked(door: Door, one: Pickup, token: str, fault: str = "", draft: str = "") -> str:
    return page.ask(_organisation(door), f"{PLACE}{token}", one.hinted(token), fault, draft)


async def _mail(door: Door, token: str, visiting: Admitted, draft: str = "", sent: bool = False) -> HTMLResponse:
    seen, signature = await look(door, visiting.raw)
    meta = visiting.meta
    shown = Shown(
        sender=meta.sender,
        to=", ".join((*meta.to, *meta.cc)),
        date=meta.date,
        subject=meta.subject,
        signature=signature.words,
        text=seen.text if seen.text.strip() else words(seen.html),
        attachments=seen.attachments,
    )
    answering = Answering(visiting.replies_left, secrets.token_hex(16), draft, sent)
    return HTMLResponse(page.mail(_organisation(door), f"{PLACE}{token}", shown, answering, visiting.pickup.ends))


async def _fields(request: Request) -> dict[str, str]:
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _FORMS:
        raise Refused("media-type", "This is no form.", "Open the link in a browser.", 415)
    return {name: value for name, value in (await request.form()).items() if not isinstance(value, UploadFile)}


def _told(request: Request, refused: Refused) -> HTMLResponse:
    title = {404: "Nothing here", 410: "No longer there", 403: "Locked", 409: "Not possible"}
    door: Door = request.app.state.door
    told = page.said(_organisation(door), title.get(refused.status, "Please try again"), refused.words, refused.fix)
    return HTMLResponse(told, refused.status)


def _organisation(door: Door) -> str:
    return door.settings.domains[0]


def _to(token: str) -> RedirectResponse:
    return RedirectResponse(f"{PLACE}{token}", 303)


def _cookie(one: Pickup) -> str:
    """Its own name for each pickup, so that two can lie open side by side."""
    return f"__Host-pickup-{one.id.hex[:12]}"
