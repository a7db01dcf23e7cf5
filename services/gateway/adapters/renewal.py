"""After an account's key was renewed: in its owner's session, everything sealed to the former key is sealed anew.

In batches, beside the session's other work; whatever is still sealed to a former key opens meanwhile. A session that
ends, or a process that is killed, leaves the rest to the next log-in.
"""

import asyncio
import base64
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from secumail.contracts.commands import Done
from secumail.contracts.commands.keys import FormerKeysUnused, RenewGrant
from secumail.directory import group_context
from secumail.errors import Refused
from secumail.mailbox.entry import Entry
from secumail.sealing import decryption
from secumail.sealing.hpke import NotForUs
from secumail.store.client import Collection, Database, Document, PyMongoError
from services.gateway.ports import Ask
from services.gateway.sessions import Session

log = logging.getLogger(__name__)

_BATCH = 50
KEPT = timedelta(days=1)
"""Former keys are kept so long at least."""
_CACHES = timedelta(minutes=5)
"""So long after a renewal some service may have sealed to the former key, from what it remembered."""


class Renewal:
    """Brings what is sealed to an account up to its current key."""

    def __init__(self, database: Database, ask: Ask) -> None:
        self._entries = database["entries"]
        self._keys = database["decryption_keys"]
        self._groups = database["groups"]
        self._pickups = database["pickups"]
        self._spool = database["spool"]
        self._ask = ask
        self._running: dict[UUID, asyncio.Task[None]] = {}

    def begin(self, session: Session, renewed: datetime) -> None:
        """Begin beside the session's other work; once for an account at a time."""
        if session.account in self._running:
            return
        task = asyncio.create_task(self._run(session, renewed))
        self._running[session.account] = task
        task.add_done_callback(lambda _: self._running.pop(session.account, None))

    async def _run(self, session: Session, renewed: datetime) -> None:
        try:
            done = await self.bring_up(session)
            log.info("sealed to the renewed key", extra={"account": str(session.account), "count": done})
            if await self.former_unused(session.account, renewed, datetime.now(UTC)):
                await self._ask(FormerKeysUnused(), Done, session.actor)
        except (PyMongoError, Refused) as error:
            log.warning("not sealed to the renewed key", extra={"cause": type(error).__name__})

    async def bring_up(self, session: Session) -> int:
        """Seal everything to the current key; how many were sealed to a former one."""
        account, owner = session.account, session.keys.private

        def entry(d: Document) -> bytes | None:
            return Entry.read(d).renewed_key(owner)

        def key(d: Document) -> bytes | None:
            return decryption.renew(d["wrap"], account, d["_id"], owner)

        done = await self._each(self._entries, {"account": account, "folder": {"$exists": True}}, "key", entry)
        done += await self._each(self._keys, {"account": account}, "wrap", key)
        return done + await self._groups_of(session)

    async def _each(
        self, collection: Collection, query: Document, field: str, renewed: Callable[[Document], bytes | None]
    ) -> int:
        done = 0
        async for document in collection.find(query).batch_size(_BATCH):
            await asyncio.sleep(0)  # opening takes a tenth of a millisecond: others are served between
            try:
                wrap = renewed(document)
            except (NotForUs, Refused):
                # Damaged: it opened by no key before either.
                continue
            if wrap is not None:
                changed = await collection.update_one(
                    {"_id": document["_id"], field: document[field]}, {"$set": {field: wrap}}
                )
                done += changed.modified_count
        return done

    async def _groups_of(self, session: Session) -> int:
        done, member = 0, f"members.{session.account}"
        async for group in self._groups.find({member: {"$exists": True}}):
            context = group_context(group["_id"], session.account)
            wrap = session.keys.private.renew(group["members"][str(session.account)], context)
            if wrap is not None:
                command = RenewGrant(group=group["_id"], wrap=base64.b64encode(wrap).decode())
                await self._ask(command, Done, session.actor)
                done += 1
        return done

    async def former_unused(self, account: UUID, renewed: datetime, now: datetime) -> bool:
        """Whether nothing more can come that is sealed to a former key: it is long ago, every mail that was on its way
        then has arrived, and the links of that time have ended."""
        if now < renewed + KEPT:
            return False
        under_way = {"open": True, "accepted": {"$lt": renewed + _CACHES}}
        links = {"account": account, "created": {"$lt": renewed}}
        return (
            await self._spool.find_one(under_way, {"_id": 1}) is None
            and await self._pickups.find_one(links, {"_id": 1}) is None
        )
