"""Quantities: `100m` of a cpu, `2Gi` of memory, as exact numbers.

Called by the validation of pods and by what schedules them.  Invariant: values are exact (fractions), so that sums of
requests never drift.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,3})|([KMGTPE]i|[numkMGTPE]))?", re.ASCII)
_POWERS = "KMGTPE"
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


def written(amount: Fraction, *, binary: bool) -> str:
    """An amount in its canonical form: the largest suffix that leaves an integer, of 1024 (binary) or of 1000."""
    if binary and amount.denominator == 1 and abs(amount) >= 1024:
        number, power = int(amount), 0
        while power < len(_POWERS) and number % 1024 == 0:
            number, power = number // 1024, power + 1
        return f"{number}{_POWERS[power - 1]}i" if power else str(number)
    for suffix in ("", "m", "u", "n"):
        scaled = amount / _SCALE[suffix]
        if scaled.denominator == 1 or suffix == "n":
            number, power = math.ceil(scaled), 0
            while not suffix and number and power < len(_POWERS) and number % 1000 == 0:
                number, power = number // 1000, power + 1
            return f"{number}{_POWERS[power - 1].replace('K', 'k') if power else suffix}"
    raise AssertionError("nano is the last suffix")


def is_binary(name: str, *texts: str) -> bool:
    """Whether amounts of a resource are written in powers of 1024: memory and storage are, and what texts show so."""
    return any(text.endswith("i") for text in texts) or name.rpartition(".")[2] in ("memory", "storage")
