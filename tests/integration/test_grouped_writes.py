"""Operations that travel together on a real database: each has its own outcome."""

import asyncio

from pymongo.errors import WriteError

from secumail.store.grouped import Grouped
from tests.integration.ground import Ground


async def test_a_document_that_is_refused_does_not_make_its_neighbours_look_taken(ground: Ground) -> None:
    await ground.database.drop_collection("picky")
    picky = await ground.database.create_collection("picky", validator={"size": {"$lt": 100}})
    documents = [{"_id": 1, "size": 1}, {"_id": 2, "size": 1000}, {"_id": 3, "size": 1}, {"_id": 1, "size": 2}]
    grouped = Grouped(picky)
    first, refused, third, repeated = await asyncio.gather(*map(grouped.insert, documents), return_exceptions=True)
    assert isinstance(refused, WriteError)
    assert (first, third, repeated) == (True, True, False)
    assert await picky.distinct("_id") == [1, 3]
    await ground.database.drop_collection("picky")
