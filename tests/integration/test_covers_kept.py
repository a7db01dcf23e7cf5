"""Used covers and the organisation's library, as they lie in the database."""

import asyncio
import hashlib
from uuid import UUID, uuid4

import pytest

from secumail.errors import Transient
from services.stego.adapters.mongodb import StoredLibrary, StoredUsedCovers
from services.stego.refusals import CoverRefused
from services.stego.terms import Judged
from tests.integration.ground import Ground
from tests.integration.test_indexes import profiled

LOOK = 0x2499AA647BBF9198
ALIKE = LOOK ^ (1 << 3) ^ (1 << 17) ^ (1 << 60)


def digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def judged(room: int = 5000) -> Judged:
    return Judged(
        "jpeg", 800, 600, 100_000, {"careful": room // 3, "normal": room, "maximum": room * 8}, LOOK, 3.5, ("a note",)
    )


async def used_covers(ground: Ground) -> StoredUsedCovers:
    """The memory of used covers, empty."""
    await ground.database["covers_used"].delete_many({})
    stego = await ground.service("stego")
    return StoredUsedCovers(stego.database["covers_used"], stego.keys["stego.covers"])


async def library(ground: Ground) -> StoredLibrary:
    """The library, empty."""
    await ground.database["covers"].delete_many({})
    stego = await ground.service("stego")
    return StoredLibrary(stego.database["covers"], stego.blobs, stego.keys["stego.covers"])


async def refused(used: StoredUsedCovers, mail: UUID, *covers: tuple[bytes, int]) -> bool:
    try:
        await used.use(mail, covers)
    except CoverRefused as refusal:
        assert refusal.code == "cover-used"
        return True
    return False


async def test_a_cover_serves_one_mail_however_often_its_step_runs(ground: Ground) -> None:
    used, mail = await used_covers(ground), uuid4()
    covers = [(digest("hill"), LOOK), (digest("sea"), ~LOOK & (2**64 - 1))]
    for _ in range(2):
        await used.use(mail, covers)
    assert await refused(used, uuid4(), covers[0])
    assert await refused(used, uuid4(), (digest("hill, scaled"), ALIKE))
    assert await refused(used, uuid4(), (digest("hill"), 0))
    assert await used.knows(digest("hill, recompressed"), ALIKE)
    assert not await used.knows(digest("hill"), LOOK, mail)
    assert not await used.knows(digest("lake"), 0x0123456789ABCDEF)


async def test_a_mail_that_is_refused_one_cover_leaves_its_others_free(ground: Ground) -> None:
    used = await used_covers(ground)
    await used.use(uuid4(), [(digest("hill"), LOOK)])
    assert await refused(used, uuid4(), (digest("lake"), 0x0123456789ABCDEF), (digest("hill"), LOOK))
    assert not await refused(used, uuid4(), (digest("lake"), 0x0123456789ABCDEF))


async def test_of_mails_that_take_one_picture_at_once_at_most_one_gets_it(ground: Ground) -> None:
    used = await used_covers(ground)
    for name, looks in (("same", [LOOK] * 6), ("alike", [LOOK ^ (1 << bit) for bit in range(6)])):
        await ground.database["covers_used"].delete_many({})
        outcomes = await asyncio.gather(*(refused(used, uuid4(), (digest(f"{name} {look}"), look)) for look in looks))
        assert outcomes.count(False) <= 1


async def test_the_library_gives_a_picture_to_one_mail_and_forgets_it_afterwards(ground: Ground) -> None:
    kept, mail, other, admin = await library(ground), uuid4(), uuid4(), uuid4()
    for name in ("hill.jpg", "sea.jpg"):
        added = await kept.add(name.encode() * 40_000, name, judged(), admin)
        assert (added.name, added.actor, added.judged) == (name, admin, judged())
    assert [cover.name for cover in await kept.all()] == ["hill.jpg", "sea.jpg"]
    assert (await kept.all())[0].judged == judged()

    taken = await kept.take(mail, 4000, "normal")
    assert taken == await kept.take(mail, 4000, "normal"), "a step that runs again gets the same"
    ((one, file),) = taken
    assert file == one.name.encode() * 40_000
    ((another, _),) = await kept.take(other, 4000, "normal")
    assert {one.name, another.name} == {"hill.jpg", "sea.jpg"}
    with pytest.raises(CoverRefused) as caught:
        await kept.take(uuid4(), 4000, "normal")
    assert caught.value.code == "cover-library-empty"
    assert not await kept.remove(one.id, None), "it is taken"

    await kept.give_back(other)
    await kept.spend(mail)
    (left,) = await kept.all()
    assert (left.name, left.mail) == (another.name, None)
    assert await kept.remove(left.id, None)
    assert await kept.all() == []
    assert await ground.database["blobs.files"].count_documents({}) == 0


async def test_a_run_that_was_cut_off_while_it_took_several_pictures_gets_all_of_them_again(ground: Ground) -> None:
    kept, mail = await library(ground), uuid4()
    for name in ("hill.jpg", "sea.jpg"):
        await kept.add(name.encode(), name, judged(), None)
    await ground.database["covers"].update_one({}, {"$set": {"mail": mail}})
    assert len(await kept.take(mail, 8000, "normal")) == 2


async def test_a_mail_that_is_refused_forgets_only_what_it_noted_itself(ground: Ground) -> None:
    """Its earlier run may have gone out."""
    used, mail, other = await used_covers(ground), uuid4(), uuid4()
    await used.use(mail, [(digest("hill"), LOOK)])
    # Another mail has noted nearly the same picture, and not yet looked.
    await ground.database["covers_used"].update_one({}, {"$set": {"mail": other}})
    await ground.database["covers_used"].insert_one(
        {**(await ground.database["covers_used"].find_one({}) or {}), "_id": b"x" * 32, "mail": mail, "pairs": []}
    )
    assert await refused(used, mail, (digest("sea"), ALIKE))
    assert await ground.database["covers_used"].count_documents({"mail": mail}) == 1


async def test_of_two_mails_that_need_the_same_pictures_one_is_told_that_there_are_none(ground: Ground) -> None:
    kept = await library(ground)
    for name in ("hill.jpg", "sea.jpg"):
        await kept.add(name.encode(), name, judged(), None)
    outcomes = await asyncio.gather(*(kept.take(uuid4(), 8000, "normal") for _ in range(3)), return_exceptions=True)
    served = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert len(served) <= 1
    assert all(len(pictures) == 2 for pictures in served)
    others = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(outcome, CoverRefused | Transient) for outcome in others)


