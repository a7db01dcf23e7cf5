"""Claims: the right to open one mail, handed from one service to the next.

A claim's secret is the mail's transit keys. It is sealed to the next service's transport key and signed by the
one before, over the exact step it is for: it opens for nobody else, for no other mail and at no other stage.
"""

import base64
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from secumail.contracts.claims import SealedClaim
from secumail.errors import Permanent
from secumail.sealing.hpke import NotForUs
from secumail.sealing.identities import Forged, verify
from secumail.sealing.kms import WrongKey
from secumail.sealing.stream import KEY_BYTES, new_key
from secumail.sealing.transport import Transport


@dataclass(frozen=True)
class TransitKeys:
    """What opens a mail in the spool: one key for its content, one for its envelope.

    They are apart so that delivery can be given the envelope (to write a bounce) and not the mail.
    """

    envelope: bytes
    content: bytes = b""

    def __repr__(self) -> str:
        return "TransitKeys(...)"

    @classmethod
    def generate(cls) -> "TransitKeys":
        """Fresh ones."""
        return cls(new_key(), new_key())

    @classmethod
    def decode(cls, raw: bytes) -> "TransitKeys":
        """From `encode`."""
        return cls(raw[:KEY_BYTES], raw[KEY_BYTES:])

    def encode(self) -> bytes:
        """32 or 64 bytes."""
        return self.envelope + self.content


@dataclass(frozen=True)
class Step:
    """The place a claim is for: an event's type, its mail and generation."""

    type: str
    mail: UUID
    generation: int

    def context(self, by: str, to: str, key: str, says: str) -> bytes:
        """What wrap and signature are bound to."""
        return f"claim/1/{self.type}/{self.mail}/{self.generation}/{by}/{to}/{key}/{says}".encode()


class Claims:
    """Makes and opens one service's claims."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def seal(self, step: Step, to: str, keys: TransitKeys, says: str) -> SealedClaim:
        """The keys, made out to the service `to`; `says` is vouched for by this service's signature."""
        by = self._transport.service
        id_, public = await self._transport.public(to)
        context = step.context(by, to, id_, says)
        wrap = public.seal(keys.encode(), context)
        return _claim(by, to, id_, wrap, says, await self._transport.sign(context + wrap))

    async def seal_as_person(
        self, step: Step, to: str, keys: TransitKeys, says: str, account: UUID, signer: Ed25519PrivateKey
    ) -> SealedClaim:
        """The same in a person's name: a reviewer's release is theirs, not a service's."""
        by = f"account:{account}"
        id_, public = await self._transport.public(to)
        context = step.context(by, to, id_, says)
        wrap = public.seal(keys.encode(), context)
        return _claim(by, to, id_, wrap, says, signer.sign(context + wrap))

    async def open(
        self,
        claim: SealedClaim,
        step: Step,
        by: Collection[str],
        person: Ed25519PublicKey | None = None,
    ) -> TransitKeys:
        """The keys in a claim made by one of `by` (or, for `account:...`, signed by `person`).

        Permanent: forged, made for another step or service, or for a transport key that is gone or damaged.
        """
        context = step.context(claim.by, claim.to, claim.key, claim.says)
        wrap = _bytes(claim.wrap)
        signature = _bytes(claim.signature)
        if claim.to != self._transport.service:
            raise Permanent("claim-for-another")
        try:
            if claim.by.startswith("account:"):
                if person is None:
                    raise Permanent("claim-not-accepted")
                verify(person, signature, context + wrap)
            elif claim.by in by:
                self._transport.check(claim.by, signature, context + wrap)
            else:
                raise Permanent("claim-not-accepted")
            private = await self._transport.private(claim.key)
            return TransitKeys.decode(private.open(wrap, context))
        except Forged as error:
            raise Permanent("claim-forged") from error
        except KeyError as error:
            raise Permanent("claim-key-gone") from error
        except WrongKey as error:
            raise Permanent("claim-key-damaged") from error
        except NotForUs as error:
            raise Permanent("claim-wrong-key") from error


def _claim(by: str, to: str, key: str, wrap: bytes, says: str, signature: bytes) -> SealedClaim:
    return SealedClaim(
        by=by,
        to=to,
        key=key,
        wrap=base64.b64encode(wrap).decode(),
        says=says,
        signature=base64.b64encode(signature).decode(),
    )


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Permanent("claim-malformed") from error
