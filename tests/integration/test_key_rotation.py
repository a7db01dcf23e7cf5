"""Rotation on a real database: services bring up what they stored, nothing is lost, old keys go only when unused."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from secumail.errors import Refused
from secumail.installation.rotation import SETTLED, Rotation
from secumail.sealing.claims import Claims, Step
from secumail.sealing.keyring import KeyRing
from secumail.sealing.kms import SCOPES, Scope, WrongKey, all_scopes, version_of
from secumail.sealing.wraps import AUTHORITY, AUTHORITY_CONTEXT, WRAPS, Wraps, holder, rotated_scopes
from secumail.spool.record import Stage
from secumail.spool.spool import Spool
from secumail.store.rewrapping import Rewrapping
from secumail.store.rights import RIGHTS
from secumail.topology import SERVICES
from tests.integration.ground import Ground, Published, new_mail
from tests.integration.test_spool import PASSED, delivering

MANY = 230
LATER = SETTLED + timedelta(minutes=1)
PROFILES = next(row for row in WRAPS if row.scope == "auth.profiles")


class Vault:
    """What services stored under their scopes, and the operator who rotates these."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.keys = KeyRing(ground.home.keys, all_scopes())
        self.rotation = Rotation(ground.database, self.keys, ground.home.authority)

    def rewrapping(self, row: Wraps) -> Rewrapping:
        """A process of the service that holds the row's scope."""
        process = self.ground.process(holder(row.scope))
        return Rewrapping(process.database, process.keys)

    def scope(self, row: Wraps) -> Scope:
        """The row's scope as a process of its service has it."""
        return self.ground.process(holder(row.scope)).keys[row.scope]

    async def store(self, row: Wraps, many: int = MANY) -> dict[UUID, bytes]:
        """Documents with a wrapped secret each: the secrets by id."""
        scope, secrets = self.scope(row), {uuid4(): uuid4().bytes for _ in range(many)}
        documents = [{"_id": id_, "lookup": id_.bytes, "number": 1, **dict(row.only)} for id_ in secrets]
        for document in documents:
            wrapped: Any = await scope.wrap(secrets[document["_id"]], row.bound_to(document))
            first, *inner = row.field.split(".")
            for name in reversed(inner):
                wrapped = {name: wrapped}
            document[first] = wrapped
        await self.ground.database[row.collection].insert_many(documents)
        return secrets

    async def stored(self, row: Wraps, ids: Any) -> list[dict[str, Any]]:
        """These documents."""
        return [d async for d in self.ground.database[row.collection].find({"_id": {"$in": list(ids)}})]

    async def opened(self, row: Wraps, ids: Any) -> dict[UUID, bytes]:
        """Their secrets, read by a process that has just started."""
        scope = self.scope(row)
        return {d["_id"]: await scope.unwrap(row.wrapped(d), row.bound_to(d)) for d in await self.stored(row, ids)}

    async def left(self, scope: str) -> int:
        """How many are under older versions."""
        (status,) = await self.rotation.status([scope])
        return status.left


@pytest.fixture
async def vault(ground: Ground) -> AsyncIterator[Vault]:
    yield Vault(ground)
    for row in WRAPS:
        await ground.database[row.collection].delete_many({"number": 1})


@pytest.mark.parametrize("row", WRAPS, ids=lambda row: f"{row.scope}-{row.collection}-{row.field}")
async def test_every_kind_of_stored_secret_is_brought_under_the_new_version_and_the_old_one_can_go(
    vault: Vault, row: Wraps
) -> None:
    secrets = await vault.store(row)
    new = await vault.rotation.rotate(row.scope)
    assert await vault.left(row.scope) >= MANY
    assert await vault.rewrapping(row).turn() >= MANY
    assert await vault.left(row.scope) == 0
    assert {version_of(row.wrapped(d)) for d in await vault.stored(row, secrets)} == {new}
    gone = await vault.rotation.retire(row.scope, datetime.now(UTC) + LATER)
    assert new - 1 in gone
    assert await vault.opened(row, secrets) == secrets


