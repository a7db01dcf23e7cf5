"""The lists that mail is filtered by, for reviewers and administrators; and a look before sending, for everybody."""

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel

from secumail.apart import apart
from secumail.contracts.commands.dlp import (
    ChangedReply,
    ChangeLists,
    GetLists,
    GetListsHistory,
    GetWords,
    HistoryReply,
    ListsReply,
    ListsVersion,
    PutLists,
    PutWords,
    Scan,
    ScanReply,
    WordsForm,
    WordsReply,
)
from secumail.contracts.packing import pack, unpack
from secumail.errors import Refused
from services.gateway.handlers.door import Asking, Behind, Door
from services.gateway.sessions import Session
from services.gateway.submission import take

router = APIRouter()

MOST = 256 * 2**20
"""Bytes of lists in an answer of dlp, unpacked."""
_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
_WORDS: dict[str, Any] = {"requestBody": {"required": True, "content": {"text/csv": _TEXT, "text/plain": _TEXT}}}
_FORMS: Mapping[str, WordsForm] = {"text/csv": "csv", "text/plain": "text"}
_ETAG = re.compile(r'"([0-9]{1,9})"\Z')

IfMatch = Annotated[str | None, Header(description="The version you changed: the ETag of GET.")]
Version = Annotated[int | None, Query(ge=0, description="An older version; the current one without it.")]


class Changed(BaseModel):
    """The version a change made; `counts` false: it will count within seconds (GET /lists/history says when)."""

    version: int
    counts: bool


class ListsRow(BaseModel):
    """One version of the lists: when it was made, the account that made it, and whether mail is filtered by it now."""

    version: int
    at: datetime
    actor: str | None
    counts: bool


class Foreseen(BaseModel):
    """What would become of the mail for these recipients; `notice` is what the sender would be told."""

    recipients: list[str]
    action: Literal["pass", "ask", "hold", "block"]
    code: str
    notice: str


@router.get("/lists", operation_id="getLists", response_model=dict[str, Any])
async def get_lists(
    door: Behind,
    session: Asking,
    version: Version = None,
    words: Annotated[bool, Query(description="With the black words, which may be very many.")] = True,
) -> Response:
    """Black words, white and black lists, exempt senders, rules. For reviewers and administrators.

    More than 100,000 words are to be had by themselves only: GET /lists/words."""
    session.require("reviewer", "administrator")
    reply = await door.ask(GetLists(number=version, words=words), ListsReply, session.actor)
    text = await asyncio.to_thread(unpack, reply.lists, MOST)
    return Response(text, media_type="application/json", headers={"ETag": f'"{reply.number}"'})


@router.put("/lists", operation_id="putLists", response_model=dict[str, Any])
async def put_lists(door: Behind, session: Asking, given: dict[str, Any], if_match: IfMatch = None) -> Response:
    """Replace the lists. For reviewers and administrators. Very many words: PUT /lists/words."""
    session.require("reviewer", "administrator")
    command = PutLists(lists=pack(json.dumps(given)), expects=_expected(if_match))
    reply = await door.ask(command, ListsReply, session.actor)
    text = unpack(reply.lists, MOST)
    return Response(text, media_type="application/json", headers={"ETag": f'"{reply.number}"'})


@router.patch("/lists", operation_id="changeLists")
async def change_lists(
    door: Behind, session: Asking, response: Response, given: dict[str, Any], if_match: IfMatch = None
) -> Changed:
    """Replace the fields that are given; the others stay. For reviewers and administrators."""
    session.require("reviewer", "administrator")
    command = ChangeLists(fields=pack(json.dumps(given)), expects=_expected(if_match))
    return _changed(response, await door.ask(command, ChangedReply, session.actor))


@router.get("/lists/history", operation_id="listListsVersions")
async def list_versions(door: Behind, session: Asking) -> list[ListsRow]:
    """The versions of the lists, newest first. For reviewers and administrators."""
    session.require("reviewer", "administrator")
    reply = await door.ask(GetListsHistory(), HistoryReply, session.actor)
    return [_version(version, reply.counting) for version in reply.versions]


