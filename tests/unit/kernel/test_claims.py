"""A claim opens for the service it names, for the very step it names, and for nobody and nothing else."""

import asyncio
import base64
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from secumail.contracts.claims import SealedClaim
from secumail.errors import Permanent
from secumail.sealing.claims import Claims, Step, TransitKeys
from tests.unit.kernel.keys import Installation

MAIL = UUID("0b6f0a52-7f0d-5a0e-8d5e-3f1f6f2b9c11")
STEP = Step("mail.filtered", MAIL, 0)
KEYS = TransitKeys(b"e" * 32, b"c" * 32)


async def test_a_claim_opens_for_the_service_it_is_made_out_to(installation: Installation) -> None:
    dlp, crypto = await installation.ready("dlp", "crypto")
    claim = await dlp.seal(STEP, "crypto", KEYS, "pass")
    assert await crypto.open(claim, STEP, by={"dlp"}) == KEYS
    assert (claim.by, claim.to, claim.says) == ("dlp", "crypto", "pass")


async def test_delivery_is_given_the_envelope_and_not_the_mail(installation: Installation) -> None:
    crypto, delivery = await installation.ready("crypto", "delivery")
    step = Step("mail.encrypted", MAIL, 0)
    claim = await crypto.seal(step, "delivery", TransitKeys(KEYS.envelope), "sealed")
    opened = await delivery.open(claim, step, by={"crypto"})
    assert (opened.envelope, opened.content) == (KEYS.envelope, b"")


@pytest.mark.parametrize(
    "other",
    [Step("mail.submitted", MAIL, 0), Step("mail.filtered", uuid4(), 0), Step("mail.filtered", MAIL, 1)],
    ids=["another event", "another mail", "another generation"],
)
async def test_a_claim_does_not_open_at_another_step(installation: Installation, other: Step) -> None:
    dlp, crypto = await installation.ready("dlp", "crypto")
    claim = await dlp.seal(STEP, "crypto", KEYS, "pass")
    with pytest.raises(Permanent) as refused:
        await crypto.open(claim, other, by={"dlp"})
    assert refused.value.code == "claim-forged"


async def test_a_claim_does_not_open_for_another_service(installation: Installation) -> None:
    dlp, crypto, stego = await installation.ready("dlp", "crypto", "stego")
    claim = await dlp.seal(STEP, "crypto", KEYS, "pass")
    with pytest.raises(Permanent) as refused:
        await stego.open(claim, STEP, by={"dlp"})
    assert refused.value.code == "claim-for-another"
    # Nor when it is re-addressed by somebody who may not sign for dlp.
    readdressed = await stego.seal(STEP, "stego", KEYS, "pass")
    with pytest.raises(Permanent) as refused:
        await stego.open(readdressed.model_copy(update={"by": "dlp"}), STEP, by={"dlp"})
    assert refused.value.code == "claim-forged"
    assert (await crypto.open(claim, STEP, by={"dlp"})) == KEYS


async def test_a_claim_by_a_service_that_may_not_make_it_is_not_accepted(installation: Installation) -> None:
    stego, crypto = await installation.ready("stego", "crypto")
    claim = await stego.seal(STEP, "crypto", KEYS, "pass")
    with pytest.raises(Permanent) as refused:
        await crypto.open(claim, STEP, by={"dlp"})
    assert refused.value.code == "claim-not-accepted"


async def test_a_reviewers_claim_is_good_by_their_signature_alone(installation: Installation) -> None:
    gateway, crypto = await installation.ready("gateway", "crypto")
    reviewer, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    account = uuid4()
    claim = await gateway.seal_as_person(STEP, "crypto", KEYS, "released", account, reviewer)
    assert await crypto.open(claim, STEP, by=(), person=reviewer.public_key()) == KEYS

    async def code(person: Ed25519PrivateKey | None, changed: SealedClaim) -> str:
        with pytest.raises(Permanent) as refused:
            await crypto.open(changed, STEP, by={"gateway"}, person=person.public_key() if person else None)
        return refused.value.code

    assert await code(other, claim) == "claim-forged"
    assert await code(None, claim) == "claim-not-accepted"
    in_anothers_name = claim.model_copy(update={"by": f"account:{uuid4()}"})
    assert await code(reviewer, in_anothers_name) == "claim-forged"


