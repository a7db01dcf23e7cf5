"""What can't be done, on the running installation: a dead letter with its code, and a mail shown as stuck."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage

from secumail import topology
from secumail.contracts.events import MailEncrypted, MailFiltered, MailSubmitted
from secumail.installation.supervisor import Stack
from secumail.mailbox.summary import summarise
from secumail.sealing.claims import Step, TransitKeys
from secumail.sealing.hpke import PrivateKey
from secumail.service import Service
from secumail.spool.record import Envelope
from secumail.spool.spool import NewMail
from secumail.store.blobs import INLINE
from secumail.topology import EVENTS, WORK_QUEUES
from tests.integration.ground import Ground, until
from tests.people import Office, Person, mail


@dataclass
class Scene:
    """The running installation: its people, and what lies behind."""

    ground: Ground
    gateway: Service
    ada: Person
    bob: Person
    mails: list[UUID] = field(default_factory=list)

    async def kept(self, raw: bytes | None = None, conceal: bytes | None = None) -> MailSubmitted:
        """A mail of Ada's that is taken in and not yet announced: nobody works on it before `announce`."""
        raw = raw or mail(self.ada.address, self.bob.address)
        envelope = Envelope(
            self.ada.address,
            (self.bob.address,),
            summarise(raw).__dict__,
            conceal is not None,
            (("picture.png", len(conceal)),) if conceal is not None else (),
        )
        new = NewMail(uuid4().bytes, "submission", UUID(self.ada.account), envelope, raw, conceal)
        accepted = await self.gateway.spool.submit(new)
        assert isinstance(accepted.event, MailSubmitted)
        self.mails.append(accepted.id)
        return accepted.event

    async def publish(self, key: str, body: bytes, about: UUID) -> None:
        """Put something before whoever works on `key`."""
        events = await (await self.ground.operator()).get_exchange(EVENTS, ensure=False)
        message = Message(body, delivery_mode=DeliveryMode.PERSISTENT, correlation_id=str(about), type=key)
        await events.publish(message, key)

    async def announce(self, event: MailSubmitted | MailFiltered | MailEncrypted) -> None:
        await self.publish(event.routing_key, event.encode(), event.mail)

    async def change(self, event: MailSubmitted, **fields: Any) -> None:
        """As a writer to the database would."""
        changed = await self.ground.database["spool"].update_one({"_id": event.mail}, {"$set": fields})
        assert changed.modified_count == 1

    async def turn_a_bit(self, event: MailSubmitted, part: str) -> None:
        """Change one bit of a sealed part."""
        found = await self.ground.database["spool"].find_one({"_id": event.mail})
        assert found is not None
        sealed = found[part]["in"]
        await self.change(event, **{f"{part}.in": sealed[:-1] + bytes([sealed[-1] ^ 1])})

    async def ends(self, event_mail: UUID, service: str, code: str) -> AbstractIncomingMessage:
        """The mail's dead letter is in the service's queue with this code, and its sender is shown that it is stuck."""
        dead = await self.ground.one(topology.dead_queue(service))
        assert (dead.headers["x-error"], dead.correlation_id) == (code, str(event_mail))
        own = {name for name in dead.headers if name.startswith("x-")} - {"x-delivery-count"}
        assert own == {"x-error", "x-queue"}, "a code and a queue: no text, no trace of the content"

        async def shown() -> dict[str, Any] | None:
            submission = (await self.ada.get(f"/submissions/{event_mail}")).json()
            return submission if submission["stuck"] else None

        submission = await until(shown)
        assert (submission["stuck"], submission["settled"]) == (code, False)
        steps = (await self.ada.get(f"/submissions/{event_mail}/trace")).json()["steps"]
        assert steps[-1]["step"] == f"stuck:{code}" and steps[-1]["actor"] == service
        return dead


@pytest.fixture
async def scene(stack: Stack, office: Office) -> AsyncIterator[Scene]:
    ground = Ground(stack.home)
    ada, bob = await office.member("ada"), await office.member("bob")
    scene = Scene(ground, await ground.service("gateway"), ada, bob)
    yield scene
    # Others share the installation: leave nothing stuck behind.
    await ground.database["spool"].delete_many({"_id": {"$in": scene.mails}, "open": True})
    await ground.close()


# --- a malformed event in each queue ----------------------------------------------------------------------


@pytest.mark.parametrize("queue", WORK_QUEUES, ids=lambda queue: queue.name)
async def test_a_malformed_event(scene: Scene, queue: topology.WorkQueue) -> None:
    event = await scene.kept()
    body = b'{"type":"mail.submitted","mail":"not a mail"}'
    await scene.publish(queue.binding, body, event.mail)
    dead = await scene.ends(event.mail, queue.service, "malformed")
    assert (dead.body, dead.headers["x-queue"]) == (body, queue.name)


# --- what is gone -----------------------------------------------------------------------------------------


async def test_a_vanished_blob(scene: Scene) -> None:
    event = await scene.kept(mail(scene.ada.address, scene.bob.address, text="x" * INLINE))
    found = await scene.ground.database["spool"].find_one({"_id": event.mail})
    assert found is not None
    assert (await scene.ground.database["blobs.files"].delete_one({"_id": found["mime"]["id"]})).deleted_count == 1
    await scene.announce(event)
    await scene.ends(event.mail, "dlp", "blob-gone")


