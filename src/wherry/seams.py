"""Clock, ids and chance: the one place where they are made.

Passed as arguments into every part that needs them; tests pass `wherry.testing` ones.  Invariant: no other module calls
`time.time`, `datetime.now`, `uuid4` or `random` for anything that is stored or decided on.
"""

from __future__ import annotations

import os
import time
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """Wall time in seconds since the epoch (for records) and monotonic seconds (for waiting)."""

    def time(self) -> float: ...
    def monotonic(self) -> float: ...


class Ids(Protocol):
    """Makes identifiers: `uuid()` is an RFC 4122 version 4 text, `suffix(n)` is n characters of [a-z0-9]."""

    def uuid(self) -> str: ...
    def suffix(self, length: int) -> str: ...


class SystemClock:
    """The machine's clocks."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


class SystemIds:
    """Random identifiers from the operating system."""

    def uuid(self) -> str:
        raw = bytearray(os.urandom(16))
        raw[6] = raw[6] & 0x0F | 0x40
        raw[8] = raw[8] & 0x3F | 0x80
        text = raw.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def suffix(self, length: int) -> str:
        return "".join(_ALPHABET[byte % 36] for byte in os.urandom(length))


def iso(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC with microseconds, as Kubernetes' MicroTime."""
    whole = int(seconds // 1)
    return f"{_whole_second(whole)}.{int((seconds - whole) * 1e6):06d}Z"


@lru_cache(maxsize=8)  # most stamps of a second are made within it
def _whole_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