@router.get(
    "/lists/words",
    operation_id="getWords",
    response_class=Response,
    responses={200: {"content": {"text/csv": _TEXT, "text/plain": _TEXT}}},
)
async def get_words(
    door: Behind,
    session: Asking,
    version: Version = None,
    form: Annotated[WordsForm, Query(description="csv: term,threshold,scope; text: a term a line.")] = "csv",
) -> Response:
    """The black words. For reviewers and administrators."""
    session.require("reviewer", "administrator")
    reply = await door.ask(GetWords(number=version, form=form), WordsReply, session.actor)
    text = await asyncio.to_thread(unpack, reply.words, MOST)
    kind = "text/csv" if form == "csv" else "text/plain"
    return Response(text, media_type=f"{kind}; charset=utf-8", headers={"ETag": f'"{reply.number}"'})


@router.put("/lists/words", operation_id="putWords", openapi_extra=_WORDS, responses={202: {"model": Changed}})
async def put_words(
    door: Behind, session: Asking, request: Request, response: Response, if_match: IfMatch = None
) -> Changed:
    """Replace the black words, by CSV (term,threshold,scope) or plain text (a term a line, each from its first
    occurrence on).

    202: the words are checked and kept, but so many that they count a few seconds later. For reviewers and
    administrators."""
    session.require("reviewer", "administrator")
    return await _words(door, session, request, response, "replace", if_match)


@router.patch("/lists/words", operation_id="changeWords", openapi_extra=_WORDS, responses={202: {"model": Changed}})
async def change_words(
    door: Behind,
    session: Asking,
    request: Request,
    response: Response,
    act: Annotated[Literal["add", "remove"], Query(description="What is to be done with the words in the body.")],
    if_match: IfMatch = None,
) -> Changed:
    """Add black words, or remove them; the others stay. One that is there already gets the new threshold.

    Body and answers are those of PUT. For reviewers and administrators."""
    session.require("reviewer", "administrator")
    return await _words(door, session, request, response, act, if_match)


@router.post(
    "/scan",
    operation_id="scanMail",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"message/rfc822": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def scan(
    door: Behind,
    session: Asking,
    request: Request,
    to: Annotated[list[str] | None, Query(description="Envelope recipients, instead of To, Cc and Bcc.")] = None,
) -> list[Foreseen]:
    """What would become of a mail if it were sent now; nothing is sent or kept. For the person who is about to."""
    raw = await request.body()
    if len(raw) > door.settings.max_mail_bytes:
        raise Refused(
            "mail-too-large", f"The mail is larger than {door.settings.max_mail_bytes // 2**20} MB.",
            "Send less, or share the file another way.", 413,
        )  # fmt: skip
    now, mail, most = datetime.now(UTC), uuid4(), door.settings.max_recipients
    taken = await apart(len(raw), take, raw, session.address, to or (), most, now, mail)
    command = Scan(
        mail=base64.b64encode(taken.raw).decode(), sender=session.address, recipients=tuple(taken.recipients)
    )
    reply = await door.ask(command, ScanReply, session.actor)
    return [
        Foreseen(recipients=[taken.recipients[i] for i in v.recipients], action=v.action, code=v.code, notice=v.notice)
        for v in reply.verdicts
    ]


async def _words(
    door: Door,
    session: Session,
    request: Request,
    response: Response,
    act: Literal["replace", "add", "remove"],
    if_match: str | None,
) -> Changed:
    expects = _expected(if_match)
    kind = request.headers.get("content-type", "text/csv").partition(";")[0].strip().lower()
    if kind not in _FORMS:
        raise Refused(
            "malformed-request", "The words are neither CSV nor plain text.", "Send text/csv or text/plain.", 415
        )
    body = await request.body()
    try:
        packed = await asyncio.to_thread(lambda: pack(body.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise Refused("malformed-request", "The words are not UTF-8.", "Save the file as UTF-8.", 422) from error
    command = PutWords(words=packed, form=_FORMS[kind], act=act, expects=expects)
    return _changed(response, await door.ask(command, ChangedReply, session.actor))


def _expected(if_match: str | None) -> int:
    version = _ETAG.match(if_match or "")
    if version is None:
        raise Refused("if-match-missing", "The request has no If-Match.", "Send the ETag that GET gave you.", 428)
    return int(version[1])


def _changed(response: Response, reply: ChangedReply) -> Changed:
    response.headers["ETag"] = f'"{reply.number}"'
    if not reply.counts:
        response.status_code = 202
        response.headers["Location"] = "/api/v1/lists/history"
    return Changed(version=reply.number, counts=reply.counts)


def _version(version: ListsVersion, counting: int) -> ListsRow:
    actor = str(version.actor) if version.actor is not None else None
    return ListsRow(version=version.number, at=version.at, actor=actor, counts=version.number == counting)
