"""Who uses the database next."""

import asyncio

import pytest

from bot.store.turns import Turns


async def queue(turns: Turns, wanted: list[tuple[str, bool]]) -> tuple[list[str], dict[str, asyncio.Task[None]], asyncio.Event]:
    """Occupies the only place, lets the others line up, and returns the order in which they come, their tasks, and what ends the occupation."""
    order: list[str] = []
    over = asyncio.Event()

    async def occupy() -> None:
        async with turns.one(urgent=False):
            await over.wait()

    async def take(name: str, urgent: bool) -> None:
        async with turns.one(urgent=urgent):
            order.append(name)

    tasks = {"first": asyncio.create_task(occupy())}
    for name, urgent in wanted:
        await asyncio.sleep(0)
        tasks[name] = asyncio.create_task(take(name, urgent))
    await asyncio.sleep(0)
    return order, tasks, over


async def test_urgent_work_goes_first_and_the_rest_in_its_order() -> None:
    order, tasks, over = await queue(Turns(1), [("a", False), ("b", False), ("c", True), ("d", True)])
    assert order == []
    over.set()
    await asyncio.gather(*tasks.values())
    assert order == ["c", "d", "a", "b"]


async def test_who_gives_up_holds_up_nobody() -> None:
    turns = Turns(1)
    order, tasks, over = await queue(turns, [("a", False), ("b", False), ("c", False)])
    tasks["a"].cancel()
    over.set()
    await asyncio.sleep(0)  # the place is handed to b, who goes in this very moment
    tasks["b"].cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert "c" in order
    assert "a" not in order
    async with asyncio.timeout(1), turns.one(urgent=False):
        pass


async def test_a_failure_frees_the_place() -> None:
    turns = Turns(1)
    with pytest.raises(ValueError, match="wrong"):
        async with turns.one(urgent=True):
            raise ValueError("wrong")
    async with asyncio.timeout(1), turns.one(urgent=False):
        pass


async def test_so_many_go_at_a_time_as_there_are_places() -> None:
    turns = Turns(2)
    async with turns.one(urgent=False), turns.one(urgent=False):
        third = asyncio.create_task(turns.one(urgent=True).__aenter__())
        await asyncio.sleep(0)
        assert not third.done()
    async with asyncio.timeout(1):
        await third
