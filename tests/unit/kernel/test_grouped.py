"""Operations asked for at the same time travel together, and each caller gets the outcome of its own."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure

from secumail.store.grouped import MOST, Change, Gathering, Grouped


class Server:
    """Doubles numbers, one command at a time; each command is noted."""

    def __init__(self, *faults: Exception) -> None:
        self.commands: list[list[int]] = []
        self._faults = list(faults)
        self.open = asyncio.Event()
        self.open.set()

    async def one(self, number: int) -> int:
        self.commands.append([number])
        await self.open.wait()
        if number < 0:
            raise OperationFailure("negative")
        return 2 * number

    async def many(self, numbers: Sequence[int]) -> Sequence[int]:
        self.commands.append(list(numbers))
        if self._faults:
            raise self._faults.pop(0)
        if min(numbers) < 0:
            raise OperationFailure("one of them is negative")
        return [2 * n for n in numbers]


async def test_those_asked_for_at_once_go_together_and_a_lone_one_by_itself() -> None:
    server = Server()
    double = Gathering(server.one, server.many)
    assert await asyncio.gather(*(double(n) for n in range(5))) == [0, 2, 4, 6, 8]
    assert await double(7) == 14
    assert server.commands == [[0, 1, 2, 3, 4], [7]]


async def test_what_gathers_while_a_command_is_under_way_is_the_next_command() -> None:
    server = Server()
    server.open.clear()
    double = Gathering(server.one, server.many)
    first = asyncio.create_task(double(1))
    await asyncio.sleep(0)
    others = [asyncio.create_task(double(n)) for n in (2, 3, 4)]
    await asyncio.sleep(0)
    server.open.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8]
    assert server.commands == [[1], [2, 3, 4]]


async def test_a_command_holds_a_bounded_number() -> None:
    server = Server()
    double = Gathering(server.one, server.many)
    await asyncio.gather(*(double(n) for n in range(3 * MOST)))
    assert max(map(len, server.commands)) == MOST


async def test_one_that_can_not_be_done_does_not_spoil_the_others() -> None:
    double = Gathering((server := Server()).one, server.many)
    answers = await asyncio.gather(*(double(n) for n in (1, -2, 3)), return_exceptions=True)
    assert (answers[0], answers[2]) == (2, 6)
    assert isinstance(answers[1], OperationFailure)


async def test_when_the_database_is_away_everybody_hears_it_and_the_next_try_again() -> None:
    double = Gathering((server := Server(AutoReconnect("away"))).one, server.many)
    answers = await asyncio.gather(*(double(n) for n in range(4)), return_exceptions=True)
    assert any(isinstance(answer, AutoReconnect) for answer in answers)
    assert all(isinstance(answer, AutoReconnect | int) for answer in answers)
    assert await double(5) == 10


async def test_one_who_stops_waiting_does_not_stop_the_others() -> None:
    server = Server()
    server.open.clear()
    double = Gathering(server.one, server.many)
    tasks = [asyncio.create_task(double(n)) for n in range(4)]
    await asyncio.sleep(0)
    tasks[2].cancel()
    server.open.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [a for a in answers if isinstance(a, int)] == [0, 2, 6]


class Unkept:
    """A collection whose writes are made and not kept by a majority, as while a primary steps down."""

    async def bulk_write(self, _requests: Sequence[Any], ordered: bool) -> None:
        assert not ordered
        raise BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 189, "errmsg": "stepping down"}]})


async def test_nobody_is_told_that_a_write_is_kept_which_a_majority_does_not_have() -> None:
    grouped = Grouped(Unkept())
    inserted = await asyncio.gather(*(grouped.insert({"_id": n}) for n in range(3)), return_exceptions=True)
    change = Change({"_id": 1}, {}, {"_id": 1})

    async def update() -> bool:
        return await grouped.update(change)

    updated = await asyncio.gather(*(update() for _ in range(3)), return_exceptions=True)
    assert all(isinstance(outcome, AutoReconnect) for outcome in (*inserted, *updated))


@pytest.mark.parametrize("number", [1, 2, MOST + 1])
async def test_every_number_of_callers_gets_its_own_answer(number: int) -> None:
    double = Gathering((server := Server()).one, server.many)
    assert await asyncio.gather(*(double(n) for n in range(number))) == [2 * n for n in range(number)]
