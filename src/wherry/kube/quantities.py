"""Quantities: `100m` of a cpu, `2Gi` of memory, as exact numbers.

Called by the validation of pods and by what schedules them.  Invariant: values are exact (fractions), so that sums of
requests never drift.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,3})|([KMGTPE]i|[numkMGTPE]))?", re.ASCII)
_SCALE: dict[str, Fraction] = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    **{suffix: Fraction(1000**power) for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Fraction(1024**power) for power, suffix in enumerate("KMGTPE", start=1)},
}


@lru_cache(maxsize=1024, typed=True)  # True is not 1
def parse(text: str | int | float) -> Fraction:
    """The value of a Kubernetes quantity (cores, bytes, counts); raises ValueError when it is none."""
    if isinstance(text, bool):
        raise ValueError("quantities must be numbers")
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    number, exponent, suffix = match.groups()
    return Fraction(number) * (Fraction(10) ** int(exponent) if exponent else _SCALE[suffix or ""])
