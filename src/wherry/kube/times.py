"""Times as objects carry them: metav1.Time, RFC 3339 in UTC with whole seconds.

Called wherever a timestamp of a Kubernetes object is written or read.  Invariant: `seconds_of(timestamp(x))` is x,
rounded down.
"""

from __future__ import annotations

import calendar
import time
from functools import lru_cache


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as text."""
    return _timestamp(int(seconds // 1))


@lru_cache(maxsize=64)
def _timestamp(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def seconds_of(text: str) -> int:
    """The inverse of `timestamp`; raises ValueError."""
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
