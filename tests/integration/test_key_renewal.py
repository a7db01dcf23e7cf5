"""After a renewal of an account key: what is sealed to the former one, and when that may go. On a real database."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from secumail.contracts.commands import Command
from secumail.contracts.commands.keys import RenewGrant
from secumail.directory import group_context
from secumail.mailbox import entry
from secumail.mailbox.entry import Entry, Meta
from secumail.sealing import decryption
from secumail.sealing.accounts import AccountKeys
from services.gateway.adapters.renewal import KEPT, Renewal
from services.gateway.sessions import Session
from tests.integration.ground import Ground

NOW = datetime.now(UTC)
RENEWED = NOW - KEPT - timedelta(hours=1)


class Person:
    """Somebody with mail, a decryption key and a group's key, all sealed before the renewal."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.account = uuid4()
        self.old = AccountKeys.generate()
        self.keys = self.old.renewed()
        self.session = Session(b"", self.account, "ada@northwind.example", "Ada", ("member",), self.keys)
        self.asked: list[Command] = []
        self.renewal = Renewal(ground.process("gateway").database, self._ask)

    async def _ask(self, command: Command, reply: type, actor: object = None) -> object:
        self.asked.append(command)
        return reply()

    async def file(self, keys: AccountKeys, subject: str) -> UUID:
        """A mail in the mailbox, sealed to these keys."""
        mail = uuid4()
        sealed = entry.seal(mail, b"raw", Meta(subject=subject))
        wrap = sealed.wrap(mail, self.account, keys.private.public)
        filed = Entry.new(self.account, mail, "received", "inbox", NOW, 3, wrap, sealed.meta, None)
        await self.ground.database["entries"].insert_one(filed.document())
        return filed.id

    async def subjects(self) -> set[str]:
        """What the current key alone opens of the mailbox."""
        owner = self.keys.current().private
        found = [Entry.read(d) async for d in self.ground.database["entries"].find({"account": self.account})]
        return {e.open_meta(e.open_key(owner)).subject for e in found}


@pytest.fixture
def ada(ground: Ground) -> Person:
    return Person(ground)


async def test_mail_of_all_epochs_is_sealed_to_the_current_key_and_a_second_look_finds_nothing(ada: Person) -> None:
    for n in range(120):
        await ada.file(ada.old if n % 3 else ada.keys, f"Nr. {n}")
    assert await ada.renewal.bring_up(ada.session) == 80
    assert await ada.subjects() == {f"Nr. {n}" for n in range(120)}
    assert await ada.renewal.bring_up(ada.session) == 0


async def test_decryption_keys_and_group_keys_are_sealed_anew_too(ada: Person) -> None:
    database = ada.ground.database
    wrap = decryption.seal(b"PKCS #8", ada.account, "smime/1", ada.old.private.public)
    context = group_context("choir", ada.account)
    await database["decryption_keys"].insert_one(
        {"_id": "smime/1", "account": ada.account, "kind": "smime", "wrap": wrap}
    )
    group = {
        "_id": "choir",
        "account": uuid4(),
        "members": {str(ada.account): ada.old.private.public.seal(b"k", context)},
    }
    await database["groups"].insert_one(group)
    try:
        assert await ada.renewal.bring_up(ada.session) == 2
        stored = await database["decryption_keys"].find_one({"_id": "smime/1"}) or {}
        owner = ada.keys.current().private
        assert decryption.open_sealed(stored["wrap"], ada.account, "smime/1", owner) == b"PKCS #8"
        (command,) = ada.asked
        assert isinstance(command, RenewGrant) and command.group == "choir"
    finally:
        await database["decryption_keys"].delete_many({})
        await database["groups"].delete_many({"_id": "choir"})


async def test_a_damaged_entry_does_not_keep_the_others_from_being_sealed_anew(ada: Person) -> None:
    damaged = await ada.file(ada.old, "damaged")
    await ada.file(ada.old, "whole")
    await ada.ground.database["entries"].update_one({"_id": damaged}, {"$set": {"key": b"damaged"}})
    assert await ada.renewal.bring_up(ada.session) == 1


async def test_the_former_key_may_go_a_day_later_when_nothing_of_its_time_is_under_way(ada: Person) -> None:
    async def unused(now: datetime = NOW) -> bool:
        return await ada.renewal.former_unused(ada.account, RENEWED, now)

    database = ada.ground.database
    assert await unused()
    assert not await unused(RENEWED + KEPT - timedelta(minutes=1)), "less than a day"

    mail = {"_id": uuid4(), "open": True, "keys": [], "accepted": RENEWED + timedelta(minutes=4)}
    await database["spool"].insert_one(mail)
    assert not await unused(), "a mail of that time is under way"
    await database["spool"].update_one({"_id": mail["_id"]}, {"$unset": {"open": ""}})
    assert await unused()

    link = {"_id": uuid4().hex, "account": ada.account, "created": RENEWED - timedelta(days=1)}
    await database["pickups"].insert_one(link)
    assert not await unused(), "a link of that time is shown to its sender"
    await database["pickups"].delete_one({"_id": link["_id"]})
    assert await unused()
