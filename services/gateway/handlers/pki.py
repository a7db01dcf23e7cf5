"""What anybody may ask about our certificates: /pki/crl.der, /pki/issuing.cer, /pki/ocsp. Their addresses stand in
certificates (RFC 5280 sections 4.2.1.13 and 4.2.2.1), with the issuing CA's id in between."""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from starlette.exceptions import HTTPException

from secumail.contracts.commands.certificates import AskOcsp, GetCrl, GetIssuer, OcspAnswer, Published
from secumail.errors import Refused
from services.gateway.handlers.door import Behind, Door

PLACE = "/pki"
AT_ONCE = 64
"""Questions of the public in hand: more are put off, so that they leave room for people's mail."""

router = APIRouter(prefix=PLACE)

# OCSPResponse (RFC 6960 section 4.2.1) with an error and nothing else: SEQUENCE { ENUMERATED }.
_MALFORMED = bytes.fromhex("30030a0101")
_TRY_LATER = bytes.fromhex("30030a0103")
_OCSP_REQUEST: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/ocsp-request": {"schema": {"type": "string"}}}}
}

Issuer = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="The issuing CA's id, as its certificates say.")]


class _Busy(Exception):
    """Too many questions at once."""


_in_hand = asyncio.Semaphore(AT_ONCE)


@asynccontextmanager
async def _place() -> AsyncIterator[None]:
    if _in_hand.locked():
        raise _Busy
    async with _in_hand:
        yield


@router.get("/crl.der", operation_id="getCrl", response_class=Response)
async def current_crl(door: Behind) -> Response:
    """The revocation list of the CA that issues now (DER). Public."""
    return await _crl(door, "")


@router.get("/issuing.cer", operation_id="getIssuer", response_class=Response)
async def current_issuer(door: Behind) -> Response:
    """The certificate of the CA that issues now (DER). Public."""
    return await _issuer(door, "")


@router.post("/ocsp", operation_id="askOcsp", response_class=Response, openapi_extra=_OCSP_REQUEST)
async def ask_ocsp(door: Behind, request: Request) -> Response:
    """Whether a certificate is good (RFC 6960). Public. Every answer about the question is an OCSPResponse."""
    return await _ocsp(door, await request.body())


@router.get("/ocsp/{question:path}", operation_id="askOcspByGet", response_class=Response)
async def ask_ocsp_by_get(
    door: Behind, question: Annotated[str, Path(max_length=4096, description="The OCSPRequest, base64.")]
) -> Response:
    """The same as a GET, which caches keep (RFC 6960 appendix A.1)."""
    try:
        # Some clients write it without padding, some proxies undo the percent-encoding.
        der = base64.b64decode(question + "=" * (-len(question) % 4), validate=True)
    except (binascii.Error, ValueError):
        return _answered(_MALFORMED, cached=False)
    return await _ocsp(door, der, cached=True)


@router.get("/{issuer}/crl.der", operation_id="getCrlOf", response_class=Response)
async def crl(door: Behind, issuer: Issuer) -> Response:
    """The revocation list of one of our CAs (DER). Public."""
    return await _crl(door, issuer)


@router.get("/{issuer}/issuing.cer", operation_id="getIssuerOf", response_class=Response)
async def issuing(door: Behind, issuer: Issuer) -> Response:
    """The certificate of one of our CAs (DER). Public."""
    return await _issuer(door, issuer)


def decoded(text: str) -> bytes:
    """Bytes that came as base64 from another service."""
    return base64.b64decode(text)


async def _crl(door: Door, issuer: str) -> Response:
    return _file(await _published(door, GetCrl(issuer=issuer)), "application/pkix-crl", seconds=60)


async def _issuer(door: Door, issuer: str) -> Response:
    return _file(await _published(door, GetIssuer(issuer=issuer)), "application/pkix-cert", seconds=86_400)


async def _published(door: Door, command: GetCrl | GetIssuer) -> bytes:
    try:
        async with _place():
            return decoded((await door.ask(command, Published)).der)
    except _Busy:
        raise HTTPException(503, "Too many ask at once.") from None


def _file(der: bytes, media_type: str, seconds: int) -> Response:
    return Response(der, media_type=media_type, headers={"Cache-Control": f"public, max-age={seconds}"})


async def _ocsp(door: Door, request: bytes, cached: bool = False) -> Response:
    try:
        async with _place():
            answer = await door.ask(AskOcsp(request=base64.b64encode(request).decode()), OcspAnswer)
    except (_Busy, Refused):
        # The service is away or does not understand us; the asker's question is as good as it was.
        return _answered(_TRY_LATER, cached=False)
    return _answered(decoded(answer.response), cached)


def _answered(response: bytes, cached: bool) -> Response:
    # Shorter than the answer is valid: a revocation has to be seen soon.
    control = "public, max-age=60, no-transform" if cached else "no-store"
    return Response(response, media_type="application/ocsp-response", headers={"Cache-Control": control})
