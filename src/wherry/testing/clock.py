"""Time, ids and waiting for tests: all three under the test's control.

Called by tests and by the contract suites.  Invariant: nothing here reads the machine's wall clock for a value that
is stored, and no wait sleeps longer than its condition needs.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class ManualClock:
    """A `wherry.seams.Clock` that stands still until `advance`."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._wall = start
        self._monotonic = 0.0

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._wall

    def monotonic(self) -> float:
        """Seconds since this clock was made."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Lets time pass; raises ValueError for a negative number of seconds."""
        if seconds < 0:
            raise ValueError("time does not go back")
        self._wall += seconds
        self._monotonic += seconds


class SequentialIds:
    """`wherry.seams.Ids` that count: the same test makes the same ids."""

    def __init__(self) -> None:
        self._made = 0

    def uuid(self) -> str:
        """A well-formed version 4 UUID that ends in the count."""
        self._made += 1
        return f"00000000-0000-4000-8000-{self._made:012x}"

    def suffix(self, length: int) -> str:
        """The count in base 36, `length` characters."""
        self._made += 1
        count, text = self._made, ""
        for _ in range(length):
            count, digit = divmod(count, 36)
            text = _DIGITS[digit] + text
        return text


async def until(condition: Callable[[], Any | Awaitable[Any]], *, within_s: float = 10.0) -> Any:
    """Waits until `condition()`, plain or awaitable, is true and returns its value; raises TimeoutError."""
    pause_s = 0.0
    async with asyncio.timeout(within_s):
        while True:
            value = condition()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s + 0.001, 0.05)