async def test_a_mail_whose_record_is_gone(scene: Scene) -> None:
    event = await scene.kept()
    await scene.ground.database["spool"].delete_one({"_id": event.mail})
    await scene.announce(event)
    dead = await scene.ground.one("dlp.dead")
    assert dead.headers["x-error"] == "no-such-mail"


# --- a wrong key ------------------------------------------------------------------------------------------


async def _sealed(scene: Scene, event: MailSubmitted, key: str, wrap: bytes) -> MailSubmitted:
    """The same event with another wrap, well signed by the gateway."""
    signed = Step(event.type, event.mail, 0).context("gateway", "dlp", key, "submission") + wrap
    signature = await scene.gateway.transport.sign(signed)
    other = {"key": key, "wrap": base64.b64encode(wrap).decode(), "signature": base64.b64encode(signature).decode()}
    return event.model_copy(update={"claim": event.claim.model_copy(update=other)})


async def test_a_claim_sealed_to_a_wrong_key(scene: Scene) -> None:
    event = await scene.kept()
    context = Step(event.type, event.mail, 0).context("gateway", "dlp", event.claim.key, "submission")
    wrap = PrivateKey.generate().public.seal(TransitKeys.generate().encode(), context)
    await scene.announce(await _sealed(scene, event, event.claim.key, wrap))
    await scene.ends(event.mail, "dlp", "claim-wrong-key")


async def test_a_claim_sealed_to_a_key_that_was_destroyed(scene: Scene) -> None:
    event = await scene.kept()
    await scene.announce(await _sealed(scene, event, "dlp/20200101T00", b"wrap"))
    await scene.ends(event.mail, "dlp", "claim-key-gone")


async def test_a_claim_that_opens_with_other_keys_than_the_mails(scene: Scene) -> None:
    event = await scene.kept()
    claim = await scene.gateway.claims.seal(
        Step(event.type, event.mail, 0), "dlp", TransitKeys.generate(), "submission"
    )
    await scene.announce(event.model_copy(update={"claim": claim}))
    await scene.ends(event.mail, "dlp", "envelope-tampered")


async def test_a_claim_of_another_mail(scene: Scene) -> None:
    event, other = await scene.kept(), await scene.kept()
    await scene.announce(event.model_copy(update={"claim": other.claim}))
    await scene.ends(event.mail, "dlp", "claim-forged")


async def test_a_verdict_that_dlp_did_not_give(scene: Scene) -> None:
    event = await scene.kept()
    claim = await scene.gateway.claims.seal(
        Step("mail.filtered", event.mail, 0), "crypto", TransitKeys.generate(), "pass"
    )
    await scene.change(event, stage="filtered")
    await scene.announce(MailFiltered(mail=event.mail, size=event.size, verdict="pass", claim=claim))
    await scene.ends(event.mail, "crypto", "verdict-not-accepted")


async def test_a_claim_missing_where_stego_needs_one(scene: Scene) -> None:
    event = await scene.kept()
    await scene.change(event, stage="encrypted")
    await scene.announce(MailEncrypted(mail=event.mail, size=event.size, route="conceal"))
    await scene.ends(event.mail, "stego", "no-claim")


# --- a tampered sealed field ------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["envelope", "mime"])
async def test_a_tampered_part(scene: Scene, part: str) -> None:
    event = await scene.kept()
    await scene.turn_a_bit(event, part)
    await scene.announce(event)
    await scene.ends(event.mail, "dlp", f"{part}-tampered")


async def test_a_tampered_picture(scene: Scene) -> None:
    event = await scene.kept(conceal=b"a picture, as far as the spool knows")
    await scene.turn_a_bit(event, "cover")
    await scene.announce(event)
    await scene.ends(event.mail, "dlp", "cover-tampered")


async def test_a_mail_put_into_anothers_mouth(scene: Scene) -> None:
    event = await scene.kept()
    await scene.change(event, account=UUID(scene.bob.account))
    await scene.announce(event)
    dead = await scene.ground.one("crypto.dead")
    assert (dead.headers["x-error"], dead.correlation_id) == ("author-forged", str(event.mail))
    assert scene.bob.account != scene.ada.account
    assert all(row["mail"] != str(event.mail) for row in await scene.bob.mails())


async def test_an_authorship_with_one_bit_turned(scene: Scene) -> None:
    event = await scene.kept()
    found = await scene.ground.database["spool"].find_one({"_id": event.mail})
    assert found is not None
    by, signature = found["authorship"]
    await scene.change(event, authorship=[by, bytes(signature[:-1]) + bytes([signature[-1] ^ 1])])
    await scene.announce(event)
    await scene.ends(event.mail, "crypto", "author-forged")


# --- and the mail that is as it should be -----------------------------------------------------------------


async def test_the_same_mail_untouched_arrives(scene: Scene) -> None:
    event = await scene.kept()
    await scene.announce(event)
    submission = await scene.ada.settled(str(event.mail))
    assert [r["state"] for r in submission["recipients"]] == ["delivered"]
    assert submission["stuck"] is None
    assert await scene.bob.received(str(event.mail))
