"""Releases that need two reviewers, when both act in the same moment; what the sent log says of what was taken out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from secumail.contracts.claims import SealedClaim
from secumail.contracts.commands.dlp import Release
from secumail.directory import Directory
from secumail.directory import Entry as Person
from secumail.errors import Refused
from secumail.sealing.hpke import PrivateKey
from secumail.spool.advance import Advance
from secumail.spool.record import Envelope, Recipient, Record, Stage, State, Verdict, Vote
from secumail.spool.spool import Spool
from services.dlp import holding
from services.dlp.attachments import Attachment
from services.dlp.handlers.review import Review
from services.dlp.message import Message
from services.dlp.policy import Verdict as Decided
from services.dlp.ports import Overdue

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ADA, RITA, SAM = uuid4(), uuid4(), uuid4()
KEY = PrivateKey.generate().public


def held(*votes: Vote) -> Record:
    """A mail of Ada's that two have to release."""
    return Record(
        id=uuid4(), root=uuid4(), origin="submission", account=ADA, stage=Stage.HELD, generation=0, size=10,
        recipients=(Recipient(0, State.HELD, "danger"),), envelope=None, mime=None, cover=None, body=None, meta=None,
        authorship=("gateway", b""), published=(), trace="", accepted=NOW, moved=NOW,
        verdict=Verdict("danger", "It waits.", reviewers=2), votes=votes,
    )  # fmt: skip


@dataclass
class OneRecord:
    """A spool of one mail. `meanwhile` is what another reviewer does just before a write."""

    record: Record
    meanwhile: Callable[[Record], Record] = lambda record: record

    async def find(self, _mail: UUID) -> Record:
        return self.record

    async def advance(self, _record: Record, change: Advance) -> bool:
        self.record = self.meanwhile(self.record)
        if self.record.stage is not Stage.HELD:
            return False
        votes = (*self.record.votes, *([change.vote] if change.vote is not None else []))
        generation = self.record.generation if change.generation is None else change.generation
        self.record = replace(self.record, votes=votes, stage=change.stage, generation=generation)
        return True


class People:
    """Who is a reviewer."""

    def __init__(self, *reviewers: UUID) -> None:
        self.reviewers = reviewers

    async def account(self, account: UUID) -> Person:
        roles = ("member", "reviewer") if account in self.reviewers else ("member",)
        return Person(b"", account, KEY, bytes(32), 1, 1, roles, "active")


def release(spool: OneRecord, who: UUID, says: str, *reviewers: UUID) -> Any:
    """A release by `who`, not yet awaited."""
    people = cast(Directory, People(*(reviewers or (RITA, SAM))))
    review = Review(cast(Spool, spool), people, cast(Overdue, None), timedelta(days=30))
    claim = SealedClaim(by=f"account:{who}", to="crypto", key="k", wrap="", says=says, signature="")
    return review.release(Release(mail=spool.record.id, generation=0, claim=claim), who)


async def test_a_condition_that_comes_in_the_same_moment_binds_the_other_vote() -> None:
    def rita_votes(record: Record) -> Record:
        return record if record.votes else replace(record, votes=(Vote(RITA, "released-encrypted"),))

    spool = OneRecord(held(), rita_votes)
    with pytest.raises(Refused, match="on condition") as refused:
        await release(spool, SAM, "released")
    assert refused.value.code == "vote-encrypted"
    assert spool.record.stage.value == "held"
    assert (await release(spool, RITA, "released-encrypted")).missing == 0
    assert spool.record.stage.value == "filtered"


async def test_whoever_voted_may_become_stricter_and_is_still_one_person() -> None:
    spool = OneRecord(held())
    assert (await release(spool, RITA, "released")).missing == 1
    assert (await release(spool, RITA, "released-encrypted")).missing == 1
    assert (await release(spool, RITA, "released")).missing == 1
    assert [vote.says for vote in spool.record.votes] == ["released", "released-encrypted"]
    with pytest.raises(Refused, match="on condition"):
        await release(spool, SAM, "released")


async def test_two_votes_of_one_moment_make_a_release() -> None:
    def rita_votes(record: Record) -> Record:
        return record if record.votes else replace(record, votes=(Vote(RITA, "released"),))

    spool = OneRecord(held(), rita_votes)
    assert (await release(spool, SAM, "released")).missing == 0
    assert spool.record.stage.value == "filtered"


async def test_the_vote_of_somebody_who_is_no_reviewer_any_more_counts_no_longer() -> None:
    spool = OneRecord(held(Vote(RITA, "released-encrypted")))
    assert (await release(spool, SAM, "released", SAM)).missing == 1


async def test_what_a_rule_lets_leave_encrypted_only_is_released_so_or_not_at_all() -> None:
    waiting = held()
    spool = OneRecord(replace(waiting, verdict=Verdict("black-word", "It waits.", encrypted=True)))
    with pytest.raises(Refused) as refused:
        await release(spool, SAM, "released")
    assert refused.value.code == "encryption-required"
    assert (await release(spool, SAM, "released-encrypted")).missing == 0


async def test_nobody_releases_a_mail_of_ones_own() -> None:
    spool = OneRecord(held(Vote(RITA, "released")))
    with pytest.raises(Refused) as refused:
        await release(spool, ADA, "released", ADA, RITA)
    assert refused.value.code == "own-mail"
    assert spool.record.votes == (Vote(RITA, "released"),)


def test_the_sent_log_has_the_hashes_of_what_went_along() -> None:
    secret, inner, menu = (
        Attachment(n, digit * 64, digit * 40, 9, "application/zip", f"{n}.zip", within)
        for n, digit, within in ((1, "1", ""), (1, "3", "attachment 1 (1.zip)"), (2, "2", ""))
    )
    group = PrivateKey.generate()
    reviewers = Person(b"", uuid4(), group.public, b"", 1, 1, (), "active", group=True)
    verdict = Decided((0,), "pass", "stripped", "So says a rule.", "Sent.", without=("1" * 64,))
    envelope = Envelope("ada@northwind.example", ("eve@elsewhere.example",))
    message = Message(attachments=(secret, inner, menu))
    line = holding.logged(uuid4(), envelope, message, {}, 10, verdict, reviewers, NOW)
    assert line.open_meta(line.open_key(group)).extra["hashes"] == [{"sha256": "2" * 64, "size": 9}]
