"""The change to lists of very many words stops nothing, and costs only what is new in them."""

import asyncio

from services.dlp.black_words import BlackWord, Words
from services.dlp.lists import Lists
from services.dlp.policy import Rules


def many(count: int) -> Words:
    return Words.of(
        BlackWord.model_construct(term=f"project {n} falcon", threshold=n + 1, scope="all") for n in range(count)
    )


async def test_the_loop_goes_round_while_words_are_compiled() -> None:
    """Counted, not timed: a build that lets no other thread run would let the loop go round once or twice."""
    lists, rounds = Lists(words=many(50_000)), 0
    compiling = asyncio.ensure_future(asyncio.to_thread(Rules.compile, lists))
    while not compiling.done():
        rounds += 1
        await asyncio.sleep(0)
    assert len((await compiling).words) == 50_000
    assert rounds > 10


def test_words_that_stay_are_not_compiled_again() -> None:
    before = Rules.compile(Lists(words=many(10)))
    after = Rules.compile(before.lists.model_copy(update={"version": 1, "white_mode": "strict"}), before)
    assert after.lists.white_mode == "strict"
    assert after.matcher is before.matcher
    other = Rules.compile(Lists(words=many(11)), after)
    assert other.matcher.count("project 10 falcon") == {10: 1}
