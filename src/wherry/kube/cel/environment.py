"""The functions that Kubernetes' expressions may call: CEL's standard library and what the API server adds.

Used by `wherry.kube.cel.rules`.  Source: "Common Expression Language in Kubernetes".  Invariant: made once, when the
first rule is compiled.
"""

from __future__ import annotations

from functools import cache

from wherry.cel.expressions import Environment
from wherry.cel.standard import STANDARD


@cache
def environment() -> Environment:
    """The one environment of all rules."""
    return Environment(STANDARD)
