"""The test kit's own clock, ids and waiting."""

import asyncio
import re

import pytest

from wherry.seams import Clock, Ids
from wherry.testing import ManualClock, SequentialIds, until


def test_the_clock_stands_still_until_it_is_advanced():
    clock: Clock = ManualClock(100.0)
    assert (clock.time(), clock.monotonic()) == (100.0, 0.0)
    clock.advance(2.5)
    assert (clock.time(), clock.monotonic()) == (102.5, 2.5)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


def test_ids_count_and_are_well_formed():
    ids: Ids = SequentialIds()
    made = [ids.uuid() for _ in range(3)]
    assert len(set(made)) == 3
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", id) for id in made)
    assert [ids.suffix(5), ids.suffix(5)] == ["00004", "00005"]
    assert SequentialIds().uuid() == made[0]


def test_until_returns_the_first_true_value():
    async def body():
        values = iter([0, "", [], "now"])
        assert await until(lambda: next(values)) == "now"
        done = asyncio.Event()

        async def awaited():
            done.set()
            return "async"

        assert await until(awaited) == "async"
        assert done.is_set()

    asyncio.run(body())


def test_until_gives_up():
    async def body():
        with pytest.raises(TimeoutError):
            await until(lambda: False, within_s=0.01)

    asyncio.run(body())


def test_until_passes_on_what_the_condition_raises():
    async def body():
        with pytest.raises(ZeroDivisionError):
            await until(lambda: 1 / 0)

    asyncio.run(body())