@pytest.mark.parametrize("row", WRAPS, ids=lambda row: f"{row.scope}-{row.collection}-{row.field}")
def test_the_service_that_holds_the_scope_may_read_and_write_what_is_under_it(row: Wraps) -> None:
    assert {"find", "update"} <= set(RIGHTS[holder(row.scope)][row.collection])


async def test_only_scopes_that_wrap_are_rotated_and_each_of_them_has_one_holder() -> None:
    stable = set(all_scopes()) - set(rotated_scopes())
    assert stable == {"address", "auth.credentials", "auth.directory", "delivery.audit"}
    for scope in rotated_scopes():
        assert [s for s in SERVICES if scope in SCOPES[s]] == [holder(scope)]


async def test_while_nothing_is_old_nothing_is_read_or_written(vault: Vault) -> None:
    await vault.store(PROFILES, 3)
    rewrapping = vault.rewrapping(PROFILES)
    await vault.rotation.rotate("auth.profiles")
    assert await rewrapping.turn() == 3
    assert await rewrapping.turn() == 0


async def test_a_process_stopped_half_way_leaves_the_rest_to_the_next(vault: Vault) -> None:
    secrets = await vault.store(PROFILES)
    await vault.rotation.rotate("auth.profiles")
    turn = asyncio.create_task(vault.rewrapping(PROFILES).turn())
    while await vault.left("auth.profiles") == MANY:
        await asyncio.sleep(0)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    left = await vault.left("auth.profiles")
    assert 0 < left < MANY
    assert await vault.opened(PROFILES, secrets) == secrets, "half old, half new: all open"
    assert 0 < await vault.rewrapping(PROFILES).turn() <= left, "what was in hand may have been done meanwhile"
    assert await vault.left("auth.profiles") == 0


async def test_replicas_that_work_at_once_bring_each_up_once(vault: Vault) -> None:
    secrets = await vault.store(PROFILES)
    await vault.rotation.rotate("auth.profiles")
    done = await asyncio.gather(*(vault.rewrapping(PROFILES).turn() for _ in range(3)))
    assert sum(done) == MANY
    assert await vault.opened(PROFILES, secrets) == secrets


async def test_what_is_changed_meanwhile_stays_as_changed(vault: Vault) -> None:
    secrets = await vault.store(PROFILES)
    await vault.rotation.rotate("auth.profiles")
    scope, collection = vault.scope(PROFILES), vault.ground.database["accounts"]

    async def change(id_: UUID) -> None:
        renamed = await scope.wrap(b"renamed", f"profile/{id_}")
        await collection.update_one({"_id": id_}, {"$set": {"profile": renamed}})

    changed = list(secrets)[::3]
    await asyncio.gather(vault.rewrapping(PROFILES).turn(), *(change(id_) for id_ in changed))
    assert await vault.opened(PROFILES, secrets) == secrets | dict.fromkeys(changed, b"renamed")
    assert await vault.left("auth.profiles") == 0


async def test_an_old_version_is_kept_while_a_single_secret_is_under_it(vault: Vault) -> None:
    secrets = await vault.store(PROFILES, 2)
    await vault.rotation.rotate("auth.profiles")
    with pytest.raises(Refused, match="2 stored secrets") as refused:
        await vault.rotation.retire("auth.profiles", datetime.now(UTC) + LATER)
    assert refused.value.code == "wraps-left"
    assert await vault.opened(PROFILES, secrets) == secrets


async def test_an_old_version_is_kept_while_somebody_may_still_be_writing_under_it(vault: Vault) -> None:
    await vault.rotation.rotate("auth.profiles")
    with pytest.raises(Refused) as refused:
        await vault.rotation.retire("auth.profiles", datetime.now(UTC) + SETTLED - timedelta(seconds=30))
    assert refused.value.code == "too-soon"
    assert await vault.rotation.retire("auth.profiles", datetime.now(UTC) + LATER)
    assert await vault.rotation.retire("auth.profiles", datetime.now(UTC) + LATER) == ()


