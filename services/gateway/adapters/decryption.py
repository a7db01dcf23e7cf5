"""A person's decryption keys in MongoDB, sealed to the account key: only a session opens them."""

import base64

from secumail.contracts.commands.protection import DecryptionKey
from secumail.errors import Refused
from secumail.sealing import decryption
from secumail.sealing.hpke import NotForUs
from secumail.store.client import Collection
from services.gateway.sessions import Session

_MOST = 100
"""Keys tried for one read, newest first: a person gets a new one of each kind every year or two."""


class DecryptionKeys:
    """Collection `decryption_keys`, which crypto fills."""

    def __init__(self, collection: Collection) -> None:
        self._keys = collection

    async def open(self, session: Session) -> list[DecryptionKey]:
        """The session's keys, for one read; Refused where one was changed at rest."""
        found = await self._keys.find({"account": session.account}).sort("_id", -1).limit(_MOST).to_list(_MOST)
        return [self._opened(session, d["_id"], d["kind"], d["wrap"]) for d in found]

    async def of_certificate(self, session: Session, serial: str) -> DecryptionKey:
        """The session's key of one certificate, by its serial number (hex); Refused where there is none."""
        found = await self._keys.find_one({"account": session.account, "serial": serial})
        if found is None:
            raise Refused("no-such-key", "You have no key of this certificate.", "Look at your certificates.", 404)
        return self._opened(session, found["_id"], found["kind"], found["wrap"])

    @staticmethod
    def _opened(session: Session, id_: str, kind: str, wrap: bytes) -> DecryptionKey:
        try:
            secret = decryption.open_sealed(wrap, session.account, id_, session.keys.private)
        except NotForUs as error:
            raise Refused(
                "decryption-key-damaged", "One of your decryption keys does not open: it was changed at rest.",
                "Ask your administrator to look at the audit trail and to restore it from a backup.", 409,
            ) from error  # fmt: skip
        return DecryptionKey.model_validate({"id": id_, "kind": kind, "secret": base64.b64encode(secret).decode()})
