"""Transport pairs: a new one each day, old ones until no mail names them, and nobody else's in their place."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from secumail.errors import Transient
from secumail.sealing.hpke import PrivateKey
from secumail.sealing.identities import Forged
from tests.unit.kernel.keys import Installation

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


async def test_a_service_has_one_pair_a_day(installation: Installation) -> None:
    dlp = installation.transport("dlp")
    for hours in (0, 1, 23):
        await dlp.rotate_if_due(NOON + timedelta(hours=hours))
    assert list(installation.shelf.pairs) == ["dlp/20261122T12"]
    await dlp.rotate_if_due(NOON + DAY)
    assert list(installation.shelf.pairs) == ["dlp/20261122T12", "dlp/20261123T12"]


async def test_others_seal_to_the_newest_pair_and_mail_sealed_to_the_old_one_still_opens(
    installation: Installation,
) -> None:
    dlp = installation.transport("dlp")
    await dlp.rotate_if_due(NOON)
    old, public = await installation.transport("gateway").public("dlp")
    wrap = public.seal(b"keys", b"")
    await dlp.rotate_if_due(NOON + DAY)
    new, _ = await installation.transport("gateway").public("dlp")
    assert (old, new) == ("dlp/20261122T12", "dlp/20261123T12")
    assert (await installation.transport("dlp").private(old)).open(wrap, b"") == b"keys"


async def test_replicas_that_race_agree_on_one_pair(installation: Installation) -> None:
    replicas = [installation.transport("dlp") for _ in range(4)]
    await asyncio.gather(*(replica.rotate_if_due(NOON) for replica in replicas))
    id_, public = await installation.transport("gateway").public("dlp")
    wrap = public.seal(b"keys", b"")
    assert len(installation.shelf.pairs) == 1
    assert [(await replica.private(id_)).open(wrap, b"") for replica in replicas] == [b"keys"] * 4


async def test_an_old_pair_is_destroyed_once_no_open_mail_names_it(installation: Installation) -> None:
    dlp = installation.transport("dlp")
    for day in range(4):
        await dlp.rotate_if_due(NOON + day * DAY)
    first, second, third, fourth = installation.shelf.pairs
    now = NOON + 3 * DAY + timedelta(hours=1)
    assert await dlp.retire({first}, now) == [second]
    assert set(installation.shelf.pairs) == {first, third, fourth}
    assert await dlp.retire((), now) == [first]
    with pytest.raises(KeyError):
        await dlp.private(first)


async def test_a_pair_others_may_still_be_sealing_to_is_kept(installation: Installation) -> None:
    dlp = installation.transport("dlp")
    await dlp.rotate_if_due(NOON)
    await dlp.rotate_if_due(NOON + DAY)
    assert await dlp.retire((), NOON + 2 * DAY) == []


async def test_a_service_destroys_and_opens_only_its_own(installation: Installation) -> None:
    dlp, crypto = installation.transport("dlp"), installation.transport("crypto")
    for transport in (dlp, crypto):
        await transport.rotate_if_due(NOON)
    assert await dlp.retire((), NOON + 10 * DAY) == ["dlp/20261122T12"]
    with pytest.raises(KeyError):
        await dlp.private("crypto/20261122T12")


async def test_a_public_key_swapped_in_the_database_is_refused(installation: Installation) -> None:
    await installation.transport("crypto").rotate_if_due(NOON)
    await installation.transport("stego").rotate_if_due(NOON)
    (crypto, stego) = installation.shelf.pairs.values()
    attacker = PrivateKey.generate()
    for swapped in (
        replace(crypto, public=attacker.public.raw),
        replace(crypto, public=stego.public, signature=stego.signature),
        replace(crypto, id="crypto/20261122T13"),
        replace(crypto, signature=bytes(64)),
    ):
        installation.shelf.pairs[crypto.id] = swapped
        with pytest.raises(Forged):
            await installation.transport("dlp").public("crypto")


async def test_a_stored_private_half_can_not_be_read_without_the_services_key(installation: Installation) -> None:
    await installation.transport("crypto").rotate_if_due(NOON)
    (pair,) = installation.shelf.pairs.values()
    opened = await installation.transport("crypto").private(pair.id)
    assert opened.raw not in pair.private and opened.raw[:64] not in pair.private


async def test_a_service_that_has_no_pair_yet_is_worth_waiting_for(installation: Installation) -> None:
    with pytest.raises(Transient, match="no-transport-key"):
        await installation.transport("gateway").public("dlp")


async def test_nobody_signs_in_anothers_name(installation: Installation) -> None:
    dlp, crypto = installation.transport("dlp"), installation.transport("crypto")
    signature = await dlp.sign(b"data")
    crypto.check("dlp", signature, b"data")
    for by, data in (("crypto", b"data"), ("dlp", b"other"), ("nobody", b"data")):
        with pytest.raises(Forged):
            crypto.check(by, signature, data)