async def test_the_database_tells_nothing_of_the_pictures_and_is_read_by_index(ground: Ground) -> None:
    used, kept, mail = await used_covers(ground), await library(ground), uuid4()
    for number in range(20):
        await used.use(uuid4(), [(digest(str(number)), (LOOK * (2 * number + 3)) % 2**64)])
        await kept.add(b"a picture", f"anna-{number}.jpg", judged(), uuid4())
    async with profiled(ground) as profile:
        await used.use(mail, [(digest("hill"), ~LOOK & (2**64 - 1))])
        await used.knows(digest("sea"), 0x0123456789ABCDEF)
        await kept.take(mail, 4000, "normal")
        await kept.give_back(mail)
        await kept.spend(mail)
        await kept.remove((await kept.all())[0].id, None)
    assert profile.faults() == []
    raw = [d async for d in ground.database["covers"].find()] + [d async for d in ground.database["covers_used"].find()]
    assert len(raw) == 19 + 21
    for document in (b"".join(_bytes(d)) for d in raw):
        for secret in (b"anna", b"a picture", b"jpeg", LOOK.to_bytes(8), digest("hill")):
            assert secret not in document


def _bytes(value: object) -> list[bytes]:
    """Whatever of a document could be read."""
    if isinstance(value, dict):
        return [part for inner in value.values() for part in _bytes(inner)]
    if isinstance(value, list):
        return [part for inner in value for part in _bytes(inner)]
    return [value if isinstance(value, bytes) else str(value).encode()]
