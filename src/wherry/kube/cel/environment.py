"""The functions that Kubernetes' expressions may call: CEL's standard library and what the API server adds.

Used by `wherry.kube.cel.compiling`.  Source: "Common Expression Language in Kubernetes".  Invariant: made once, when
the first rule is compiled; until then no library is loaded.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from wherry.cel.expressions import Environment

LIBRARIES = (  # modules, and the constants that hold their rows
    ("wherry.cel.standard", "STANDARD"),
    ("wherry.cel.strings", "STRINGS"),
    ("wherry.kube.cel.lists", "LISTS"),
    ("wherry.kube.cel.texts", "TEXTS"),
    ("wherry.kube.cel.quantities", "QUANTITIES"),
    ("wherry.kube.cel.networks", "NETWORKS"),
    ("wherry.kube.cel.formats", "FORMATS"),
)


@cache
def environment() -> Environment:
    """The one environment of all rules."""
    return Environment([row for module, name in LIBRARIES for row in getattr(import_module(module), name)])
