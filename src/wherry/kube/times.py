"""Times as objects carry them: metav1.Time, RFC 3339 in UTC with whole seconds.

Called wherever a timestamp of a Kubernetes object is written or read.  Invariant: `seconds_of(timestamp(x))` is x,
rounded down.
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from functools import lru_cache

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as text."""
    return _timestamp(int(seconds // 1))


@lru_cache(maxsize=64)
def _timestamp(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def seconds_of(text: str) -> int:
    """The inverse of `timestamp`, which takes every form of RFC 3339 that clients write; raises ValueError."""
    if not _RFC3339.fullmatch(text):
        raise ValueError(f"time data {text!r} is not in RFC 3339")
    return int(datetime.fromisoformat(text.upper()).timestamp() // 1)
