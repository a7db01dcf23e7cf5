"""Letters: a command sealed to the service that answers it, the answer sealed to a one-time key of the asker.

Neither passwords nor keys are ever readable on the broker. A letter has a deadline; it is signed by the asking
service, and an act of a person also carries that person's signature over the exact command.
"""

import base64
import json
import time
from dataclasses import dataclass
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from secumail.errors import Refused
from secumail.sealing.accounts import AccountKeys
from secumail.sealing.hpke import NotForUs, PrivateKey, PublicKey
from secumail.sealing.identities import Forged
from secumail.sealing.kms import WrongKey
from secumail.sealing.transport import Transport


class Letter(BaseModel):
    """The outside of a question, as the broker sees it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    by: str
    to: str
    name: str
    key: str
    deadline: float
    sealed: str
    signature: str

    def context(self) -> bytes:
        """What seal and signature are bound to."""
        return f"letter/1/{self.id}/{self.by}/{self.to}/{self.name}/{self.key}/{self.deadline}".encode()


class Inside(BaseModel):
    """The sealed inside: the command's JSON, the key for the answer, and whose act it is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    command: str
    reply_key: str
    actor: UUID | None = None
    signature: str | None = None


@dataclass(frozen=True)
class Question:
    """A letter as its reader holds it. `act` is what the actor's signature covers."""

    id: UUID
    name: str
    command: str
    reply_key: PublicKey
    actor: UUID | None
    signature: bytes
    act: bytes


@dataclass(frozen=True)
class Asked:
    """What the asker keeps until the answer comes."""

    letter: Letter
    key: PrivateKey


async def ask(
    transport: Transport,
    to: str,
    name: str,
    command: str,
    patience: float,
    actor: tuple[UUID, AccountKeys] | None = None,
) -> Asked:
    """Seal a command. `patience`: seconds until the deadline. `actor`: the person whose act it is."""
    id_, public = await transport.public(to)
    once = PrivateKey.generate()
    letter = Letter(
        id=uuid4(),
        by=transport.service,
        to=to,
        name=name,
        key=id_,
        deadline=round(time.time() + patience, 3),
        sealed="",
        signature="",
    )
    inside = Inside(command=command, reply_key=base64.b64encode(once.public.raw).decode())
    if actor is not None:
        account, keys = actor
        signed = keys.signer.sign(_act(letter.id, name, command))
        inside = inside.model_copy(update={"actor": account, "signature": base64.b64encode(signed).decode()})
    sealed = public.seal(inside.model_dump_json().encode(), letter.context())
    signature = await transport.sign(letter.context() + sealed)
    return Asked(
        letter.model_copy(
            update={
                "sealed": base64.b64encode(sealed).decode(),
                "signature": base64.b64encode(signature).decode(),
            }
        ),
        once,
    )


async def read(transport: Transport, body: bytes, asker: str) -> Question:
    """Open a letter from the service `asker`; Refused where it is forged, late or not for us."""
    try:
        letter = Letter.model_validate_json(body)
        sealed = base64.b64decode(letter.sealed, validate=True)
        if letter.by != asker or letter.to != transport.service:
            raise _refused()
        transport.check(letter.by, base64.b64decode(letter.signature), letter.context() + sealed)
        private = await transport.private(letter.key)
        inside = Inside.model_validate_json(private.open(sealed, letter.context()))
        reply_key = PublicKey(base64.b64decode(inside.reply_key, validate=True))
        signature = base64.b64decode(inside.signature or "", validate=True)
    except (ValidationError, ValueError, Forged, NotForUs, KeyError, WrongKey) as error:
        raise _refused() from error
    if letter.deadline < time.time():
        raise Refused("too-late", "The question's deadline has passed.", "Ask again.", 504)
    return Question(
        letter.id,
        letter.name,
        inside.command,
        reply_key,
        inside.actor,
        signature,
        _act(letter.id, letter.name, inside.command),
    )


def answer(question: Question, reply: str | Refused) -> bytes:
    """The answer's wire form: {"reply": ...} or {"refused": {...}}, sealed to the asker's one-time key."""
    if isinstance(reply, Refused):
        refused = {"code": reply.code, "words": reply.words, "fix": reply.fix, "status": reply.status}
        inside = json.dumps({"refused": refused})
    else:
        inside = json.dumps({"reply": reply})
    return question.reply_key.seal(inside.encode(), f"answer/1/{question.id}".encode())


def read_answer(asked: Asked, body: bytes) -> str:
    """The reply's JSON; raises the Refused that the other side raised."""
    try:
        inside = json.loads(asked.key.open(body, f"answer/1/{asked.letter.id}".encode()))
    except (NotForUs, ValueError) as error:
        raise Refused("answer-unreadable", "The answer could not be opened.", "Try again.", 502) from error
    if "refused" in inside:
        r = inside["refused"]
        raise Refused(r["code"], r["words"], r["fix"], r["status"])
    reply: str = inside["reply"]
    return reply


def _act(letter: UUID, name: str, command: str) -> bytes:
    return f"act/1/{letter}/{name}/{command}".encode()


def _refused() -> Refused:
    return Refused("letter-not-accepted", "The question is not from a service we answer.", "Nothing to do.", 403)