async def test_a_claim_for_a_key_that_was_destroyed_says_so(installation: Installation) -> None:
    dlp, _ = await installation.ready("dlp", "crypto")
    claim = await dlp.seal(STEP, "crypto", KEYS, "pass")
    await installation.shelf.remove(claim.key)
    restarted = Claims(installation.transport("crypto"))
    with pytest.raises(Permanent) as refused:
        await restarted.open(claim, STEP, by={"dlp"})
    assert refused.value.code == "claim-key-gone"


async def test_a_claim_sealed_to_a_wrong_key_says_so(installation: Installation) -> None:
    dlp, crypto, stego = await installation.ready("dlp", "crypto", "stego")
    # dlp itself is at fault: what it seals for crypto is wrapped to stego's key, and well signed.
    claim = await dlp.seal(STEP, "crypto", KEYS, "pass")
    context = STEP.context("dlp", "crypto", claim.key, "pass")
    _, stegos = await installation.transport("dlp").public("stego")
    wrap = stegos.seal(KEYS.encode(), context)
    signature = await installation.transport("dlp").sign(context + wrap)
    wrong = claim.model_copy(
        update={"wrap": base64.b64encode(wrap).decode(), "signature": base64.b64encode(signature).decode()}
    )
    for service in (crypto, stego):
        with pytest.raises(Permanent) as refused:
            await service.open(wrong, STEP, by={"dlp"})
        assert refused.value.code in ("claim-wrong-key", "claim-for-another")


async def test_a_damaged_private_half_in_the_store_is_a_fault_with_a_name(installation: Installation) -> None:
    dlp, _ = await installation.ready("dlp", "crypto")
    claim = await dlp.seal(STEP, "crypto", KEYS, "pass")
    pair = installation.shelf.pairs[claim.key]
    object.__setattr__(pair, "private", pair.private[:-1] + bytes([pair.private[-1] ^ 1]))
    with pytest.raises(Permanent) as refused:
        await Claims(installation.transport("crypto")).open(claim, STEP, by={"dlp"})
    assert refused.value.code == "claim-key-damaged"


# --- every field, tampered with ---------------------------------------------------------------------------


@cache
def _sealed() -> tuple[Claims, SealedClaim]:
    async def seal() -> tuple[Claims, SealedClaim]:
        with TemporaryDirectory() as folder:
            dlp, crypto = await Installation(Path(folder)).ready("dlp", "crypto")
            return crypto, await dlp.seal(STEP, "crypto", KEYS, "pass")

    return asyncio.run(seal())


def _bits(text: str) -> st.SearchStrategy[str]:
    """The base64 of the same bytes with one bit turned, or cut short."""
    raw = base64.b64decode(text)

    def turned(place: int) -> bytes:
        return raw[: place // 8] + bytes([raw[place // 8] ^ (1 << place % 8)]) + raw[place // 8 + 1 :]

    bits = st.integers(0, len(raw) * 8 - 1).map(turned)
    cuts = st.integers(0, len(raw) - 1).map(lambda end: raw[:end])
    return (bits | cuts).map(lambda changed: base64.b64encode(changed).decode())


@st.composite
def _tampered(draw: st.DrawFn) -> SealedClaim:
    _, claim = _sealed()
    field = draw(st.sampled_from(sorted(SealedClaim.model_fields)))
    original: str = getattr(claim, field)
    encoded = field in ("wrap", "signature")
    change = draw(_bits(original) | st.text(max_size=64) if encoded else st.text(max_size=64))
    return claim.model_copy(update={field: change if change != original else original + "x"})


@given(_tampered())
@settings(max_examples=200, deadline=None)
def test_a_claim_with_any_field_changed_is_refused_with_a_code(tampered: SealedClaim) -> None:
    crypto, _ = _sealed()
    with pytest.raises(Permanent) as refused:
        asyncio.run(crypto.open(tampered, STEP, by={"dlp"}))
    assert refused.value.code.startswith("claim-")


def test_keys_do_not_show_themselves() -> None:
    assert "c" * 8 not in repr(KEYS) and "63" not in repr(KEYS)
