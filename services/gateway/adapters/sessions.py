"""Sessions and group keys in MongoDB, with a short memory of opened ones."""

import time
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from uuid import UUID

from secumail.directory import Directory, group_context
from secumail.errors import Refused
from secumail.sealing.hpke import NotForUs, PrivateKey
from secumail.sealing.stream import Tampered
from secumail.store.client import Collection
from services.gateway.sessions import Session, Stored, identify, unseal

_REMEMBERED = 10_000
_FRESH = 5.0
"""Seconds an opened session is believed without asking the store (a revocation is heard sooner, by event)."""


def _over() -> Refused:
    return Refused("session-over", "The session has ended.", "Log in again.", 401)


class Sessions:
    """Collection `sessions`."""

    def __init__(
        self, sessions: Collection, groups: Collection, directory: Directory, idle: timedelta, end: timedelta
    ) -> None:
        self._sessions = sessions
        self._groups = groups
        self._directory = directory
        self._idle = idle
        self._end = end
        self._fresh = min(_FRESH, idle.total_seconds() / 10)
        self._open: OrderedDict[bytes, tuple[float, datetime, Session]] = OrderedDict()

    async def add(self, stored: Stored) -> None:
        """Keep a new session."""
        await self._sessions.insert_one(
            {
                "_id": stored.id,
                "account": stored.account,
                "sealed": stored.sealed,
                "created": stored.created,
                "ends": stored.ends,
            }
        )

    async def open(self, token: str) -> Session:
        """The session of a token, its idle time begun anew; Refused where it has ended."""
        id_ = identify(token)
        remembered = self._open.get(id_)
        now = datetime.now(UTC)
        if remembered is not None and remembered[0] > time.monotonic() and remembered[1] > now:
            return remembered[2]
        found = await self._sessions.find_one({"_id": id_})
        if found is None or found["ends"] <= now or found["created"] + self._end <= now:
            self._open.pop(id_, None)
            raise _over()
        entry = await self._directory.account(found["account"])
        if entry is None or not entry.active:
            await self.end_all(found["account"])
            raise _over()
        stored = Stored(id_, found["account"], found["sealed"], found["created"], found["ends"])
        try:
            session = remembered[2] if remembered is not None else unseal(stored, token)
        except Tampered as error:
            raise _over() from error
        if entry.key != session.keys.private.public:
            # A key was renewed at a later log-in: this session would not read what comes now. Or we remember too long.
            self._directory.forget(session.account)
            entry = await self._directory.account(session.account)
        if entry is None or entry.key != session.keys.private.public or set(entry.roles) != set(session.roles):
            await self.end(session)
            raise _over()
        ends = min(now + self._idle, found["created"] + self._end)
        # A write for each request would cost more than the request: slide when a tenth of the time is gone.
        if ends - found["ends"] > self._idle / 10:
            await self._sessions.update_one({"_id": id_}, {"$set": {"ends": ends}})
        self._open[id_] = (time.monotonic() + self._fresh, ends, session)
        self._open.move_to_end(id_)
        if len(self._open) > _REMEMBERED:
            self._open.popitem(last=False)
        return session

    async def end(self, session: Session) -> None:
        """Log out: with the document the sealed key is gone."""
        self._open.pop(session.id, None)
        await self._sessions.delete_one({"_id": session.id})

    async def end_all(self, account: UUID) -> None:
        """End every session of an account."""
        self.forget(account)
        await self._sessions.delete_many({"account": account})

    def forget(self, account: UUID) -> None:
        """Ask the store at this account's next request."""
        for id_ in [k for k, (_, _, s) in self._open.items() if s.account == account]:
            del self._open[id_]

    async def group(self, session: Session, name: str) -> tuple[UUID, PrivateKey]:
        """A group's account and key, for a member; Refused for others."""
        if name not in session.groups:
            found = await self._groups.find_one({"_id": name})
            wrap = (found or {"members": {}})["members"].get(str(session.account))
            if found is None or wrap is None:
                raise Refused("not-a-member", "You are not a member of this group.", "Ask a member to add you.", 403)
            try:
                key = session.keys.private.open(wrap, group_context(name, session.account))
            except NotForUs as error:
                raise Refused(
                    "group-key-damaged",
                    "Your copy of the group's key does not open.",
                    "Ask a member to add you again.",
                    409,
                ) from error
            session.groups[name] = (found["account"], PrivateKey(key))
        return session.groups[name]
