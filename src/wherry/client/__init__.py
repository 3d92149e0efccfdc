"""What users' code speaks to a server through.  Names load on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.client.api import Client, RunNotFound, ServerStopped
    from wherry.client.runs import Run, run

__all__ = ["Client", "Run", "RunNotFound", "ServerStopped", "run"]

_LAZY = {
    "Client": "wherry.client.api",
    "Run": "wherry.client.runs",
    "RunNotFound": "wherry.client.api",
    "ServerStopped": "wherry.client.api",
    "run": "wherry.client.runs",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'wherry.client' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
