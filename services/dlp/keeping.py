"""The lists in use and their versions: kept up to date, changed, shown. The swap to a new version stops nothing."""

import asyncio
import ctypes
import gc
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from secumail.audit import Acts
from secumail.contracts.commands.dlp import (
    ChangedReply,
    ChangeLists,
    GetLists,
    GetListsHistory,
    GetWords,
    HistoryReply,
    ListsReply,
    PutLists,
    PutWords,
    WordsAct,
    WordsForm,
    WordsReply,
)
from secumail.contracts.packing import pack, unpack
from secumail.directory import Directory
from secumail.errors import Refused
from services.dlp.black_words import Words, words_from_csv, words_from_text, words_to_csv, words_to_text
from services.dlp.lists import Lists
from services.dlp.policy import Rules
from services.dlp.ports import ListVersions
from services.dlp.term_ids import TermIds

log = logging.getLogger(__name__)

MOST = 128 * 2**20
"""Bytes of lists in one command, unpacked."""
INLINE = 100_000
"""Words up to which the lists have them in their JSON."""
AT_ONCE = 50_000
"""Words up to which whoever changed the lists is answered when they count; more of them count some seconds later."""
_LOOK_EVERY = 2.0


class KeptLists:
    """The lists that count, over the port."""

    def __init__(self, versions: ListVersions, directory: Directory, acts: Acts) -> None:
        self._versions = versions
        self._directory = directory
        self._acts = acts
        self._loading = asyncio.Lock()
        self._untidy = False
        self.rules = Rules.compile(Lists())
        self._term_ids: TermIds | None = None

    async def load(self) -> None:
        """Take the newest lists, if newer than ours."""
        async with self._loading:
            newest = await self._versions.newest(self.rules.lists.version)
            if newest is not None:
                # In a thread; the change of the rules falls between two mails.
                self.rules = await asyncio.to_thread(Rules.compile, newest, self.rules)
                self._untidy = True
                log.info("lists loaded", extra={"count": len(newest.words)})

    async def term_ids(self) -> TermIds:
        """By which the sent log counts words."""
        if self._term_ids is None:
            self._term_ids = TermIds(await self._versions.secret())
        return self._term_ids

    async def follow(self) -> None:
        """Keep the lists up to date with what other replicas were told."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                await self.load()
                if self._untidy:
                    self._untidy = False
                    await asyncio.to_thread(_give_back)
            except Exception as error:  # the lists we have go on to hold; a fault must not end the watch
                log.warning("lists not looked at", extra={"cause": type(error).__name__})

    # --- answers ----------------------------------------------------------------------------------------

    async def get_lists(self, command: GetLists, actor: UUID | None) -> ListsReply:
        """The lists, for reviewers and administrators."""
        lists = await self._shown(actor, command.number)
        if command.words and len(lists.words) > INLINE:
            raise Refused(
                "too-many-words", f"The lists have {len(lists.words):,} words.",
                "GET the lists without them, and the words by themselves: GET /lists?words=false, GET /lists/words.",
            )  # fmt: skip
        text = await asyncio.to_thread(lambda: pack(_json(lists, command.words)))
        return ListsReply(lists=text, number=lists.version)

    async def get_words(self, command: GetWords, actor: UUID | None) -> WordsReply:
        """The black words, for reviewers and administrators."""
        lists = await self._shown(actor, command.number)
        write = words_to_csv if command.form == "csv" else words_to_text
        text = await asyncio.to_thread(lambda: pack(write(lists.words)))
        self._untidy = True
        return WordsReply(words=text, number=lists.version)

    async def history(self, _command: GetListsHistory, actor: UUID | None) -> HistoryReply:
        """Who changed the lists, and when."""
        await allowed(self._directory, actor, "reviewer", "administrator")
        return HistoryReply(versions=tuple(await self._versions.history()), counting=self.rules.lists.version)

    async def put_lists(self, command: PutLists, actor: UUID | None) -> ListsReply:
        """Replace the lists by a next version."""
        await self._may_change(actor, command.expects)
        given = await asyncio.to_thread(lambda: _checked(unpack(command.lists, MOST)))
        lists = await self._next(given, command.expects, actor)
        text = await asyncio.to_thread(lambda: pack(_json(lists, True)))
        return ListsReply(lists=text, number=lists.version)

    async def change_lists(self, command: ChangeLists, actor: UUID | None) -> ChangedReply:
        """Replace some of the lists by a next version."""
        await self._may_change(actor, command.expects)
        lists = await asyncio.to_thread(changed_fields, self.rules.lists, command.fields)
        return await self._changed(lists, command.expects, actor)

    async def put_words(self, command: PutWords, actor: UUID | None) -> ChangedReply:
        """Replace the black words, or some of them, by a next version."""
        await self._may_change(actor, command.expects)
        self._untidy = True
        given = self.rules.lists, command.words, command.form, command.act
        return await self._changed(await asyncio.to_thread(changed_words, *given), command.expects, actor)

    # --- versions ---------------------------------------------------------------------------------------

    async def _shown(self, actor: UUID | None, number: int | None) -> Lists:
        await allowed(self._directory, actor, "reviewer", "administrator")
        await self.load()
        current = self.rules.lists
        if number in (None, current.version):
            return current
        lists = await self._versions.one(number) if number else Lists()
        if lists is None:
            raise Refused("no-such-version", f"There is no version {number}.", "See: secumail lists history", 404)
        return lists

    async def _may_change(self, actor: UUID | None, expects: int) -> None:
        await allowed(self._directory, actor, "reviewer", "administrator")
        await self.load()
        if expects != self.rules.lists.version:
            raise _changed_meanwhile()

    async def _changed(self, given: Lists, expects: int, actor: UUID | None) -> ChangedReply:
        lists = await self._next(given, expects, actor)
        return ChangedReply(number=lists.version, counts=self.rules.lists.version >= lists.version)

    async def _next(self, given: Lists, expects: int, actor: UUID | None) -> Lists:
        lists = given.model_copy(update={"version": expects + 1})
        if not await self._versions.add(lists, actor):
            raise _changed_meanwhile()
        await self._acts.record(actor, f"lists:{lists.version}", "lists")
        if lists.words is self.rules.words or len(lists.words) <= AT_ONCE:
            await self.load()
        return lists


async def allowed(directory: Directory, actor: UUID | None, *roles: str) -> UUID:
    """Whose act it is; Refused unless an active person's with one of these roles."""
    entry = await directory.account(actor) if actor is not None else None
    if entry is None or not entry.active or not set(roles) & set(entry.roles):
        raise Refused(
            "role-missing",
            f"This is for a person with the role {' or '.join(roles)}.",
            "Ask an administrator.",
            403,
        )
    return entry.account


