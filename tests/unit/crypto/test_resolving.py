"""Who a recipient is: a mailbox here, a guest outside, or a reason why nobody."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from secumail.directory import Entry as Account
from secumail.errors import Refused
from secumail.mailbox import entry as mailbox
from secumail.mailbox.entry import Entry, Meta
from secumail.sealing.hpke import PrivateKey
from secumail.spool.record import Envelope, Guest, Recipient
from services.crypto.resolving import resolve

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOME = ("northwind.example",)
OUTSIDE = "carol@elsewhere.example"


class Book:
    """A directory with one account, or none."""

    def __init__(self, account: Account | None = None) -> None:
        self._account = account

    async def address(self, address: str) -> Account | None:
        """The one there is, whatever the address."""
        return self._account


def guest(key: PrivateKey, expires: datetime = NOW + timedelta(days=28)) -> Guest:
    """A guest who holds `key`."""
    return Guest(uuid4(), key.public.raw, expires)


async def test_a_guest_opens_the_mail_like_the_owner_of_a_mailbox_and_nobody_else_does() -> None:
    mail, key = uuid4(), PrivateKey.generate()
    sealed = mailbox.seal(mail, b"Good morning", Meta(subject="Plans"))
    carol = guest(key)
    (resolved,) = await resolve([Recipient(0)], [OUTSIDE], HOME, Book(), mail, sealed, {0: carol}, NOW)
    assert (resolved.account, resolved.reason) == (carol.id, None)
    entry = Entry.new(carol.id, mail, "received", "inbox", NOW, 1, resolved.wrap or b"", sealed.meta, None)
    opened = entry.open_key(key)
    assert entry.open_body(opened, sealed.body) == b"Good morning"
    with pytest.raises(Refused):
        entry.open_key(PrivateKey.generate())


async def test_outside_without_a_pickup_there_is_no_relay() -> None:
    addresses = [OUTSIDE, "nobody", "dave@elsewhere.example"]
    resolved = await resolve(
        [Recipient(0), Recipient(1), Recipient(2)], addresses, HOME, Book(), uuid4(), None,
        {1: guest(PrivateKey.generate()), 2: guest(PrivateKey.generate())}, NOW,
    )  # fmt: skip
    assert [r.reason for r in resolved] == ["no-relay", "malformed-recipient", None]
    assert [r.account is None for r in resolved] == [True, True, False]


async def test_a_pickup_that_has_expired_gets_nothing() -> None:
    late = guest(PrivateKey.generate(), NOW)
    (resolved,) = await resolve([Recipient(0)], [OUTSIDE], HOME, Book(), uuid4(), None, {0: late}, NOW)
    assert (resolved.account, resolved.reason) == (None, "pickup-expired")


async def test_a_guest_in_the_place_of_somebody_inside_is_nobody() -> None:
    key = PrivateKey.generate().public
    ada = Account(b"", uuid4(), key, bytes(32), 1, 1, ("member",), "active")
    instead = {0: guest(PrivateKey.generate())}
    for book, account in ((Book(ada), ada.account), (Book(), None)):
        (resolved,) = await resolve([Recipient(0)], ["ada@northwind.example"], HOME, book, uuid4(), None, instead, NOW)
        assert resolved.account == account


def test_an_envelope_keeps_its_guests() -> None:
    envelope = Envelope("ada@northwind.example", (OUTSIDE,), guests={0: guest(PrivateKey.generate())})
    assert Envelope.decode(envelope.encode()) == envelope