async def test_a_damaged_secret_is_left_as_it_is_told_in_the_log_and_holds_its_version(
    vault: Vault, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = await vault.store(PROFILES, 5)
    await vault.rotation.rotate("auth.profiles")
    damaged, *_ = secrets
    (document,) = await vault.stored(PROFILES, [damaged])
    bad = document["profile"][:-1] + b"\0"
    await vault.ground.database["accounts"].update_one({"_id": damaged}, {"$set": {"profile": bad}})
    assert await vault.rewrapping(PROFILES).turn() == 4
    assert "a wrap does not open" in caplog.text and str(damaged) not in caplog.text
    assert await vault.left("auth.profiles") == 1
    with pytest.raises(Refused):
        await vault.rotation.retire("auth.profiles", datetime.now(UTC) + LATER)


async def test_the_issuing_cas_key_is_brought_up_at_once(vault: Vault) -> None:
    path = vault.ground.home.authority / "issuing.key"
    former = path.with_name("former-1.key")
    before = await vault.keys[AUTHORITY].unwrap(path.read_bytes(), AUTHORITY_CONTEXT)
    former.write_bytes(path.read_bytes())
    old = path.read_bytes()
    new = await vault.rotation.rotate(AUTHORITY)
    crypto = vault.ground.process("crypto").keys[AUTHORITY]
    for file in (path, former):
        assert version_of(file.read_bytes()) == new
        assert await crypto.unwrap(file.read_bytes(), AUTHORITY_CONTEXT) == before
        assert file.stat().st_mode & 0o777 == 0o600
    assert await vault.left(AUTHORITY) == 0
    await vault.rotation.retire(AUTHORITY, datetime.now(UTC) + LATER)
    with pytest.raises(WrongKey):
        await vault.ground.process("crypto").keys[AUTHORITY].unwrap(old, AUTHORITY_CONTEXT)
    former.unlink()


async def test_every_act_of_the_operator_is_in_the_audit_trail(vault: Vault) -> None:
    new = await vault.rotation.rotate("dlp.lists")
    await vault.rotation.retire("dlp.lists", datetime.now(UTC) + LATER)
    acts = [(a["actor"], a["step"], a["subject"]) async for a in vault.ground.database["acts"].find().sort("at", 1)]
    assert ("operator", f"keys-rotated:{new}", "dlp.lists") in acts
    assert any(step.startswith("keys-retired:") and str(new - 1) in step for _, step, _ in acts)


async def test_a_mail_on_its_way_outlives_new_transport_pairs_and_its_pair_goes_when_it_has_arrived(
    vault: Vault,
) -> None:
    ground, identities = vault.ground, vault.ground.process("gateway").identities
    await vault.rotation.rotate_transport(identities)
    gateway = ground.process("gateway")
    accepted = await Spool(gateway.database["spool"], gateway.blobs, gateway.transport, Published()).submit(new_mail())
    event = accepted.event
    assert event is not None and event.claim is not None
    old = event.claim.key
    made = await vault.rotation.rotate_transport(identities)
    assert len(made) == len(set(made)) == len(SERVICES) and old not in made
    dlp = ground.process("dlp")
    assert (await ground.process("gateway").transport.public("dlp"))[0] in made
    keys = await Claims(dlp.transport).open(event.claim, Step("mail.submitted", event.mail, 0), by={"gateway"})
    assert keys.content, "the old pair opens it still"
    mails = {pair.id: pair.mails for pair in await vault.rotation.pairs() if pair.service == "dlp"}
    assert mails[old] == 1
    others, later = set(mails) - {old}, datetime.now(UTC) + timedelta(days=3)
    named = await ground.database["spool"].distinct("keys", {"open": True})
    assert await dlp.transport.retire({*named, *others}, later) == []
    await (await ground.spool("dlp", Published())).step(event, Stage.SUBMITTED, PASSED, delivering)
    named = await ground.database["spool"].distinct("keys", {"open": True})
    assert await dlp.transport.retire({*named, *others}, later) == [old]
    with pytest.raises(KeyError):
        await ground.process("dlp").transport.private(old)