def _give_back() -> None:
    """Return to the system what is kept of freed memory: a million words, in a command and compiled, leave hundreds of
    megabytes, part of them in cycles that the settled collector would come to late."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)


def _removed(now: Words, given: Words) -> Words:
    kept = now.without(given)
    if missing := len(kept) + len(given) - len(now):
        raise Refused(
            "no-such-word", f"{missing} of {len(given)} are no black words of that scope.", "See: secumail lists show"
        )
    return kept


_CHANGES: Mapping[WordsAct, Callable[[Words, Words], Words]] = {
    "replace": lambda _now, given: given,
    "add": Words.with_words,
    "remove": _removed,
}


def changed_fields(now: Lists, packed: str) -> Lists:
    """Lists with some of their fields replaced, by a packed JSON object."""
    fields = json.loads(unpack(packed, MOST))
    if not isinstance(fields, dict):
        raise Refused("lists-malformed", "The lists are no JSON object.", "GET the lists to see their shape.")
    return _with(now, fields)


def changed_words(now: Lists, packed: str, form: WordsForm, act: WordsAct) -> Lists:
    """Lists with other words, with more, or with fewer."""
    read = words_from_csv if form == "csv" else words_from_text
    try:
        return now.model_copy(update={"words": _CHANGES[act](now.words, read(unpack(packed, MOST)))})
    except ValueError as error:
        raise Refused("list-malformed", f"The words are not right: {error}.", "Mend that line.") from error


def _json(lists: Lists, words: bool) -> str:
    return lists.model_dump_json(exclude=None if words else {"words"})


def _checked(text: str) -> Lists:
    try:
        return Lists.model_validate_json(text)
    except ValidationError as error:
        raise _malformed(error) from error


def _with(lists: Lists, fields: Mapping[str, Any]) -> Lists:
    try:
        return Lists.model_validate({**dict(lists), **fields})
    except ValidationError as error:
        raise _malformed(error) from error


def _malformed(error: ValidationError) -> Refused:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "lists"
    return Refused(
        "lists-malformed", f"The lists are not right at {where}: {first['msg']}.",
        "Mend that place; GET the lists to see their shape.",
    )  # fmt: skip


def _changed_meanwhile() -> Refused:
    return Refused(
        "changed-meanwhile", "Somebody else changed the lists.", "Get them again and repeat your change.", 409
    )
